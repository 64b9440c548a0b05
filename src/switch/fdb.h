/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwarding database of one network: MAC address -> port slot.
 *
 * Theory of operation. A hash table of buckets, one cache line each: seven
 * entries of 64 bits (48 of address, 16 of slot) and seven age bytes. A lookup
 * reads one line (two when the address lives in its second bucket), without a
 * lock; an entry is one atomic word, so it is never seen half-changed. Learning
 * takes the bucket's lock bit. When the table fills, the control thread builds
 * one of twice the size, publishes it with RCU and frees the old; what was
 * learned in between in the old one is lost and learned again at the next
 * frame.
 *
 * Workers look up and learn; the control thread ages, grows, lists, flushes.
 */
#ifndef RW_FDB_H
#define RW_FDB_H

#include <stdbool.h>
#include <stdint.h>

struct fdb;

#define FDB_NO_SLOT UINT16_MAX /* so at most 65535 ports in a network */

/* Begins with @buckets (a power of two, at least 2) of seven addresses each.
 * NULL: out of memory. */
struct fdb *fdb_create(uint32_t buckets);
void fdb_destroy(struct fdb *f); /* no worker may have it */

/* Slot of @mac (mac_to_u64), or FDB_NO_SLOT. Worker, inside its loop. */
uint16_t fdb_lookup(const struct fdb *f, uint64_t mac);

/* Has the memory fetched that a lookup or learning of @mac looks at first. For
 * several addresses to come; one alone is found as fast without. Worker. */
void fdb_prefetch(const struct fdb *f, uint64_t mac);

enum fdb_result {
	FDB_KNOWN, /* same slot; its age was refreshed */
	FDB_ADDED,
	FDB_MOVED, /* was at *@old_slot before */
	FDB_FULL,  /* no room until the table has grown */
};
/* Remembers that @mac is behind @slot. When @may_add is false an unknown
 * address is not added (FDB_FULL). Worker. */
enum fdb_result fdb_learn(struct fdb *f, uint64_t mac, uint16_t slot,
			  bool may_add, uint16_t *old_slot);

/*
 * Changes whenever what was found before may be true no longer: after an
 * address moved or was forgotten, after the table grew, and with each tick of
 * ageing. A new address does not change it. Never 0, and no two tables have the
 * same. Whoever remembers what it found asks before it looks. Any thread.
 */
uint64_t fdb_version(const struct fdb *f);

/* Should fdb_grow() be called? Any thread. */
bool fdb_wants_growth(const struct fdb *f);
/* Control: builds and publishes the larger table. 0 or -ENOMEM. */
int fdb_grow(struct fdb *f);

/* Control: one tick of ageing; entries untouched for @max_ticks go.
 * @gone(slot, arg) is called for each. */
void fdb_age(struct fdb *f, unsigned max_ticks,
	     void (*gone)(uint16_t slot, void *arg), void *arg);

/* Control: forgets the entries of @slot (FDB_NO_SLOT: all). Returns how many;
 * @gone as above, may be NULL. */
unsigned fdb_flush(struct fdb *f, uint16_t slot,
		   void (*gone)(uint16_t slot, void *arg), void *arg);

/* Control: each entry with its age in ticks; stops when @fn returns false. */
void fdb_each(const struct fdb *f,
	      bool (*fn)(uint64_t mac, uint16_t slot, unsigned ticks,
			 void *arg),
	      void *arg);

uint64_t fdb_count(const struct fdb *f); /* entries; any thread */

#endif

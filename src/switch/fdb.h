/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwarding database of one network: MAC address -> port slot.
 *
 * Theory of operation. A hash table of buckets, one cache line each: seven
 * entries of 64 bits (48 of address, 16 of slot) and seven age bytes. A lookup
 * takes no lock and reads one line, or two for an address in its second bucket.
 * An entry is one atomic word, never seen half-changed. Learning takes the
 * bucket's lock bit. When the table fills, the control thread builds one of
 * four times the size, publishes it with RCU and frees the old one. Addresses
 * that workers could not learn meanwhile are learned at their next frame.
 *
 * Workers look up and learn; the control thread ages, grows, lists, flushes.
 */
#ifndef RW_FDB_H
#define RW_FDB_H

#include <stdbool.h>
#include <stdint.h>

struct fdb;

#define FDB_NO_SLOT UINT16_MAX /* allows 65535 ports in a network */

/* Returns a table of @buckets (a power of two, at least 2) with seven addresses
 * each; NULL: out of memory. */
struct fdb *fdb_create(uint32_t buckets);
void fdb_destroy(struct fdb *f); /* no worker may use it */

/* Returns the slot of @mac (mac_to_u64), or FDB_NO_SLOT. [worker] */
uint16_t fdb_lookup(const struct fdb *f, uint64_t mac);

/* Prefetches the memory that a lookup or learning of @mac reads first. Helps
 * with several addresses to come; a single one is as fast without. [worker] */
void fdb_prefetch(const struct fdb *f, uint64_t mac);

enum fdb_result {
	FDB_KNOWN, /* same slot as before; refreshes the age */
	FDB_ADDED,
	FDB_MOVED, /* was behind *@old_slot before */
	FDB_FULL,  /* no room before the table grows */
};
/* Records that @mac is behind @slot. If @may_add is false, an address that is
 * unknown or behind another slot stays so (FDB_FULL). [worker] */
enum fdb_result fdb_learn(struct fdb *f, uint64_t mac, uint16_t slot,
			  bool may_add, uint16_t *old_slot);

/*
 * Returns the table's version, for users that remember results: a result is
 * valid while the version is the one read before the lookup. The version
 * changes after an address moved or was forgotten, after the table grew, and
 * with each tick of ageing; not with a new address. Never 0; no two tables have
 * the same versions. Any thread.
 */
uint64_t fdb_version(const struct fdb *f);

/* Returns whether fdb_grow() should be called. Any thread. */
bool fdb_wants_growth(const struct fdb *f);
/* Builds and publishes a larger table. Returns 0 or -ENOMEM. [ctl] */
int fdb_grow(struct fdb *f);

/* Makes one tick of ageing: removes entries untouched for @max_ticks and calls
 * @gone(slot, arg) for each. [ctl] */
void fdb_age(struct fdb *f, unsigned max_ticks,
	     void (*gone)(uint16_t slot, void *arg), void *arg);

/* Removes the entries of @slot (FDB_NO_SLOT: all) and calls @gone, which may be
 * NULL, for each. Returns how many. [ctl] */
unsigned fdb_flush(struct fdb *f, uint16_t slot,
		   void (*gone)(uint16_t slot, void *arg), void *arg);

/* Calls @fn for each entry, with its age in ticks, until @fn returns false.
 * [ctl] */
void fdb_each(const struct fdb *f,
	      bool (*fn)(uint64_t mac, uint16_t slot, unsigned ticks,
			 void *arg),
	      void *arg);

uint64_t fdb_count(const struct fdb *f); /* entries; any thread */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forwarding database, see fdb.h for the theory of operation.
 *
 * Changes of an entry:
 *   entry[i]  0 -> value      under the lock bits of the address's first bucket
 *                             and of the bucket that gets it (fdb_learn)
 *   entry[i]  slot a -> b     under the lock bit of the first bucket (a move)
 *   entry[i]  value -> 0      control thread, compare-and-swap (age, flush)
 *   age[i]    any time, any thread: a race costs one tick of accuracy
 * Growing takes every lock bit of the old table and never gives them back, so
 * nothing can be learned there during the copy. Workers find the bucket busy,
 * skip learning, and meet the new table at their next frame.
 */
#include "fdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "rcu.h"
#include "shm.h"
#include "util.h"

#define WAYS	    7
#define MAX_BUCKETS (1u << 20) /* 64 MiB, seven million addresses */

#define HUGE_PAGE   (2u << 20)

enum { BUCKET_LOCKED = 1, BUCKET_OVERFLOWED = 2 };

struct bucket {
	uint64_t entry[WAYS]; /* address << 16 | slot; 0: free */
	uint8_t age[WAYS];    /* tick of the last frame */
	uint8_t flags;	      /* BUCKET_*; OVERFLOWED: see the second, too */
} __cacheline;

struct table {
	uint32_t mask;	/* buckets - 1 */
	unsigned shift; /* 64 - log2(buckets) */
	uint64_t seed;	/* random, so that guests cannot aim at a bucket */
	struct bucket *bucket;
};

struct fdb {
	struct table *table; /* [rcu] */
	uint64_t count;	     /* [any, atomic] */
	uint8_t tick;	     /* [ctl -> any, atomic] */
	bool is_crowded;     /* [any, atomic] an address found no room */
	uint64_t version;    /* [any, atomic] see fdb_version() */
};

/* Distance of the first versions of successive tables. */
#define VERSIONS (1ull << 38)

struct place {
	struct bucket *first, *second;
};

static struct place place_of(const struct table *t, uint64_t mac)
{
	uint64_t h = (mac ^ t->seed) * 0x9e3779b97f4a7c15ull;
	uint32_t one, two;

	/* One multiplication alone would leave regular addresses regular. */
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
	one = (uint32_t)(h >> t->shift);
	/* Other bits of the hash. They are odd, so this is never the first
	 * bucket. */
	two = (one ^ ((uint32_t)(h >> 8) | 1)) & t->mask;

	return (struct place){ &t->bucket[one], &t->bucket[two] };
}

/* Allocates zeroed buckets. A large table gets huge pages if the kernel has
 * them, or each lookup that misses the cache misses the TLB as well. */
static struct bucket *buckets_create(size_t size)
{
	size_t align = size < HUGE_PAGE ? CACHE_LINE : HUGE_PAGE;
	void *p = aligned_alloc(align, size);

	if (!p)
		return NULL;
	if (align == HUGE_PAGE)
		madvise(p, size, MADV_HUGEPAGE);
	memset(p, 0, size);
	return p;
}

static struct table *table_create(uint32_t buckets)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->bucket = buckets_create(buckets * sizeof(struct bucket));
	if (!t->bucket) {
		free(t);
		return NULL;
	}
	t->mask = buckets - 1;
	t->shift = (unsigned)__builtin_clzll(buckets) + 1;
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) < 0)
		t->seed = (uintptr_t)t;
	return t;
}

static void table_destroy(struct table *t)
{
	if (t)
		free(t->bucket);
	free(t);
}

struct fdb *fdb_create(uint32_t buckets)
{
	static uint64_t tables; /* [ctl] tables created so far */
	struct fdb *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->version = ++tables * VERSIONS;
	f->table = table_create(buckets);
	if (!f->table) {
		free(f);
		return NULL;
	}
	return f;
}

void fdb_destroy(struct fdb *f)
{
	if (!f)
		return;
	table_destroy(f->table);
	free(f);
}

/* Returns the index of @mac in @b with its word in *@word, or -1. */
static inline int find_in(const struct bucket *b, uint64_t mac, uint64_t *word)
{
	for (int i = 0; i < WAYS; i++) {
		uint64_t e = shm_load(&b->entry[i]);

		if (e >> 16 == mac && e) {
			*word = e;
			return i;
		}
	}
	return -1;
}

static inline struct bucket *find(struct place p, uint64_t mac, int *way,
				  uint64_t *word)
{
	*way = find_in(p.first, mac, word);
	if (*way >= 0)
		return p.first;
	/* fdb:A  acquire: an entry that went to the second bucket is visible
	 * there once the mark is visible. Pairs with the release in add(). */
	if (!(shm_load_acquire(&p.first->flags) & BUCKET_OVERFLOWED))
		return NULL;
	*way = find_in(p.second, mac, word);
	return *way >= 0 ? p.second : NULL;
}

uint16_t fdb_lookup(const struct fdb *f, uint64_t mac)
{
	const struct table *t = rcu_read(f->table);
	uint64_t word;
	int way;

	if (!find(place_of(t, mac), mac, &way, &word))
		return FDB_NO_SLOT;
	return (uint16_t)word;
}

uint64_t fdb_version(const struct fdb *f)
{
	/* fdb:B  acquire: a lookup after this sees the changes that the version
	 * counts. Pairs with the release in change(). */
	return shm_load_acquire(&f->version);
}

static void change(struct fdb *f)
{
	/* fdb:B  release: changed entries are visible before the version. A
	 * worker might else remember an old entry under the new version. */
	shm_fetch_add_release(&f->version, 1);
}

void fdb_prefetch(const struct fdb *f, uint64_t mac)
{
	__builtin_prefetch(place_of(rcu_read(f->table), mac).first);
}

static bool bucket_trylock(struct bucket *b)
{
	return !(shm_fetch_or(&b->flags, BUCKET_LOCKED) & BUCKET_LOCKED);
}

static void bucket_unlock(struct bucket *b)
{
	shm_fetch_and(&b->flags, (uint8_t)~BUCKET_LOCKED);
}

static bool put_in(struct bucket *b, uint64_t word, uint8_t age)
{
	for (int i = 0; i < WAYS; i++) {
		if (shm_load(&b->entry[i]))
			continue;
		shm_store(&b->age[i], age);
		shm_store_release(&b->entry[i], word);
		return true;
	}
	return false;
}

/* Adds @word. The caller holds the lock of the first bucket; add() takes that
 * of the second one. */
static enum fdb_result add(struct fdb *f, struct place p, uint64_t word)
{
	uint8_t tick = shm_load(&f->tick);
	bool done;

	if (!put_in(p.first, word, tick)) {
		if (!bucket_trylock(p.second))
			return FDB_FULL;
		done = put_in(p.second, word, tick);
		bucket_unlock(p.second);
		if (!done) {
			shm_store(&f->is_crowded, true);
			return FDB_FULL;
		}
		/* fdb:A  release (in the read-modify-write): the entry is
		 * visible before the mark that sends readers to it. */
		shm_fetch_or(&p.first->flags, BUCKET_OVERFLOWED);
	}
	shm_fetch_add(&f->count, 1);
	return FDB_ADDED;
}

enum fdb_result fdb_learn(struct fdb *f, uint64_t mac, uint16_t slot,
			  bool may_add, uint16_t *old_slot)
{
	const struct table *t = rcu_read(f->table);
	struct place p = place_of(t, mac);
	uint64_t word, wanted = mac << 16 | slot;
	enum fdb_result r = FDB_FULL;
	uint8_t tick = shm_load(&f->tick);
	struct bucket *b;
	int way;

	b = find(p, mac, &way, &word);
	if (likely(b && word == wanted)) {
		if (shm_load(&b->age[way]) != tick)
			shm_store(&b->age[way], tick);
		return FDB_KNOWN;
	}
	if (!may_add)
		return FDB_FULL;
	if (!bucket_trylock(p.first))
		return FDB_FULL; /* another worker learns here, or it grows */
	b = find(p, mac, &way, &word);
	if (b && word == wanted) {
		r = FDB_KNOWN;
	} else if (b) {
		*old_slot = (uint16_t)word;
		shm_store(&b->age[way], tick);
		/* fails if the entry was aged out: the next frame adds it */
		if (shm_compare_exchange(&b->entry[way], &word, wanted)) {
			change(f);
			r = FDB_MOVED;
		}
	} else if (may_add) {
		r = add(f, p, wanted);
	}
	bucket_unlock(p.first);
	return r;
}

bool fdb_wants_growth(const struct fdb *f)
{
	const struct table *t = rcu_read(f->table);
	uint64_t room = ((uint64_t)t->mask + 1) * WAYS;

	return t->mask + 1 < MAX_BUCKETS &&
	       (shm_load(&f->is_crowded) || shm_load(&f->count) > room / 2);
}

/* Copies every entry of @from. Returns false when one found no room. */
static bool copy_all(const struct table *from, const struct table *to)
{
	for (uint32_t n = 0; n <= from->mask; n++) {
		const struct bucket *b = &from->bucket[n];

		for (int i = 0; i < WAYS; i++) {
			uint64_t word = shm_load(&b->entry[i]);
			struct place p;

			if (!word)
				continue;
			p = place_of(to, word >> 16);
			if (put_in(p.first, word, shm_load(&b->age[i])))
				continue;
			p.first->flags |= BUCKET_OVERFLOWED;
			if (!put_in(p.second, word, shm_load(&b->age[i])))
				return false;
		}
	}
	return true;
}

int fdb_grow(struct fdb *f)
{
	struct table *old = f->table, *t;
	uint32_t buckets = MIN((old->mask + 1) * 4, MAX_BUCKETS);
	bool fits;

	if (old->mask + 1 >= MAX_BUCKETS)
		return -ENOMEM;
	t = table_create(buckets);
	if (!t)
		return -ENOMEM;
	for (uint32_t n = 0; n <= old->mask; n++)
		while (!bucket_trylock(&old->bucket[n]))
			cpu_relax();
	fits = copy_all(old, t);
	if (fits) {
		rcu_publish(f->table, t);
		change(f);
		shm_store(&f->is_crowded, false);
		/* Workers in fdb_lookup() or fdb_learn() may still have the old
		 * table, until the end of their burst. No other thread reads
		 * it. */
		rcu_wait_workers();
		table_destroy(old);
		return 0;
	}
	for (uint32_t n = 0; n <= old->mask; n++)
		bucket_unlock(&old->bucket[n]);
	table_destroy(t);
	return -ENOMEM;
}

/* Removes the entries for which @is_due returns true. Returns how many. */
static unsigned remove_if(
	struct fdb *f, bool (*is_due)(uint64_t word, uint8_t age, unsigned arg),
	unsigned due_arg, void (*gone)(uint16_t slot, void *arg), void *arg)
{
	struct table *t = f->table;
	unsigned removed = 0;

	for (uint32_t n = 0; n <= t->mask; n++) {
		struct bucket *b = &t->bucket[n];

		for (int i = 0; i < WAYS; i++) {
			uint64_t word = shm_load(&b->entry[i]);
			uint8_t age = (uint8_t)(f->tick - shm_load(&b->age[i]));

			if (!word || !is_due(word, age, due_arg))
				continue;
			/* An entry that moved since the load above stays. */
			if (!shm_compare_exchange(&b->entry[i], &word, 0))
				continue;
			shm_fetch_sub(&f->count, 1);
			removed++;
			if (gone)
				gone((uint16_t)word, arg);
		}
	}
	return removed;
}

static bool is_old(uint64_t word, uint8_t age, unsigned max_ticks)
{
	(void)word;
	return age >= max_ticks;
}

static bool is_behind(uint64_t word, uint8_t age, unsigned slot)
{
	(void)age;
	return slot == FDB_NO_SLOT || (uint16_t)word == slot;
}

void fdb_age(struct fdb *f, unsigned max_ticks,
	     void (*gone)(uint16_t slot, void *arg), void *arg)
{
	shm_store(&f->tick, (uint8_t)(f->tick + 1));
	remove_if(f, is_old, max_ticks, gone, arg);
	change(f);
}

unsigned fdb_flush(struct fdb *f, uint16_t slot,
		   void (*gone)(uint16_t slot, void *arg), void *arg)
{
	unsigned n = remove_if(f, is_behind, slot, gone, arg);

	change(f);
	return n;
}

void fdb_each(const struct fdb *f,
	      bool (*fn)(uint64_t mac, uint16_t slot, unsigned ticks,
			 void *arg),
	      void *arg)
{
	const struct table *t = f->table;

	for (uint32_t n = 0; n <= t->mask; n++) {
		const struct bucket *b = &t->bucket[n];

		for (int i = 0; i < WAYS; i++) {
			uint64_t word = shm_load(&b->entry[i]);
			uint8_t age = (uint8_t)(f->tick - shm_load(&b->age[i]));

			if (word && !fn(word >> 16, (uint16_t)word, age, arg))
				return;
		}
	}
}

uint64_t fdb_count(const struct fdb *f)
{
	return shm_load(&f->count);
}

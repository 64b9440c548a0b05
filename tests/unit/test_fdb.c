/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MAC table against a naive one, an array indexed by the number in the
 * address: random learning, moving, ageing, flushing, growing; then size, and
 * two threads.
 */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "fdb.h"
#include "rcu.h"
#include "shm.h"

#define ADDRESSES 4000
/* Sanitizers make the large table slow and find nothing more in it. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TOTAL 100000
#else
#define TOTAL 1000000
#endif
#define SLOTS 9

struct naive {
	int slot[ADDRESSES]; /* -1: unknown */
	unsigned tick[ADDRESSES];
	unsigned now;
	unsigned gone[SLOTS];
};

static uint64_t mac_of(unsigned n)
{
	return 0x020000000001ull + n * 0x9e37ull * 0x101;
}

static void on_gone(uint16_t slot, void *arg)
{
	((unsigned *)arg)[slot]++;
}

static void check_same(const struct fdb *f, const struct naive *m)
{
	uint64_t count = 0;

	for (unsigned n = 0; n < ADDRESSES; n++) {
		uint16_t want =
			m->slot[n] < 0 ? FDB_NO_SLOT : (uint16_t)m->slot[n];

		assert_int_equal(fdb_lookup(f, mac_of(n)), want);
		count += m->slot[n] >= 0;
	}
	assert_int_equal(fdb_count(f), count);
}

static void model_learn(struct fdb *f, struct naive *m, struct rng *r)
{
	unsigned n = rng_below(r, ADDRESSES);
	uint16_t slot = (uint16_t)rng_below(r, SLOTS), old = 0;
	bool may_add = rng_below(r, 8);

	switch (fdb_learn(f, mac_of(n), slot, may_add, &old)) {
	case FDB_KNOWN:
		assert_int_equal(m->slot[n], slot);
		break;
	case FDB_ADDED:
		assert_int_equal(m->slot[n], -1);
		assert_true(may_add);
		break;
	case FDB_MOVED:
		assert_int_not_equal(m->slot[n], slot);
		assert_int_equal(m->slot[n], old);
		assert_true(may_add);
		break;
	case FDB_FULL:
		assert_int_not_equal(m->slot[n], slot);
		if (may_add)
			assert_int_equal(m->slot[n], -1);
		assert_true(!may_add || fdb_wants_growth(f));
		if (fdb_wants_growth(f))
			assert_int_equal(fdb_grow(f), 0);
		return;
	}
	m->slot[n] = slot;
	m->tick[n] = m->now;
}

static void model_age(struct fdb *f, struct naive *m, unsigned max_ticks)
{
	unsigned gone[SLOTS] = { 0 };

	m->now++;
	fdb_age(f, max_ticks, on_gone, gone);
	for (unsigned n = 0; n < ADDRESSES; n++) {
		if (m->slot[n] < 0 || m->now - m->tick[n] < max_ticks)
			continue;
		gone[m->slot[n]]--;
		m->slot[n] = -1;
	}
	for (unsigned s = 0; s < SLOTS; s++)
		assert_int_equal(gone[s], 0);
}

static void model_flush(struct fdb *f, struct naive *m, uint16_t slot)
{
	unsigned n_removed = fdb_flush(f, slot, NULL, NULL), n = 0;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		if (m->slot[i] < 0 ||
		    (slot != FDB_NO_SLOT && m->slot[i] != slot))
			continue;
		m->slot[i] = -1;
		n++;
	}
	assert_int_equal(n_removed, n);
}

static void test_model(void **state)
{
	struct rng r = rng_start();
	struct fdb *f = fdb_create(64);
	struct naive *m = calloc(1, sizeof(*m));

	(void)state;
	memset(m->slot, 0xff, sizeof(m->slot));
	for (unsigned step = 0; step < 200000; step++) {
		unsigned what = rng_below(&r, 10000);

		if (what < 9960)
			model_learn(f, m, &r);
		else if (what < 9985)
			model_age(f, m, 5);
		else if (what < 9995)
			model_flush(f, m, (uint16_t)rng_below(&r, SLOTS));
		else if (what < 9996)
			model_flush(f, m, FDB_NO_SLOT);
		else
			check_same(f, m);
	}
	check_same(f, m);
	fdb_destroy(f);
	free(m);
}

/* TOTAL addresses fit and are all found; none of a million others is. */
static void test_million(void **state)
{
	struct fdb *f = fdb_create(64);
	const unsigned total = TOTAL;
	uint16_t old;

	(void)state;
	for (unsigned n = 0; n < total; n++) {
		while (fdb_learn(f, mac_of(n), (uint16_t)(n & 1023), true,
				 &old) == FDB_FULL) {
			assert_true(fdb_wants_growth(f));
			assert_int_equal(fdb_grow(f), 0);
		}
		if (fdb_wants_growth(f))
			assert_int_equal(fdb_grow(f), 0);
	}
	assert_int_equal(fdb_count(f), total);
	for (unsigned n = 0; n < total; n++) {
		assert_int_equal(fdb_lookup(f, mac_of(n)), n & 1023);
		assert_int_equal(fdb_lookup(f, mac_of(n) | 1ull << 47),
				 FDB_NO_SLOT);
	}
	fdb_destroy(f);
}

struct racer {
	struct fdb *f;
	uint16_t slot;
	bool stop;
	uint64_t added, moved;
};

/* Learns the other racer's addresses for its own slot. */
static void *race(void *arg)
{
	struct racer *me = arg;
	struct rng r = { 77u + me->slot };
	uint16_t old;

	rcu_register();
	while (!shm_load(&me->stop)) {
		for (unsigned i = 0; i < 64; i++) {
			uint64_t mac = mac_of(rng_below(&r, ADDRESSES));
			uint16_t at = fdb_lookup(me->f, mac);

			assert_true(at == FDB_NO_SLOT || at == 1 || at == 2);
			switch (fdb_learn(me->f, mac, me->slot, true, &old)) {
			case FDB_ADDED:
				me->added++;
				break;
			case FDB_MOVED:
				assert_true(old == 3 - me->slot);
				me->moved++;
				break;
			default:
				break;
			}
		}
		rcu_quiescent();
	}
	rcu_unregister();
	return NULL;
}

/* Two workers fight over addresses while control ages, grows and flushes. The
 * number of entries always equals additions minus removals. */
static void test_threads(void **state)
{
	struct fdb *f = fdb_create(64);
	struct racer racer[2] = { { f, 1, false, 0, 0 },
				  { f, 2, false, 0, 0 } };
	unsigned gone[4] = { 0 };
	uint64_t flushed = 0, seen = 0;
	pthread_t t[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, race, &racer[i]);
	for (unsigned k = 0; k < 300; k++) {
		if (fdb_wants_growth(f))
			assert_int_equal(fdb_grow(f), 0);
		fdb_age(f, 3, on_gone, gone);
		if (!(k & 31))
			flushed += fdb_flush(f, 1, NULL, NULL);
		rcu_wait_workers();
	}
	for (int i = 0; i < 2; i++) {
		shm_store(&racer[i].stop, true);
		pthread_join(t[i], NULL);
	}
	for (unsigned n = 0; n < ADDRESSES; n++)
		seen += fdb_lookup(f, mac_of(n)) != FDB_NO_SLOT;
	assert_int_equal(fdb_count(f), seen);
	assert_int_equal(racer[0].added + racer[1].added,
			 seen + flushed + gone[1] + gone[2]);
	fdb_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_million),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

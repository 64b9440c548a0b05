/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of a lookup in the MAC table with 1,000 and with 1,000,000 entries,
 * in TSC cycles, when few addresses are looked up (the active flows), many, or
 * all of the table in random order. Prints the median of several passes.
 *
 * fdb_bench [ENTRIES]...
 */
#include <stdio.h>
#include <stdlib.h>

#include "cycles.h"
#include "fdb.h"
#include "rcu.h"

#define LOOKUPS 1024000u
#define BURST	64 /* addresses fetched, then looked up, as in the switch */
#define PASSES	5

static uint64_t mac_of(uint64_t n)
{
	return 2 | (n * 0x9e3779b97f4a7c15ull >> 24) << 8;
}

static struct fdb *fill(unsigned entries)
{
	struct fdb *f = fdb_create(64);
	unsigned missing = entries;

	/* An entry that met the growing table is learned again, as in the
	 * switch. */
	for (unsigned round = 0; f && missing && round < 10; round++) {
		missing = 0;
		for (unsigned n = 1; n <= entries; n++) {
			uint16_t old;

			if (fdb_learn(f, mac_of(n), (uint16_t)(n % 1000), true,
				      &old) == FDB_FULL)
				missing++;
			if (fdb_wants_growth(f) && fdb_grow(f))
				exit(1);
		}
	}
	return f;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double pass(const struct fdb *f, const uint64_t *macs, unsigned *sum)
{
	uint64_t start = cycles_now();

	for (unsigned i = 0; i < LOOKUPS; i += BURST) {
		for (unsigned k = i + 1; k < i + BURST; k++)
			fdb_prefetch(f, macs[k]);
		for (unsigned k = i; k < i + BURST; k++)
			*sum += fdb_lookup(f, macs[k]);
	}
	return (double)(cycles_now() - start) / LOOKUPS;
}

/* Returns the cycles of a lookup, with @active addresses out of @entries. */
static double measure(const struct fdb *f, unsigned entries, unsigned active)
{
	uint64_t *macs = malloc(LOOKUPS * sizeof(*macs)), r = 1;
	double cycles[PASSES];
	unsigned sum = 0;

	if (!macs)
		exit(1);
	for (unsigned i = 0; i < LOOKUPS; i++) {
		r = r * 6364136223846793005ull + 1442695040888963407ull;
		macs[i] = mac_of(1 + (r >> 33) % active *
					     (uint64_t)(entries / active));
	}
	for (unsigned i = 0; i < PASSES; i++)
		cycles[i] = pass(f, macs, &sum);
	shm_settle(sum);
	free(macs);
	qsort(cycles, PASSES, sizeof(*cycles), by_value);
	return cycles[PASSES / 2];
}

int main(int argc, char **argv)
{
	static const unsigned def[] = { 1000, 1000000 };
	int count = argc > 1 ? argc - 1 : (int)ARRAY_SIZE(def);

	printf("%10s %10s %12s %12s %12s\n", "entries", "held", "100 active",
	       "1000 active", "all active");
	rcu_register();
	rcu_offline();
	for (int i = 0; i < count; i++) {
		unsigned entries =
			argc > 1 ? (unsigned)strtoul(argv[i + 1], NULL, 10)
				 : def[i];
		struct fdb *f = entries < 1000 ? NULL : fill(entries);

		if (!f) {
			fprintf(stderr, "usage: fdb_bench [ENTRIES >= 1000]\n");
			return 2;
		}
		printf("%10u %10llu %12.1f %12.1f %12.1f\n", entries,
		       (unsigned long long)fdb_count(f),
		       measure(f, entries, 100), measure(f, entries, 1000),
		       measure(f, entries, entries));
		fdb_destroy(f);
	}
	rcu_unregister();
	return 0;
}

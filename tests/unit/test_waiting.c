/* SPDX-License-Identifier: Apache-2.0 */
/* Entries that finish out of order are given back in order: the record against
 * an array. */
#include "test.h"

#include <string.h>

#include "util.h"
#include "waiting.h"

#define ENTRIES 5000

static void run(struct rng *rng, unsigned finish_percent)
{
	static bool is_finished[ENTRIES];
	unsigned front = 0, rounds = 0;
	struct waiting w = { 0 };

	memset(is_finished, 0, sizeof(is_finished));
	while (front < ENTRIES) {
		unsigned looked = 1 + rng_below(rng, WAITING_MAX), back;
		uint64_t again = 0;

		looked = MIN(looked, ENTRIES - front);
		for (unsigned i = 0; i < looked; i++) {
			assert_int_equal(waiting_skips(waiting_begin(&w), i),
					 is_finished[front + i]);
			if (is_finished[front + i])
				continue;
			if (rng_below(rng, 100) < finish_percent)
				is_finished[front + i] = true;
			else
				again |= 1ull << i;
		}
		back = waiting_settle(&w, looked, again);
		for (unsigned i = 0; i < back; i++)
			assert_true(is_finished[front + i]);
		assert_true(back == looked || !is_finished[front + back]);
		front += back;
		assert_true(++rounds < 100 * ENTRIES);
	}
	assert_int_equal(w.ahead, 0);
}

/* Held frames are translated to entries; entries without a frame and finished
 * entries are passed over. */
static void test_frames(void **state)
{
	struct waiting w = { 0 };

	uint64_t skips = waiting_begin(&w);

	(void)state;
	assert_int_equal(skips, 0);
	assert_int_equal(waiting_end(&w, 10, 0), 10);
	/* entries 0, 2 and 5 of 6 are frames; the second frame waits */
	waiting_begin(&w);
	waiting_skip(&w, 1);
	waiting_skip(&w, 3);
	waiting_skip(&w, 4);
	assert_int_equal(waiting_end(&w, 6, 1 << 1), 2);
	skips = waiting_begin(&w);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(waiting_skips(skips, i), i > 0 && i < 4);
	/* the second of the two left waits again, with a third */
	assert_int_equal(waiting_end(&w, 6, 3 << 1), 4);
	skips = waiting_begin(&w);
	assert_int_equal(skips, 0);
	/* both go this time */
	assert_int_equal(waiting_end(&w, 2, 0), 2);
	assert_int_equal(w.ahead, 0);
}

static void test_random(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (unsigned percent = 5; percent <= 100; percent += 19)
		run(&rng, percent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Entries finished out of order, given back in order: against an array. */
#include "test.h"

#include <string.h>

#include "ahead.h"
#include "util.h"

#define ENTRIES 5000

static void run(struct rng *rng, unsigned finish_percent)
{
	static bool is_finished[ENTRIES];
	unsigned front = 0, rounds = 0;
	uint64_t ahead = 0;

	memset(is_finished, 0, sizeof(is_finished));
	while (front < ENTRIES) {
		unsigned looked = 1 + rng_below(rng, AHEAD_MAX), back;
		uint64_t again = 0;

		looked = MIN(looked, ENTRIES - front);
		for (unsigned i = 0; i < looked; i++) {
			assert_int_equal(ahead_is_finished(ahead, i),
					 is_finished[front + i]);
			if (is_finished[front + i])
				continue;
			if (rng_below(rng, 100) < finish_percent)
				is_finished[front + i] = true;
			else
				again |= 1ull << i;
		}
		back = ahead_settle(&ahead, looked, again);
		for (unsigned i = 0; i < back; i++)
			assert_true(is_finished[front + i]);
		assert_true(back == looked || !is_finished[front + back]);
		front += back;
		assert_true(++rounds < 100 * ENTRIES);
	}
	assert_int_equal(ahead, 0);
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a worker's queues: its marks of queues to poll. */
#include "test.h"

#include "worker.h"

static void test_marks_are_taken_once(void **state)
{
	struct worker_slots *s = worker_slots_create(128);

	(void)state;
	worker_slots_wake(s, 3);
	worker_slots_wake(s, 127);
	worker_slots_merge(s);
	assert_int_equal(s->awake[0], 1ull << 3);
	assert_int_equal(s->awake[1], 1ull << 63);
	s->awake[0] = s->awake[1] = 0;
	worker_slots_merge(s);
	assert_int_equal(s->awake[0] | s->awake[1], 0);
	worker_slots_destroy(s);
}

/* A worker that read the table before it grew looks at its marks after the new
 * table was published. Marks in the new table must wait for it. */
static void test_old_table_takes_nothing_of_the_new(void **state)
{
	struct worker_slots *old = worker_slots_create(64);
	struct worker_slots *new = worker_slots_create(128);

	(void)state;
	worker_slots_wake(new, 5);
	worker_slots_merge(old);
	assert_int_equal(old->awake[0], 0);
	worker_slots_merge(new);
	assert_int_equal(new->awake[0], 1ull << 5);
	worker_slots_destroy(old);
	worker_slots_destroy(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks_are_taken_once),
		cmocka_unit_test(test_old_table_takes_nothing_of_the_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

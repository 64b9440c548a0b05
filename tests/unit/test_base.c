/* SPDX-License-Identifier: Apache-2.0 */
/* base/: event loop, errors, checked arithmetic. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "cycles.h"
#include "err.h"
#include "fd.h"
#include "loop.h"
#include "retry.h"
#include "util.h"

static void test_range(void **state)
{
	(void)state;
	assert_true(range_is_inside(0, 10, 10));
	assert_false(range_is_inside(1, 10, 10));
	assert_true(range_is_inside(10, 0, 10));
	assert_false(range_is_inside(11, 0, 10));
	assert_false(range_is_inside(UINT64_MAX, 2, 10));
	assert_false(range_is_inside(2, UINT64_MAX, 10));
}

static void test_err(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, -EINVAL, "bad %d", 7), -EINVAL);
	assert_string_equal(err.msg, "bad 7");
	assert_int_equal(err_prefix(&err, -EINVAL, "port %s", "vm1"), -EINVAL);
	assert_string_equal(err.msg, "port vm1: bad 7");
	assert_int_equal(err_set(NULL, -1, "x"), -1);
}

struct loop_test {
	struct loop *loop;
	struct loop_timer late, early;
	struct loop_watch watch[2];
	int fd[2];
	char order[16];
	unsigned n;
};

static void on_late(struct loop_timer *t)
{
	struct loop_test *lt = container_of(t, struct loop_test, late);

	lt->order[lt->n++] = 'L';
	loop_stop(lt->loop);
}

static void on_early(struct loop_timer *t)
{
	struct loop_test *lt = container_of(t, struct loop_test, early);

	lt->order[lt->n++] = 'E';
}

/* Both watches are ready in the same wait; the first removes the second. */
static void on_first(struct loop_watch *w, uint32_t events)
{
	struct loop_test *lt = container_of(w, struct loop_test, watch[0]);

	(void)events;
	lt->order[lt->n++] = 'W';
	loop_watch_remove(&lt->watch[0]);
	loop_watch_remove(&lt->watch[1]);
}

static void on_second(struct loop_watch *w, uint32_t events)
{
	struct loop_test *lt = container_of(w, struct loop_test, watch[1]);

	(void)events;
	lt->order[lt->n++] = 'W';
	loop_watch_remove(&lt->watch[0]);
	loop_watch_remove(&lt->watch[1]);
}

static void on_post(void *arg)
{
	struct loop_test *lt = arg;

	lt->order[lt->n++] = 'P';
}

static void *post_from_thread(void *arg)
{
	struct loop_test *lt = arg;

	assert_int_equal(loop_post(lt->loop, on_post, lt), 0);
	return NULL;
}

static void test_loop(void **state)
{
	struct loop_test lt = { .loop = loop_create() };
	pthread_t thread;

	(void)state;
	assert_non_null(lt.loop);
	for (int i = 0; i < 2; i++) {
		lt.fd[i] = fd_eventfd();
		assert_int_equal(fd_signal(lt.fd[i]), 0);
		assert_int_equal(loop_watch_add(lt.loop, &lt.watch[i], lt.fd[i],
						EPOLLIN,
						i ? on_second : on_first),
				 0);
	}
	loop_timer_arm(lt.loop, &lt.late, 60, on_late);
	loop_timer_arm(lt.loop, &lt.early, 20, on_early);
	pthread_create(&thread, NULL, post_from_thread, &lt);
	pthread_join(thread, NULL);
	loop_run(lt.loop);
	/* one W only: the other watch was removed before its event was handled
	 */
	assert_int_equal(lt.n, 4);
	assert_string_equal(lt.order + 2, "EL");
	loop_destroy(lt.loop);
	fd_close(&lt.fd[0]);
	fd_close(&lt.fd[1]);
}

/* One burst in STAGE_SAMPLE is measured, and its stages add up to the whole. */
static void test_stages(void **state)
{
	struct stage_totals totals = { 0 };
	uint64_t start = cycles_now(), sum = 0;

	(void)state;
	stage_mark(STAGE_COPY); /* outside of a burst: not counted */
	for (unsigned i = 0; i < 10 * STAGE_SAMPLE; i++) {
		stage_begin();
		for (volatile unsigned k = 0; k < 100; k++)
			;
		stage_mark(STAGE_COPY);
		stage_end(&totals, 7);
	}
	/* bursts without frames are not counted */
	for (unsigned i = 0; i < 2 * STAGE_SAMPLE; i++) {
		stage_begin();
		stage_end(&totals, 0);
	}
	assert_int_equal(totals.bursts, 10);
	assert_int_equal(totals.frames, 70);
	assert_true(totals.cycles[STAGE_COPY] > 0);
	for (unsigned s = 0; s < STAGE_COUNT; s++) {
		assert_true(stage_name(s)[0] != 0);
		sum += totals.cycles[s];
		if (s != STAGE_COPY && s != STAGE_OTHER)
			assert_int_equal(totals.cycles[s], 0);
	}
	assert_true(sum <= cycles_now() - start);
}

/* Each descriptor that options may name is taken once; those of a request hide
 * those of the start. */
static void test_named_descriptors(void **state)
{
	int first = dup(STDIN_FILENO), later;
	struct fd_named with[] = { { 7, 100 }, { 9, 101 } };

	(void)state;
	fd_note_inherited();
	later = dup(STDIN_FILENO);
	assert_int_equal(fd_find_named(first), first);
	assert_int_equal(fd_find_named(later), -1);
	assert_int_equal(fd_find_named(STDIN_FILENO), -1);
	assert_int_equal(fd_find_named(-1), -1);
	assert_int_equal(fd_find_named(1 << 30), -1);
	fd_offer(with, 2);
	assert_true(fd_is_offering());
	assert_int_equal(fd_find_named(first), -1);
	assert_int_equal(fd_find_named(9), 101);
	fd_use_named(101);
	fd_use_named(first);
	assert_int_equal(fd_find_named(9), -1);
	assert_int_equal(with[1].fd, -1);
	assert_int_equal(with[0].fd, 100);
	fd_offer(NULL, 0);
	assert_false(fd_is_offering());
	assert_int_equal(fd_find_named(7), -1);
	fd_use_named(first);
	assert_int_equal(fd_find_named(first), -1);
	close(first);
	close(later);
}

static void test_retry(void **state)
{
	struct retry r = { 0 };

	(void)state;
	retry_init(&r, 1000);
	for (uint32_t ms = 1000; ms < RETRY_MAX_MS; ms *= 2)
		assert_int_equal(retry_take(&r), ms);
	assert_int_equal(retry_take(&r), RETRY_MAX_MS);
	assert_int_equal(retry_take(&r), RETRY_MAX_MS);
	assert_true(retry_ended(&r, RETRY_SHORT_MS - 1));
	assert_int_equal(retry_take(&r), RETRY_MAX_MS);
	assert_false(retry_ended(&r, RETRY_SHORT_MS));
	assert_int_equal(retry_take(&r), 1000);
	/* a first delay beyond the bound stays */
	retry_init(&r, 3600000);
	assert_int_equal(retry_take(&r), 3600000);
	assert_int_equal(retry_take(&r), 3600000);
	retry_init(&r, UINT32_MAX);
	assert_int_equal(retry_take(&r), UINT32_MAX);
	assert_int_equal(retry_take(&r), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_loop),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_named_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* base/: events to a peer that makes the descriptor block. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "loop.h"
#include "peer_event.h"

#define FULL 0xfffffffffffffffeull

/* Makes an eventfd as a hostile peer does: the counter is full and, if it
 * @blocks, O_NONBLOCK is cleared. */
static int full_eventfd(bool blocks)
{
	int fd = fd_eventfd();
	const uint64_t full = FULL;

	assert_int_equal(write(fd, &full, 8), 8);
	if (blocks)
		assert_int_equal(
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK),
			0);
	return fd;
}

static void test_counts(void **state)
{
	int fd = fd_eventfd();
	uint64_t v;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(peer_event_signal(fd), 0);
	assert_int_equal(read(fd, &v, 8), 8);
	assert_int_equal(v, 1000);
	close(fd);
	assert_int_equal(peer_event_signal(fd), -EBADF);
	fd = full_eventfd(false);
	assert_int_equal(peer_event_signal(fd), 0);
	close(fd);
}

static void expect_way_out(void)
{
	int fd = full_eventfd(true);

	for (unsigned i = 0; i < 3; i++) {
		uint64_t start = loop_now_ms();

		assert_int_equal(peer_event_signal(fd), -EINTR);
		assert_true(loop_now_ms() - start < 10 * PEER_EVENT_MS);
	}
	close(fd);
}

static void test_way_out(void **state)
{
	(void)state;
	expect_way_out();
	/* the timer has stopped meanwhile */
	usleep(4 * PEER_EVENT_MS * 1000);
	expect_way_out();
}

static void *in_thread(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	expect_way_out();
	return NULL;
}

/* Threads come and go, with all signals blocked. */
static void test_threads(void **state)
{
	pthread_t t[4];

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		for (unsigned i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, in_thread, NULL);
		for (unsigned i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
}

/* Returns how often a sleep of @ms was interrupted. */
static unsigned count_ticks(unsigned ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000l };
	unsigned n = 0;

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		n++;
	return n;
}

/* A thread that does not signal is not interrupted. */
static void test_quiet(void **state)
{
	int fd = fd_eventfd();

	(void)state;
	assert_int_equal(peer_event_signal(fd), 0);
	count_ticks(5 * PEER_EVENT_MS);
	assert_int_equal(count_ticks(5 * PEER_EVENT_MS), 0);
	assert_int_equal(peer_event_signal(fd), 0);
	assert_in_range(count_ticks(5 * PEER_EVENT_MS), 1, 3);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_way_out),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

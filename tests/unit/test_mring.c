/* SPDX-License-Identifier: Apache-2.0 */
/* base/mring: compared with a naive queue in one thread; and two writers with a
 * reader that sleeps. */
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "fd.h"
#include "mring.h"
#include "util.h"

#define MODEL_MAX 4096

/* The messages that must be in the ring, by length and first byte. */
struct model {
	uint32_t size[MODEL_MAX];
	uint8_t byte[MODEL_MAX];
	const void *at[MODEL_MAX]; /* addresses of the peeked messages */
	unsigned first, peeked, end;
};

static void fill(uint8_t *p, uint32_t size, uint8_t byte)
{
	for (uint32_t i = 0; i < size; i++)
		p[i] = (uint8_t)(byte + i);
}

static void check(const uint8_t *p, uint32_t size, uint8_t byte)
{
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(p[i], (uint8_t)(byte + i));
}

static void check_peek(struct mring *r, struct model *m)
{
	uint32_t size;
	const uint8_t *p = mring_peek(r, &size);
	unsigned slot = m->peeked % MODEL_MAX;

	if (m->peeked == m->end) {
		assert_null(p);
		return;
	}
	assert_non_null(p);
	assert_int_equal(size, m->size[slot]);
	check(p, size, m->byte[slot]);
	m->at[slot] = p;
	m->peeked++;
}

/* Goes back to a message that was peeked and not released. */
static void unpeek(struct mring *r, struct model *m, struct rng *rng)
{
	if (m->peeked == m->first)
		return;
	m->peeked = m->first + rng_below(rng, m->peeked - m->first);
	mring_unpeek(r, m->at[m->peeked % MODEL_MAX]);
}

static void push(struct mring *r, struct model *m, struct rng *rng,
		 uint32_t max)
{
	uint32_t size = rng_below(rng, max);
	uint8_t byte = (uint8_t)rng_next(rng);
	uint8_t *p = mring_reserve(r, size);

	if (!p) {
		/* an empty ring takes every message of up to half its size */
		assert_int_not_equal(m->first, m->end);
		return;
	}
	assert_int_equal((uintptr_t)p % 8, 0);
	fill(p, size, byte);
	assert_false(mring_commit(r));
	m->size[m->end % MODEL_MAX] = size;
	m->byte[m->end % MODEL_MAX] = byte;
	m->end++;
}

static void test_model(void **state)
{
	static struct model m;
	struct rng rng = rng_start();

	(void)state;
	for (uint32_t ring_size = 256; ring_size <= 65536; ring_size *= 4) {
		struct mring *r = mring_create(ring_size);

		memset(&m, 0, sizeof(m));
		assert_non_null(r);
		for (int i = 0; i < 40000; i++) {
			switch (rng_below(&rng, 9)) {
			case 0:
				mring_release(r);
				m.first = m.peeked;
				break;
			case 1 ... 3:
				check_peek(r, &m);
				break;
			case 4:
				unpeek(r, &m, &rng);
				break;
			default:
				if (m.end - m.first < MODEL_MAX)
					push(r, &m, &rng, ring_size / 2 - 8);
			}
		}
		mring_destroy(r);
	}
}

static void test_limits(void **state)
{
	struct mring *r = mring_create(1000); /* becomes 1024 */
	uint32_t size;

	(void)state;
	assert_null(mring_reserve(r, UINT32_MAX));
	assert_null(mring_reserve(r, 1024));
	assert_non_null(mring_reserve(r, 1024 - 8));
	assert_false(mring_commit(r));
	assert_null(mring_reserve(r, 0));
	assert_non_null(mring_peek(r, &size));
	assert_int_equal(size, 1024 - 8);
	assert_null(mring_reserve(r, 0));
	mring_release(r);
	assert_non_null(mring_reserve(r, 0));
	assert_false(mring_commit(r));
	mring_destroy(r);
}

static void test_arm(void **state)
{
	struct mring *r = mring_create(1024);
	uint32_t size;

	(void)state;
	assert_true(mring_arm(r));
	mring_reserve(r, 4);
	assert_true(mring_commit(r));
	mring_reserve(r, 4);
	assert_false(mring_commit(r)); /* no second signal */
	assert_non_null(mring_peek(r, &size));
	assert_false(mring_arm(r)); /* one message is left */
	assert_non_null(mring_peek(r, &size));
	assert_true(mring_arm(r));
	mring_disarm(r);
	mring_reserve(r, 4);
	assert_false(mring_commit(r));
	mring_destroy(r);
}

#define PER_WRITER 100000

struct shared {
	struct mring *ring;
	int event_fd;
};

struct writer {
	struct shared *shared;
	uint32_t id;
	pthread_t thread;
};

static void *write_messages(void *arg)
{
	struct writer *w = arg;
	struct rng rng = { 0x1234 + w->id };

	for (uint32_t i = 0; i < PER_WRITER; i++) {
		uint32_t size = 8 + rng_below(&rng, 200);
		uint32_t *p;

		while (!(p = mring_reserve(w->shared->ring, size)))
			sched_yield();
		p[0] = w->id;
		p[1] = i;
		memset(p + 2, (uint8_t)i, size - 8);
		if (mring_commit(w->shared->ring))
			fd_signal(w->shared->event_fd);
	}
	return NULL;
}

static void read_one(const uint32_t *p, uint32_t size, uint32_t *next)
{
	const uint8_t *b = (const uint8_t *)(p + 2);

	assert_in_range(p[0], 0, 1);
	assert_int_equal(p[1], next[p[0]]);
	for (uint32_t i = 0; i < size - 8; i++)
		if (b[i] != (uint8_t)p[1])
			fail_msg("byte %u of message %u", i, p[1]);
	next[p[0]]++;
}

static void test_threads(void **state)
{
	struct shared s = { mring_create(16384), fd_eventfd() };
	struct writer w[2] = { { &s, 0 }, { &s, 1 } };
	uint32_t next[2] = { 0, 0 };

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&w[i].thread, NULL, write_messages, &w[i]);
	while (next[0] + next[1] < 2 * PER_WRITER) {
		uint32_t *p, size, burst = 0;

		while (burst++ < 16 && (p = mring_peek(s.ring, &size)))
			read_one(p, size, next);
		mring_release(s.ring);
		if (next[0] + next[1] < 2 * PER_WRITER && mring_arm(s.ring)) {
			struct pollfd pfd = { s.event_fd, POLLIN, 0 };

			/* a lost wake-up would time out here */
			assert_int_equal(poll(&pfd, 1, 10000), 1);
			fd_drain(s.event_fd);
			mring_disarm(s.ring);
		}
	}
	for (int i = 0; i < 2; i++)
		pthread_join(w[i].thread, NULL);
	mring_destroy(s.ring);
	fd_close(&s.event_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_arm),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

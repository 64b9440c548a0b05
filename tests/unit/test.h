/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with the headers that it needs first, and the random numbers of the
 * property tests: a fixed seed unless RINGWAY_TEST_SEED gives another one. */
#ifndef RW_TEST_H
#define RW_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <semaphore.h>

/* Waits for @sem and goes on waiting after a signal: the timer of peer_event.c
 * interrupts a thread that wrote to an eventfd lately. */
static inline void wait_posted(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

struct rng {
	uint64_t state;
};

static inline struct rng rng_start(void)
{
	const char *s = getenv("RINGWAY_TEST_SEED");

	return (struct rng){ s ? strtoull(s, NULL, 0) : 0x5eed };
}

/* xorshift64*: the same numbers on every machine. */
static inline uint64_t rng_next(struct rng *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) % n);
}

#endif

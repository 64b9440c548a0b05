/* SPDX-License-Identifier: Apache-2.0 */
/* Large copies and the choice between them. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "copy_choice.h"

#define AREA 70000

/* Every way copies exactly the given bytes, at any alignment and with any hint
 * about the next piece. */
static void test_copies(void **state)
{
	uint8_t *src = malloc(2 * AREA), *dst = malloc(2 * AREA);
	struct rng rng = rng_start();

	(void)state;
	for (unsigned i = 0; i < 2 * AREA; i++)
		src[i] = (uint8_t)rng_next(&rng);
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t max = i % 10 ? (i % 3 ? 3000 : 500) : 66000;
		enum copy_method method = i % COPY_METHODS;
		uint32_t least = method == COPY_STREAM ? 1 : COPY_LARGE;
		uint32_t n = least + rng_below(&rng, max - least);
		uint8_t *to = dst + 64 + rng_below(&rng, 200);
		const uint8_t *from = src + rng_below(&rng, 200);
		struct copy_next next = { dst + rng_below(&rng, AREA),
					  src + rng_below(&rng, AREA),
					  rng_below(&rng, 2) * max };

		memset(to - 64, 0xa5, n + 128);
		copy_large_get(method)(to, from, n, next.dst, next.src,
				       next.size);
		copy_stream_fence();
		assert_memory_equal(to, from, n);
		for (unsigned k = 1; k <= 64; k++) {
			assert_int_equal(to[-(int)k], 0xa5);
			assert_int_equal(to[n + k - 1], 0xa5);
		}
	}
	free(src);
	free(dst);
}

/* Moves @mib in bursts of 32 frames of 1500 bytes that cost @cost[] cycles per
 * KiB; some bursts lose the processor. Returns the cycles. */
static uint64_t play(struct copy_choice *c, const unsigned *cost, unsigned mib,
		     struct rng *rng)
{
	uint64_t bytes = 32 * 1500, sum = 0;

	for (uint64_t done = 0; done < (uint64_t)mib << 20; done += bytes) {
		enum copy_method m = copy_choice_begin(c);
		uint64_t took = cost[m] * bytes / 1024;

		sum += took;
		took += took * rng_below(rng, 20) / 100;
		if (!rng_below(rng, 8))
			took += rng_below(rng, 10000000);
		copy_choice_add(c, bytes, took);
	}
	return sum;
}

static void check_choice(const unsigned *cost, enum copy_method best)
{
	uint64_t ideal = (uint64_t)cost[best] * 8192 * 1024;
	struct rng rng = rng_start();
	struct copy_choice c = { 0 };

	play(&c, cost, 1200, &rng);
	assert_int_equal(c.best, best);
	/* trials cost at most this */
	assert_true(play(&c, cost, 8192, &rng) < ideal * 102 / 100);
	assert_int_equal(c.best, best);
	assert_in_range(c.changes, 0, 2);
	assert_in_range(c.trials, 2, 60);
}

static void test_choice(void **state)
{
	(void)state;
	check_choice((unsigned[]){ 100, 130, 140 }, COPY_PLAIN);
	check_choice((unsigned[]){ 100, 130, 900 }, COPY_PLAIN);
	check_choice((unsigned[]){ 700, 500, 490 }, COPY_AHEAD);
	check_choice((unsigned[]){ 2000, 1000, 3000 }, COPY_AHEAD);
	/* as measured: warm with a common cache, cold, and without a common
	 * cache */
	check_choice((unsigned[]){ 210, 206, 145 }, COPY_AHEAD);
	if (copy_large_has(COPY_STREAM)) {
		check_choice((unsigned[]){ 700, 700, 420 }, COPY_STREAM);
		check_choice((unsigned[]){ 522, 540, 330 }, COPY_STREAM);
		check_choice((unsigned[]){ 810, 585, 330 }, COPY_STREAM);
	}
}

/* Warm buffers become cold, and warm again. */
static void test_change(void **state)
{
	const unsigned warm[] = { 100, 115, 500 }, cold[] = { 800, 500, 700 };
	struct rng rng = rng_start();
	struct copy_choice c = { 0 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		play(&c, warm, 1200, &rng);
		assert_int_equal(c.best, COPY_PLAIN);
		play(&c, cold, 1200, &rng);
		assert_int_equal(c.best, COPY_AHEAD);
	}
}

static void test_small(void **state)
{
	struct copy_choice c = { 0 };

	(void)state;
	copy_choice_begin(&c);
	for (unsigned i = 0; i < 1000000; i++) {
		copy_choice_end(&c, 64, 64 * 64);
		copy_choice_end(&c, 1, 1500);
	}
	assert_int_equal(c.trials, 0);
	assert_int_equal(c.spent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

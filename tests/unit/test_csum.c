/* SPDX-License-Identifier: Apache-2.0 */
/* net/csum.c against the obvious sum, with every size, alignment and cut. */
#include "pkt.h"

#include "offload.h"

static uint16_t naive(const uint8_t *p, size_t n)
{
	return htobe16((uint16_t)~pkt_sum(0, p, n));
}

static void test_sizes(void **state)
{
	static uint8_t buf[4096];
	struct rng rng = rng_start();

	(void)state;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)rng_next(&rng);
	for (unsigned align = 0; align < 16; align++)
		for (unsigned n = 0; n < 300; n++)
			assert_int_equal(csum_fold(csum_add(0, buf + align, n)),
					 naive(buf + align, n));
}

static void test_extremes(void **state)
{
	static uint8_t buf[65536 + 8];

	(void)state;
	assert_int_equal(csum_fold(csum_add(0, buf, 65535)), 0xffff);
	memset(buf, 0xff, sizeof(buf));
	for (unsigned n = 65500; n < 65543; n++)
		assert_int_equal(csum_fold(csum_add(0, buf, n)), naive(buf, n));
	/* carries out of every word of the accumulator */
	assert_int_equal(csum_fold(UINT64_MAX), 0);
	assert_int_equal(csum_fold(0xffff0000ffff0001ull), (uint16_t)~1);
}

static void test_cuts(void **state)
{
	static uint8_t buf[70000];
	struct rng rng = rng_start();

	(void)state;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)rng_next(&rng);
	for (int round = 0; round < 300; round++) {
		uint32_t len = rng_below(&rng, 5000), done = 0;
		uint8_t *p = buf + rng_below(&rng, 60000);
		struct iovec iov[64];
		unsigned n = pkt_cut(&rng, p, len, 200, iov, 64);
		uint64_t sum = 0;

		for (unsigned i = 0; i < n; i++) {
			sum = (done & 1 ? csum_add_odd : csum_add)(
				sum, iov[i].iov_base, iov[i].iov_len);
			done += (uint32_t)iov[i].iov_len;
		}
		assert_int_equal(csum_fold(sum), naive(p, len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

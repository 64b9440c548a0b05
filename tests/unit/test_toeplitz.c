/* SPDX-License-Identifier: Apache-2.0 */
/* The Toeplitz hash: published vectors, and the fast form for the symmetric key
 * against the general one. */
#include "test.h"

#include <arpa/inet.h>
#include <string.h>

#include "key.h"
#include "pkt.h"
#include "rss_vectors.h"
#include "toeplitz.h"

static void test_published(void **state)
{
	struct toeplitz t;

	(void)state;
	toeplitz_init(&t, published_key);
	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		int family = strchr(v->src, ':') ? AF_INET6 : AF_INET;
		unsigned size = family == AF_INET ? 4 : 16;
		uint8_t in[TOEPLITZ_INPUT_MAX];

		assert_int_equal(inet_pton(family, v->src, in), 1);
		assert_int_equal(inet_pton(family, v->dst, in + size), 1);
		put_be16(in + 2 * size, v->sport);
		put_be16(in + 2 * size + 2, v->dport);
		assert_int_equal(toeplitz_hash(&t, in, 2 * size), v->addresses);
		assert_int_equal(toeplitz_hash(&t, in, 2 * size + 4), v->ports);
	}
}

static void symmetric_init(struct toeplitz *t)
{
	uint8_t key[TOEPLITZ_KEY_SIZE];

	for (unsigned i = 0; i < sizeof(key); i += 2)
		put_be16(key + i, 0x6d5a);
	toeplitz_init(t, key);
}

static void test_symmetric(void **state)
{
	static uint8_t seen[65536];
	struct rng rng = rng_start();
	struct toeplitz t;

	(void)state;
	symmetric_init(&t);
	for (unsigned sum = 0; sum < 65536; sum++) {
		uint8_t in[2];
		uint32_t hash = toeplitz_symmetric((uint16_t)sum);

		put_be16(in, (uint16_t)sum);
		assert_int_equal(hash, toeplitz_hash(&t, in, 2));
		assert_false(seen[hash & 0xffff]++);
	}
	for (unsigned round = 0; round < 1000; round++) {
		uint8_t in[TOEPLITZ_INPUT_MAX];
		uint16_t sum = 0;

		for (unsigned i = 0; i < sizeof(in); i++)
			in[i] = (uint8_t)rng_next(&rng);
		for (unsigned i = 0; i < sizeof(in); i += 2)
			sum ^= get_be16(in + i);
		assert_int_equal(toeplitz_symmetric(sum),
				 toeplitz_hash(&t, in, sizeof(in)));
	}
}

/* A frame's hash equals the general function's result for its tuple. */
static void test_frames(void **state)
{
	static struct pkt k;
	static struct frame f;
	struct rng rng = rng_start();
	struct toeplitz t;

	(void)state;
	symmetric_init(&t);
	for (unsigned round = 0; round < 400; round++) {
		struct pkt_spec s = { .v6 = round & 1,
				      .udp = round & 2,
				      .tags = round / 4 % 3,
				      .payload = 20 };
		unsigned size = s.v6 ? 32 : 8;
		uint8_t in[TOEPLITZ_INPUT_MAX];
		struct iovec iov;

		s.l3_opt = round / 12 % 3 * (s.v6 ? 8 : 4);
		pkt_build(&k, &s, &rng);
		iov = (struct iovec){ k.data, k.len };
		f.hdr = (struct vnet_hdr){ 0 };
		frame_from_iov(&f, &iov, 1, k.len, FRAME_HEAD);
		memcpy(in, k.data + k.l3_off + (s.v6 ? 8 : 12), size);
		memcpy(in + size, k.data + k.l4_off, 4);
		assert_int_equal(flow_hash(&f),
				 toeplitz_hash(&t, in, size + 4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_symmetric),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

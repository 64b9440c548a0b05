/* SPDX-License-Identifier: Apache-2.0 */
/* net/frame.c and net/key.c: snapshots and views, keys, hash. */
#include "pkt.h"

#include "copy.h"
#include "key.h"

static void test_copy(void **state)
{
	uint8_t src[300], dst[320];

	(void)state;
	for (unsigned i = 0; i < sizeof(src); i++)
		src[i] = (uint8_t)(i * 7 + 1);
	for (unsigned n = 0; n <= 260; n++)
		for (unsigned a = 0; a < 8; a++) {
			memset(dst, 0xee, sizeof(dst));
			copy_bytes(dst + 8 + a, src + a, n);
			assert_memory_equal(dst + 8 + a, src + a, n);
			for (unsigned i = 0; i < 8 + a; i++)
				assert_int_equal(dst[i], 0xee);
			for (unsigned i = 8 + a + n; i < sizeof(dst); i++)
				assert_int_equal(dst[i], 0xee);
		}
}

/* With any cut and any snapshot size the frame equals the input. */
static void test_views(void **state)
{
	static uint8_t data[FRAME_MAX], out[FRAME_MAX + 16];
	static struct iovec iov[512], flat[513];
	static struct frame f;
	struct rng rng = rng_start();

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rng_next(&rng);
	for (int round = 0; round < 1000; round++) {
		uint32_t len =
			14 +
			rng_below(&rng, round % 16 ? 600 : FRAME_MAX - 14 + 1);
		uint32_t snap = 14 + rng_below(&rng, FRAME_HEAD - 14 + 1);
		uint32_t off = rng_below(&rng, len + 1), pos = 0;
		uint32_t size = rng_below(&rng, len - off + 1);
		unsigned n = pkt_cut(&rng, data, len, 1 + rng_below(&rng, len),
				     iov, 500);

		frame_from_iov(&f, iov, n, len, snap);
		assert_int_equal(f.len, len);
		assert_int_equal(f.head_len, MIN(len, snap));
		assert_true(f.iov_count ? f.iov != NULL : f.iov == NULL);
		assert_memory_equal(frame_head(&f), data, f.head_len);
		memset(out, 0xee, sizeof(out));
		frame_copy(&f, off, out, size);
		assert_memory_equal(out, data + off, size);
		assert_int_equal(out[size], 0xee);
		n = frame_to_iov(&f, flat, 513);
		assert_int_equal(n, f.iov_count + 1);
		assert_int_equal(frame_to_iov(&f, flat, n - 1), 0);
		for (unsigned i = 0; i < n; i++) {
			assert_true(flat[i].iov_len > 0);
			assert_memory_equal(flat[i].iov_base, data + pos,
					    flat[i].iov_len);
			pos += (uint32_t)flat[i].iov_len;
		}
		assert_int_equal(pos, len);
	}
}

static void frame_from_pkt(struct frame *f, struct iovec *iov, struct pkt *k,
			   uint32_t snap)
{
	*iov = (struct iovec){ k->data, k->len };
	frame_from_iov(f, iov, 1, k->len, snap);
}

static void test_parse(void **state)
{
	static struct pkt k;
	static struct frame f;
	struct rng rng = rng_start();
	struct iovec iov;
	const struct key *h;

	(void)state;
	for (unsigned i = 0; i < 3 * 2 * 2 * 5; i++) {
		struct pkt_spec s = {
			.tags = i % 3,
			.v6 = i / 3 % 2,
			.udp = i / 6 % 2,
			.l3_opt = i / 12 * 8,
			.l4_opt = i % 5 * 4,
			.payload = 60,
		};

		if (!s.v6 && s.l3_opt > 40)
			s.l3_opt = 40;
		pkt_build(&k, &s, &rng);
		frame_from_pkt(&f, &iov, &k, FRAME_HEAD);
		h = frame_key(&f, KEY_L4);
		assert_int_equal(h->tags, s.tags);
		assert_int_equal(h->ip, s.v6 ? 6 : 4);
		assert_int_equal(h->ethertype,
				 s.v6 ? ETHERTYPE_V6 : ETHERTYPE_V4);
		assert_int_equal(h->l3_off, k.l3_off);
		assert_int_equal(h->l4_off, k.l4_off);
		assert_int_equal(h->payload_off, k.payload_off);
		assert_int_equal(h->proto, s.udp ? IPPROTO_UDP : IPPROTO_TCP);
		assert_false(h->is_fragment);
		/* a shorter head has less in its key, never anything wrong */
		for (unsigned len = k.payload_off; len-- > 14;) {
			frame_from_pkt(&f, &iov, &k, len);
			h = frame_key(&f, KEY_L4);
			assert_int_equal(h->payload_off, 0);
			assert_true(h->l4_off == 0 || h->l4_off == k.l4_off);
			assert_true(h->l3_off == 0 || h->l3_off == k.l3_off);
			assert_true(h->l4_off < len && h->l3_off < len);
			flow_hash(&f);
		}
	}
}

/* A key is filled only as far as asked, and only once. */
static void test_key_depth(void **state)
{
	struct pkt_spec spec = { .tags = 2, .payload = 60 };
	static struct pkt k;
	static struct frame f;
	struct rng rng = rng_start();
	const struct key *key;
	struct iovec iov;

	(void)state;
	pkt_build(&k, &spec, &rng);
	put_be16(k.data + 14, 0x6000 | 77);
	put_be16(k.data + 18, 42);
	frame_from_pkt(&f, &iov, &k, FRAME_HEAD);
	assert_int_equal(f.key.depth, KEY_NONE);
	key = frame_key(&f, KEY_L2);
	assert_int_equal(key->tags, 2);
	assert_int_equal(key->ethertype, ETHERTYPE_V4);
	assert_int_equal(key->l3_off, 0);
	assert_int_equal(key_tci(&f, 0), 0x6000 | 77);
	assert_int_equal(key_tci(&f, 1), 42);
	key = frame_key(&f, KEY_L4);
	assert_int_equal(key->l3_off, k.l3_off);
	assert_memory_equal(key_addresses(&f), k.data + k.l3_off + 12, 8);
	assert_memory_equal(key_ports(&f), k.data + k.l4_off, 4);
	/* a second call returns the first result without another look */
	memset(frame_head(&f) + 12, 0, 8);
	assert_int_equal(frame_key(&f, KEY_L2)->tags, 2);
	frame_forget(&f);
	assert_int_equal(frame_key(&f, KEY_L2)->tags, 0);
}

static void test_parse_random(void **state)
{
	struct rng rng = rng_start();
	static struct frame f;
	const struct key *h;

	(void)state;
	for (int round = 0; round < 30000; round++) {
		static const uint16_t types[] = { 0x800, 0x86dd, 0x8100,
						  0x88a8 };
		static const uint8_t ext[] = { 0, 43, 44, 51, 60, 6, 17 };
		uint8_t *p = f.buf + FRAME_HEADROOM;

		f.head_off = FRAME_HEADROOM;
		f.head_len = 14 + rng_below(&rng, FRAME_HEAD - 14 + 1);
		f.len = f.head_len;
		for (unsigned i = 0; i < FRAME_HEAD; i++)
			p[i] = rng_below(&rng, 2) ? ext[rng_below(&rng, 7)]
						  : (uint8_t)rng_next(&rng);
		put_be16(p + 12, types[rng_below(&rng, 4)]);
		put_be16(p + 16, types[rng_below(&rng, 4)]);
		p[14] = rng_below(&rng, 2) ? 0x45 : 0x60;
		frame_forget(&f);
		h = frame_key(&f, KEY_L4);
		assert_true(h->payload_off <= f.head_len);
		assert_true(h->l4_off <= f.head_len);
		assert_true(h->l3_off <= f.head_len);
		assert_true(!h->payload_off || h->payload_off > h->l4_off);
		assert_true(!h->l4_off || h->l4_off > h->l3_off);
		flow_hash(&f);
	}
}

static void swap_ends(struct pkt *k, const struct pkt_spec *s)
{
	unsigned size = s->v6 ? 16 : 4;
	uint8_t *addr = k->data + k->l3_off + (s->v6 ? 8 : 12), tmp[16];

	memcpy(tmp, addr, size);
	memcpy(addr, addr + size, size);
	memcpy(addr + size, tmp, size);
	memcpy(tmp, k->data + k->l4_off, 2);
	memcpy(k->data + k->l4_off, k->data + k->l4_off + 2, 2);
	memcpy(k->data + k->l4_off + 2, tmp, 2);
}

static void test_hash(void **state)
{
	static struct pkt k;
	static struct frame f;
	struct rng rng = rng_start();
	unsigned used[64] = { 0 };
	struct iovec iov;
	uint32_t hash;

	(void)state;
	for (int round = 0; round < 3200; round++) {
		struct pkt_spec s = {
			.v6 = round & 1,
			.udp = round & 2,
			.payload = 20,
		};

		pkt_build(&k, &s, &rng);
		frame_from_pkt(&f, &iov, &k, FRAME_HEAD);
		hash = flow_hash(&f);
		used[hash % 64]++;
		swap_ends(&k, &s);
		frame_from_pkt(&f, &iov, &k, FRAME_HEAD);
		assert_int_equal(flow_hash(&f), hash);
		k.data[k.l4_off] ^= 1; /* another port, another flow */
		frame_from_pkt(&f, &iov, &k, FRAME_HEAD);
		assert_int_not_equal(flow_hash(&f), hash);
	}
	for (int i = 0; i < 64; i++)
		assert_in_range(used[i], 20, 90);
	/* first and later fragments of one datagram go the same way */
	pkt_build(&k, &(struct pkt_spec){ .udp = true, .payload = 9 }, &rng);
	put_be16(k.data + k.l3_off + 6, 0x2000);
	frame_from_pkt(&f, &iov, &k, FRAME_HEAD);
	hash = flow_hash(&f);
	put_be16(k.data + k.l3_off + 6, 0x00b9);
	put_be32(k.data + k.l4_off, 0x12345678);
	frame_from_pkt(&f, &iov, &k, FRAME_HEAD);
	assert_int_equal(flow_hash(&f), hash);
}

/* The hash of frames other than IP: MAC addresses, equal in both directions. */
static void test_hash_mac(void **state)
{
	static struct frame f;
	uint8_t data[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6 };
	uint8_t back[60] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6 };
	struct iovec iov = { data, sizeof(data) };
	uint32_t hash;

	(void)state;
	frame_from_iov(&f, &iov, 1, sizeof(data), FRAME_SNAP);
	hash = flow_hash(&f);
	iov = (struct iovec){ back, sizeof(back) };
	frame_from_iov(&f, &iov, 1, sizeof(back), FRAME_SNAP);
	assert_int_equal(flow_hash(&f), hash);
	back[11] = 7;
	iov = (struct iovec){ back, sizeof(back) };
	frame_from_iov(&f, &iov, 1, sizeof(back), FRAME_SNAP);
	assert_int_not_equal(flow_hash(&f), hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_key_depth),
		cmocka_unit_test(test_parse_random),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

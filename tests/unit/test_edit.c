/* SPDX-License-Identifier: Apache-2.0 */
/* Tags pushed, popped and set: the result is the packet that would have been
 * built that way, with the offload header and the key in the right places. */
#include "test.h"

#include "edit.h"
#include "key.h"
#include "offload.h"
#include "pkt.h"

static void take(struct frame *f, struct iovec *iov, const struct pkt *k,
		 const struct vnet_hdr *hdr, unsigned snap)
{
	iov[0] = (struct iovec){ (void *)k->data, k->len / 2 };
	iov[1] = (struct iovec){ (uint8_t *)k->data + k->len / 2,
				 k->len - k->len / 2 };
	f->hdr = *hdr;
	frame_from_iov(f, iov, 2, k->len, snap);
}

static void check_same(struct frame *f, const struct pkt *k,
		       const struct vnet_hdr *hdr)
{
	static uint8_t out[PKT_MAX];

	assert_int_equal(f->len, k->len);
	frame_copy(f, 0, out, f->len);
	assert_memory_equal(out, k->data, k->len);
	assert_memory_equal(&f->hdr, hdr, sizeof(*hdr));
	assert_true(offload_is_valid(f));
	assert_int_equal(frame_key(f, KEY_L4)->l4_off, k->l4_off);
	assert_int_equal(f->key.payload_off, k->payload_off);
}

/* Makes @with the packet @k with a tag in front of the others. */
static void put_tag(struct pkt *with, const struct pkt *k, uint16_t tpid,
		    uint16_t tci)
{
	memcpy(with->data, k->data, 12);
	put_be16(with->data + 12, tpid);
	put_be16(with->data + 14, tci);
	memcpy(with->data + 16, k->data + 12, k->len - 12);
	with->len = k->len + 4;
	with->l3_off = k->l3_off + 4;
	with->l4_off = k->l4_off + 4;
	with->payload_off = k->payload_off + 4;
}

static void test_push_and_pop(void **state)
{
	static struct pkt plain, tagged, other;
	static struct frame f, copy[3];
	struct rng rng = rng_start();
	struct iovec iov[2];

	(void)state;
	for (unsigned i = 0; i < 2 * 2 * 2 * 2 * 2; i++) {
		struct pkt_spec s = { .tags = i & 1,
				      .v6 = i >> 1 & 1,
				      .udp = i >> 2 & 1,
				      .payload = i >> 3 & 1 ? 4000 : 60 };
		uint16_t gso = i >> 4 & 1 ? 100 : 0;
		struct vnet_hdr hdr, hdr4;
		uint32_t hash;

		if (s.payload < gso)
			s.payload = 300;
		pkt_build(&plain, &s, &rng);
		hdr = hdr4 = pkt_hdr(&plain, &s, gso);
		hdr4.csum_start += 4;
		hdr4.hdr_len += gso ? 4 : 0;
		put_tag(&tagged, &plain, 0x88a8, 0x6005);
		put_tag(&other, &plain, 0x8100, 0x2007);

		take(&f, iov, &plain, &hdr, FRAME_HEAD);
		hash = frame_flow_hash(&f);
		edit_push_tag(&copy[0], &f, 0x88a8, 0x6005);
		check_same(&copy[0], &tagged, &hdr4);
		edit_set_tag(&copy[1], &copy[0], 0x8100, 0x2007);
		check_same(&copy[1], &other, &hdr4);
		/* a flow has one hash in every VLAN */
		assert_int_equal(frame_flow_hash(&copy[1]), hash);
		edit_pop_tag(&copy[2], &copy[1]);
		check_same(&copy[2], &plain, &hdr);
		/* the other users of the frame see no change */
		check_same(&copy[0], &tagged, &hdr4);
		check_same(&f, &plain, &hdr);
	}
}

/* A frame that lies completely in the head, and the smallest frame. */
static void test_small(void **state)
{
	static const uint8_t data[18] = { 1, 2, 3, 4, 5, 6, 7,		 8,
					  9, 9, 9, 9, 8, 0, [16] = 0x88, 0xb5 };
	struct iovec iov = { (void *)data, 14 };
	static struct frame f, with, without;
	uint8_t out[32];

	(void)state;
	f.hdr = (struct vnet_hdr){ 0 };
	frame_from_iov(&f, &iov, 1, 14, FRAME_SNAP);
	edit_push_tag(&with, &f, 0x8100, 7);
	assert_int_equal(with.len, 18);
	frame_copy(&with, 0, out, 18);
	assert_memory_equal(out, data, 12);
	assert_int_equal(get_be16(out + 12), 0x8100);
	assert_int_equal(get_be16(out + 14), 7);
	assert_memory_equal(out + 16, data + 12, 2);
	edit_pop_tag(&without, &with);
	assert_int_equal(without.len, 14);
	frame_copy(&without, 0, out, 14);
	assert_memory_equal(out, data, 14);
}

/* Cuts @f and looks at each segment: the headers of @k, whose length and number
 * fields aside, and its part of the payload. */
static void check_segments(struct frame *f, const struct pkt *k, uint16_t size)
{
	static uint8_t out[PKT_MAX];
	static struct frame seg[64];
	static struct iovec iov[256];
	unsigned n = 0, used = 0;
	struct gso_iter it;
	int got;

	gso_iter_init(&it, f, OFFLOAD_CSUM);
	while ((got = gso_iter_next(&it, &seg[n], &iov[used], 256 - used)) >=
	       0) {
		used += (unsigned)got;
		assert_true(++n < 64);
	}
	assert_int_equal(got, -1);
	assert_int_equal(n, (k->len - k->payload_off + size - 1) / size);
	/* all of them at once, as they are sent */
	for (unsigned i = 0; i < n; i++) {
		uint32_t at = k->payload_off + i * size;

		frame_copy(&seg[i], 0, out, seg[i].len);
		assert_int_equal(seg[i].len,
				 k->payload_off + MIN(size, k->len - at));
		assert_memory_equal(out, k->data, k->l3_off);
		/* options of TCP, to the last byte */
		assert_memory_equal(out + k->l4_off + 20,
				    k->data + k->l4_off + 20,
				    k->payload_off - k->l4_off - 20);
		assert_memory_equal(out + k->payload_off, k->data + at,
				    seg[i].len - k->payload_off);
	}
}

/* A large frame that comes with as many tags as are allowed, or with as much of
 * headers as a head holds, gets one more tag and is cut. */
static void test_push_and_segment(void **state)
{
	static const struct pkt_spec specs[] = {
		{ .tags = 2, .payload = 6000 },
		{ .tags = 2, .v6 = true, .payload = 6000 },
		/* 14 + 40 + 80 + 56 and 18 + 40 + 80 + 52 bytes of 192 */
		{ .v6 = true, .l3_opt = 80, .l4_opt = 36, .payload = 6000 },
		{ .tags = 1,
		  .v6 = true,
		  .l3_opt = 80,
		  .l4_opt = 32,
		  .payload = 6000 },
	};
	static struct pkt plain, tagged;
	static struct frame f, copy;
	struct rng rng = rng_start();
	struct iovec iov[2];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(specs); i++) {
		struct vnet_hdr hdr;

		pkt_build(&plain, &specs[i], &rng);
		if (specs[i].l3_opt) { /* in one extension header */
			plain.data[plain.l3_off + 40] = IPPROTO_TCP;
			plain.data[plain.l3_off + 41] =
				(uint8_t)(specs[i].l3_opt / 8 - 1);
		}
		hdr = pkt_hdr(&plain, &specs[i], 100);
		put_tag(&tagged, &plain, 0x8100, 5);
		take(&f, iov, &plain, &hdr, FRAME_HEAD);
		assert_true(offload_is_valid(&f));
		check_segments(&f, &plain, 100);
		edit_push_tag(&copy, &f, 0x8100, 5);
		check_segments(&copy, &tagged, 100);
	}
	/* a third tag that comes along leaves no room for that */
	pkt_build(&plain, &specs[0], &rng);
	put_tag(&tagged, &plain, 0x8100, 5);
	{
		struct vnet_hdr hdr = pkt_hdr(&tagged, &specs[0], 100);

		take(&f, iov, &tagged, &hdr, FRAME_HEAD);
		assert_false(offload_is_valid(&f));
	}
}

/* Where a tag may be taken off, no offset may point into it: it would point
 * into the addresses or before the frame afterwards. */
static void test_offsets_in_a_tag(void **state)
{
	struct pkt_spec s = { .tags = 1, .payload = 60 };
	static struct pkt tagged;
	static struct frame f, copy;
	struct rng rng = rng_start();
	struct iovec iov[2];
	struct vnet_hdr hdr;

	(void)state;
	pkt_build(&tagged, &s, &rng);
	hdr = pkt_hdr(&tagged, &s, 0);
	for (unsigned start = 0; start <= tagged.l4_off; start++) {
		hdr.csum_start = (uint16_t)start;
		take(&f, iov, &tagged, &hdr, FRAME_HEAD);
		assert_int_equal(offload_is_valid(&f), start >= 18);
	}
	/* a hint may say anything */
	hdr = pkt_hdr(&tagged, &s, 20);
	hdr.hdr_len = 2;
	take(&f, iov, &tagged, &hdr, FRAME_HEAD);
	assert_true(offload_is_valid(&f));
	edit_pop_tag(&copy, &f);
	assert_int_equal(copy.hdr.hdr_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_and_pop),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_offsets_in_a_tag),
		cmocka_unit_test(test_push_and_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

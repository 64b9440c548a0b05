/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net/offload.c and net/gso.c: refused headers; and segments that together are
 * their frame again, each with headers and checksums that an independent check
 * finds right.
 */
#include "pkt.h"

#include "offload.h"
#include "key.h"

static struct pkt pkt;
static struct frame frame;
static struct iovec iovs[256];

/* Makes @f the frame of @k, in pieces of at most @max_piece bytes. */
static void make_frame(struct rng *rng, struct frame *f, struct pkt *k,
		       struct vnet_hdr hdr, uint32_t max_piece)
{
	unsigned n = pkt_cut(rng, k->data, k->len, max_piece, iovs,
			     ARRAY_SIZE(iovs));

	f->hdr = hdr;
	frame_from_iov(f, iovs, n, k->len, FRAME_HEAD);
}

struct valid_row {
	const char *what;
	struct pkt_spec spec;
	uint16_t gso_size;
	bool is_valid;
	void (*spoil)(struct pkt *k, struct vnet_hdr *h);
};

static void no_csum(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->flags = 0;
}

static void plain(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	*h = (struct vnet_hdr){ .csum_start = 9999, .gso_size = 7 };
}

static void ecn(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_type |= VNET_GSO_ECN;
}

static void ecn_alone(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_type = VNET_GSO_ECN;
}

static void type_unknown(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_type = 2;
}

static void type_ufo(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_type = VNET_GSO_UDP;
}

static void type_v6(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_type = VNET_GSO_TCPV6;
}

static void type_v4(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_type = VNET_GSO_TCPV4;
}

static void type_udp(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_type = VNET_GSO_UDP_L4;
}

static void size_zero(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->gso_size = 0;
}

static void start_eth(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->csum_start = 13;
}

static void start_head(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->csum_start = FRAME_HEAD - 17;
}

static void start_max(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->csum_start = 0xffff;
	h->csum_offset = 0xffff;
}

static void start_inner(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->csum_start = FRAME_HEAD - 18;
}

static void start_off_one(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->csum_start++;
}

static void offset_wrong(struct pkt *k, struct vnet_hdr *h)
{
	(void)k;
	h->csum_offset -= 2;
}

static void l3_longer(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	k->data[k->l3_off + (k->data[k->l3_off] >> 4 == 4 ? 3 : 5)]++;
}

static void udp_longer(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	k->data[k->l4_off + 5]++;
}

static void ihl_short(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	k->data[k->l3_off] = 0x44;
}

static void version_wrong(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	k->data[k->l3_off] = 0x55;
}

static void fragment(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	put_be16(k->data + k->l3_off + 6, 0x2000);
}

static void fragment_later(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	put_be16(k->data + k->l3_off + 6, 1);
}

static void doff_short(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	k->data[k->l4_off + 12] = 0x40;
}

static void ext_long(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	k->data[k->l3_off + 41] = 255;
}

static void ethertype(struct pkt *k, struct vnet_hdr *h)
{
	(void)h;
	put_be16(k->data + k->l3_off - 2, 0x0806);
}

static const struct valid_row rows[] = {
	{ "plain, rest is noise", { .payload = 9 }, 0, true, plain },
	{ "csum tcp4", { .payload = 9 }, 0, true },
	{ "csum udp6", { .v6 = true, .udp = true, .payload = 9 }, 0, true },
	{ "csum of something inner", { .payload = 900 }, 0, true, start_inner },
	{ "csum with tags", { .tags = 2, .payload = 9 }, 0, true },
	{ "csum starts in Ethernet", { .payload = 9 }, 0, false, start_eth },
	{ "csum beyond head", { .payload = 900 }, 0, false, start_head },
	{ "csum beyond frame", { .payload = 9 }, 0, false, start_max },
	{ "ecn without gso", { .payload = 9 }, 0, false, ecn_alone },
	{ "tso4", { .payload = 4000 }, 1000, true },
	{ "tso4 ecn", { .payload = 4000 }, 1000, true, ecn },
	{ "tso4 options, tags",
	  { .tags = 2, .l3_opt = 40, .l4_opt = 40, .payload = 4000 },
	  1000,
	  true },
	{ "tso4 one segment", { .payload = 4 }, 1000, true },
	{ "tso6", { .v6 = true, .payload = 4000 }, 1000, true },
	{ "tso6 ext",
	  { .v6 = true, .l3_opt = 64, .payload = 4000 },
	  999,
	  true },
	{ "tso6 ext 9",
	  { .v6 = true, .l3_opt = 72, .payload = 4000 },
	  1000,
	  false },
	{ "uso4", { .udp = true, .payload = 4000 }, 1000, true },
	{ "uso6", { .v6 = true, .udp = true, .payload = 4000 }, 1000, true },
	{ "gso without csum", { .payload = 4000 }, 1000, false, no_csum },
	{ "unknown type", { .payload = 4000 }, 1000, false, type_unknown },
	{ "ufo", { .udp = true, .payload = 4000 }, 1000, false, type_ufo },
	{ "uso ecn", { .udp = true, .payload = 4000 }, 1000, false, ecn },
	{ "tso6 is v4", { .payload = 4000 }, 1000, false, type_v6 },
	{ "tso4 is v6", { .v6 = true, .payload = 4000 }, 1000, false, type_v4 },
	{ "tso is udp",
	  { .udp = true, .payload = 4000 },
	  1000,
	  false,
	  type_v4 },
	{ "uso is tcp", { .payload = 4000 }, 1000, false, type_udp },
	{ "size 0", { .payload = 4000 }, 1000, false, size_zero },
	{ "no payload", { .payload = 0 }, 1000, false },
	{ "1024 segments", { .payload = 4096 }, 4, true },
	{ "1025 segments", { .payload = 4097 }, 4, false },
	{ "csum not at tcp", { .payload = 4000 }, 1000, false, start_off_one },
	{ "csum not of tcp", { .payload = 4000 }, 1000, false, offset_wrong },
	{ "v4 length", { .payload = 4000 }, 1000, false, l3_longer },
	{ "v6 length",
	  { .v6 = true, .payload = 4000 },
	  1000,
	  false,
	  l3_longer },
	{ "udp length", { .udp = true, .payload = 99 }, 10, false, udp_longer },
	{ "v4 ihl", { .payload = 4000 }, 1000, false, ihl_short },
	{ "v4 version", { .payload = 4000 }, 1000, false, version_wrong },
	{ "v6 version",
	  { .v6 = true, .payload = 4000 },
	  1000,
	  false,
	  version_wrong },
	{ "fragment", { .payload = 4000 }, 1000, false, fragment },
	{ "later fragment", { .payload = 4000 }, 1000, false, fragment_later },
	{ "tcp offset", { .payload = 4000 }, 1000, false, doff_short },
	{ "tcp offset past frame",
	  { .l4_opt = 40, .payload = 0 },
	  1000,
	  false,
	  NULL },
	{ "ext too long",
	  { .v6 = true, .l3_opt = 8, .payload = 4000 },
	  1000,
	  false,
	  ext_long },
	{ "arp", { .payload = 4000 }, 1000, false, ethertype },
};

static void test_valid(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct valid_row *r = &rows[i];
		struct vnet_hdr h;

		pkt_build(&pkt, &r->spec, &rng);
		h = pkt_hdr(&pkt, &r->spec, r->gso_size);
		if (r->spoil)
			r->spoil(&pkt, &h);
		make_frame(&rng, &frame, &pkt, h, 3000);
		if (offload_is_valid(&frame) != r->is_valid)
			fail_msg("%s: not %s", r->what,
				 r->is_valid ? "taken" : "refused");
	}
}

static void test_needed(void **state)
{
	static const struct {
		struct pkt_spec spec;
		uint16_t gso_size;
		uint8_t ecn;
		unsigned need;
	} need[] = {
		{ { .payload = 1 }, 0, 0, OFFLOAD_CSUM },
		{ { .payload = 1 }, 9, 0, OFFLOAD_CSUM | OFFLOAD_TSO4 },
		{ { .payload = 1 },
		  9,
		  VNET_GSO_ECN,
		  OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_ECN },
		{ { .v6 = true, .payload = 1 },
		  9,
		  0,
		  OFFLOAD_CSUM | OFFLOAD_TSO6 },
		{ { .udp = true, .tags = 1, .payload = 1 },
		  9,
		  0,
		  OFFLOAD_CSUM | OFFLOAD_USO4 },
		{ { .udp = true, .tags = 2, .v6 = true, .payload = 1 },
		  9,
		  0,
		  OFFLOAD_CSUM | OFFLOAD_USO6 },
	};
	struct rng rng = rng_start();

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(need); i++) {
		struct vnet_hdr h;

		pkt_build(&pkt, &need[i].spec, &rng);
		h = pkt_hdr(&pkt, &need[i].spec, need[i].gso_size);
		h.gso_type |= need[i].ecn;
		make_frame(&rng, &frame, &pkt, h, 3000);
		assert_int_equal(frame_offloads_needed(&frame), need[i].need);
		assert_true(frame_has_offload(&frame));
	}
	frame.hdr = (struct vnet_hdr){ .flags = VNET_HDR_F_DATA_VALID };
	assert_int_equal(frame_offloads_needed(&frame), 0);
	assert_false(frame_has_offload(&frame));
}

static bool l4_csum_is_right(const uint8_t *p, const struct pkt *k,
			     const struct pkt_spec *s, uint32_t len)
{
	uint32_t sum =
		pkt_pseudo(p + k->l3_off, s->udp ? IPPROTO_UDP : IPPROTO_TCP,
			   len - k->l4_off);

	return pkt_sum(sum, p + k->l4_off, len - k->l4_off) == 0xffff;
}

static struct pkt_spec random_spec(struct rng *rng, unsigned payload)
{
	struct pkt_spec s = {
		.tags = rng_below(rng, 3),
		.v6 = rng_below(rng, 2),
		.udp = rng_below(rng, 2),
		.l3_opt = rng_below(rng, 6) * 8,
		.l4_opt = rng_below(rng, 11) * 4,
		.payload = payload,
		.tcp_flags = (uint8_t)rng_next(rng),
	};

	return s;
}

static void test_fill(void **state)
{
	static uint8_t out[PKT_MAX];
	struct rng rng = rng_start();

	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct pkt_spec s = random_spec(&rng, rng_below(&rng, 3000));

		pkt_build(&pkt, &s, &rng);
		make_frame(&rng, &frame, &pkt, pkt_hdr(&pkt, &s, 0),
			   1 + rng_below(&rng, 500));
		assert_true(offload_is_valid(&frame));
		offload_fill_csum(&frame);
		assert_false(frame_has_offload(&frame));
		frame_copy(&frame, 0, out, frame.len);
		assert_true(l4_csum_is_right(out, &pkt, &s, frame.len));
	}
}

/* A datagram with the checksum 0 carries 0xffff. */
static void test_fill_zero(void **state)
{
	struct pkt_spec s = { .udp = true, .payload = 2 };
	struct rng rng = rng_start();
	uint32_t sum;

	(void)state;
	pkt_build(&pkt, &s, &rng);
	memset(pkt.data + pkt.payload_off, 0, 2);
	sum = pkt_sum(0, pkt.data + pkt.l4_off, 10);
	put_be16(pkt.data + pkt.payload_off, 0xffff - sum);
	make_frame(&rng, &frame, &pkt, pkt_hdr(&pkt, &s, 0), 1000);
	offload_fill_csum(&frame);
	assert_int_equal(get_be16(frame_head(&frame) + pkt.l4_off + 6), 0xffff);
}

/* Checks the segment @p of @len bytes, number @i at payload offset @off,
 * against the large frame. */
static void check_segment(const uint8_t *p, uint32_t len, uint32_t off,
			  unsigned i, const struct pkt_spec *s, bool is_last)
{
	const uint8_t *orig = pkt.data;
	unsigned l3 = pkt.l3_off, l4 = pkt.l4_off;

	assert_memory_equal(p, orig, l3);
	assert_memory_equal(p + pkt.payload_off, orig + pkt.payload_off + off,
			    len - pkt.payload_off);
	if (s->v6) {
		assert_int_equal(get_be16(p + l3 + 4), len - l3 - 40);
		assert_memory_equal(p + l3 + 6, orig + l3 + 6, l4 - l3 - 6);
	} else {
		assert_int_equal(get_be16(p + l3 + 2), len - l3);
		assert_int_equal(get_be16(p + l3 + 4),
				 (get_be16(orig + l3 + 4) + i) & 0xffff);
		assert_int_equal(pkt_sum(0, p + l3, l4 - l3), 0xffff);
		assert_memory_equal(p + l3 + 12, orig + l3 + 12, l4 - l3 - 12);
	}
	if (s->udp) {
		assert_int_equal(get_be16(p + l4 + 4), len - l4);
	} else {
		uint8_t flags = orig[l4 + 13];

		if (!is_last)
			flags &= ~0x09; /* FIN, PSH */
		if (i)
			flags &= ~0x80; /* CWR */
		assert_int_equal(p[l4 + 13], flags);
		assert_int_equal(get_be32(p + l4 + 4),
				 (uint32_t)(get_be32(orig + l4 + 4) + off));
		assert_memory_equal(p + l4 + 18, orig + l4 + 18,
				    pkt.payload_off - l4 - 18);
	}
	assert_true(l4_csum_is_right(p, &pkt, s, len));
}

/* Cuts frame, which is made of pkt, and checks every segment. */
static void segment_frame(const struct pkt_spec *s, uint16_t gso_size,
			  unsigned offloads)
{
	static uint8_t out[PKT_MAX];
	static struct frame seg;
	struct iovec view[300];
	struct gso_iter it;
	uint32_t off = 0;
	unsigned i = 0;
	int n;

	assert_true(offload_is_valid(&frame));
	gso_iter_init(&it, &frame, offloads);
	for (;; i++) {
		n = gso_iter_next(&it, &seg, view, 0);
		assert_true(n == -2 || n == -1);
		n = gso_iter_next(&it, &seg, view, ARRAY_SIZE(view));
		if (n == -1)
			break;
		assert_true(n > 0);
		assert_int_equal(n, seg.iov_count);
		assert_int_equal(seg.hdr.gso_type, VNET_GSO_NONE);
		assert_int_equal(!!frame_has_offload(&seg),
				 !!(offloads & OFFLOAD_CSUM));
		if (offloads & OFFLOAD_CSUM) {
			assert_true(offload_is_valid(&seg));
			offload_fill_csum(&seg);
		}
		frame_copy(&seg, 0, out, seg.len);
		check_segment(out, seg.len, off, i, s,
			      off + gso_size >= s->payload);
		off += seg.len - pkt.payload_off;
		if (off < s->payload)
			assert_int_equal(seg.len - pkt.payload_off, gso_size);
	}
	assert_int_equal(off, s->payload);
	assert_int_equal(i, (s->payload + gso_size - 1) / gso_size);
}

static void segment_one(struct rng *rng, const struct pkt_spec *s,
			uint16_t gso_size, unsigned offloads)
{
	pkt_build(&pkt, s, rng);
	make_frame(rng, &frame, &pkt, pkt_hdr(&pkt, s, gso_size),
		   1 + rng_below(rng, 3 * gso_size));
	segment_frame(s, gso_size, offloads);
}

/* A frame well beyond its head, cut in two at every place, and in three. */
static void test_every_cut(void **state)
{
	struct pkt_spec s = { .payload = 300, .tcp_flags = 0xff };
	struct rng rng = rng_start();
	struct iovec iov[3];

	(void)state;
	pkt_build(&pkt, &s, &rng);
	frame.hdr = pkt_hdr(&pkt, &s, 77);
	for (uint32_t i = 1; i < pkt.len; i++)
		for (uint32_t j = i; j < pkt.len; j += 1 + j / 8) {
			iov[0] = (struct iovec){ pkt.data, i };
			iov[1] = (struct iovec){ pkt.data + i, j - i };
			iov[2] = (struct iovec){ pkt.data + j, pkt.len - j };
			if (i == j)
				iov[1] = iov[2];
			frame_from_iov(&frame, iov, i == j ? 2 : 3, pkt.len,
				       FRAME_HEAD);
			segment_frame(&s, 77, j & 1 ? OFFLOAD_CSUM : 0);
		}
}

static void test_segments(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint16_t gso_size = 1 + rng_below(&rng, 1460);
		unsigned max = MIN(gso_size * 40u, 65000u - 200);
		struct pkt_spec s = random_spec(&rng, 1 + rng_below(&rng, max));

		segment_one(&rng, &s, gso_size,
			    rng_below(&rng, 2) ? OFFLOAD_CSUM : 0);
	}
	/* the largest frame */
	segment_one(&rng, &(struct pkt_spec){ .payload = 65535 - 40 }, 1460, 0);
	segment_one(&rng,
		    &(struct pkt_spec){ .v6 = true, .payload = FRAME_MAX - 74 },
		    65535, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_fill_zero),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

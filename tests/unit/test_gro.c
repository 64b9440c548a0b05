/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net/gro.c: segmentation restores merged frames byte for byte and in order,
 * over random streams; and a table of everything that must keep frames apart.
 */
#include "pkt.h"

#include "gro.h"
#include "offload.h"

#define PIECES 4 /* most pieces of a frame's payload */

/* A frame of a burst and its memory. */
struct item {
	struct pkt pkt;
	struct frame frame;
	struct iovec iov[PIECES];
};

static struct item items[BURST_MAX];
static struct gro gro;

/* Fills in the checksums of IPv4 and of TCP or UDP. */
static void fill_csums(struct pkt *k, const struct pkt_spec *s, bool l4)
{
	uint8_t *p = k->data + k->l3_off, *field;
	unsigned l4_size = k->len - k->l4_off;
	uint8_t proto = s->udp ? IPPROTO_UDP : IPPROTO_TCP;
	uint32_t sum = pkt_pseudo(p, proto, l4_size);

	if (!s->v6) {
		put_be16(p + 10, 0);
		put_be16(p + 10, ~pkt_sum(0, p, 20 + s->l3_opt));
	}
	p = k->data + k->l4_off;
	field = p + (s->udp ? 6 : 16);
	put_be16(field, sum);
	if (!l4)
		return;
	put_be16(field, 0);
	sum = ~pkt_sum(sum, p, l4_size) & 0xffff;
	put_be16(field, sum ? sum : 0xffff);
}

static void make_frame(struct rng *rng, struct item *it, struct vnet_hdr hdr,
		       uint32_t snap)
{
	unsigned n =
		pkt_cut(rng, it->pkt.data, it->pkt.len, 1500, it->iov, PIECES);

	it->frame.hdr = hdr;
	frame_from_iov(&it->frame, it->iov, n, it->pkt.len, snap);
}

/* A flow; next() makes its next frame. */
struct flow {
	struct pkt_spec spec;
	struct pkt first;
	uint32_t seq;
	uint16_t id;
	bool has_fixed_id;
};

static void flow_start(struct flow *fl, const struct pkt_spec *s,
		       struct rng *rng)
{
	fl->spec = *s;
	pkt_build(&fl->first, s, rng);
	fl->seq = get_be32(fl->first.data + fl->first.l4_off + 4);
	fl->id = get_be16(fl->first.data + fl->first.l3_off + 4);
	fl->has_fixed_id = false;
}

static void flow_next(struct flow *fl, struct pkt *k, unsigned payload,
		      uint8_t flags, struct rng *rng)
{
	uint8_t *p = k->data;

	*k = fl->first;
	k->len = k->payload_off + payload;
	pkt_noise(rng, p + k->payload_off, payload);
	if (fl->spec.v6) {
		put_be16(p + k->l3_off + 4, k->len - k->l3_off - 40);
	} else {
		put_be16(p + k->l3_off + 2, k->len - k->l3_off);
		put_be16(p + k->l3_off + 4, fl->id);
	}
	if (fl->spec.udp) {
		put_be16(p + k->l4_off + 4, k->len - k->l4_off);
	} else {
		put_be32(p + k->l4_off + 4, fl->seq);
		p[k->l4_off + 13] = flags;
	}
	fill_csums(k, &fl->spec, true);
	fl->seq += payload;
	fl->id += !fl->has_fixed_id;
}

/* Merges items[0..n) into out[]. Returns the number of frames. */
static unsigned merge(struct frame **out, unsigned n, unsigned offloads)
{
	struct frame *in[BURST_MAX];
	uint64_t all = 0, part;
	unsigned count;

	for (unsigned i = 0; i < n; i++)
		in[i] = &items[i].frame;
	count = gro_merge(&gro, in, n, offloads, out);
	for (unsigned i = 0; i < count; i++, all |= part) {
		part = gro_parts(&gro, out[i], in, n);
		assert_true(part && !(part & all));
		assert_int_equal(__builtin_popcountll(part) > 1,
				 out[i]->hdr.gso_type != VNET_GSO_NONE &&
					 out[i] != in[__builtin_ctzll(part)]);
	}
	assert_int_equal(all, UINT64_MAX >> (64 - n));
	return count;
}

/* ---- the table ---- */

enum at { L2, L3, L4 };
enum who { SECOND, FIRST, BOTH };

struct rule_row {
	const char *what;
	struct pkt_spec spec;
	bool is_merged;
	/* the byte to change, and how */
	enum at at;
	unsigned off;
	uint8_t xor ;
	enum who who;
	bool keep_csums; /* checksums are not corrected after the change */
	/* changes the offload header */
	void (*spoil)(struct item *it);
	uint32_t snap; /* 0: FRAME_HEAD */
};

static void vouched(struct item *it)
{
	it->frame.hdr.flags = VNET_HDR_F_DATA_VALID;
}

static void partial(struct item *it)
{
	bool udp = it->pkt.payload_off - it->pkt.l4_off == 8;
	struct pkt_spec s = { .v6 = it->pkt.l4_off - it->pkt.l3_off == 40,
			      .udp = udp };

	fill_csums(&it->pkt, &s, false);
	it->frame.hdr = pkt_hdr(&it->pkt, &s, 0);
}

static void partial_wrong(struct item *it)
{
	partial(it);
	it->pkt.data[it->pkt.l4_off + 16] ^= 1;
}

static void partial_elsewhere(struct item *it)
{
	partial(it);
	it->frame.hdr.csum_start++;
}

static void large(struct item *it)
{
	partial(it);
	it->frame.hdr.gso_size = 50;
	it->frame.hdr.gso_type = VNET_GSO_TCPV4;
}

static void no_sum(struct item *it)
{
	bool udp = it->pkt.payload_off - it->pkt.l4_off == 8;

	vouched(it);
	put_be16(it->pkt.data + it->pkt.l4_off + (udp ? 6 : 16), 0);
}

static void padded(struct item *it)
{
	it->pkt.len += 2;
}

#define TCP4                                      \
	{                                         \
		.payload = 100, .tcp_flags = 0x10 \
	}
#define TCP6                                                  \
	{                                                     \
		.v6 = true, .payload = 100, .tcp_flags = 0x10 \
	}
#define UDP4                                \
	{                                   \
		.udp = true, .payload = 100 \
	}
#define UDP6                                            \
	{                                               \
		.v6 = true, .udp = true, .payload = 100 \
	}
#define OPT4                                                    \
	{                                                       \
		.payload = 200, .l4_opt = 12, .tcp_flags = 0x10 \
	}

static const struct rule_row rules[] = {
	{ "tcp4", TCP4, true },
	{ "tcp6", TCP6, true },
	{ "udp4", UDP4, true },
	{ "udp6", UDP6, true },
	{ "tcp4 options", OPT4, true },
	{ "tags", { .tags = 2, .payload = 9, .tcp_flags = 0x10 }, true },
	{ "head too short", OPT4, false, .snap = 64 },
	{ "partial", TCP4, true, .spoil = partial },
	{ "partial udp6", UDP6, true, .spoil = partial },
	{ "partial, wrong", TCP4, false, .spoil = partial_wrong },
	{ "partial, elsewhere", TCP4, false, .spoil = partial_elsewhere },
	{ "large already", TCP4, false, .spoil = large },
	{ "padding", TCP4, false, .spoil = padded },
	{ "padding udp6", UDP6, false, .spoil = padded },
	{ "empty", { .tcp_flags = 0x10 }, false },
	{ "empty udp", { .udp = true }, false },
	/* Ethernet */
	{ "destination", TCP4, false, L2, 0, 2 },
	{ "source", TCP4, false, L2, 11, 1 },
	{ "priority",
	  { .tags = 1, .payload = 9, .tcp_flags = 0x10 },
	  false,
	  L2,
	  14,
	  0x20 },
	{ "inner tag",
	  { .tags = 2, .payload = 9, .tcp_flags = 0x10 },
	  false,
	  L2,
	  19,
	  1 },
	{ "type of tag",
	  { .tags = 1, .payload = 9, .tcp_flags = 0x10 },
	  false,
	  L2,
	  13,
	  0xa8,
	  BOTH },
	/* IPv4 */
	{ "options", { .l3_opt = 4, .payload = 9, .tcp_flags = 0x10 }, false },
	{ "tos", TCP4, false, L3, 1, 4 },
	{ "ecn", TCP4, false, L3, 1, 1 },
	{ "length", TCP4, false, L3, 3, 1 },
	{ "id", TCP4, false, L3, 5, 0x80 },
	{ "id high", TCP4, false, L3, 4, 1 },
	{ "df of one", TCP4, false, L3, 6, 0x40 },
	{ "df of none", TCP4, true, L3, 6, 0x40, BOTH },
	{ "reserved flag", TCP4, false, L3, 6, 0x80, BOTH },
	{ "more fragments", TCP4, false, L3, 6, 0x20, BOTH },
	{ "fragment", TCP4, false, L3, 7, 1, BOTH },
	{ "ttl", TCP4, false, L3, 8, 1 },
	{ "protocol", TCP4, false, L3, 9, 1, BOTH },
	{ "other protocol", TCP4, false, L3, 9, 6 ^ 17 },
	{ "header sum", TCP4, false, L3, 10, 1, .keep_csums = true },
	{ "header sum, vouched", TCP4, false, L3, 10, 1, .keep_csums = true,
	  .spoil = vouched },
	{ "source address", TCP4, false, L3, 15, 1 },
	{ "destination address", TCP4, false, L3, 19, 1 },
	/* IPv6 */
	{ "extension",
	  { .v6 = true, .l3_opt = 8, .payload = 9, .tcp_flags = 0x10 },
	  false },
	{ "class", TCP6, false, L3, 0, 1 },
	{ "flow label", TCP6, false, L3, 3, 1 },
	{ "length 6", TCP6, false, L3, 5, 1 },
	{ "hop limit", TCP6, false, L3, 7, 1 },
	{ "source 6", TCP6, false, L3, 23, 1 },
	{ "destination 6", TCP6, false, L3, 39, 1 },
	/* TCP */
	{ "source port", TCP4, false, L4, 1, 1 },
	{ "destination port", TCP4, false, L4, 3, 1 },
	{ "sequence", TCP4, false, L4, 7, 1 },
	{ "sequence high", TCP4, false, L4, 4, 0x80 },
	{ "acknowledged", TCP4, false, L4, 11, 1 },
	{ "options' size", OPT4, false, L4, 12, 0x10 },
	{ "reserved bits", TCP4, false, L4, 12, 1, BOTH },
	{ "fin", TCP4, false, L4, 13, 1 },
	{ "syn", TCP4, false, L4, 13, 2 },
	{ "rst", TCP4, false, L4, 13, 4 },
	{ "psh", TCP4, true, L4, 13, 8 },
	{ "psh first", TCP4, false, L4, 13, 8, FIRST },
	{ "no ack", TCP4, false, L4, 13, 0x10, BOTH },
	{ "urg", TCP4, false, L4, 13, 0x20 },
	{ "urg both", TCP4, false, L4, 13, 0x20, BOTH },
	{ "ece", TCP4, false, L4, 13, 0x40 },
	{ "ece both", TCP4, true, L4, 13, 0x40, BOTH },
	{ "cwr", TCP4, false, L4, 13, 0x80 },
	{ "cwr first", TCP4, false, L4, 13, 0x80, FIRST },
	{ "cwr both", TCP4, false, L4, 13, 0x80, BOTH },
	{ "window", TCP4, false, L4, 15, 1 },
	{ "sum", TCP4, false, L4, 16, 1, .keep_csums = true },
	{ "sum first", TCP4, false, L4, 16, 1, FIRST, true },
	{ "sum, vouched", TCP4, true, L4, 16, 1, .keep_csums = true,
	  .spoil = vouched },
	{ "payload", TCP6, false, L4, 80, 1, .keep_csums = true },
	{ "urgent", TCP4, false, L4, 19, 1 },
	{ "option", OPT4, false, L4, 31, 1 },
	{ "sum 0, vouched", TCP4, false, .spoil = no_sum },
	/* UDP */
	{ "no sum, vouched", UDP4, false, .spoil = no_sum },
	{ "source port udp", UDP4, false, L4, 1, 1 },
	{ "length udp", UDP4, false, L4, 5, 1 },
	{ "sum udp", UDP6, false, L4, 6, 1, .keep_csums = true },
};

static void spoil(const struct rule_row *r, struct item *it)
{
	struct pkt *k = &it->pkt;
	unsigned base = r->at == L2 ? 0 : r->at == L3 ? k->l3_off : k->l4_off;

	k->data[base + r->off] ^= r->xor ;
	if (!r->keep_csums)
		fill_csums(k, &r->spec, true);
}

static void test_rules(void **state)
{
	struct rng rng = rng_start();
	struct frame *out[2];
	struct flow fl;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule_row *r = &rules[i];
		unsigned n;

		flow_start(&fl, &r->spec, &rng);
		for (unsigned j = 0; j < 2; j++) {
			struct item *it = &items[j];

			flow_next(&fl, &it->pkt, r->spec.payload,
				  r->spec.tcp_flags, &rng);
			if (r->who == BOTH || (r->who == FIRST) == !j)
				spoil(r, it);
			it->frame.hdr = (struct vnet_hdr){ 0 };
			if (r->spoil && j)
				r->spoil(it);
			make_frame(&rng, it, it->frame.hdr,
				   r->snap ? r->snap : FRAME_HEAD);
		}
		n = merge(out, 2, OFFLOAD_ALL);
		if (n != (r->is_merged ? 1 : 2))
			fail_msg("%s: %smerged", r->what,
				 r->is_merged ? "not " : "");
		if (n == 2) {
			assert_ptr_equal(out[0], &items[0].frame);
			assert_ptr_equal(out[1], &items[1].frame);
		}
	}
}

static void test_offloads(void **state)
{
	static const struct {
		struct pkt_spec spec;
		unsigned need;
	} rows[] = {
		{ TCP4, OFFLOAD_TSO4 },
		{ TCP6, OFFLOAD_TSO6 },
		{ UDP4, OFFLOAD_USO4 },
		{ UDP6, OFFLOAD_USO6 },
	};
	struct rng rng = rng_start();
	struct frame *out[2];
	struct flow fl;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		flow_start(&fl, &rows[i].spec, &rng);
		for (unsigned j = 0; j < 2; j++) {
			flow_next(&fl, &items[j].pkt, 100, 0x10, &rng);
			make_frame(&rng, &items[j], (struct vnet_hdr){ 0 },
				   FRAME_HEAD);
		}
		assert_int_equal(merge(out, 2, rows[i].need | OFFLOAD_CSUM), 1);
		assert_int_equal(frame_offloads_needed(out[0]),
				 rows[i].need | OFFLOAD_CSUM);
		assert_int_equal(merge(out, 2, OFFLOAD_ALL & ~rows[i].need), 2);
		assert_int_equal(merge(out, 2, OFFLOAD_ALL & ~OFFLOAD_CSUM), 2);
		assert_int_equal(merge(out, 2, 0), 2);
	}
}

/* ---- how trains end ---- */

/* Merges frames of one flow with these payload sizes. */
static unsigned merge_sizes(const struct pkt_spec *s, const unsigned *size,
			    unsigned n, struct frame **out, struct rng *rng)
{
	struct flow fl;

	flow_start(&fl, s, rng);
	for (unsigned i = 0; i < n; i++) {
		flow_next(&fl, &items[i].pkt, size[i], 0x10, rng);
		make_frame(rng, &items[i], (struct vnet_hdr){ 0 }, FRAME_HEAD);
	}
	return merge(out, n, OFFLOAD_ALL);
}

static void test_sizes(void **state)
{
	static const struct pkt_spec tcp = TCP4, udp = UDP6;
	static const struct pkt_spec tagged = { .tags = 2, .payload = 1 };
	unsigned mixed[] = { 100, 100, 50, 50, 100, 7, 100, 100 };
	struct frame *out[BURST_MAX];
	struct rng rng = rng_start();
	unsigned size[BURST_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		/* 250; 50; 107; 200 */
		assert_int_equal(
			merge_sizes(i ? &udp : &tcp, mixed, 8, out, &rng), 4);
		assert_int_equal(out[0]->len - out[0]->hdr.hdr_len, 250);
		assert_int_equal(out[0]->hdr.gso_size, 100);
		assert_int_equal(out[1]->len - items[0].pkt.payload_off, 50);
		assert_ptr_equal(out[1], &items[3].frame);
		assert_int_equal(out[2]->len - out[2]->hdr.hdr_len, 107);
		assert_int_equal(out[3]->len - out[3]->hdr.hdr_len, 200);
	}
	for (unsigned i = 0; i < BURST_MAX; i++)
		size[i] = 1;
	assert_int_equal(merge_sizes(&tcp, size, BURST_MAX, out, &rng), 1);
	for (unsigned i = 0; i < BURST_MAX; i++)
		size[i] = 1460;
	assert_int_equal(merge_sizes(&tcp, size, BURST_MAX, out, &rng), 2);
	assert_int_equal(out[0]->len, 54 + 44 * 1460);
	assert_int_equal(out[1]->len, 54 + 20 * 1460);
	/* exactly 65535 bytes of IP, and one more */
	for (unsigned i = 0; i < 43; i++)
		size[i] = 1523;
	size[43] = 65535 - 40 - 43 * 1523;
	assert_int_equal(merge_sizes(&tcp, size, 44, out, &rng), 1);
	assert_int_equal(out[0]->len, 65535 + ETH_HLEN);
	size[43]++;
	assert_int_equal(merge_sizes(&tcp, size, 44, out, &rng), 2);
	/* tags would make it too long for a frame */
	size[43]--;
	assert_int_equal(merge_sizes(&tagged, size, 44, out, &rng), 2);
}

static void test_ids(void **state)
{
	static const struct {
		uint16_t id[3];
		bool may_fragment;
		unsigned count;
	} rows[] = {
		{ { 5, 6, 7 }, false, 1 },	{ { 5, 6, 7 }, true, 1 },
		{ { 5, 5, 5 }, false, 1 },	{ { 5, 5, 5 }, true, 3 },
		{ { 5, 5, 6 }, false, 2 },	{ { 5, 6, 5 }, false, 2 },
		{ { 5, 6, 6 }, false, 2 },	{ { 5, 7, 8 }, false, 2 },
		{ { 0xffff, 0, 1 }, false, 1 }, { { 6, 5, 4 }, false, 3 },
		{ { 0xffff, 0, 0 }, false, 2 },
	};
	struct rng rng = rng_start();
	struct frame *out[3];
	struct flow fl;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		flow_start(&fl, &(struct pkt_spec)TCP4, &rng);
		if (rows[i].may_fragment)
			put_be16(fl.first.data + fl.first.l3_off + 6, 0);
		for (unsigned j = 0; j < 3; j++) {
			fl.id = rows[i].id[j];
			flow_next(&fl, &items[j].pkt, 100, 0x10, &rng);
			make_frame(&rng, &items[j], (struct vnet_hdr){ 0 },
				   FRAME_HEAD);
		}
		assert_int_equal(merge(out, 3, OFFLOAD_ALL), rows[i].count);
	}
}

/* The sum of a header may be 0, but not 0xffff. */
static void test_zero(void **state)
{
	struct rng rng = rng_start();
	struct frame *out[2];
	struct flow fl;
	uint8_t *sum;

	(void)state;
	flow_start(&fl, &(struct pkt_spec)TCP4, &rng);
	sum = items[1].pkt.data + fl.first.l3_off + 10;
	do {
		fl.id--;
		flow_next(&fl, &items[0].pkt, 100, 0x10, &rng);
		flow_next(&fl, &items[1].pkt, 100, 0x10, &rng);
		fl.id -= 2;
	} while (get_be16(sum));
	for (unsigned i = 0; i < 2; i++) {
		put_be16(sum, i ? 0xffff : 0);
		for (unsigned j = 0; j < 2; j++)
			make_frame(&rng, &items[j], (struct vnet_hdr){ 0 },
				   FRAME_HEAD);
		assert_int_equal(merge(out, 2, OFFLOAD_ALL), 1 + i);
	}
}

/* Frames with too many pieces are not merged. */
static void test_pieces(void **state)
{
	static struct iovec iov[BURST_MAX][200];
	struct frame *out[BURST_MAX];
	struct rng rng = rng_start();
	struct flow fl;

	(void)state;
	flow_start(&fl, &(struct pkt_spec)TCP4, &rng);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		struct item *it = &items[i];
		unsigned n;

		flow_next(&fl, &it->pkt, 300, 0x10, &rng);
		n = pkt_cut(&rng, it->pkt.data, it->pkt.len, 2, iov[i], 200);
		it->frame.hdr = (struct vnet_hdr){ 0 };
		frame_from_iov(&it->frame, iov[i], n, it->pkt.len, FRAME_HEAD);
	}
	assert_in_range(merge(out, BURST_MAX, OFFLOAD_ALL), BURST_MAX / 2,
			BURST_MAX - 1);
}

/* ---- random streams ---- */

#define FLOWS 24

/* The expected output of a flow. */
struct expected {
	uint8_t data[BURST_MAX][2048];
	uint32_t len[BURST_MAX];
	unsigned count, seen;
};

static struct expected expected[FLOWS];
static struct flow flows[FLOWS];

/* Clears the fields that segmentation does not restore. */
static void mask_id(const struct flow *fl, uint8_t *p)
{
	if (fl->spec.v6 || !fl->has_fixed_id)
		return;
	memset(p + fl->first.l3_off + 4, 0, 2);
	memset(p + fl->first.l3_off + 10, 0, 2);
}

static bool is_next(unsigned i, const struct frame *f)
{
	struct expected *e = &expected[i];
	uint8_t got[2048], want[2048];

	if (e->seen == e->count || e->len[e->seen] != f->len)
		return false;
	frame_copy(f, 0, got, f->len);
	memcpy(want, e->data[e->seen], f->len);
	if (f->len >= flows[i].first.payload_off) {
		mask_id(&flows[i], got);
		mask_id(&flows[i], want);
	}
	return !memcmp(got, want, f->len);
}

/* Checks an outgoing small frame: it must be the next one of some flow. */
static void came_out(const struct frame *f)
{
	struct frame copy = *f;

	if (copy.hdr.flags & VNET_HDR_F_NEEDS_CSUM)
		offload_fill_csum(&copy);
	for (unsigned i = 0; i < FLOWS; i++)
		if (is_next(i, &copy)) {
			expected[i].seen++;
			return;
		}
	fail_msg("a frame came out changed, or not in order");
}

static void came_out_large(struct frame *f, unsigned offloads)
{
	static struct frame seg;
	struct iovec view[GRO_IOV];
	struct gso_iter it;

	assert_true(offload_is_valid(f));
	assert_int_equal(frame_offloads_needed(f) & ~offloads, 0);
	assert_true(f->len <= FRAME_MAX);
	gso_iter_init(&it, f, 0);
	while (gso_iter_next(&it, &seg, view, GRO_IOV) >= 0)
		came_out(&seg);
}

static uint8_t random_flags(struct rng *rng)
{
	static const uint8_t odd[] = { 0x18, 0x18, 0x50, 0x11,
				       0x02, 0x90, 0x04, 0x30 };

	return rng_below(rng, 8) ? 0x10 : odd[rng_below(rng, ARRAY_SIZE(odd))];
}

/* Breaks some rule. The frame stays in its flow or belongs to none any more. */
static void break_rule(struct rng *rng, struct flow *fl, struct pkt *k)
{
	uint8_t *p = k->data;

	switch (rng_below(rng, 8)) {
	case 0:
		p[rng_below(rng, 12)] ^= 2;
		return;
	case 1:
		put_be16(p + k->l3_off - 2, 0x0806);
		return;
	case 2:
		p[k->len - 1] ^= 1;
		return;
	case 3:
		p[k->l3_off + (fl->spec.v6 ? 7 : 8)]--;
		break;
	case 4:
		if (!fl->spec.v6)
			p[k->l3_off + 6] ^= 0x60;
		break;
	case 5:
		fl->seq += 99;
		fl->id += 2;
		return;
	case 6:
		k->len += 4;
		return;
	default:
		p[k->l4_off + (fl->spec.udp ? 5 : 15)]++;
	}
	fill_csums(k, &fl->spec, true);
}

/* Makes items[i] the next frame of some flow. */
static void add_item(struct rng *rng, unsigned i, unsigned flow_count)
{
	unsigned n = rng_below(rng, flow_count), kind = rng_below(rng, 16);
	struct flow *fl = &flows[n];
	struct expected *e = &expected[n];
	struct pkt *k = &items[i].pkt;
	struct vnet_hdr hdr = { 0 };
	unsigned size = fl->spec.payload;

	if (!rng_below(rng, 12))
		size = rng_below(rng, 1400);
	flow_next(fl, k, size, random_flags(rng), rng);
	if (!kind)
		break_rule(rng, fl, k);
	e->len[e->count] = k->len;
	memcpy(e->data[e->count++], k->data, k->len);
	if (kind == 1)
		hdr.flags = VNET_HDR_F_DATA_VALID;
	if (kind == 2) {
		fill_csums(k, &fl->spec, false);
		hdr = pkt_hdr(k, &fl->spec, 0);
	}
	make_frame(rng, &items[i], hdr, FRAME_HEAD);
}

/* Starts flows that differ in little: some share addresses. */
static void start_flows(struct rng *rng, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct pkt_spec s = {
			.tags = rng_below(rng, 3),
			.v6 = rng_below(rng, 2),
			.udp = rng_below(rng, 3) == 0,
			.l4_opt = rng_below(rng, 4) * 4,
			.payload = 1 + rng_below(rng, 1400),
		};
		struct flow *fl = &flows[i];

		if (i && rng_below(rng, 2)) {
			*fl = flows[i - 1];
			fl->first.data[fl->first.l4_off + 1]++;
		} else {
			flow_start(fl, &s, rng);
		}
		fl->has_fixed_id = !rng_below(rng, 4);
		expected[i].count = expected[i].seen = 0;
	}
	for (unsigned i = count; i < FLOWS; i++)
		expected[i].count = expected[i].seen = 0;
}

static void test_streams(void **state)
{
	static const unsigned receivers[] = { OFFLOAD_ALL, OFFLOAD_ALL,
					      OFFLOAD_CSUM | OFFLOAD_TSO4,
					      OFFLOAD_CSUM | OFFLOAD_USO4 |
						      OFFLOAD_USO6 };
	struct rng rng = rng_start();
	struct frame *out[BURST_MAX];
	unsigned in_all = 0, out_all = 0;

	(void)state;
	for (int round = 0; round < 1500; round++) {
		unsigned flow_count = 1 + rng_below(&rng, FLOWS);
		unsigned n = 1 + rng_below(&rng, BURST_MAX), left;
		unsigned offloads = receivers[rng_below(&rng, 4)];

		if (rng_below(&rng, 2))
			flow_count = 1 + flow_count / 8;
		start_flows(&rng, flow_count);
		for (unsigned i = 0; i < n; i++)
			add_item(&rng, i, flow_count);
		left = merge(out, n, offloads);
		for (unsigned i = 0; i < left; i++) {
			if (out[i]->hdr.gso_type)
				came_out_large(out[i], offloads);
			else
				came_out(out[i]);
		}
		for (unsigned i = 0; i < FLOWS; i++)
			assert_int_equal(expected[i].seen, expected[i].count);
		in_all += n;
		out_all += left;
	}
	/* merging happened at all */
	assert_true(out_all < in_all * 2 / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),	cmocka_unit_test(test_offloads),
		cmocka_unit_test(test_sizes),	cmocka_unit_test(test_ids),
		cmocka_unit_test(test_zero),	cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

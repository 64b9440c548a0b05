/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vnet/: frames of a hostile guest, the offload header that each guest sees,
 * and the edges of a transmit window.
 */
#include "pkt.h"

#include "vnet.h"
#include "vq_rig.h"

#define BIT(f) (1ull << VIRTIO_##f)
#define V1     BIT(F_VERSION_1)
#define MRG    BIT(NET_F_MRG_RXBUF)
#define TABLES BIT(F_INDIRECT_DESC)
#define HOST_ALL                                                         \
	(BIT(NET_F_CSUM) | BIT(NET_F_HOST_TSO4) | BIT(NET_F_HOST_TSO6) | \
	 BIT(NET_F_HOST_ECN) | BIT(NET_F_HOST_USO))
#define GUEST_ALL                                        \
	(BIT(NET_F_GUEST_CSUM) | BIT(NET_F_GUEST_TSO4) | \
	 BIT(NET_F_GUEST_TSO6) | BIT(NET_F_GUEST_ECN) |  \
	 BIT(NET_F_GUEST_USO4) | BIT(NET_F_GUEST_USO6))
#define NO_UFO (OFFLOAD_ALL & ~OFFLOAD_UFO)

static void test_features(void **state)
{
	(void)state;
	assert_int_equal(vnet_hdr_size(0), 10);
	assert_int_equal(vnet_hdr_size(MRG), 12);
	assert_int_equal(vnet_hdr_size(V1), 12);
	assert_int_equal(vnet_hdr_size(V1 | MRG | BIT(NET_F_HASH_REPORT)), 20);
	assert_int_equal(vnet_offloads_from_driver(HOST_ALL), NO_UFO);
	assert_int_equal(vnet_offloads_from_driver(GUEST_ALL), 0);
	assert_int_equal(vnet_offloads_to_driver(GUEST_ALL), NO_UFO);
	assert_int_equal(vnet_offloads_to_driver(HOST_ALL), 0);
	/* dependent bits without the base bit count as absent */
	assert_int_equal(vnet_offloads_from_driver(HOST_ALL & ~BIT(NET_F_CSUM)),
			 0);
	assert_int_equal(
		vnet_offloads_to_driver(GUEST_ALL & ~BIT(NET_F_GUEST_CSUM)), 0);
	assert_int_equal(vnet_offloads_from_driver(BIT(NET_F_CSUM) |
						   BIT(NET_F_HOST_ECN)),
			 OFFLOAD_CSUM);
	assert_int_equal(vnet_offloads_to_driver(BIT(NET_F_GUEST_CSUM) |
						 BIT(NET_F_GUEST_ECN) |
						 BIT(NET_F_GUEST_USO6)),
			 OFFLOAD_CSUM | OFFLOAD_USO6);
}

/* A guest that sends one frame at a time. */
struct sender {
	struct vq_rig rig;
	struct vnet_rx_scratch scratch;
	struct vnet_rx_stats stats;
	struct frame frame[BURST_MAX];
	unsigned chains;
	struct waiting waiting;
};

static struct sender *sender_create(uint64_t features)
{
	struct sender *s = aligned_alloc(64, align_up(sizeof(*s), 64));
	struct vq_rig_config c = {
		.features = features,
		.count = 64,
		.size = 1 << 20,
		.regions = 1,
	};

	memset(s, 0, sizeof(*s));
	vq_rig_init(&s->rig, &c);
	return s;
}

static void sender_destroy(struct sender *s)
{
	vq_rig_fini(&s->rig);
	free(s);
}

/* Sends the @len bytes at the start of the memory, with the first @hdr_part
 * bytes in a separate buffer (0: none). Returns the number of frames that
 * arrived. */
static unsigned send_raw(struct sender *s, uint32_t len, uint32_t hdr_part,
			 unsigned offloads)
{
	struct iovec iov[2] = { { s->rig.base, hdr_part ? hdr_part : len },
				{ s->rig.base + hdr_part, len - hdr_part } };
	struct vq_drv_buf buf = {
		.iov = iov,
		.readable_count = hdr_part ? 2 : 1,
		.cookie = s,
	};
	unsigned n;

	assert_int_equal(vq_drv_push_burst(s->rig.drv, &buf, 1), 1);
	n = vnet_rx_burst(&s->rig.dev, offloads, &s->scratch, &s->waiting,
			  FRAME_SNAP, s->frame, BURST_MAX, &s->chains,
			  &s->stats);
	assert_int_equal(s->chains, 1);
	return n;
}

static void send_done(struct sender *s)
{
	struct vq_drv_used used;

	vnet_rx_done(&s->rig.dev, &s->scratch, &s->waiting, s->chains, 0);
	assert_int_equal(vq_drv_pop_burst(s->rig.drv, &used, 1), 1);
	assert_int_equal(used.size, 0);
	assert_int_equal(s->rig.dev.fault, VQ_FAULT_NONE);
}

static void test_lengths(void **state)
{
	static const struct {
		uint32_t len; /* bytes, header included */
		bool is_good;
	} row[] = {
		{ 1, false },
		{ 9, false },
		{ 11, false },
		{ 12, false },
		{ 12 + 13, false },
		{ 12 + 14, true },
		{ 12 + FRAME_MAX, true },
		{ 12 + FRAME_MAX + 1, false },
		{ 12 + 200000, false },
	};
	struct sender *s = sender_create(V1);
	uint64_t bad = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		for (unsigned part = 0; part <= 15; part++) {
			if (part >= row[i].len)
				break;
			assert_int_equal(send_raw(s, row[i].len, part, 0),
					 row[i].is_good);
			bad += !row[i].is_good;
			assert_int_equal(s->stats.bad_frame, bad);
			if (row[i].is_good)
				assert_int_equal(s->frame[0].len,
						 row[i].len - 12);
			send_done(s);
		}
	assert_int_equal(s->stats.bad_offload, 0);
	sender_destroy(s);
}

/* A chain in a transmitq without readable buffers. */
static void test_writable_only(void **state)
{
	struct sender *s = sender_create(V1);
	struct iovec iov = { s->rig.base, 1000 };
	struct vq_drv_buf buf = { .iov = &iov,
				  .writable_count = 1,
				  .cookie = s };

	(void)state;
	assert_int_equal(vq_drv_push_burst(s->rig.drv, &buf, 1), 1);
	assert_int_equal(vnet_rx_burst(&s->rig.dev, 0, &s->scratch, &s->waiting,
				       FRAME_SNAP, s->frame, BURST_MAX,
				       &s->chains, &s->stats),
			 0);
	assert_int_equal(s->stats.bad_frame, 1);
	send_done(s);
	sender_destroy(s);
}

/* Held frames come again, in their order and before others. Sent frames do not
 * come again. Bad frames are counted once. */
static void check_held(uint64_t features)
{
	enum { COUNT = 3000, SLOT = 128 };
	struct sender *s = sender_create(features);
	unsigned first = 0, pushed = 0, reaped = 0, seen = 0, rounds = 0;
	static bool is_sent[COUNT];
	struct rng rng = rng_start();

	memset(is_sent, 0, sizeof(is_sent));
	while (reaped < COUNT) {
		struct vq_drv_used used[64];
		unsigned n, last = 0, want = 1 + rng_below(&rng, BURST_MAX);
		uint64_t held = 0;

		while (pushed < COUNT) {
			uint8_t *p = s->rig.base + pushed % 256 * SLOT;
			/* every seventh list has no frame */
			struct iovec iov = { p, pushed % 7 ? 12 + 64 : 5 };
			struct vq_drv_buf buf = { .iov = &iov,
						  .readable_count = 1,
						  .cookie = s };

			if (vq_drv_push_burst(s->rig.drv, &buf, 1) != 1)
				break;
			memset(p, 0, 12 + 64);
			memcpy(p + 12 + 20, &pushed, sizeof(pushed));
			pushed++;
		}
		n = vnet_rx_burst(&s->rig.dev, 0, &s->scratch, &s->waiting,
				  FRAME_SNAP, s->frame, want, &s->chains,
				  &s->stats);
		for (unsigned i = 0; i < n; i++) {
			unsigned serial;

			memcpy(&serial, frame_head(&s->frame[i]) + 20,
			       sizeof(serial));
			assert_true(serial < pushed && !is_sent[serial]);
			assert_true(serial % 7 && (!i || serial > last));
			last = serial;
			while (is_sent[first] || first % 7 == 0)
				first++;
			assert_true(i || serial == first);
			if (rng_below(&rng, 3)) {
				is_sent[serial] = true;
				seen++;
			} else {
				held |= 1ull << i;
			}
		}
		vnet_rx_done(&s->rig.dev, &s->scratch, &s->waiting, s->chains,
			     held);
		reaped += vq_drv_pop_burst(s->rig.drv, used, 64);
		assert_true(++rounds < 100 * COUNT);
	}
	assert_int_equal(seen, COUNT - (COUNT + 6) / 7);
	assert_int_equal(s->stats.bad_frame, (COUNT + 6) / 7);
	assert_int_equal(s->waiting.ahead, 0);
	assert_int_equal(s->rig.dev.fault, VQ_FAULT_NONE);
	sender_destroy(s);
}

static void test_held(void **state)
{
	(void)state;
	check_held(V1);
	check_held(V1 | BIT(F_RING_PACKED));
	check_held(V1 | BIT(F_IN_ORDER));
	check_held(V1 | BIT(F_RING_PACKED) | BIT(F_IN_ORDER));
}

/* A chain with more buffers than a burst has iovecs is dropped; the queue goes
 * on. */
static void test_truncated(void **state)
{
	static struct iovec iov[VQ_BURST_IOV + 1];
	struct sender *s = sender_create(V1);
	struct vq_rig_config c = {
		.features = V1 | TABLES,
		.count = 4,
		.size = 1 << 20,
		.regions = 1,
		.indirect_max = ARRAY_SIZE(iov),
	};
	struct vq_drv_buf buf = { .iov = iov,
				  .cookie = s,
				  .indirect = true,
				  .readable_count = ARRAY_SIZE(iov) };

	(void)state;
	vq_rig_fini(&s->rig);
	vq_rig_init(&s->rig, &c);
	for (unsigned i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec){ s->rig.base + i, 1 };
	assert_int_equal(vq_drv_push_burst(s->rig.drv, &buf, 1), 1);
	assert_int_equal(vnet_rx_burst(&s->rig.dev, 0, &s->scratch, &s->waiting,
				       FRAME_SNAP, s->frame, BURST_MAX,
				       &s->chains, &s->stats),
			 0);
	assert_int_equal(s->stats.bad_frame, 1);
	send_done(s);
	assert_int_equal(send_raw(s, 100, 12, 0), 1);
	send_done(s);
	sender_destroy(s);
}

static void put_hdr(struct sender *s, struct vnet_hdr h)
{
	h.hdr_len = cpu_to_le16(h.hdr_len);
	h.gso_size = cpu_to_le16(h.gso_size);
	h.csum_start = cpu_to_le16(h.csum_start);
	h.csum_offset = cpu_to_le16(h.csum_offset);
	memset(s->rig.base, 0xff, 12); /* num_buffers is ignored here */
	memcpy(s->rig.base, &h, sizeof(h));
}

/* Only negotiated, coherent offloads pass, with no other bit of the header. */
static void test_offloads(void **state)
{
	struct sender *s = sender_create(V1);
	struct rng rng = rng_start();
	static struct pkt k;
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct pkt_spec spec = { .v6 = i & 1,
					 .udp = i & 2,
					 .payload = 3000 };
		struct vnet_hdr h;
		unsigned need;

		pkt_build(&k, &spec, &rng);
		h = pkt_hdr(&k, &spec, i & 4 ? 1000 : 0);
		h.hdr_len = 0xffff;
		h.flags |= VNET_HDR_F_DATA_VALID | VNET_HDR_F_RSC_INFO | 0x80;
		put_hdr(s, h);
		memcpy(s->rig.base + 12, k.data, k.len);
		assert_int_equal(send_raw(s, 12 + k.len, 0, NO_UFO), 1);
		assert_int_equal(s->frame[0].hdr.flags, VNET_HDR_F_NEEDS_CSUM);
		assert_int_equal(s->frame[0].hdr.hdr_len, k.len);
		assert_int_equal(s->frame[0].hdr.gso_size, h.gso_size);
		assert_int_equal(s->frame[0].hdr.csum_start, k.l4_off);
		need = frame_offloads_needed(&s->frame[0]);
		send_done(s);
		assert_int_equal(send_raw(s, 12 + k.len, 3, need), 1);
		send_done(s);
		/* each bit is needed */
		for (unsigned bit = 1; bit < OFFLOAD_ALL; bit <<= 1) {
			bool is_good = !(need & bit);

			assert_int_equal(
				send_raw(s, 12 + k.len, 12, NO_UFO & ~bit),
				is_good);
			refused += !is_good;
			assert_int_equal(s->stats.bad_offload, refused);
			send_done(s);
		}
		h.csum_start = 0xfff0;
		put_hdr(s, h);
		assert_int_equal(send_raw(s, 12 + k.len, 0, NO_UFO), 0);
		assert_int_equal(s->stats.bad_offload, ++refused);
		send_done(s);
	}
	sender_destroy(s);
}

/* A plain frame: the other fields of its header have no effect. */
static void test_plain_noise(void **state)
{
	static const struct vnet_hdr none;
	struct sender *s = sender_create(V1);

	(void)state;
	put_hdr(s, (struct vnet_hdr){ .flags = 0xfe,
				      .hdr_len = 1,
				      .gso_size = 2,
				      .csum_start = 3,
				      .csum_offset = 4 });
	assert_int_equal(send_raw(s, 12 + 60, 0, NO_UFO), 1);
	assert_memory_equal(&s->frame[0].hdr, &none, sizeof(none));
	send_done(s);
	sender_destroy(s);
}

/* A guest that rewrites all of its memory after the snapshot. */
static void test_rewrite(void **state)
{
	struct sender *s = sender_create(V1);
	struct rng rng = rng_start();
	struct pkt_spec spec = { .payload = 3000 };
	static struct pkt k;

	(void)state;
	pkt_build(&k, &spec, &rng);
	put_hdr(s, pkt_hdr(&k, &spec, 1000));
	memcpy(s->rig.base + 12, k.data, k.len);
	assert_int_equal(send_raw(s, 12 + k.len, 0, NO_UFO), 1);
	memset(s->rig.base, 0xff, 12 + k.len);
	assert_int_equal(s->frame[0].head_len, FRAME_HEAD);
	assert_memory_equal(frame_head(&s->frame[0]), k.data, FRAME_HEAD);
	assert_int_equal(s->frame[0].hdr.gso_type, VNET_GSO_TCPV4);
	send_done(s);
	sender_destroy(s);
}

/* A guest that receives, in buffer lists of @pieces buffers of @size bytes. */
struct receiver {
	struct vq_rig rig;
	struct copy_choice choice;
	struct frame frame[BURST_MAX];
	struct frame *ptr[BURST_MAX];
	struct iovec iov[BURST_MAX];
	uint8_t data[FRAME_MAX];
	uint32_t next; /* offset of the memory to offer next */
};

static struct receiver *receiver_create(uint64_t features, uint32_t count,
					unsigned indirect_max)
{
	struct receiver *r = aligned_alloc(64, align_up(sizeof(*r), 64));
	struct vq_rig_config c = {
		.features = features,
		.count = count,
		.size = 8 << 20,
		.regions = 1,
		.indirect_max = indirect_max,
	};
	struct rng rng = rng_start();

	memset(r, 0, sizeof(*r));
	vq_rig_init(&r->rig, &c);
	for (unsigned i = 0; i < FRAME_MAX; i++)
		r->data[i] = (uint8_t)rng_next(&rng);
	for (unsigned i = 0; i < BURST_MAX; i++)
		r->ptr[i] = &r->frame[i];
	return r;
}

static void receiver_destroy(struct receiver *r)
{
	vq_rig_fini(&r->rig);
	free(r);
}

static void offer(struct receiver *r, unsigned lists, unsigned pieces,
		  uint32_t size)
{
	static struct iovec iov[3000];
	struct vq_drv_buf buf = { .iov = iov,
				  .writable_count = pieces,
				  .cookie = r,
				  .indirect = pieces > 1 };

	while (lists--) {
		for (unsigned i = 0; i < pieces; i++) {
			iov[i] = (struct iovec){ r->rig.base + r->next, size };
			r->next += size;
		}
		assert_int_equal(vq_drv_push_burst(r->rig.drv, &buf, 1), 1);
	}
}

static void prepare(struct receiver *r, unsigned i, uint32_t len)
{
	r->iov[i] = (struct iovec){ r->data, len };
	r->frame[i].hdr = (struct vnet_hdr){ 0 };
	frame_from_iov(&r->frame[i], &r->iov[i], 1, len, FRAME_SNAP);
}

static unsigned used_lists(struct receiver *r)
{
	struct vq_drv_used used;
	unsigned n = 0;

	while (vq_drv_pop_burst(r->rig.drv, &used, 1))
		n++;
	return n;
}

/* 64 frames of 64 KiB into 1526-byte buffers: many windows, one call. */
static void test_windows(void **state)
{
	struct receiver *r = receiver_create(V1 | MRG, 4096, 0);
	unsigned per_frame = (FRAME_MAX + 12 + 1525) / 1526;
	struct vnet_tx_result res;
	uint64_t calls = r->rig.dev.call_count;

	(void)state;
	offer(r, 64 * per_frame, 1, 1526);
	assert_true(vq_drv_arm(r->rig.drv));
	for (unsigned i = 0; i < 64; i++)
		prepare(r, i, FRAME_MAX);
	res = vnet_tx_burst(&r->rig.dev, &r->choice, r->ptr, 64);
	assert_int_equal(res.taken, 64);
	assert_int_equal(res.too_big, 0);
	assert_int_equal(res.bytes, 64 * FRAME_MAX);
	assert_true(res.notified);
	assert_int_equal(r->rig.dev.call_count - calls, 1);
	assert_int_equal(used_lists(r), 64 * per_frame);
	for (unsigned i = 0; i < 64; i++) {
		uint8_t *p = r->rig.base + i * per_frame * 1526;

		assert_int_equal(p[10] | p[11] << 8, per_frame);
		assert_memory_equal(p + 12, r->data, FRAME_MAX);
	}
	receiver_destroy(r);
}

/* A frame that needs more chains than a window has is dropped; later frames are
 * not. */
static void test_too_many(void **state)
{
	struct receiver *r = receiver_create(V1 | MRG, 1024, 0);
	struct vnet_tx_result res;

	(void)state;
	offer(r, 1024, 1, 100);
	prepare(r, 0, 60);
	prepare(r, 1, 26000);
	prepare(r, 2, 25000);
	prepare(r, 3, 61);
	res = vnet_tx_burst(&r->rig.dev, &r->choice, r->ptr, 4);
	assert_int_equal(res.taken, 4);
	assert_int_equal(res.too_big, 1);
	assert_int_equal(res.bytes, 60 + 25000 + 61);
	assert_int_equal(used_lists(r), 1 + 251 + 1);
	receiver_destroy(r);
}

/* The second window begins with a chain that did not fit into the first. */
static void test_iov_room(void **state)
{
	struct receiver *r = receiver_create(V1 | MRG | TABLES, 128, 2100);
	struct vnet_tx_result res;

	(void)state;
	offer(r, 64, 31, 2);
	offer(r, 1, 2000, 1);
	prepare(r, 0, 70);
	for (unsigned i = 1; i < 64; i++)
		prepare(r, i, 40);
	res = vnet_tx_burst(&r->rig.dev, &r->choice, r->ptr, 64);
	assert_int_equal(res.taken, 64);
	assert_int_equal(res.too_big, 0);
	assert_int_equal(used_lists(r), 65);
	/* a chain that fits into no window is not counted, but given back */
	offer(r, 1, 2100, 1);
	offer(r, 1, 1, 200);
	prepare(r, 0, 70);
	res = vnet_tx_burst(&r->rig.dev, &r->choice, r->ptr, 1);
	assert_int_equal(res.taken, 1);
	assert_int_equal(used_lists(r), 2);
	receiver_destroy(r);
}

/* Not mergeable: a list that is too small stays for the next frame. */
static void test_too_big(void **state)
{
	struct receiver *r = receiver_create(V1 | TABLES, 8, 4);
	struct vnet_tx_result res;

	(void)state;
	offer(r, 1, 2, 763);
	offer(r, 1, 1, 1526);
	prepare(r, 0, 1515);
	prepare(r, 1, 1514);
	prepare(r, 2, 9000);
	prepare(r, 3, 14);
	prepare(r, 4, 1515);
	res = vnet_tx_burst(&r->rig.dev, &r->choice, r->ptr, 5);
	assert_int_equal(res.taken, 4); /* the fifth was not tried */
	assert_int_equal(res.too_big, 2);
	assert_int_equal(res.bytes, 1514 + 14);
	assert_int_equal(used_lists(r), 2);
	assert_memory_equal(r->rig.base + 12, r->data, 1514);
	assert_memory_equal(r->rig.base + 1526 + 12, r->data, 14);
	res = vnet_tx_burst(&r->rig.dev, &r->choice, r->ptr, 5);
	assert_int_equal(res.taken, 0);
	assert_false(res.notified);
	receiver_destroy(r);
}

/* The flags that a guest sees depend on its features. */
static void test_flags(void **state)
{
	static const struct {
		uint64_t features;
		uint8_t sent, seen;
	} row[] = {
		{ V1 | MRG, 2, 0 },
		{ V1 | MRG | BIT(NET_F_GUEST_CSUM), 2, 2 },
		{ V1 | MRG | BIT(NET_F_GUEST_CSUM), 1, 1 },
		{ V1 | BIT(NET_F_GUEST_CSUM), 7, 3 },
		{ BIT(NET_F_GUEST_CSUM), 0, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		for (unsigned pieces = 1; pieces < 3; pieces++) {
			struct receiver *r =
				receiver_create(row[i].features, 8, 0);

			offer(r, 1, pieces, 200);
			prepare(r, 0, 150);
			r->frame[0].hdr.flags = row[i].sent;
			assert_int_equal(vnet_tx_burst(&r->rig.dev, &r->choice,
						       r->ptr, 1)
						 .taken,
					 1);
			assert_int_equal(r->rig.base[0], row[i].seen);
			receiver_destroy(r);
		}
}

/* A header that ends with a cache line is compared before it is written: it is
 * right whatever the buffer held. */
static void test_header_apart(void **state)
{
	static const uint64_t features[] = { V1 | MRG | BIT(NET_F_GUEST_CSUM),
					     BIT(NET_F_GUEST_CSUM) };
	static const uint8_t hdr[] = { 1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 1, 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		unsigned size = vnet_hdr_size(features[i]);

		/* one byte differs each time, and none the last time */
		for (unsigned odd = 0; odd <= size; odd++) {
			struct receiver *r = receiver_create(features[i], 8, 0);
			uint8_t *buf = r->rig.base + 128 - size;

			memcpy(buf, hdr, size);
			if (odd < size)
				buf[odd] ^= 0x80;
			r->next = 128 - size;
			offer(r, 1, 1, 200);
			prepare(r, 0, 150);
			r->frame[0].hdr = (struct vnet_hdr){
				.flags = VNET_HDR_F_NEEDS_CSUM,
				.csum_start = 34,
				.csum_offset = 16,
			};
			assert_int_equal(vnet_tx_burst(&r->rig.dev, &r->choice,
						       r->ptr, 1)
						 .taken,
					 1);
			assert_memory_equal(buf, hdr, size);
			assert_memory_equal(buf + size, r->data, 150);
			receiver_destroy(r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_writable_only),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_offloads),
		cmocka_unit_test(test_plain_noise),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_iov_room),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_header_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vnet/: frames from one guest's transmitq to another's receiveq, in random
 * layouts, rings and features. Frames arrive byte for byte as sent; frames that
 * do not fit stay, as a naive model says; memory outside the buffers is
 * untouched.
 */
#include "pkt.h"

#include "offload.h"
#include "vnet.h"
#include "vq_rig.h"

#define SLOTS	     128	  /* buffer lists per queue */
#define SLOT_SIZE    (80u * 1024) /* room for one buffer list */
#define IOV_MAX_LIST 40
#define FILL	     0xa5

/* One buffer list, in its own part of guest memory. */
struct slot {
	uint8_t *base;
	struct iovec iov[IOV_MAX_LIST];
	unsigned count;
	uint32_t size;
	uint32_t span; /* bytes of the whole list, and some more */
};

struct guest {
	struct vq_rig rig;
	struct slot slot[SLOTS];
	unsigned head, tail; /* free-running: lists taken back, lists offered */
	unsigned hdr_size;
};

/* A frame that must arrive. */
struct sent {
	uint8_t *data;
	uint32_t len;
	struct vnet_hdr hdr;
};

struct bed {
	struct rng rng;
	struct guest from, to;
	uint64_t features;
	bool is_mergeable;
	struct waiting waiting;
	unsigned offloads;
	uint32_t buf_max; /* largest receive list of a round */
	struct copy_choice choice;
	struct vnet_rx_scratch scratch;
	struct frame frames[BURST_MAX];
	struct frame *ptr[BURST_MAX];
	struct sent sent[BURST_MAX];
	unsigned sent_count;
	uint8_t *arena; /* memory of sent[].data */
};

static void guest_init(struct guest *g, uint64_t features, uint32_t count,
		       unsigned regions)
{
	struct vq_rig_config c = {
		.features = features,
		.count = count,
		.size = SLOTS * SLOT_SIZE,
		.regions = regions,
		.indirect_max = IOV_MAX_LIST,
	};

	vq_rig_init(&g->rig, &c);
	g->head = g->tail = 0;
	g->hdr_size = vnet_hdr_size(features);
	for (unsigned i = 0; i < SLOTS; i++)
		g->slot[i].base = g->rig.base + i * SLOT_SIZE;
}

/* Lays out @size bytes in @s: up to @pieces buffers with gaps between. */
static void slot_layout(struct rng *rng, struct slot *s, uint32_t size,
			unsigned pieces)
{
	uint8_t *p = s->base + rng_below(rng, 64);

	s->count = 0;
	s->size = size;
	while (size) {
		uint32_t n = size;

		if (s->count + 1 < pieces)
			n = 1 + rng_below(rng, rng_below(rng, 2) ? 20 : size);
		n = MIN(n, size);
		s->iov[s->count++] = (struct iovec){ p, n };
		p += n + rng_below(rng, 64);
		size -= n;
	}
	s->span = p + 64 - s->base;
	assert_true(s->span <= SLOT_SIZE);
}

static bool slot_push(struct bed *b, struct guest *g, bool is_writable)
{
	struct slot *s = &g->slot[g->tail % SLOTS];
	struct vq_drv_buf buf = {
		.iov = s->iov,
		.readable_count = is_writable ? 0 : s->count,
		.writable_count = is_writable ? s->count : 0,
		.cookie = s,
		.indirect = rng_below(&b->rng, 2),
	};

	if (!vq_drv_push_burst(g->rig.drv, &buf, 1))
		return false;
	g->tail++;
	return true;
}

/* Copies a linear buffer into a slot. */
static void slot_write(struct slot *s, const uint8_t *src)
{
	for (unsigned i = 0; i < s->count; i++) {
		memcpy(s->iov[i].iov_base, src, s->iov[i].iov_len);
		src += s->iov[i].iov_len;
	}
}

/* Reads and wipes the first @size bytes, then checks that the rest of the slot
 * did not change. */
static void slot_read(struct slot *s, uint8_t *dst, uint32_t size)
{
	static uint8_t clean[SLOT_SIZE]; /* for comparison */

	assert_true(size <= s->size);
	for (unsigned i = 0; i < s->count && size; i++) {
		uint32_t n = MIN(size, (uint32_t)s->iov[i].iov_len);

		memcpy(dst, s->iov[i].iov_base, n);
		memset(s->iov[i].iov_base, FILL, n);
		dst += n;
		size -= n;
	}
	if (!clean[0])
		memset(clean, FILL, sizeof(clean));
	assert_memory_equal(s->base, clean, s->span);
}

static uint32_t random_len(struct rng *rng)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return 14 + rng_below(rng, FRAME_MAX - 14 + 1);
	case 1:
		return 14 + rng_below(rng, 100);
	case 2:
		return 1500 + rng_below(rng, 30);
	default:
		return 14 + rng_below(rng, 1600);
	}
}

/* Makes a frame, with an offload if the two guests have one. */
static void make_sent(struct bed *b, struct sent *s)
{
	static struct pkt k;
	struct pkt_spec spec = {
		.tags = rng_below(&b->rng, 3),
		.v6 = rng_below(&b->rng, 2),
		.udp = rng_below(&b->rng, 2),
		.l4_opt = 4 * rng_below(&b->rng, 11),
		.payload = 1 + rng_below(&b->rng, 65000),
	};

	if (b->offloads && rng_below(&b->rng, 3) == 0) {
		pkt_build(&k, &spec, &b->rng);
		s->len = k.len;
		s->hdr = pkt_hdr(&k, &spec, 1000 * rng_below(&b->rng, 2));
		memcpy(s->data, k.data, k.len);
		return;
	}
	s->len = random_len(&b->rng);
	s->hdr = (struct vnet_hdr){ 0 };
	pkt_noise(&b->rng, s->data, s->len);
}

static void send_some(struct bed *b)
{
	static uint8_t raw[FRAME_MAX + 16];
	unsigned want =
		1 + rng_below(&b->rng, rng_below(&b->rng, 2) ? BURST_MAX : 4);

	for (b->sent_count = 0; b->sent_count < want; b->sent_count++) {
		struct sent *s = &b->sent[b->sent_count];
		struct slot *slot = &b->from.slot[b->from.tail % SLOTS];

		make_sent(b, s);
		memset(raw, 0, 16);
		memcpy(raw, &s->hdr, sizeof(s->hdr));
		memcpy(raw + b->from.hdr_size, s->data, s->len);
		slot_layout(&b->rng, slot, b->from.hdr_size + s->len,
			    1 + rng_below(&b->rng, 8));
		if (rng_below(&b->rng, 2)) /* header alone, or one buffer */
			slot_layout(&b->rng, slot, b->from.hdr_size + s->len,
				    1);
		slot_write(slot, raw);
		if (!slot_push(b, &b->from, false))
			break;
	}
}

/* Offers receive buffers until ring or slots are used up, or chance ends it. */
static void offer_some(struct bed *b)
{
	while (b->to.tail - b->to.head < SLOTS && rng_below(&b->rng, 60)) {
		struct slot *s = &b->to.slot[b->to.tail % SLOTS];
		uint32_t size =
			b->to.hdr_size + 1 + rng_below(&b->rng, b->buf_max);

		slot_layout(&b->rng, s, size,
			    rng_below(&b->rng, 3) ? 1
						  : 1 + rng_below(&b->rng, 19));
		memset(s->base, FILL, s->span);
		if (!slot_push(b, &b->to, true))
			break;
	}
}

static void check_frames(struct bed *b)
{
	static uint8_t data[FRAME_MAX];

	for (unsigned i = 0; i < b->sent_count; i++) {
		const struct frame *f = &b->frames[i];
		const struct sent *s = &b->sent[i];

		assert_int_equal(f->len, s->len);
		assert_memory_equal(&f->hdr, &s->hdr, sizeof(f->hdr));
		assert_int_equal(f->head_len,
				 MIN(f->len, (uint32_t)(frame_has_offload(f)
								? FRAME_HEAD
								: FRAME_SNAP)));
		frame_copy(f, 0, data, f->len);
		assert_memory_equal(data, s->data, s->len);
		b->ptr[i] = &b->frames[i];
	}
}

static void drain_sender(struct bed *b)
{
	struct vq_drv_used used;

	for (unsigned i = 0; i < b->sent_count; i++) {
		struct slot *s = &b->from.slot[b->from.head++ % SLOTS];

		assert_int_equal(vq_drv_pop_burst(b->from.rig.drv, &used, 1),
				 1);
		assert_ptr_equal(used.cookie, s);
		assert_int_equal(used.size, 0);
	}
	assert_int_equal(vq_drv_pop_burst(b->from.rig.drv, &used, 1), 0);
}

/* Takes the next used buffer list and appends its content to @data. */
static uint32_t receive_list(struct bed *b, uint8_t *data)
{
	struct slot *s = &b->to.slot[b->to.head++ % SLOTS];
	struct vq_drv_used used;

	assert_int_equal(vq_drv_pop_burst(b->to.rig.drv, &used, 1), 1);
	assert_ptr_equal(used.cookie, s);
	slot_read(s, data, used.size);
	return used.size;
}

static void receive_frame(struct bed *b, const struct sent *s)
{
	static uint8_t data[FRAME_MAX + 20];
	uint32_t size = receive_list(b, data);
	uint16_t num_buffers = 1;

	assert_memory_equal(data, &s->hdr, sizeof(s->hdr));
	if (b->to.hdr_size >= 12) {
		memcpy(&num_buffers, data + 10, 2);
		num_buffers = le16toh(num_buffers);
		assert_true(b->is_mergeable ? num_buffers > 0
					    : num_buffers == 1);
	}
	while (--num_buffers)
		size += receive_list(b, data + size);
	assert_int_equal(size, b->to.hdr_size + s->len);
	assert_memory_equal(data + b->to.hdr_size, s->data, s->len);
}

/* Checks @r against a naive model of the receiver's buffers. */
static void check_result(struct bed *b, struct vnet_tx_result r)
{
	unsigned slot = b->to.head, i, too_big = 0;
	uint64_t bytes = 0;

	for (i = 0; i < b->sent_count; i++) {
		uint32_t need = b->to.hdr_size + b->sent[i].len, room = 0;

		if (slot == b->to.tail)
			break;
		if (!b->is_mergeable && b->to.slot[slot % SLOTS].size < need) {
			too_big++;
			continue;
		}
		while (room < need && slot != b->to.tail)
			room += b->to.slot[slot++ % SLOTS].size;
		if (room < need)
			break;
		bytes += b->sent[i].len;
		receive_frame(b, &b->sent[i]);
		assert_int_equal(b->to.head, slot);
	}
	assert_int_equal(r.taken, i);
	assert_int_equal(r.too_big, too_big);
	assert_int_equal(r.bytes, bytes);
}

static void round_trip(struct bed *b)
{
	struct vnet_rx_stats stats = { 0 };
	struct vnet_tx_result r;
	struct vq_drv_used used;
	unsigned chains, n;

	send_some(b);
	offer_some(b);
	n = vnet_rx_burst(&b->from.rig.dev, b->offloads, &b->scratch,
			  &b->waiting, FRAME_SNAP, b->frames, BURST_MAX,
			  &chains, &stats);
	assert_int_equal(n, b->sent_count);
	assert_int_equal(chains, b->sent_count);
	assert_int_equal(stats.bad_frame + stats.bad_offload, 0);
	check_frames(b);
	copy_choice_fix(&b->choice, rng_below(&b->rng, COPY_METHODS));
	r = vnet_tx_burst(&b->to.rig.dev, &b->choice, b->ptr, n);
	vnet_rx_done(&b->from.rig.dev, &b->scratch, &b->waiting, chains, 0);
	drain_sender(b);
	check_result(b, r);
	/* no further buffer was used */
	assert_int_equal(vq_drv_pop_burst(b->to.rig.drv, &used, 1), 0);
	assert_int_equal(vq_dev_pending(&b->to.rig.dev, 4 * SLOTS),
			 b->to.tail - b->to.head);
	assert_int_equal(b->from.rig.dev.fault, VQ_FAULT_NONE);
	assert_int_equal(b->to.rig.dev.fault, VQ_FAULT_NONE);
	assert_int_equal(vq_drv_fault(b->to.rig.drv), VQ_FAULT_NONE);
}

#define BIT(f) (1ull << VIRTIO_##f)
#define OFFLOADS                                                               \
	(BIT(NET_F_CSUM) | BIT(NET_F_HOST_TSO4) | BIT(NET_F_HOST_TSO6) |       \
	 BIT(NET_F_HOST_USO) | BIT(NET_F_GUEST_CSUM) | BIT(NET_F_GUEST_TSO4) | \
	 BIT(NET_F_GUEST_TSO6) | BIT(NET_F_GUEST_USO4) |                       \
	 BIT(NET_F_GUEST_USO6))
#define V1     BIT(F_VERSION_1)
#define MRG    BIT(NET_F_MRG_RXBUF)
#define TABLES BIT(F_INDIRECT_DESC)
#define PACKED (V1 | BIT(F_RING_PACKED))

static const struct {
	uint64_t features;
	uint32_t count;
	unsigned regions;
	uint32_t buf_max;
} beds[] = {
	{ 0, 256, 1, 70000 },
	{ MRG, 256, 1, 3000 },
	{ V1 | MRG | OFFLOADS, 256, 1, 4096 },
	{ V1 | MRG | OFFLOADS, 1024, 3, 1600 },
	{ V1 | OFFLOADS | TABLES, 256, 2, 70000 },
	{ V1 | MRG | OFFLOADS | TABLES | BIT(F_EVENT_IDX), 128, 1, 20000 },
	{ PACKED | MRG | OFFLOADS, 256, 1, 4096 },
	{ PACKED | MRG | OFFLOADS | TABLES, 100, 2, 4096 },
	{ PACKED | MRG | OFFLOADS | BIT(F_IN_ORDER), 500, 1, 4096 },
	{ PACKED | BIT(F_IN_ORDER) | TABLES, 256, 1, 70000 },
	{ V1 | MRG | BIT(F_IN_ORDER), 256, 1, 200 },
	{ V1 | MRG, 512, 1, 40 },
	{ V1 | MRG | OFFLOADS | BIT(NET_F_HASH_REPORT), 1024, 3, 1600 },
	{ PACKED | OFFLOADS | BIT(NET_F_HASH_REPORT), 256, 1, 70000 },
};

static void run_bed(struct bed *b, unsigned i)
{
	b->features = beds[i].features;
	b->is_mergeable = b->features & MRG;
	b->offloads = vnet_offloads_from_driver(b->features);
	assert_int_equal(b->offloads, vnet_offloads_to_driver(b->features));
	guest_init(&b->from, b->features, beds[i].count, beds[i].regions);
	guest_init(&b->to, b->features, beds[i].count, beds[i].regions);
	for (int round = 0; round < 40; round++) {
		b->buf_max = rng_below(&b->rng, 3) ? beds[i].buf_max : 70000;
		round_trip(b);
	}
	vq_rig_fini(&b->from.rig);
	vq_rig_fini(&b->to.rig);
}

static void test_round_trips(void **state)
{
	struct bed *b = aligned_alloc(64, sizeof(*b));

	(void)state;
	*b = (struct bed){ .rng = rng_start() };
	b->arena = malloc(BURST_MAX * PKT_MAX);
	for (unsigned i = 0; i < BURST_MAX; i++)
		b->sent[i].data = b->arena + i * PKT_MAX;
	for (unsigned i = 0; i < ARRAY_SIZE(beds); i++)
		run_bed(b, i);
	free(b->arena);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of the vhost-user-front port against the device side in the
 * same process: frames of all sizes in random bursts, some of which wait, and a
 * back-end that writes nonsense into everything that it can write to.
 */
#include "test.h"

#include <string.h>

#include "front.h"
#include "gmem.h"
#include "vq_dev.h"

#define BIT(name) (1ull << VIRTIO_##name)
#define SPLIT                                                        \
	(BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF) | BIT(NET_F_CSUM) | \
	 BIT(NET_F_GUEST_CSUM) | BIT(NET_F_HOST_TSO4) |              \
	 BIT(NET_F_GUEST_TSO4) | BIT(F_EVENT_IDX))
#define PACKED (SPLIT | BIT(F_RING_PACKED))

struct rig {
	struct front_port f;
	struct front_pair pair;
	struct gmem *mem;
	struct vq_dev dev[2]; /* where we receive, where we send */
	struct rng rng;
	struct burst burst;
	struct vnet_rx_scratch scratch;
	struct frame frame[BURST_MAX];
	struct copy_choice choice;
	struct waiting waiting;
};

static uint8_t *host(const struct rig *r, uint64_t uva)
{
	return gmem_translate_uva(r->mem, uva, 1);
}

static void start_device(struct rig *r, unsigned idx)
{
	struct vu_client_ring ring = front_ring(&r->f, idx);
	struct vq_dev_config c = {
		.features = r->f.features,
		.count = ring.num,
		.area = { .desc = host(r, ring.desc),
			  .driver = host(r, ring.avail),
			  .device = host(r, ring.used) },
		.mem = r->mem,
		.position = vq_position_decode(r->f.features, ring.base),
		.call_fd = ring.call_fd,
	};

	assert_int_equal(vq_dev_activate(&r->dev[idx], &c), 0);
}

static void rig_open(struct rig *r, uint64_t features)
{
	struct gmem_desc region;
	struct err err;

	r->f.features = features;
	assert_int_equal(front_queues_open(&r->f), 0);
	region = front_region(&r->f);
	assert_int_equal(gmem_create(&region, 1, &r->mem, &err), 0);
	r->waiting = (struct waiting){ 0 };
	start_device(r, 0);
	start_device(r, 1);
}

static void rig_close(struct rig *r)
{
	vq_dev_deactivate(&r->dev[0]);
	vq_dev_deactivate(&r->dev[1]);
	gmem_put(r->mem);
	front_queues_close(&r->f);
}

static struct rig *rig_create(uint64_t features)
{
	struct rig *r =
		aligned_alloc(CACHE_LINE, align_up(sizeof(*r), CACHE_LINE));
	struct front_pair *p = &r->pair;

	memset(r, 0, sizeof(*r));
	r->rng = rng_start();
	r->f.pairs = 1;
	r->f.pair = p;
	r->f.mem_fd = -1;
	r->f.news_fd = fd_eventfd();
	p->rx.rxq = (struct rxq){ .port = &r->f.port, .snap = FRAME_SNAP };
	p->tx.txq = (struct txq){ .port = &r->f.port };
	p->rx.health.news_fd = p->tx.health.news_fd = r->f.news_fd;
	for (unsigned i = 0; i < 2; i++)
		p->kick_fd[i] = p->call_fd[i] = -1;
	rig_open(r, features);
	return r;
}

static void rig_destroy(struct rig *r)
{
	rig_close(r);
	fd_close(&r->f.news_fd);
	free(r);
}

static uint32_t random_length(struct rng *rng)
{
	switch (rng_below(rng, 4)) {
	case 0:
		return ETH_HLEN + rng_below(rng, 60);
	case 1:
		return FRAME_MAX - rng_below(rng, 4000);
	case 2: /* around the end of a buffer */
		return FRONT_ROOM - VNET_HDR_MAX - 3 + rng_below(rng, 6);
	default:
		return 60 + rng_below(rng, 1455);
	}
}

/* Byte @at of frame @serial. */
static uint8_t content(unsigned serial, uint32_t at)
{
	return (uint8_t)(serial * 31 + at * 7 + (at >> 8));
}

/* Makes @f frame @serial of @len bytes. @iov and @data back it. */
static void make_frame(struct frame *f, unsigned serial, uint32_t len,
		       struct iovec *iov, uint8_t *data)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = content(serial, i);
	*iov = (struct iovec){ data, len };
	f->hdr = (struct vnet_hdr){ 0 };
	frame_from_iov(f, iov, 1, len, FRAME_SNAP);
}

static void check_frame(const struct frame *f, unsigned serial)
{
	uint8_t *data = malloc(f->len);

	frame_copy(f, 0, data, f->len);
	for (uint32_t i = 0; i < f->len; i++)
		assert_int_equal(data[i], content(serial, i));
	free(data);
}

#define FRAMES 3000
#define WINDOW 8 /* frames under way at a time */

struct sender {
	unsigned sent;
	uint32_t len[FRAMES];
	struct iovec iov[WINDOW];
	uint8_t *data[WINDOW];
	struct frame *frame[WINDOW];
};

static void sender_init(struct sender *s, struct rig *r)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < FRAMES; i++)
		s->len[i] = random_length(&r->rng);
	for (unsigned i = 0; i < WINDOW; i++) {
		s->data[i] = malloc(FRAME_MAX);
		s->frame[i] = &r->frame[i];
	}
}

static void sender_fini(struct sender *s)
{
	for (unsigned i = 0; i < WINDOW; i++)
		free(s->data[i]);
}

/* Makes the next frames; returns how many. */
static unsigned sender_next(struct sender *s, struct rig *r)
{
	unsigned n = rng_below(&r->rng, WINDOW + 1);

	n = MIN(n, FRAMES - s->sent);
	for (unsigned i = 0; i < n; i++)
		make_frame(s->frame[i], s->sent + i, s->len[s->sent + i],
			   &s->iov[i], s->data[i]);
	return n;
}

/* Receives a burst, in which frames from a random one on have to wait. Returns
 * how many were finished. */
static unsigned receive(struct rig *r, const struct sender *s, unsigned next)
{
	struct front_rx *q = &r->pair.rx;
	struct burst *b = &r->burst;
	unsigned n, from;

	b->want = 1 + rng_below(&r->rng, BURST_MAX);
	n = front_rx_burst(&q->rxq, b);
	assert_true(n <= b->want);
	from = rng_below(&r->rng, 3) ? n : rng_below(&r->rng, n + 1);
	b->held_mask = 0;
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(b->frame[i].len, s->len[next + i]);
		check_frame(&b->frame[i], next + i);
		if (i >= from)
			b->held_mask |= 1ull << i;
	}
	front_rx_done(&q->rxq, b);
	return from;
}

static void frames_in(uint64_t features)
{
	struct rig *r = rig_create(features);
	struct sender *s = malloc(sizeof(*s));
	unsigned got = 0;

	sender_init(s, r);
	while (got < FRAMES) {
		unsigned n = sender_next(s, r);
		struct vnet_tx_result res;

		res = vnet_tx_burst(&r->dev[0], &r->choice, s->frame, n);
		assert_int_equal(res.too_big, 0);
		s->sent += res.taken;
		got += receive(r, s, got);
		assert_true(got <= s->sent);
	}
	assert_true(front_rx_arm(&r->pair.rx.rxq));
	assert_int_equal(r->pair.rx.health.fault, FRONT_GOOD);
	assert_int_equal(r->pair.rx.count, 0);
	sender_fini(s);
	free(s);
	rig_destroy(r);
}

static void frames_out(uint64_t features)
{
	struct rig *r = rig_create(features);
	struct sender *s = malloc(sizeof(*s));
	struct vnet_rx_stats bad = { 0 };
	unsigned got = 0;

	sender_init(s, r);
	while (got < FRAMES) {
		unsigned n = sender_next(s, r), chains;

		s->sent += front_tx_burst(&r->pair.tx.txq, s->frame, n);
		n = vnet_rx_burst(&r->dev[1], 0, &r->scratch, &r->waiting,
				  FRAME_SNAP, r->burst.frame,
				  rng_below(&r->rng, 10), &chains, &bad);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(r->burst.frame[i].len, s->len[got]);
			check_frame(&r->burst.frame[i], got++);
		}
		vnet_rx_done(&r->dev[1], &r->scratch, &r->waiting, chains, 0);
	}
	assert_int_equal(bad.bad_frame + bad.bad_offload, 0);
	assert_int_equal(r->pair.tx.txq.stats.drops[DROP_TX_DOWN], 0);
	/* all buffers come back */
	front_tx_burst(&r->pair.tx.txq, s->frame, 0);
	assert_int_equal(r->pair.tx.free_count, FRONT_RING);
	sender_fini(s);
	free(s);
	rig_destroy(r);
}

static void test_in(void **state)
{
	(void)state;
	frames_in(SPLIT);
	frames_in(PACKED);
}

static void test_out(void **state)
{
	(void)state;
	frames_out(SPLIT);
	frames_out(PACKED);
}

/* Takes the chain of the next receive buffer and uses it with @size bytes and a
 * header with @count buffers. */
static void use_one(struct rig *r, uint16_t count, uint32_t size)
{
	struct vq_dev *dev = &r->dev[0];
	struct vq_chain c;
	struct vq_done done;

	assert_int_equal(vq_dev_pop_burst(dev, &c, 1, r->scratch.iov, 64), 1);
	assert_int_equal(c.writable_size, FRONT_ROOM);
	memset(c.iov->iov_base, 0, 64);
	count = cpu_to_le16(count);
	memcpy((uint8_t *)c.iov->iov_base + VNET_HDR_LEGACY, &count, 2);
	done = (struct vq_done){ c.id, c.slot_count, size };
	vq_dev_push_burst(dev, &done, 1);
}

static unsigned poll_once(struct rig *r)
{
	unsigned n;

	r->burst.want = BURST_MAX;
	r->burst.held_mask = 0;
	n = front_rx_burst(&r->pair.rx.rxq, &r->burst);
	front_rx_done(&r->pair.rx.rxq, &r->burst);
	return n;
}

static void test_wrong_answers(void **state)
{
	static const struct {
		uint16_t count;
		uint32_t size;
		uint64_t fault;
	} wrong[] = {
		{ 1, FRONT_ROOM + 1,
		  FRONT_BAD_SIZE | (uint64_t)FRONT_ROOM << 32 },
		{ 1, UINT32_MAX, FRONT_BAD_SIZE | (uint64_t)FRONT_ROOM << 32 },
		{ 1, 0, FRONT_BAD_SIZE },
		{ 1, 11, FRONT_BAD_SIZE | 11ull << 32 },
		{ 0, 100, FRONT_BAD_BUFFERS },
		{ 513, 100, FRONT_BAD_BUFFERS | 513ull << 32 },
		{ UINT16_MAX, 100, FRONT_BAD_BUFFERS | 0xffffull << 32 },
	};
	struct rig *r = rig_create(SPLIT);

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(wrong); i++) {
		unsigned k = i / 2;

		use_one(r, 1, 100);
		use_one(r, wrong[k].count, wrong[k].size);
		assert_true(poll_once(r) <= 1);
		assert_int_equal(r->pair.rx.health.fault, wrong[k].fault);
		/* it is over: nothing more comes, and nothing is asked for */
		assert_int_equal(poll_once(r), 0);
		assert_true(front_rx_arm(&r->pair.rx.rxq));
		rig_close(r);
		rig_open(r, i & 1 ? SPLIT : PACKED);
	}
	rig_destroy(r);
}

/* Frames that are too short or too long are dropped, and their buffers come
 * back. */
static void test_wrong_frames(void **state)
{
	struct rig *r = rig_create(SPLIT);
	uint64_t *drops = r->pair.rx.rxq.stats.drops;

	(void)state;
	use_one(r, 1, VNET_HDR_MAX);
	use_one(r, 1, VNET_HDR_MAX + ETH_HLEN - 1);
	for (unsigned i = 0; i < 40; i++)
		use_one(r, 40, FRONT_ROOM);
	use_one(r, 1, VNET_HDR_MAX + 60);
	assert_int_equal(poll_once(r), 1);
	assert_int_equal(r->burst.frame[0].len, 60);
	assert_int_equal(drops[DROP_RX_BAD_FRAME], 3);
	assert_int_equal(r->pair.rx.count, 0);
	/* the largest number of buffers, most of them nearly empty */
	for (unsigned i = 0; i < FRONT_RING; i++)
		use_one(r, FRONT_RING, VNET_HDR_MAX);
	assert_int_equal(poll_once(r), 1);
	assert_int_equal(r->burst.frame[0].len,
			 (FRONT_RING - 1) * VNET_HDR_MAX);
	assert_int_equal(vq_drv_free_slots(r->pair.rx.vq), 0);
	rig_destroy(r);
}

/* A frame whose buffers come one by one. */
static void test_parts(void **state)
{
	struct rig *r = rig_create(PACKED);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		use_one(r, 5, 100);
		assert_int_equal(poll_once(r), i == 4);
	}
	assert_int_equal(r->burst.frame[0].len, 500 - VNET_HDR_MAX);
	assert_true(front_rx_arm(&r->pair.rx.rxq));
	rig_destroy(r);
}

/* Writes random bytes to a random place that the back-end can write to, near
 * what matters. */
static void scribble(struct rig *r)
{
	unsigned idx = rng_below(&r->rng, 2);
	struct vu_client_ring ring = front_ring(&r->f, idx);
	uint64_t at[] = { ring.desc, ring.avail, ring.used };
	uint8_t *p = host(r, at[rng_below(&r->rng, 3)]);
	unsigned size = 1 + rng_below(&r->rng, 64);

	if (!rng_below(&r->rng, 4)) {
		size = 1 + rng_below(&r->rng, 4);
		p += rng_below(&r->rng, 4);
	} else if (rng_below(&r->rng, 2)) {
		p += rng_below(&r->rng, 4096);
	} else {
		p = host(r, (uintptr_t)r->f.mem) +
		    rng_below(&r->rng, (uint32_t)r->f.mem_size - 64);
	}
	for (unsigned i = 0; i < size; i++)
		p[i] = (uint8_t)rng_next(&r->rng);
}

static void test_nonsense(void **state)
{
	struct rig *r = rig_create(SPLIT);
	struct sender *s = malloc(sizeof(*s));
	unsigned ends = 0;

	(void)state;
	sender_init(s, r);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned n, chains;
		struct vnet_rx_stats bad;

		s->sent = rng_below(&r->rng, FRAMES - WINDOW);
		n = i & 7 ? 0 : sender_next(s, r);
		vnet_tx_burst(&r->dev[0], &r->choice, s->frame, n);
		front_tx_burst(&r->pair.tx.txq, s->frame, n);
		if (!rng_below(&r->rng, 4))
			scribble(r);
		r->burst.want = 1 + rng_below(&r->rng, BURST_MAX);
		n = front_rx_burst(&r->pair.rx.rxq, &r->burst);
		for (unsigned k = 0; k < n; k++)
			frame_copy(&r->burst.frame[k], 0, s->data[0],
				   r->burst.frame[k].len);
		r->burst.held_mask = n && !rng_below(&r->rng, 3)
					     ? 1ull << rng_below(&r->rng, n)
					     : 0;
		front_rx_done(&r->pair.rx.rxq, &r->burst);
		vnet_rx_burst(&r->dev[1], 0, &r->scratch, &r->waiting,
			      FRAME_SNAP, r->burst.frame, 10, &chains, &bad);
		vnet_rx_done(&r->dev[1], &r->scratch, &r->waiting, chains, 0);
		if (front_is_bad(&r->pair.rx.health) ||
		    front_is_bad(&r->pair.tx.health) || r->dev[0].fault ||
		    r->dev[1].fault) {
			ends++;
			rig_close(r);
			rig_open(r, ends & 1 ? PACKED : SPLIT);
		}
	}
	assert_true(ends > 20);
	sender_fini(s);
	free(s);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in),
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_wrong_answers),
		cmocka_unit_test(test_wrong_frames),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

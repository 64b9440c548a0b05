/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vnet/: queue pairs over rings without a session: the test owns the rings and
 * is the guest behind them. Frames pass between two ports of a switch with
 * workers, through every state of a queue.
 */
#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fake_port.h"
#include "fd.h"
#include "leaks.h"
#include "vnet_pair.h"
#include "vq_rig.h"

#define BIT(name) (1ull << VIRTIO_##name)
#define SPLIT	  (BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF))
#define PACKED	  (SPLIT | BIT(F_RING_PACKED))
#define PAIRS	  2
#define RING	  64u
#define SLOT	  256u
#define HDR	  12u
#define LEN	  64u

struct card {
	struct port port;
	struct vnet_pairs pairs;
	struct vnet_pair pair[PAIRS];
	struct vq_rig rig[2 * PAIRS];
	unsigned sent[PAIRS]; /* buffers used so far, per transmitq */
	unsigned out[PAIRS];  /* buffers not taken back, per transmitq */
};

static const struct port_ops ops = {
	.rx_burst = vnet_pair_rx_burst,
	.rx_done = vnet_pair_rx_done,
	.rx_arm = vnet_pair_rx_arm,
	.rx_disarm = vnet_pair_rx_disarm,
	.tx_burst = vnet_pair_tx_burst,
};
static const struct port_type type = { .name = "card" };

static struct card *card_add(struct world *w, const char *name,
			     uint64_t features, uint32_t full_us)
{
	struct card *c = aligned_alloc(CACHE_LINE, sizeof(*c));
	struct port_env env = switch_port_env(w->sw);
	struct port_conf conf = { .id = (char *)(uintptr_t)name,
				  .max_macs = 100,
				  .full = PORT_FULL_WAIT,
				  .full_us = full_us };
	struct vq_rig_config rig = { .features = features,
				     .count = RING,
				     .size = RING * SLOT,
				     .regions = 1 };

	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		vq_rig_init(&c->rig[i], &rig);
	assert_int_equal(port_init(&c->port, &env, &type, &ops, &conf, PAIRS),
			 0);
	vnet_pairs_init(&c->pairs, &c->port, c->pair, PAIRS);
	assert_int_equal(switch_add_port(w->sw, &c->port, "lan", NULL), 0);
	return c;
}

static void start_ring(struct card *c, unsigned idx, bool enabled)
{
	struct vq_rig *r = &c->rig[idx];

	assert_int_equal(
		vnet_pairs_start(&c->pairs, idx,
				 &(struct vnet_ring){ &r->dev, r->kick_fd,
						      enabled, false }),
		0);
	assert_int_equal(vnet_pairs_publish(&c->pairs), 0);
}

/* Starts a stopped ring again where it stopped. */
static void resume_ring(struct card *c, unsigned idx)
{
	struct vq_rig *r = &c->rig[idx];
	struct vnet_ring ring = { &r->dev, r->kick_fd, true, true };

	assert_int_equal(vnet_pairs_start(&c->pairs, idx, &ring), 0);
	assert_int_equal(vnet_pairs_publish(&c->pairs), 0);
}

static void stop_ring(struct card *c, unsigned idx)
{
	assert_int_equal(vnet_pairs_stop(&c->pairs, &idx, 1), 0);
}

static void enable_ring(struct card *c, unsigned idx, bool enabled)
{
	vnet_pairs_enable(&c->pairs, idx, enabled);
	assert_int_equal(vnet_pairs_publish(&c->pairs), 0);
}

static void card_remove(struct world *w, struct card *c)
{
	static const unsigned all[2 * PAIRS] = { 3, 0, 1, 2 };

	assert_int_equal(vnet_pairs_stop(&c->pairs, all, 2 * PAIRS), 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		assert_int_equal(c->pair[i].rx.state, VNET_QUEUE_STOPPED);
		assert_int_equal(c->pair[i].tx.state, VNET_QUEUE_STOPPED);
	}
	assert_false(port_link_is_up(&c->port));
	switch_remove_port(w->sw, &c->port);
	port_fini(&c->port);
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		vq_rig_fini(&c->rig[i]);
	free(c);
}

static void kick(struct vq_rig *r)
{
	if (vq_drv_should_notify(r->drv))
		vq_drv_notify(r->drv);
}

/* Offers @n receive buffers, from number @first on. */
static void offer(struct card *c, unsigned pair, unsigned first, unsigned n)
{
	struct vq_rig *r = &c->rig[2 * pair];

	for (unsigned i = first; i < first + n; i++) {
		struct iovec iov = { r->base + i % RING * SLOT, SLOT };
		struct vq_drv_buf buf = { .iov = &iov,
					  .writable_count = 1,
					  .cookie = iov.iov_base };

		assert_int_equal(vq_drv_push_burst(r->drv, &buf, 1), 1);
	}
	kick(r);
}

static void take_back(struct card *c, unsigned pair)
{
	struct vq_drv_used used[RING];

	c->out[pair] -= vq_drv_pop_burst(c->rig[2 * pair + 1].drv, used, RING);
}

/* Waits until the guest has all its transmit buffers back. */
static void wait_sent(struct card *c, unsigned pair)
{
	for (unsigned i = 0; i < 50000 && c->out[pair]; i++) {
		take_back(c, pair);
		usleep(100);
	}
	assert_int_equal(c->out[pair], 0);
}

/* Sends the frame @serial from station @from to @to; 255: to all. */
static void send_one(struct card *c, unsigned pair, unsigned to, unsigned from,
		     uint32_t serial)
{
	struct vq_rig *r = &c->rig[2 * pair + 1];
	uint8_t *p = r->base + c->sent[pair]++ % RING * SLOT;
	struct iovec iov = { p, HDR + LEN };
	struct vq_drv_buf buf = { .iov = &iov,
				  .readable_count = 1,
				  .cookie = p };

	memset(p, 0, HDR + LEN);
	p += HDR;
	memset(p, to == 255 ? 0xff : 2, 6);
	memset(p + 6, 2, 6);
	p[5] = (uint8_t)to;
	p[11] = (uint8_t)from;
	p[12] = 0x88;
	p[13] = 0xb5;
	memcpy(p + 14, &serial, sizeof(serial));
	for (unsigned i = 0; c->out[pair] == RING && i < 50000; i++) {
		take_back(c, pair);
		usleep(100);
	}
	assert_int_equal(vq_drv_push_burst(r->drv, &buf, 1), 1);
	c->out[pair]++;
	kick(r);
}

/* Takes the next frame of receiveq @pair and offers its buffer again. Returns
 * false when none comes within @ms. */
static bool receive(struct card *c, unsigned pair, unsigned ms,
		    uint32_t *serial)
{
	struct vq_rig *r = &c->rig[2 * pair];
	struct vq_drv_used used;

	for (unsigned i = 0; i <= ms * 10; i++) {
		if (vq_drv_pop_burst(r->drv, &used, 1)) {
			const uint8_t *p = used.cookie;

			assert_int_equal(used.size, HDR + LEN);
			memcpy(serial, p + HDR + 14, sizeof(*serial));
			offer(c, pair, (unsigned)(p - r->base) / SLOT, 1);
			return true;
		}
		usleep(100);
	}
	return false;
}

static void expect(struct card *c, unsigned pair, uint32_t first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t serial = 0;

		assert_true(receive(c, pair, 5000, &serial));
		assert_int_equal(serial, first + i);
	}
}

/* As receive() for one frame, but does not offer its buffer again. */
static void expect_only(struct card *c, uint32_t serial)
{
	struct vq_drv_used used;
	uint32_t got;

	for (unsigned i = 0; !vq_drv_pop_burst(c->rig[0].drv, &used, 1); i++) {
		assert_true(i < 50000);
		usleep(100);
	}
	memcpy(&got, (uint8_t *)used.cookie + HDR + 14, sizeof(got));
	assert_int_equal(got, serial);
}

static void expect_nothing(struct card *c, unsigned pair)
{
	uint32_t serial;

	assert_false(receive(c, pair, 20, &serial));
}

static const uint64_t formats[] = { SPLIT, PACKED, SPLIT | BIT(F_EVENT_IDX),
				    PACKED | BIT(F_EVENT_IDX) };

static void start_pair(struct card *c, unsigned pair)
{
	offer(c, pair, 0, RING);
	start_ring(c, 2 * pair, true);
	start_ring(c, 2 * pair + 1, true);
}

/* Frames in both directions, and an answer to a learned address. */
static void test_cross(void **state)
{
	struct leaks before = leaks_count();

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		struct world w = start(1);
		struct card *a = card_add(&w, "a", formats[i], 1000000);
		struct card *b = card_add(&w, "b", formats[3 - i], 1000000);

		start_pair(a, 0);
		start_pair(b, 0);
		for (unsigned k = 0; k < 300; k++) {
			send_one(a, 0, k ? 2 : 255, 1, 2 * k);
			expect(b, 0, 2 * k, 1);
			send_one(b, 0, 1, 2, 2 * k + 1);
			expect(a, 0, 2 * k + 1, 1);
		}
		assert_int_equal(stat_read(&a->port.txq[0]->stats.frames), 300);
		assert_int_equal(stat_read(&b->port.txq[0]->stats.bytes),
				 300 * LEN);
		card_remove(&w, a);
		card_remove(&w, b);
		stop(&w);
	}
	leaks_assert_none(before);
}

/* A draining transmitq gives every buffer back and counts; a stopped one is
 * left as it is. */
static void transmitq_states(uint64_t features)
{
	struct world w = start(1);
	struct card *a = card_add(&w, "a", features, 1000000);
	struct card *b = card_add(&w, "b", features, 1000000);
	struct queue_stats *stats = &a->port.rxq[0]->stats;

	start_pair(b, 0);
	start_ring(a, 1, false);
	for (unsigned i = 0; i < 10; i++)
		send_one(a, 0, 255, 1, i);
	wait_sent(a, 0);
	assert_int_equal(stat_read(&stats->drops[DROP_RX_DISABLED]), 10);
	expect_nothing(b, 0);
	enable_ring(a, 1, true);
	send_one(a, 0, 255, 1, 10);
	expect(b, 0, 10, 1);
	wait_sent(a, 0);

	stop_ring(a, 1);
	send_one(a, 0, 255, 1, 11);
	expect_nothing(b, 0);
	assert_int_equal(vq_dev_pending(&a->rig[1].dev, 10), 1);
	vq_rig_activate(&a->rig[1], vq_dev_deactivate(&a->rig[1].dev));
	start_ring(a, 1, true);
	expect(b, 0, 11, 1);
	wait_sent(a, 0);
	card_remove(&w, a);
	card_remove(&w, b);
	stop(&w);
}

/* The link is up exactly while a receiveq runs. */
static void receiveq_states(uint64_t features)
{
	struct world w = start(1);
	struct card *a = card_add(&w, "a", features, 1000000);
	struct card *b = card_add(&w, "b", features, 1000000);
	unsigned down = 0;

	start_ring(a, 1, true);
	offer(b, 0, 0, RING);
	assert_false(port_link_is_up(&b->port));
	for (unsigned round = 0; round < 3; round++) {
		start_ring(b, 0, false);
		assert_false(port_link_is_up(&b->port));
		/* learn the address, so lost frames are counted */
		if (!round) {
			start_ring(b, 1, true);
			send_one(b, 0, 255, 2, 0);
			wait_sent(b, 0);
		}
		send_one(a, 0, 2, 1, 1);
		wait_sent(a, 0);
		assert_int_equal(stat_read(&b->port.down_drops), ++down);
		enable_ring(b, 0, true);
		assert_true(port_link_is_up(&b->port));
		assert_int_equal(b->port.tx_offloads, 0);
		send_one(a, 0, 2, 1, 100 + round);
		expect(b, 0, 100 + round, 1);
		enable_ring(b, 0, false);
		assert_false(port_link_is_up(&b->port));
		enable_ring(b, 0, true);
		stop_ring(b, 0);
		assert_false(port_link_is_up(&b->port));
		stop_ring(b, 0); /* a second stop has no effect */
	}
	assert_int_equal(b->pair[0].tx.state, VNET_QUEUE_STOPPED);
	card_remove(&w, a);
	card_remove(&w, b);
	stop(&w);
}

static void test_states(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		transmitq_states(formats[i]);
		receiveq_states(formats[i]);
	}
}

/* Frames that wait for a receiver without buffers stay in the sender's ring.
 * Frames for other receivers overtake them once, and no frame comes twice, even
 * when the ring is taken back and goes on meanwhile. */
static void test_held(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(formats); i++) {
		uint64_t features = formats[i / 2];
		struct world w = start(1);
		struct card *a = card_add(&w, "a", features, 10000000);
		struct card *b = card_add(&w, "b", features, 10000000);
		struct card *c = card_add(&w, "c", features, 10000000);

		start_pair(b, 0);
		start_pair(c, 0);
		send_one(b, 0, 255, 2, 1);
		expect(c, 0, 1, 1);
		send_one(c, 0, 255, 3, 2);
		expect(b, 0, 2, 1);
		stop_ring(b, 0);
		vq_rig_fini(&b->rig[0]);
		vq_rig_init(&b->rig[0],
			    &(struct vq_rig_config){ .features = features,
						     .count = RING,
						     .size = RING * SLOT,
						     .regions = 1 });
		start_ring(b, 0, true); /* without a buffer */
		for (unsigned k = 0; k < 20; k++)
			send_one(a, 0, 2 + k % 2, 1, 10 + k / 2);
		start_ring(a, 1, true);
		expect(c, 0, 10, 10);
		for (unsigned k = 0; k < 3 && i % 2; k++) {
			stop_ring(a, 1);
			resume_ring(a, 1);
			expect_nothing(c, 0);
		}
		take_back(a, 0);
		assert_int_equal(a->out[0], 20);
		offer(b, 0, 0, RING);
		expect(b, 0, 10, 10);
		wait_sent(a, 0);
		expect_nothing(b, 0);
		expect_nothing(c, 0);
		card_remove(&w, a);
		card_remove(&w, b);
		card_remove(&w, c);
		stop(&w);
	}
}

/* A guest with an MTU gets no larger frame; the other frames keep their
 * order. */
static void test_mtu(void **state)
{
	struct world w = start(1);
	struct card *a = card_add(&w, "a", SPLIT, 1000000);
	struct card *b = card_add(&w, "b", SPLIT, 1000000);
	const uint64_t *drops = &b->port.txq[0]->stats.drops[DROP_TX_TOO_BIG];

	(void)state;
	start_pair(b, 0);
	send_one(b, 0, 255, 2, 1);
	/* LEN, with and without room for the header and a tag */
	for (unsigned i = 0; i < 2; i++) {
		vnet_pairs_set_mtu(&b->pairs, LEN - 18 - i);
		for (unsigned k = 0; k < 20; k++)
			send_one(a, 0, 2, 1, k);
		start_ring(a, 1, true);
		wait_sent(a, 0);
		if (!i)
			expect(b, 0, 0, 20);
		expect_nothing(b, 0);
		stop_ring(a, 1);
	}
	assert_int_equal(stat_read(drops), 20);
	assert_int_equal(stat_read(&b->port.txq[0]->stats.frames), 20);
	vnet_pairs_set_mtu(&b->pairs, 0);
	send_one(a, 0, 2, 1, 100);
	start_ring(a, 1, true);
	expect(b, 0, 100, 1);
	card_remove(&w, a);
	card_remove(&w, b);
	stop(&w);
}

/* A pair stops and starts while the other one works. */
static void test_pairs(void **state)
{
	struct world w = start(2);
	struct card *a = card_add(&w, "a", SPLIT, 1000000);
	struct card *b = card_add(&w, "b", PACKED, 1000000);

	(void)state;
	start_pair(a, 1);
	start_pair(b, 1);
	send_one(a, 1, 255, 1, 1);
	expect(b, 1, 1, 1);
	start_pair(b, 0);
	assert_int_equal(b->port.txqs->count, 2);
	stop_ring(b, 2);
	assert_int_equal(b->port.txqs->count, 1);
	send_one(a, 1, 255, 1, 2);
	expect(b, 0, 2, 1);
	start_ring(b, 2, true);
	stop_ring(b, 0);
	send_one(a, 1, 255, 1, 3);
	expect(b, 1, 3, 1);
	assert_int_equal(b->pair[1].rx.rxq.idx, 1);
	card_remove(&w, a);
	card_remove(&w, b);
	stop(&w);
}

/* Only the active pairs get frames. */
static void test_active(void **state)
{
	struct world w = start(1);
	struct card *a = card_add(&w, "a", SPLIT, 1000000);
	struct card *b = card_add(&w, "b", SPLIT, 1000000);

	(void)state;
	start_pair(a, 0);
	start_pair(b, 0);
	start_pair(b, 1);
	assert_int_equal(b->port.txqs->count, 2);
	vnet_pairs_set_active(&b->pairs, 1);
	assert_int_equal(vnet_pairs_publish(&b->pairs), 0);
	assert_int_equal(b->port.txqs->count, 1);
	assert_ptr_equal(b->port.txqs->txq[0], &b->pair[0].tx.txq);
	/* enabling a ring does not make its pair active */
	enable_ring(b, 2, false);
	enable_ring(b, 2, true);
	assert_int_equal(b->port.txqs->count, 1);
	vnet_pairs_set_active(&b->pairs, 2);
	assert_int_equal(vnet_pairs_publish(&b->pairs), 0);
	assert_int_equal(b->port.txqs->count, 2);
	card_remove(&w, a);
	card_remove(&w, b);
	stop(&w);
}

/* What the driver switched off is as if it had not been negotiated. */
static void test_offloads(void **state)
{
	const uint64_t guest = BIT(NET_F_GUEST_CSUM) | BIT(NET_F_GUEST_TSO4);
	struct world w = start(1);
	struct card *a = card_add(&w, "a", SPLIT | guest, 1000000);

	(void)state;
	start_pair(a, 0);
	assert_int_equal(a->port.tx_offloads, OFFLOAD_CSUM | OFFLOAD_TSO4);
	vnet_pairs_set_off(&a->pairs, BIT(NET_F_GUEST_TSO4));
	assert_int_equal(vnet_pairs_publish(&a->pairs), 0);
	assert_int_equal(a->port.tx_offloads, OFFLOAD_CSUM);
	vnet_pairs_set_off(&a->pairs, BIT(NET_F_GUEST_CSUM));
	assert_int_equal(vnet_pairs_publish(&a->pairs), 0);
	assert_int_equal(a->port.tx_offloads, 0);
	assert_true(port_link_is_up(&a->port));
	vnet_pairs_set_off(&a->pairs, 0);
	assert_int_equal(vnet_pairs_publish(&a->pairs), 0);
	assert_int_equal(a->port.tx_offloads, OFFLOAD_CSUM | OFFLOAD_TSO4);
	card_remove(&w, a);
	stop(&w);
}

/* A filter drops and counts unwanted frames at any place in a burst; waiting
 * for buffers works as without a filter. */
static void test_filter(void **state)
{
	struct vnet_filter filter = { .modes = VNET_FILTER_MAC,
				      .mac = { 2, 2, 2, 2, 2, 2 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		struct world w = start(1);
		struct card *a = card_add(&w, "a", formats[i], 10000000);
		struct card *b = card_add(&w, "b", formats[i], 10000000);
		const uint64_t *drops =
			&b->port.txq[0]->stats.drops[DROP_TX_UNWANTED];

		vnet_pairs_set_filter(&b->pairs, &filter);
		start_ring(b, 1, true);
		for (unsigned k = 2; k < 7; k++)
			send_one(b, 0, 255, k, 0); /* their frames wait */
		wait_sent(b, 0);
		start_ring(b, 0, true); /* without a buffer */
		for (unsigned k = 0; k < 40; k++)
			send_one(a, 0, k % 4 == 1 ? 2 : 3 + k % 4, 1, k / 4);
		start_ring(a, 1, true);
		usleep(20000);
		take_back(a, 0);
		assert_true(a->out[0] >= 39);
		offer(b, 0, 0, 3);
		for (unsigned k = 0; k < 3; k++)
			expect_only(b, k);
		offer(b, 0, 3, RING - 3);
		expect(b, 0, 3, 7);
		wait_sent(a, 0);
		expect_nothing(b, 0);
		assert_int_equal(stat_read(drops), 30);
		assert_int_equal(stat_read(&b->port.txq[0]->stats.frames), 10);
		vnet_pairs_set_filter(&b->pairs, &filter); /* an equal filter */
		filter.modes |= VNET_FILTER_NOBCAST;
		vnet_pairs_set_filter(&b->pairs, &filter);
		send_one(a, 0, 255, 1, 100);
		wait_sent(a, 0);
		assert_int_equal(stat_read(drops), 31);
		filter.modes &= ~(unsigned)VNET_FILTER_NOBCAST;
		vnet_pairs_set_filter(&b->pairs, NULL);
		send_one(a, 0, 99, 1, 101);
		expect(b, 0, 101, 1);
		card_remove(&w, a);
		card_remove(&w, b);
		stop(&w);
	}
}

/* A kick descriptor that cannot be waited for: the ring is polled. */
static void test_no_kick(void **state)
{
	struct world w = start(1);
	struct card *a = card_add(&w, "a", SPLIT, 1000000);
	struct card *b = card_add(&w, "b", SPLIT, 1000000);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	start_pair(b, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct vnet_ring ring = { &a->rig[1].dev, i ? file : -1, true,
					  false };

		assert_int_equal(vnet_pairs_start(&a->pairs, 1, &ring), 0);
		send_one(a, 0, 255, 1, i);
		expect(b, 0, i, 1);
		assert_int_equal(a->pair[0].rx.rxq.event_fd, -1);
		stop_ring(a, 1);
	}
	card_remove(&w, a);
	card_remove(&w, b);
	stop(&w);
	fd_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cross),	 cmocka_unit_test(test_states),
		cmocka_unit_test(test_held),	 cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_active),	 cmocka_unit_test(test_filter),
		cmocka_unit_test(test_offloads), cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_no_kick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

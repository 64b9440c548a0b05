/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vnet/: the control queue. Commands from a table, each in every layout of
 * buffers; the filter against a naive one; the queue served by a loop, with
 * good and bad drivers.
 */
#include "test.h"

#include <string.h>
#include <unistd.h>

#include "ctrl_pieces.h"
#include "fd.h"
#include "vq_rig.h"

#define BIT(name) (1ull << VIRTIO_##name)
#define ALL                                                                    \
	(BIT(F_VERSION_1) | BIT(NET_F_CTRL_VQ) | BIT(NET_F_CTRL_RX) |          \
	 BIT(NET_F_CTRL_RX_EXTRA) | BIT(NET_F_CTRL_VLAN) |                     \
	 BIT(NET_F_CTRL_MAC_ADDR) | BIT(NET_F_MQ) |                            \
	 BIT(NET_F_GUEST_ANNOUNCE) | BIT(NET_F_RSS) | BIT(NET_F_HASH_REPORT) | \
	 OFFLOADS)
#define OFFLOADS                                                  \
	(BIT(NET_F_CTRL_GUEST_OFFLOADS) | BIT(NET_F_GUEST_CSUM) | \
	 BIT(NET_F_GUEST_TSO4) | BIT(NET_F_GUEST_USO6))
#define PAIRS 4

/* A command as it lies in memory, the feature that it needs, and the answer
 * with all features. */
struct command {
	const char *data;
	unsigned size;
	uint64_t feature;
	uint8_t ack;
};
#define C(bytes) bytes, sizeof(bytes) - 1
#define KEY40	 "KEY-OF-TWENTY-BYTESKEY-OF-TWENTY-BYTES!!"

static const struct command commands[] = {
	{ C("\0\0\0"), BIT(NET_F_CTRL_RX), 0 },
	{ C("\0\0\1"), BIT(NET_F_CTRL_RX), 0 },
	{ C("\0\1\1"), BIT(NET_F_CTRL_RX), 0 },
	{ C("\0\2\1"), BIT(NET_F_CTRL_RX_EXTRA), 0 },
	{ C("\0\3\1"), BIT(NET_F_CTRL_RX_EXTRA), 0 },
	{ C("\0\4\1"), BIT(NET_F_CTRL_RX_EXTRA), 0 },
	{ C("\0\5\1"), BIT(NET_F_CTRL_RX_EXTRA), 0 },
	{ C("\0\6\1"), 0, 1 }, /* no such mode */
	{ C("\0\0\2"), 0, 1 }, /* neither on nor off */
	{ C("\0\0"), 0, 1 },
	{ C("\0\0\1\0"), 0, 1 },
	{ C("\1\0\0\0\0\0\0\0\0\0"), BIT(NET_F_CTRL_RX), 0 },
	{ C("\1\0\1\0\0\0ABCDEF\0\0\0\0"), BIT(NET_F_CTRL_RX), 0 },
	{ C("\1\0\1\0\0\0ABCDEF\2\0\0\0GHIJKLMNOPQR"), BIT(NET_F_CTRL_RX), 0 },
	{ C("\1\0\1\0\0\0ABCDE"), 0, 1 },
	{ C("\1\0\1\0\0\0ABCDEF\0\0\0"), 0, 1 },
	{ C("\1\0\0\0\0\0\1\0\0\0ABCDE"), 0, 1 },
	{ C("\1\0\0\0\0\0\0\0\0\0x"), 0, 1 },
	{ C("\1\0\377\377\377\377ABCDEF\0\0\0\0"), 0, 1 },
	{ C("\1\0\0\0\0\0\377\377\377\377"), 0, 1 },
	{ C("\1\1BCDEFG"), BIT(NET_F_CTRL_MAC_ADDR), 0 },
	{ C("\1\1ABCDEF"), 0, 1 }, /* a multicast address */
	{ C("\1\1BCDEF"), 0, 1 },
	{ C("\1\2BCDEFG"), 0, 1 },
	{ C("\2\0\1\0"), BIT(NET_F_CTRL_VLAN), 0 },
	{ C("\2\0\377\17"), BIT(NET_F_CTRL_VLAN), 0 },
	{ C("\2\1\1\0"), BIT(NET_F_CTRL_VLAN), 0 },
	{ C("\2\0\0\20"), 0, 1 }, /* VLAN 4096 */
	{ C("\2\0\1"), 0, 1 },
	{ C("\2\2\1\0"), 0, 1 },
	{ C("\3\0"), BIT(NET_F_GUEST_ANNOUNCE), 0 },
	{ C("\3\1"), 0, 1 },
	{ C("\3\0\0"), 0, 1 },
	{ C("\4\0\1\0"), BIT(NET_F_MQ), 0 },
	{ C("\4\0\4\0"), BIT(NET_F_MQ), 0 },
	{ C("\4\0\0\0"), 0, 1 },
	{ C("\4\0\5\0"), 0, 1 },
	{ C("\4\0\1"), 0, 1 },
	{ C("\4\3\1\0"), 0, 1 },
	/* RSS: types, mask, unclassified, table, pairs, length of key, key */
	{ C("\4\1\77\0\0\0\1\0\3\0\1\0\2\0\4\0\2KK"), BIT(NET_F_RSS), 0 },
	{ C("\4\1\77\0\0\0\0\0\3\0\0\0\1\0\50" KEY40), BIT(NET_F_RSS), 0 },
	{ C("\4\1\0\0\0\0\0\0\0\0\0\0\4\0\0"), BIT(NET_F_RSS), 0 },
	{ C("\4\1\100\0\0\0\0\0\0\0\0\0\4\0\1K"), 0, 1 }, /* a type */
	{ C("\4\1\1\0\0\200\0\0\0\0\0\0\4\0\1K"), 0, 1 },
	{ C("\4\1\1\0\0\0\2\0\0\0\0\0\1\0\1\0\4\0\1K"), 0, 1 }, /* mask */
	{ C("\4\1\1\0\0\0\377\0\0\0" KEY40 KEY40), 0, 1 },
	{ C("\4\1\1\0\0\0\377\377\0\0\0\0\4\0\1K"), 0, 1 },
	{ C("\4\1\1\0\0\0\0\0\4\0\0\0\4\0\1K"), 0, 1 }, /* queues */
	{ C("\4\1\1\0\0\0\1\0\0\0\0\0\4\0\4\0\1K"), 0, 1 },
	{ C("\4\1\1\0\0\0\0\0\0\0\0\200\4\0\1K"), 0, 1 },
	{ C("\4\1\1\0\0\0\0\0\0\0\0\0\0\0\1K"), 0, 1 }, /* pairs */
	{ C("\4\1\1\0\0\0\0\0\0\0\0\0\5\0\1K"), 0, 1 },
	{ C("\4\1\1\0\0\0\0\0\0\0\0\0\4\0\0"), 0, 1 }, /* key */
	{ C("\4\1\1\0\0\0\0\0\0\0\0\0\4\0\51" KEY40 "K"), 0, 1 },
	{ C("\4\1\1\0\0\0\0\0\0\0\0\0\4\0\2K"), 0, 1 },
	{ C("\4\1\1\0\0\0\0\0\0\0\0\0\4\0\1KK"), 0, 1 },
	{ C("\4\1\1\0\0\0\0\0\0\0\0\0\4\0"), 0, 1 }, /* cut short */
	{ C("\4\1\1\0\0\0\177\0\0\0\0\0"), 0, 1 },
	{ C("\4\1\1\0\0\0\0"), 0, 1 },
	{ C("\4\1\1\0\0"), 0, 1 },
	{ C("\4\1"), 0, 1 },
	{ C("\4\2\77\0\0\0\0\0\0\0\0\0\0\0\50" KEY40), BIT(NET_F_HASH_REPORT),
	  0 },
	{ C("\4\2\0\0\0\0\0\0\0\0\0\0\0\0\0"), BIT(NET_F_HASH_REPORT), 0 },
	{ C("\4\2\1\0\0\0\0\0\0\0\0\0\0\0\0"), 0, 1 },
	{ C("\4\2\0\1\0\0\0\0\0\0\0\0\0\0\1K"), 0, 1 },
	{ C("\4\2\1\0\0\0\0\0\0\0\0\0\0\0\1KK"), 0, 1 },
	{ C("\4\2\1\0\0\0\0\0\0\0\0\0\0"), 0, 1 },
	{ C("\4\2\1\0\0\0"), 0, 1 },
	{ C("\5\0\0\0\0\0\0\0\0\0"), BIT(NET_F_CTRL_GUEST_OFFLOADS), 0 },
	{ C("\5\0\202\0\0\0\0\0\200\0"), BIT(NET_F_CTRL_GUEST_OFFLOADS), 0 },
	{ C("\5\0\2\0\0\0\0\0\0\0"), BIT(NET_F_GUEST_CSUM), 0 },
	{ C("\5\0\2\1\0\0\0\0\0\0"), 0, 1 }, /* TSO6: not negotiated */
	{ C("\5\0\3\0\0\0\0\0\0\0"), 0, 1 }, /* CSUM: not one of them */
	{ C("\5\0\377\377\377\377\377\377\377\377"), 0, 1 },
	{ C("\5\0\0\0\0\0\0\0\0"), 0, 1 },
	{ C("\5\0\0\0\0\0\0\0\0\0\0"), 0, 1 },
	{ C("\5\1\0\0\0\0\0\0\0\0"), 0, 1 },
	{ C("\6\0"), 0, 1 },
	{ C("\0"), 0, 1 },
	{ C(""), 0, 1 },
};

static void test_commands(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		for (unsigned piece = 1; piece < 12; piece++) {
			struct vnet_ctrl_state s, before;

			memset(&s, 0, sizeof(s));
			vnet_ctrl_reset(&s, ALL, PAIRS);
			memcpy(&before, &s, sizeof(s));
			if (ctrl_serve_in_pieces(&s, c->data, c->size, piece) !=
			    c->ack)
				fail_msg("command %u in pieces of %u", i,
					 piece);
			assert_int_equal(s.commands, !c->ack);
			assert_int_equal(s.refused, c->ack);
			if (c->ack) {
				s.refused = 0;
				assert_memory_equal(&s, &before, sizeof(s));
				continue;
			}
			vnet_ctrl_reset(&s, ALL & ~c->feature, PAIRS);
			assert_int_equal(ctrl_serve_in_pieces(&s, c->data,
							      c->size, piece),
					 VIRTIO_NET_ERR);
		}
	}
}

static void ok(struct vnet_ctrl_state *s, const char *data, unsigned size)
{
	assert_int_equal(ctrl_serve_in_pieces(s, data, size, 3), VIRTIO_NET_OK);
}

static void test_effects(void **state)
{
	struct vnet_ctrl_state s;

	(void)state;
	vnet_ctrl_reset(&s, ALL, PAIRS);
	assert_int_equal(s.pairs, PAIRS);
	assert_int_equal(s.filter.modes,
			 VNET_FILTER_PROMISC | VNET_FILTER_VLANS);
	ok(&s, C("\0\0\0"));
	ok(&s, C("\0\1\1"));
	assert_int_equal(s.filter.modes,
			 VNET_FILTER_ALLMULTI | VNET_FILTER_VLANS);
	ok(&s, C("\0\1\0"));
	ok(&s, C("\1\1BCDEFG"));
	assert_int_equal(s.filter.modes, VNET_FILTER_MAC | VNET_FILTER_VLANS);
	assert_memory_equal(s.filter.mac, "BCDEFG", 6);
	ok(&s, C("\1\0\1\0\0\0ABCDEF\2\0\0\0GHIJKLMNOPQR"));
	assert_int_equal(s.filter.uni.count, 1);
	assert_int_equal(s.filter.multi.count, 2);
	assert_memory_equal(s.filter.multi.mac[1], "MNOPQR", 6);
	ok(&s, C("\2\0\377\17"));
	assert_true(s.filter.vlan[63] == 1ull << 63);
	ok(&s, C("\2\1\377\17"));
	assert_true(s.filter.vlan[63] == 0);
	s.announces = true;
	ok(&s, C("\3\0"));
	assert_false(s.announces);
	ok(&s, C("\4\0\3\0"));
	assert_int_equal(s.pairs, 3);
	ok(&s, C("\4\1\77\0\0\0\1\0\3\0\1\0\2\0\4\0\2KX"));
	assert_int_equal(s.pairs, 4);
	assert_true(s.rss.steers);
	assert_int_equal(s.rss.types, 63);
	assert_int_equal(s.rss.mask, 1);
	assert_int_equal(s.rss.unclassified, 3);
	assert_int_equal(s.rss.table[1], 2);
	assert_memory_equal(s.rss.key, "KX\0\0", 4);
	ok(&s, C("\4\0\3\0"));
	assert_false(s.rss.steers);
	assert_int_equal(s.rss.types, 63);
	ok(&s, C("\4\2\2\0\0\0\0\0\0\0\0\0\0\0\1Y"));
	assert_false(s.rss.steers);
	assert_int_equal(s.rss.types, 2);
	assert_memory_equal(s.rss.key, "Y\0", 2);
	assert_int_equal(s.pairs, 3);
	assert_true(s.off == 0);
	ok(&s, C("\5\0\2\0\0\0\0\0\0\0"));
	assert_true(s.off == (BIT(NET_F_GUEST_TSO4) | BIT(NET_F_GUEST_USO6)));
	ok(&s, C("\5\0\202\0\0\0\0\0\200\0"));
	assert_true(s.off == 0);
}

/* A table longer than the filter's is accepted, and lets everything pass. */
static void test_long_table(void **state)
{
	enum { COUNT = VNET_FILTER_MACS + 5 };
	char data[2 + 4 + COUNT * 6 + 4] = { 1, 0, COUNT };
	struct vnet_ctrl_state s;

	(void)state;
	vnet_ctrl_reset(&s, ALL, PAIRS);
	assert_int_equal(ctrl_serve_in_pieces(&s, data, sizeof(data), 7), 0);
	assert_int_equal(s.filter.uni.count, COUNT);
	assert_true(vnet_macs_have(&s.filter.uni, (const uint8_t *)"abcdef"));
	assert_false(
		vnet_macs_have(&s.filter.multi, (const uint8_t *)"abcdef"));
	assert_int_equal(ctrl_serve_in_pieces(&s, data, sizeof(data) - 1, 7),
			 1);
}

/* The filter, literally as in the specification. */
static bool wants(const struct vnet_filter *f, const uint8_t *p)
{
	bool is_group = p[0] & 1, is_all = true;
	const struct vnet_macs *m = is_group ? &f->multi : &f->uni;
	unsigned vid = (p[14] << 8 | p[15]) & 0xfff;

	if (f->modes & VNET_FILTER_PROMISC)
		return true;
	if (f->modes & VNET_FILTER_VLANS && p[12] == 0x81 && p[13] == 0 &&
	    !(f->vlan[vid / 64] >> vid % 64 & 1))
		return false;
	for (unsigned i = 0; i < 6; i++)
		is_all &= p[i] == 0xff;
	if (is_all)
		return !(f->modes & VNET_FILTER_NOBCAST);
	if (f->modes & (is_group ? VNET_FILTER_NOMULTI : VNET_FILTER_NOUNI))
		return false;
	if (f->modes & (is_group ? VNET_FILTER_ALLMULTI : VNET_FILTER_ALLUNI))
		return true;
	if (!is_group &&
	    (!(f->modes & VNET_FILTER_MAC) || !memcmp(p, f->mac, 6)))
		return true;
	for (unsigned i = 0; i < m->count; i++)
		if (!memcmp(p, m->mac[i], 6))
			return true;
	return m->count > VNET_FILTER_MACS;
}

static void random_mac(struct rng *r, uint8_t *mac)
{
	memset(mac, 0, 6);
	mac[0] = (uint8_t)rng_below(r, 4);
	mac[5] = (uint8_t)rng_below(r, 6);
	if (!rng_below(r, 10))
		memset(mac, 0xff, 6);
}

static void test_filter(void **state)
{
	struct rng r = rng_start();
	unsigned passed = 0, rounds = 20000;
	struct frame *f = aligned_alloc(64, align_up(sizeof(*f), 64));

	(void)state;
	memset(f, 0, sizeof(*f));
	f->head_off = FRAME_HEADROOM;
	for (unsigned i = 0; i < rounds; i++) {
		struct vnet_filter filter = { .modes = rng_below(&r, 256) };
		uint8_t *p = frame_head(f);

		if (rng_below(&r, 8))
			filter.modes &= ~(unsigned)VNET_FILTER_PROMISC;
		random_mac(&r, filter.mac);
		filter.uni.count = rng_below(&r, 4);
		filter.multi.count = rng_below(&r, 4);
		for (unsigned k = 0; k < 4; k++) {
			random_mac(&r, filter.uni.mac[k]);
			random_mac(&r, filter.multi.mac[k]);
		}
		filter.vlan[1] = rng_below(&r, 4);
		f->len = f->head_len = (uint16_t)(rng_below(&r, 10) ? 60 : 14);
		f->key.depth = KEY_NONE;
		memset(p, 0, 60);
		random_mac(&r, p);
		if (f->len > 14 && rng_below(&r, 2)) {
			p[12] = rng_below(&r, 4) ? 0x81 : 0x88;
			p[13] = p[12] == 0x81 ? 0 : 0xa8;
			p[14] = (uint8_t)(rng_below(&r, 16) << 4);
			p[15] = (uint8_t)(64 + rng_below(&r, 3));
		}
		if (vnet_filter_passes(&filter, f) != wants(&filter, p))
			fail_msg("round %u", i);
		passed += wants(&filter, p);
	}
	assert_in_range(passed, rounds / 4, rounds * 3 / 4);
	free(f);
}

/* A queue, its driver, and the loop that serves it. */
struct bed {
	struct vnet_ctrl ctrl;
	struct vq_rig rig;
	struct loop *loop;
	struct loop_timer stop, tick;
	unsigned changes, ticks;
	unsigned seen; /* answers at the last change */
	uint8_t *ack;  /* answers, one byte per command */
};

static struct bed *bed_of_ctrl(struct vnet_ctrl *c)
{
	return container_of(c, struct bed, ctrl);
}

static unsigned answered(struct bed *b)
{
	unsigned n = 0;

	while (b->ack[n] != 0xff && n < 256)
		n++;
	return n;
}

static void on_changed(struct vnet_ctrl *c)
{
	struct bed *b = bed_of_ctrl(c);

	b->changes++;
	b->seen = answered(b);
}

static void on_stop(struct loop_timer *t)
{
	loop_stop(container_of(t, struct bed, stop)->loop);
}

static void run_for(struct bed *b, unsigned ms)
{
	loop_timer_arm(b->loop, &b->stop, ms, on_stop);
	loop_run(b->loop);
}

static void bed_open(struct bed *b, uint64_t features)
{
	struct vq_rig_config c = { .features = features | ALL,
				   .count = 256,
				   .size = 1 << 16,
				   .regions = 2 };

	memset(b, 0, sizeof(*b));
	vq_rig_init(&b->rig, &c);
	b->loop = loop_create();
	b->ack = b->rig.base + 4096;
	memset(b->ack, 0xff, 256);
	vnet_ctrl_init(&b->ctrl, b->loop, PAIRS, on_changed);
	vnet_ctrl_reset(&b->ctrl.state, ALL, PAIRS);
}

static void bed_close(struct bed *b)
{
	vnet_ctrl_stop(&b->ctrl);
	loop_destroy(b->loop);
	vq_rig_fini(&b->rig);
}

/* Pushes command @i, whose answer goes to b->ack[i] if @has_room. */
static void push(struct bed *b, unsigned i, const char *data, unsigned size,
		 bool has_room)
{
	uint8_t *p = b->rig.base + 16 * i;
	struct iovec iov[3] = { { p, 2 },
				{ p + 2, size - 2 },
				{ b->ack + i, 1 } };
	struct vq_drv_buf buf = { .iov = iov,
				  .readable_count = 2,
				  .writable_count = has_room,
				  .cookie = p };

	memcpy(p, data, size);
	assert_int_equal(vq_drv_push_burst(b->rig.drv, &buf, 1), 1);
	if (vq_drv_should_notify(b->rig.drv))
		vq_drv_notify(b->rig.drv);
}

static unsigned used(struct bed *b, uint32_t *size)
{
	struct vq_drv_used u[256];
	unsigned n = vq_drv_pop_burst(b->rig.drv, u, 256);

	*size = n ? u[n - 1].size : 0;
	return n;
}

static const uint64_t formats[] = { 0, BIT(F_EVENT_IDX), BIT(F_RING_PACKED),
				    BIT(F_RING_PACKED) | BIT(F_EVENT_IDX) };

/* A command takes effect before its answer. */
static void test_queue(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		uint32_t size;
		struct bed b;

		bed_open(&b, formats[i]);
		push(&b, 0, C("\4\0\2\0"), true); /* before the start */
		vnet_ctrl_start(&b.ctrl, &b.rig.dev, b.rig.kick_fd, false);
		assert_int_equal(b.ctrl.state.pairs, 1);
		assert_int_equal(b.changes, 1);
		run_for(&b, 0);
		run_for(&b, 0);
		assert_int_equal(b.ctrl.state.pairs, 2);
		assert_int_equal(b.changes, 2);
		assert_int_equal(b.seen, 0);
		assert_int_equal(used(&b, &size), 1);
		assert_int_equal(size, 1);
		assert_int_equal(b.ack[0], VIRTIO_NET_OK);
		push(&b, 1, C("\4\0\3\0"), true); /* served by its kick */
		push(&b, 2, C("\4\0\11\0"), true);
		run_for(&b, 5);
		assert_int_equal(b.changes, 3);
		assert_int_equal(b.seen, 1);
		assert_int_equal(b.ack[1], VIRTIO_NET_OK);
		assert_int_equal(b.ack[2], VIRTIO_NET_ERR);
		assert_int_equal(used(&b, &size), 2);
		push(&b, 3, C("\4\0\1\0"), false); /* no room for an answer */
		run_for(&b, 5);
		assert_int_equal(used(&b, &size), 1);
		assert_int_equal(size, 0);
		assert_int_equal(b.ctrl.state.pairs, 1);
		bed_close(&b);
	}
}

/* A ring that goes on keeps the state; a ring at its start does not. */
static void test_restart(void **state)
{
	struct vq_position p;
	struct bed b;

	(void)state;
	bed_open(&b, 0);
	vnet_ctrl_start(&b.ctrl, &b.rig.dev, b.rig.kick_fd, false);
	push(&b, 0, C("\4\0\3\0"), true);
	push(&b, 1, C("\0\0\0"), true);
	run_for(&b, 5);
	vnet_ctrl_stop(&b.ctrl);
	push(&b, 2, C("\4\0\2\0"), true);
	run_for(&b, 5);
	assert_int_equal(b.ctrl.state.pairs, 3);
	assert_int_equal(b.ack[2], 0xff);
	p = vq_dev_deactivate(&b.rig.dev);
	vq_rig_activate(&b.rig, p);
	vnet_ctrl_start(&b.ctrl, &b.rig.dev, b.rig.kick_fd, false);
	assert_int_equal(b.ctrl.state.pairs, 3);
	assert_false(b.ctrl.state.filter.modes & VNET_FILTER_PROMISC);
	run_for(&b, 5);
	assert_int_equal(b.ctrl.state.pairs, 2);
	vnet_ctrl_stop(&b.ctrl);
	vq_dev_deactivate(&b.rig.dev);
	vq_rig_activate(&b.rig, vq_rig_start());
	vnet_ctrl_start(&b.ctrl, &b.rig.dev, b.rig.kick_fd, true);
	assert_int_equal(b.ctrl.state.pairs, 2);
	vnet_ctrl_stop(&b.ctrl);
	vnet_ctrl_start(&b.ctrl, &b.rig.dev, b.rig.kick_fd, false);
	assert_int_equal(b.ctrl.state.pairs, 1);
	assert_true(b.ctrl.state.filter.modes & VNET_FILTER_PROMISC);
	bed_close(&b);
}

static void on_tick(struct loop_timer *t)
{
	struct bed *b = container_of(t, struct bed, tick);

	b->ticks++;
	loop_timer_arm(b->loop, t, 1, on_tick);
}

/* A queue without a kick descriptor is polled. A ring full of commands is
 * served in several batches. A kick descriptor at end of file, or with wrong
 * flags, causes no load. */
static void test_odd_kicks(void **state)
{
	struct bed b;
	uint32_t size;
	int pipe_fd[2];

	(void)state;
	bed_open(&b, 0);
	for (unsigned i = 0; i < 80; i++)
		push(&b, i, C("\2\0\1\0"), true);
	vnet_ctrl_start(&b.ctrl, &b.rig.dev, -1, false);
	run_for(&b, 0);
	assert_in_range(answered(&b), 1, 79);
	run_for(&b, 100);
	assert_int_equal(answered(&b), 80);
	assert_int_equal(used(&b, &size), 80);
	push(&b, 80, C("\2\0\1\0"), true);
	run_for(&b, 100);
	assert_int_equal(answered(&b), 81);
	vnet_ctrl_stop(&b.ctrl);

	assert_int_equal(pipe(pipe_fd), 0); /* blocking, soon at end of file */
	vnet_ctrl_start(&b.ctrl, &b.rig.dev, pipe_fd[0], true);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	fd_close(&pipe_fd[1]);
	push(&b, 81, C("\2\0\1\0"), true);
	run_for(&b, 5);
	assert_int_equal(answered(&b), 82);
	on_tick(&b.tick);
	run_for(&b, 50);
	assert_true(b.ticks > 5);
	loop_timer_disarm(&b.tick);
	vnet_ctrl_stop(&b.ctrl);
	fd_close(&pipe_fd[0]);
	bed_close(&b);
}

/* A broken ring, and a command in too many buffers. */
static void test_hostile(void **state)
{
	static const char byte[1] = { 0 };
	struct iovec iov[250];
	struct vq_drv_buf buf = { .iov = iov,
				  .readable_count = 249,
				  .writable_count = 1,
				  .cookie = iov };
	uint32_t size;
	struct bed b;

	(void)state;
	bed_open(&b, 0);
	vnet_ctrl_start(&b.ctrl, &b.rig.dev, b.rig.kick_fd, false);
	for (unsigned i = 0; i < 249; i++)
		iov[i] = (struct iovec){ b.rig.base, 1 };
	iov[249] = (struct iovec){ b.ack, 1 };
	memcpy(b.rig.base, byte, 1);
	assert_int_equal(vq_drv_push_burst(b.rig.drv, &buf, 1), 1);
	vq_drv_notify(b.rig.drv);
	run_for(&b, 5);
	assert_int_equal(used(&b, &size), 1);
	assert_int_equal(b.ack[0], VIRTIO_NET_ERR);
	((struct vq_avail *)b.rig.area.driver)->idx = cpu_to_le16(999);
	vq_drv_notify(b.rig.drv);
	run_for(&b, 5);
	assert_int_equal(b.rig.dev.fault, VQ_FAULT_AVAIL_RANGE);
	on_tick(&b.tick);
	run_for(&b, 50); /* the loop stays idle */
	assert_true(b.ticks > 5);
	loop_timer_disarm(&b.tick);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_long_table),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_odd_kicks),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

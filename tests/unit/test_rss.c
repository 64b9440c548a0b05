/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive side scaling from the driver's command to its queues: published flows
 * pass a switch, and are found in the queue that the driver's table names, with
 * their hash in the header.
 */
#include "test.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "fake_port.h"
#include "leaks.h"
#include "le.h"
#include "rss_vectors.h"
#include "vnet_ctrl.h"
#include "vq_rig.h"

#define BIT(name) (1ull << VIRTIO_##name)
#define PLAIN                                                           \
	(BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF) | BIT(NET_F_CTRL_VQ) | \
	 BIT(NET_F_MQ) | BIT(NET_F_RSS))
#define HASHED (PLAIN | BIT(NET_F_HASH_REPORT))
#define PAIRS  4
#define RING   64u
#define SLOT   256u
#define TABLE  8

/* A card with a receiveq for each pair, and a transmitq for the first. */
struct card {
	struct port port;
	struct vnet_pairs pairs;
	struct vnet_pair pair[PAIRS];
	struct rss rss[2];
	struct vnet_ctrl ctrl;
	struct vq_rig rig[PAIRS], out;
	unsigned hdr_size, room; /* bytes of a header, of a buffer */
};

struct bed {
	struct world w;
	struct fake_port *from;
	struct card *to;
	struct leaks before;
};

static const struct port_ops ops = { VNET_PAIR_OPS };
static const struct port_type card_type = { .name = "card" };

static void offer(struct card *c, unsigned pair, unsigned slot)
{
	struct vq_rig *r = &c->rig[pair];
	struct iovec iov = { r->base + slot * SLOT, c->room };
	struct vq_drv_buf buf = { .iov = &iov,
				  .writable_count = 1,
				  .cookie = iov.iov_base };

	assert_int_equal(vq_drv_push_burst(r->drv, &buf, 1), 1);
}

static void start_ring(struct card *c, unsigned idx, struct vq_rig *r)
{
	const struct vnet_ring ring = { &r->dev, r->kick_fd, true, false };

	assert_int_equal(vnet_pairs_start(&c->pairs, idx, &ring), 0);
	assert_int_equal(vnet_pairs_publish(&c->pairs), 0);
}

static void apply(struct card *c)
{
	assert_int_equal(vnet_ctrl_apply(&c->ctrl, &c->pairs), 0);
}

/* Sends the frame that tells the switch where the card is. */
static void say_hello(struct bed *b)
{
	struct vq_rig *r = &b->to->out;
	struct iovec iov = { r->base, b->to->hdr_size + 60 };
	struct vq_drv_buf buf = { .iov = &iov,
				  .readable_count = 1,
				  .cookie = iov.iov_base };
	uint8_t *p = r->base + b->to->hdr_size;

	memset(r->base, 0, iov.iov_len);
	memset(p, 0xff, 6);
	p[6] = p[11] = 2;
	p[12] = 0x88;
	assert_int_equal(vq_drv_push_burst(r->drv, &buf, 1), 1);
	vq_drv_notify(r->drv);
	assert_int_equal(wait_frames(b->from, 1), 1);
	assert_int_equal(fifo_first(&b->from->q[0].out)->len, 60);
}

static struct bed bed_open(uint64_t features, unsigned room)
{
	struct leaks before = leaks_count();
	struct bed b = { .w = start(1), .before = before };
	struct port_env env = switch_port_env(b.w.sw);
	struct port_conf conf = { .id = (char *)(uintptr_t) "card",
				  .max_macs = 100,
				  .full = PORT_FULL_WAIT,
				  .full_us = 1000000 };
	struct vq_rig_config rig = { .features = features,
				     .count = RING,
				     .size = RING * SLOT,
				     .regions = 1 };
	struct card *c = aligned_alloc(CACHE_LINE, sizeof(*c));

	memset(c, 0, sizeof(*c));
	b.to = c;
	c->room = room;
	c->hdr_size = vnet_hdr_size(features);
	assert_int_equal(
		port_init(&c->port, &env, &card_type, &ops, &conf, PAIRS), 0);
	vnet_pairs_init(&c->pairs, &c->port, c->pair, PAIRS);
	c->pairs.rss_memory = c->rss;
	vnet_ctrl_reset(&c->ctrl.state, features, PAIRS);
	assert_int_equal(switch_add_port(b.w.sw, &c->port, "lan", NULL), 0);
	b.from = add_port(&b.w, "from", "lan");
	vq_rig_init(&c->out, &rig);
	start_ring(c, 1, &c->out);
	for (unsigned i = 0; i < PAIRS; i++) {
		vq_rig_init(&c->rig[i], &rig);
		for (unsigned k = 0; k < RING; k++)
			offer(c, i, k);
		start_ring(c, 2 * i, &c->rig[i]);
	}
	say_hello(&b);
	return b;
}

static void bed_close(struct bed *b)
{
	static const unsigned all[] = { 0, 1, 2, 4, 6 };
	struct card *c = b->to;

	assert_int_equal(vnet_pairs_stop(&c->pairs, all, ARRAY_SIZE(all)), 0);
	switch_remove_port(b->w.sw, &c->port);
	port_fini(&c->port);
	for (unsigned i = 0; i < PAIRS; i++)
		vq_rig_fini(&c->rig[i]);
	vq_rig_fini(&c->out);
	free(c);
	remove_port(&b->w, b->from);
	stop(&b->w);
	leaks_assert_none(b->before);
}

/* Sends the command and applies it. Returns the answer. */
static uint8_t command(struct card *c, const void *data, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct vq_chain chain = { .iov = &iov,
				  .readable_count = 1,
				  .readable_size = (uint32_t)size };
	uint8_t ack = vnet_ctrl_serve(&c->ctrl.state, &chain);

	apply(c);
	return ack;
}

struct rss_command {
	uint8_t class, number;
	le32 types;
	le16 mask, unclassified, table[TABLE], pairs;
	uint8_t key_size, key[TOEPLITZ_KEY_SIZE];
} __attribute__((packed));

/* Entry i of the table names the queue (i + 1) % PAIRS; frames without a hash
 * go to the last one. */
static struct rss_command rss_command(uint32_t types)
{
	struct rss_command m = { .class = 4,
				 .number = 1,
				 .types = cpu_to_le32(types),
				 .mask = cpu_to_le16(TABLE - 1),
				 .unclassified = cpu_to_le16(PAIRS - 1),
				 .pairs = cpu_to_le16(PAIRS),
				 .key_size = TOEPLITZ_KEY_SIZE };

	for (unsigned i = 0; i < TABLE; i++)
		m.table[i] = cpu_to_le16((uint16_t)((i + 1) % PAIRS));
	memcpy(m.key, published_key, sizeof(m.key));
	return m;
}

static unsigned table_queue(uint32_t hash)
{
	return ((hash & (TABLE - 1)) + 1) % PAIRS;
}

struct hash_command {
	uint8_t class, number;
	le32 types;
	le16 reserved[4];
	uint8_t key_size, key[TOEPLITZ_KEY_SIZE];
} __attribute__((packed));

/* Builds the frame of @v to the address of @dst, the last byte; returns its
 * length. */
static unsigned build(uint8_t *p, const struct vector *v, uint8_t proto,
		      uint8_t dst)
{
	bool is_6 = strchr(v->src, ':');
	unsigned size = is_6 ? 16 : 4, l3 = 14, l4 = l3 + (is_6 ? 40 : 20);
	uint8_t *ip = p + l3;

	memset(p, 0, 256);
	p[0] = p[6] = 2;
	p[5] = dst;
	p[11] = 1;
	put_be16(p + 12, is_6 ? 0x86dd : 0x0800);
	ip[0] = is_6 ? 0x60 : 0x45;
	ip[is_6 ? 6 : 9] = proto;
	put_be16(ip + (is_6 ? 4 : 2), is_6 ? 60 : 80);
	assert_int_equal(inet_pton(is_6 ? AF_INET6 : AF_INET, v->src,
				   ip + (is_6 ? 8 : 12)),
			 1);
	assert_int_equal(inet_pton(is_6 ? AF_INET6 : AF_INET, v->dst,
				   ip + (is_6 ? 8 : 12) + size),
			 1);
	put_be16(p + l4, v->sport);
	put_be16(p + l4 + 2, v->dport);
	p[l4 + 12] = 0x50;
	return l4 + 60;
}

static void send_message(struct bed *b, const uint8_t *data, unsigned size)
{
	struct fifo *in = &b->from->q[0].in;
	struct message *m = fifo_next(in);

	memcpy(m->data, data, size);
	m->len = size;
	fifo_push(in);
	fifo_kick(&b->from->q[0]);
	wait_taken(b->from);
}

/* A frame as the driver got it. */
struct got {
	unsigned pair, size, buffers;
	uint8_t data[512];
};

/* Adds the next buffer of @pair to @g and offers it again. Returns false if
 * there is none. */
static bool take_buffer(struct card *c, unsigned pair, struct got *g)
{
	struct vq_rig *r = &c->rig[pair];
	struct vq_drv_used used;

	if (!vq_drv_pop_burst(r->drv, &used, 1))
		return false;
	memcpy(g->data + g->size, used.cookie, used.size);
	g->size += used.size;
	g->buffers++;
	offer(c, pair, (unsigned)((uint8_t *)used.cookie - r->base) / SLOT);
	return true;
}

/* Returns the only frame that is in the queues of @c, or size 0. */
static struct got receive(struct card *c)
{
	struct got g = { .size = 0 };
	le16 count;

	for (unsigned i = 0; i < PAIRS; i++) {
		unsigned before = g.buffers;

		while (take_buffer(c, i, &g))
			g.pair = i;
		assert_true(!before || g.buffers == before);
	}
	memcpy(&count, g.data + 10, sizeof(count));
	assert_int_equal(g.buffers, le16_to_cpu(count));
	return g;
}

/* Sends a frame, which arrives whole in the queue @pair, with the hash of type
 * number @report in its header, if headers have one. */
static void expect(struct bed *b, const uint8_t *data, unsigned size,
		   unsigned pair, unsigned report, uint32_t hash)
{
	const struct card *c = b->to;
	struct got g;
	le32 value;
	le16 type;

	send_message(b, data, size);
	g = receive(b->to);
	assert_int_equal(g.size, c->hdr_size + size);
	assert_memory_equal(g.data + c->hdr_size, data, size);
	assert_int_equal(g.pair, pair);
	assert_int_equal(g.buffers, (g.size + c->room - 1) / c->room);
	if (c->hdr_size < 20)
		return;
	memcpy(&value, g.data + 12, sizeof(value));
	memcpy(&type, g.data + 16, sizeof(type));
	assert_int_equal(le16_to_cpu(type), report);
	assert_int_equal(le32_to_cpu(value), hash);
	assert_int_equal(g.data[18] | g.data[19], 0);
}

/* All published flows with each kind of hash, to an address that is known and
 * one that is not. */
static void check_vectors(struct bed *b)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };

	for (unsigned i = 0; i < 4 * ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i / 4];
		bool is_6 = strchr(v->src, ':');
		unsigned bit = (i & 1) + (is_6 ? 4 : 1);
		struct rss_command m = rss_command(63);
		uint8_t data[256];
		unsigned size = build(data, v, protos[i & 1], i & 2 ? 2 : 9);

		assert_int_equal(command(b->to, &m, sizeof(m)), 0);
		expect(b, data, size, table_queue(v->ports), bit + 1, v->ports);
		m = rss_command(63 & ~(1u << bit)); /* addresses only */
		assert_int_equal(command(b->to, &m, sizeof(m)), 0);
		expect(b, data, size, table_queue(v->addresses), is_6 ? 4 : 1,
		       v->addresses);
		m = rss_command(is_6 ? 7 : 7 << 3); /* the other version's */
		assert_int_equal(command(b->to, &m, sizeof(m)), 0);
		expect(b, data, size, PAIRS - 1, 0, 0);
	}
}

static void test_vectors(void **state)
{
	static const struct {
		uint64_t features;
		unsigned room;
	} rows[] = {
		{ HASHED, SLOT },
		{ HASHED, 48 }, /* several buffers a frame */
		{ HASHED | BIT(F_RING_PACKED), SLOT },
		{ PLAIN, SLOT },
		{ HASHED & ~BIT(NET_F_MRG_RXBUF), SLOT },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bed b = bed_open(rows[i].features, rows[i].room);

		check_vectors(&b);
		bed_close(&b);
	}
}

/* Frames that have no ports, or no addresses. */
static void test_others(void **state)
{
	const struct vector *v = &vectors[0];
	struct rss_command m = rss_command(63);
	struct bed b = bed_open(HASHED, SLOT);
	uint8_t data[256];
	unsigned size;

	(void)state;
	assert_int_equal(command(b.to, &m, sizeof(m)), 0);
	size = build(data, v, IPPROTO_TCP, 2);
	data[14 + 6] = 0x20; /* the first fragment */
	expect(&b, data, size, table_queue(v->addresses), 1, v->addresses);
	data[14 + 7] = 9; /* a later one */
	expect(&b, data, size, table_queue(v->addresses), 1, v->addresses);
	size = build(data, v, IPPROTO_ICMP, 2);
	expect(&b, data, size, table_queue(v->addresses), 1, v->addresses);
	data[13] = 6; /* ARP */
	expect(&b, data, size, PAIRS - 1, 0, 0);
	bed_close(&b);
}

/* Hashes without a table: the port chooses, the header has the hash. */
static void test_report_only(void **state)
{
	const struct vector *v = &vectors[0];
	struct hash_command h = { .class = 4,
				  .number = 2,
				  .types = cpu_to_le32(2),
				  .key_size = TOEPLITZ_KEY_SIZE };
	le16 one[2] = { cpu_to_le16(4), cpu_to_le16(1) };
	struct bed b = bed_open(HASHED, SLOT);
	uint8_t data[256];
	unsigned size = build(data, v, IPPROTO_TCP, 2);

	(void)state;
	memcpy(h.key, published_key, sizeof(h.key));
	assert_int_equal(command(b.to, one, sizeof(one)), 0);
	expect(&b, data, size, 0, 0, 0); /* no hash yet */
	assert_int_equal(command(b.to, &h, sizeof(h)), 0);
	expect(&b, data, size, 0, 2, v->ports);
	h.types = cpu_to_le32(4);
	assert_int_equal(command(b.to, &h, sizeof(h)), 0);
	expect(&b, data, size, 0, 0, 0);
	h.types = h.key_size = 0;
	assert_int_equal(command(b.to, &h, sizeof(h) - sizeof(h.key)), 0);
	assert_null(b.to->pairs.rss);
	expect(&b, data, size, 0, 0, 0);
	bed_close(&b);
}

/* A table follows each command, ends with the pairs of automatic steering, and
 * a queue of it that does not run drops. */
static void test_changes(void **state)
{
	const struct vector *v = &vectors[0];
	const unsigned queue = table_queue(v->ports), ring = 2 * queue;
	struct rss_command m = rss_command(63);
	le16 one[2] = { cpu_to_le16(4), cpu_to_le16(1) };
	struct bed b = bed_open(HASHED, SLOT);
	uint8_t data[256];
	unsigned size = build(data, v, IPPROTO_TCP, 2);

	(void)state;
	assert_int_not_equal(queue, 0);
	assert_int_equal(command(b.to, &m, sizeof(m)), 0);
	expect(&b, data, size, queue, 2, v->ports);
	for (unsigned q = 0; q < 2 * PAIRS; q++) {
		m.table[v->ports & (TABLE - 1)] =
			cpu_to_le16((uint16_t)(q % PAIRS));
		assert_int_equal(command(b.to, &m, sizeof(m)), 0);
		expect(&b, data, size, q % PAIRS, 2, v->ports);
	}
	m = rss_command(63);
	m.pairs = cpu_to_le16(1); /* transmit queues: no rule for receiving */
	assert_int_equal(command(b.to, &m, sizeof(m)), 0);
	expect(&b, data, size, queue, 2, v->ports);
	assert_int_equal(vnet_pairs_stop(&b.to->pairs, &ring, 1), 0);
	send_message(&b, data, size);
	usleep(10000);
	assert_int_equal(receive(b.to).size, 0);
	assert_int_equal(b.to->port.down_drops, 1);
	assert_int_equal(command(b.to, one, sizeof(one)), 0);
	expect(&b, data, size, 0, 2, v->ports);
	/* a driver that comes anew */
	vnet_ctrl_reset(&b.to->ctrl.state, HASHED, PAIRS);
	apply(b.to);
	assert_null(b.to->pairs.rss);
	start_ring(b.to, ring, &b.to->rig[queue]);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_report_only),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

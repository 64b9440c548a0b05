/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost/client: the client against a scripted back-end in the same thread, one
 * message at a time, and against a transport that answers at once, like the
 * kernel's devices.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "virtio.h"
#include "vu_client.h"
#include "vu_transport.h"

#define PROTO	(1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define OFFER	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MQ | PROTO)
#define ACKS	(1ull << VU_PROTOCOL_F_REPLY_ACK)
#define MQ	(1ull << VU_PROTOCOL_F_MQ)
#define SHMFD	(1ull << VU_PROTOCOL_F_LOG_SHMFD)
#define LOG_ALL (1ull << VHOST_F_LOG_ALL)
#define SLOTS	(1ull << VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS)
#define LIMIT	300 /* ms, time limit of an answer */
#define TICK	20  /* ms between ticks of another timer in the loop */
#define PAIRS	2
#define REFUSED "queue 0: SET_VRING_ADDR: the back-end refused it"

/* The outcome of one request. */
struct outcome {
	unsigned calls;
	int rc;
	uint64_t value;
	char reason[256];
};

struct bed {
	struct loop *loop;
	struct loop_timer stop, tick;
	unsigned ticks;
	struct vu_client *client;
	int peer; /* the back-end's end of the socket */
	unsigned ready, closed;
	char reason[256];
	struct outcome out[8];
};

static void on_ready(void *ctx)
{
	((struct bed *)ctx)->ready++;
}

static void on_closed(void *ctx, const char *reason)
{
	struct bed *b = ctx;

	b->closed++;
	snprintf(b->reason, sizeof(b->reason), "%s", reason);
}

static const struct vu_client_ops ops = { .ready = on_ready,
					  .closed = on_closed };

static void on_outcome(void *arg, int rc, uint64_t value, const char *reason)
{
	struct outcome *o = arg;

	o->calls++;
	o->rc = rc;
	o->value = value;
	snprintf(o->reason, sizeof(o->reason), "%s", reason ? reason : "");
}

static struct vu_client_done out(struct bed *b, unsigned i)
{
	return (struct vu_client_done){ on_outcome, &b->out[i] };
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

/* Runs the loop until the client waits for an answer. */
static void step(struct bed *b)
{
	for (unsigned i = 0; i < 3; i++)
		run_for(b, 0);
}

static void open_with(struct bed *b, struct vu_transport *t)
{
	const struct vu_client_config c = { .features = OFFER | LOG_ALL,
					    .queue_pairs = PAIRS,
					    .timeout_ms = LIMIT };

	b->client = vu_client_create(b->loop, t, &c, &ops, b);
	assert_non_null(b->client);
}

static void bed_open(struct bed *b, uint64_t wanted)
{
	int sock[2];

	*b = (struct bed){ .loop = loop_create() };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	b->peer = sock[1];
	open_with(b, vu_sock_create(b->loop, sock[0], wanted));
}

static void bed_close(struct bed *b)
{
	vu_client_destroy(b->client);
	fd_close(&b->peer);
	loop_destroy(b->loop);
}

/* Returns the next message to the back-end; request 0: none. Its descriptors
 * are closed; their number stays. */
static struct vu_msg next(struct bed *b)
{
	struct vu_rx rx = { .have = 0 };
	unsigned fds;

	step(b);
	if (vu_rx_poll(b->peer, &rx, NULL) != 1)
		return (struct vu_msg){ .fd_count = 0 };
	fds = rx.msg.fd_count;
	vu_msg_fini(&rx.msg);
	rx.msg.fd_count = fds;
	return rx.msg;
}

static void answer(struct bed *b, uint32_t request, const void *payload,
		   uint32_t size)
{
	struct vu_msg m = { .hdr = { request, VU_VERSION | VU_FLAG_REPLY,
				     size } };

	memcpy(m.payload.raw, payload, size);
	assert_int_equal(vu_msg_send(b->peer, &m), 0);
	step(b);
}

static void answer_u64(struct bed *b, uint32_t request, uint64_t v)
{
	answer(b, request, &v, sizeof(v));
}

/* Expects @request and answers it if it asks for an answer. */
static struct vu_msg serve(struct bed *b, uint32_t request, uint64_t value)
{
	struct vu_msg m = next(b);

	assert_int_equal(m.hdr.request, request);
	assert_int_equal(m.hdr.flags & VU_FLAG_VERSION_MASK, VU_VERSION);
	switch (request) {
	case VU_GET_FEATURES:
	case VU_GET_PROTOCOL_FEATURES:
	case VU_GET_QUEUE_NUM:
	case VU_GET_MAX_MEM_SLOTS:
		assert_int_equal(m.hdr.flags, VU_VERSION);
		answer_u64(b, request, value);
		break;
	case VU_GET_VRING_BASE:
		answer(b, request,
		       &(struct vu_vring_state){ m.payload.state.idx,
						 (uint32_t)value },
		       sizeof(struct vu_vring_state));
		break;
	default:
		if (m.hdr.flags & VU_FLAG_NEED_REPLY)
			answer_u64(b, request, value);
		break;
	}
	return m;
}

/* Negotiates; both sides have the features of @protocol. */
static void negotiate(struct bed *b, uint64_t protocol)
{
	struct vu_msg m;

	serve(b, VU_GET_FEATURES,
	      OFFER | 1ull << VIRTIO_F_RING_PACKED |
		      (protocol & (ACKS | SHMFD) ? LOG_ALL : 0));
	serve(b, VU_GET_PROTOCOL_FEATURES,
	      protocol | 1ull << VU_PROTOCOL_F_RARP);
	m = serve(b, VU_SET_PROTOCOL_FEATURES, 0);
	assert_int_equal(m.hdr.flags, VU_VERSION);
	assert_true(m.payload.u64 == protocol);
	if (protocol & MQ)
		serve(b, VU_GET_QUEUE_NUM, 4);
	if (protocol & SLOTS)
		serve(b, VU_GET_MAX_MEM_SLOTS, 32);
	assert_int_equal(
		!!(serve(b, VU_SET_OWNER, 0).hdr.flags & VU_FLAG_NEED_REPLY),
		!!(protocol & ACKS));
	assert_int_equal(b->ready, protocol & ACKS ? 0 : 1);
	assert_true(serve(b, VU_SET_FEATURES, 0).payload.u64 == OFFER);
	step(b);
	assert_int_equal(b->ready, 1);
	assert_int_equal(b->closed, 0);
	assert_true(vu_client_features(b->client) == OFFER);
}

static const struct vu_client_ring ring = { .num = 256,
					    .base = 7,
					    .desc = 0x1000,
					    .avail = 0x2000,
					    .used = 0x3000,
					    .kick_fd = 0,
					    .call_fd = -1,
					    .enabled = true };

static void test_set_up(void **state)
{
	struct leaks before = leaks_count();
	struct vu_msg m;
	struct bed b;

	(void)state;
	bed_open(&b, ACKS | MQ);
	negotiate(&b, ACKS | MQ);
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		assert_int_equal(vu_client_queue_announce(b.client, i, 0,
							  out(&b, 4 + i), NULL),
				 0);
	assert_int_equal(
		vu_client_queue_start(b.client, 3, &ring, out(&b, 0), NULL), 0);
	assert_int_equal(
		vu_client_queue_enable(b.client, 2, true, out(&b, 1), NULL),
		-EBUSY);
	for (unsigned i = 0; i < 2 * PAIRS; i++) {
		m = serve(&b, VU_SET_VRING_CALL, 0);
		assert_int_equal(m.payload.u64, i);
		assert_int_equal(m.fd_count, 1);
		assert_int_equal(b.out[4 + i].calls, 1);
		assert_int_equal(b.out[4 + i].rc, 0);
	}
	m = serve(&b, VU_SET_VRING_NUM, 0);
	assert_int_equal(m.payload.state.idx, 3);
	assert_int_equal(m.payload.state.num, 256);
	assert_true(m.hdr.flags & VU_FLAG_NEED_REPLY);
	assert_int_equal(serve(&b, VU_SET_VRING_BASE, 0).payload.state.num, 7);
	m = serve(&b, VU_SET_VRING_ADDR, 0);
	assert_int_equal(m.payload.addr.idx, 3);
	assert_int_equal(m.payload.addr.desc, 0x1000);
	assert_int_equal(m.payload.addr.avail, 0x2000);
	assert_int_equal(m.payload.addr.used, 0x3000);
	m = serve(&b, VU_SET_VRING_CALL, 0);
	assert_int_equal(m.payload.u64, 3 | VU_VRING_NOFD);
	assert_int_equal(m.fd_count, 0);
	m = serve(&b, VU_SET_VRING_KICK, 0);
	assert_int_equal(m.payload.u64, 3);
	assert_int_equal(m.fd_count, 1);
	assert_int_equal(b.out[0].calls, 0);
	assert_int_equal(serve(&b, VU_SET_VRING_ENABLE, 0).payload.state.num,
			 1);
	assert_int_equal(b.out[0].calls, 1);
	assert_int_equal(b.out[0].rc, 0);
	assert_int_equal(vu_client_queue_stop(b.client, 3, out(&b, 1), NULL),
			 0);
	serve(&b, VU_GET_VRING_BASE, 0x12345);
	assert_int_equal(b.out[1].calls, 1);
	assert_int_equal(b.out[1].rc, 0);
	assert_int_equal(b.out[1].value, 0x12345);
	assert_int_equal(next(&b).hdr.request, 0);
	bed_close(&b);
	leaks_assert_none(before);
}

/* The log of written pages: given with its file to a queue that runs; a
 * back-end may answer without content. Without LOG_SHMFD it is refused. */
static void test_log(void **state)
{
	const struct vu_client_log log = { .size = 64, .event_fd = 1 };
	struct vu_client_ring logged = ring;
	struct vu_msg m;
	struct bed b;

	(void)state;
	logged.log = 0x9000;
	bed_open(&b, SHMFD | MQ);
	negotiate(&b, SHMFD | MQ);
	assert_int_equal(
		vu_client_queue_start(b.client, 2, &logged, out(&b, 0), NULL),
		0);
	assert_int_equal(vu_client_set_log(b.client, &log, out(&b, 1), NULL),
			 0);
	serve(&b, VU_SET_VRING_NUM, 0);
	serve(&b, VU_SET_VRING_BASE, 0);
	assert_int_equal(serve(&b, VU_SET_VRING_ADDR, 0).payload.addr.flags, 0);
	serve(&b, VU_SET_VRING_CALL, 0);
	serve(&b, VU_SET_VRING_KICK, 0);
	serve(&b, VU_SET_VRING_ENABLE, 0);
	m = next(&b);
	assert_int_equal(m.hdr.request, VU_SET_LOG_BASE);
	assert_int_equal(m.hdr.size, 16);
	assert_int_equal(m.payload.log.mmap_size, 64);
	assert_int_equal(m.fd_count, 1);
	assert_int_equal(next(&b).hdr.request, 0); /* it waits */
	answer(&b, VU_SET_LOG_BASE, "", 0);
	assert_int_equal(serve(&b, VU_SET_LOG_FD, 0).fd_count, 1);
	m = serve(&b, VU_SET_FEATURES, 0);
	assert_true(m.payload.u64 == (OFFER | LOG_ALL));
	m = serve(&b, VU_SET_VRING_ADDR, 0);
	assert_int_equal(m.payload.addr.idx, 2);
	assert_int_equal(m.payload.addr.flags, VU_VRING_LOG);
	assert_int_equal(m.payload.addr.used, 0x3000);
	assert_int_equal(m.payload.addr.log, 0x9000);
	assert_int_equal(next(&b).hdr.request, 0);
	assert_int_equal(b.out[1].calls, 1);
	assert_int_equal(b.out[1].rc, 0);
	bed_close(&b);

	bed_open(&b, ACKS | MQ);
	negotiate(&b, ACKS | MQ);
	assert_int_equal(vu_client_set_log(b.client, &log, out(&b, 1), NULL),
			 0);
	assert_int_equal(next(&b).hdr.request, 0);
	assert_string_equal(b.out[1].reason,
			    "SET_LOG_BASE: the back-end lacks LOG_SHMFD");
	assert_int_equal(
		vu_client_set_features(b.client, OFFER, out(&b, 2), NULL), 0);
	assert_true(serve(&b, VU_SET_FEATURES, 0).payload.u64 == OFFER);
	bed_close(&b);
	bed_open(&b, MQ);
	negotiate(&b, MQ);
	assert_int_equal(vu_client_set_log(b.client, &log, out(&b, 1), NULL),
			 -EOPNOTSUPP);
	bed_close(&b);
}

/* A refusal ends the request but not the connection. */
static void test_refused(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b, ACKS | MQ);
	negotiate(&b, ACKS | MQ);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vu_client_queue_start(b.client, 0, &ring,
						       out(&b, i), NULL),
				 0);
		serve(&b, VU_SET_VRING_NUM, 0);
		serve(&b, VU_SET_VRING_BASE, 0);
		serve(&b, VU_SET_VRING_ADDR, 1);
		assert_int_equal(b.out[i].rc, -EREMOTEIO);
		assert_string_equal(b.out[i].reason, REFUSED);
	}
	assert_int_equal(next(&b).hdr.request, 0);
	assert_int_equal(b.closed, 0);
	bed_close(&b);
}

/* Features are agreed when the back-end took them; refused ones are not. */
static void test_features(void **state)
{
	const uint64_t first = OFFER & ~(1ull << VIRTIO_NET_F_MQ);
	struct bed b;

	(void)state;
	bed_open(&b, ACKS | MQ);
	negotiate(&b, ACKS | MQ);
	assert_int_equal(
		vu_client_set_features(b.client, first, out(&b, 0), NULL), 0);
	assert_int_equal(
		vu_client_set_features(b.client, PROTO, out(&b, 1), NULL), 0);
	assert_true(vu_client_features(b.client) == OFFER);
	assert_true(serve(&b, VU_SET_FEATURES, 0).payload.u64 == first);
	assert_int_equal(b.out[0].rc, 0);
	assert_true(vu_client_features(b.client) == first);
	assert_true(serve(&b, VU_SET_FEATURES, 1).payload.u64 == PROTO);
	assert_int_equal(b.out[1].rc, -EREMOTEIO);
	assert_true(vu_client_features(b.client) == first);
	bed_close(&b);
}

/* Memory as one table, and region by region. */
static void test_memory(void **state)
{
	struct gmem_desc d[9] = { { 0 } };
	struct vu_msg m;
	struct bed b;

	(void)state;
	for (unsigned i = 0; i < 9; i++)
		d[i] = (struct gmem_desc){ .gpa = i << 20,
					   .size = 4096,
					   .uva = 0x7000000000 + (i << 20),
					   .mmap_offset = i * 4096,
					   .fd = 0 };
	bed_open(&b, ACKS | MQ);
	negotiate(&b, ACKS | MQ);
	vu_client_set_memory(b.client, d, 8, out(&b, 0), NULL);
	m = serve(&b, VU_SET_MEM_TABLE, 0);
	assert_int_equal(m.payload.mem.count, 8);
	assert_int_equal(m.fd_count, 8);
	assert_int_equal(m.payload.mem.region[7].mmap_offset, 7 * 4096);
	assert_int_equal(b.out[0].calls, 1);
	vu_client_set_memory(b.client, d, 9, out(&b, 1), NULL);
	assert_int_equal(next(&b).hdr.request, 0);
	assert_int_equal(b.out[1].rc, -EREMOTEIO);
	assert_string_equal(b.out[1].reason,
			    "sharing memory: 9 regions, the back-end takes 8");
	bed_close(&b);

	bed_open(&b, ACKS | MQ | SLOTS);
	negotiate(&b, ACKS | MQ | SLOTS);
	vu_client_set_memory(b.client, d, 3, out(&b, 0), NULL);
	for (unsigned i = 0; i < 3; i++) {
		m = serve(&b, VU_ADD_MEM_REG, 0);
		assert_int_equal(m.fd_count, 1);
		assert_int_equal(m.payload.mem_single.region.gpa, i << 20);
	}
	assert_int_equal(b.out[0].calls, 1);
	/* 0 and 1 are removed, 2 stays, 3 and 4 are added: 4 is refused */
	vu_client_set_memory(b.client, d + 2, 3, out(&b, 1), NULL);
	for (unsigned i = 0; i < 2; i++) {
		m = serve(&b, VU_REM_MEM_REG, 0);
		assert_true(m.payload.mem_single.region.gpa < 2 << 20);
	}
	assert_int_equal(
		serve(&b, VU_ADD_MEM_REG, 0).payload.mem_single.region.gpa,
		3 << 20);
	serve(&b, VU_ADD_MEM_REG, 1);
	assert_int_equal(b.out[1].rc, -EREMOTEIO);
	/* so region 4 is still missing */
	vu_client_set_memory(b.client, d + 2, 3, out(&b, 2), NULL);
	assert_int_equal(
		serve(&b, VU_ADD_MEM_REG, 0).payload.mem_single.region.gpa,
		4 << 20);
	assert_int_equal(b.out[2].rc, 0);
	assert_int_equal(b.out[2].calls, 1);
	assert_int_equal(next(&b).hdr.request, 0);
	bed_close(&b);
}

static void on_tick(struct loop_timer *t)
{
	struct bed *b = container_of(t, struct bed, tick);

	b->ticks++;
	loop_timer_arm(b->loop, t, TICK, on_tick);
}

/* A back-end that never answers: the loop goes on, and the limit ends the
 * client. */
static void test_silence(void **state)
{
	struct leaks before = leaks_count();
	struct bed b;
	struct err err;

	(void)state;
	bed_open(&b, 0);
	on_tick(&b.tick);
	run_for(&b, LIMIT / 2);
	assert_int_equal(b.closed, 0);
	run_for(&b, LIMIT);
	assert_true(b.ticks >= LIMIT / 2 / TICK);
	assert_int_equal(b.closed, 1);
	assert_string_equal(b.reason, "GET_FEATURES: no answer within 300 ms");
	assert_int_equal(
		vu_client_set_memory(b.client, NULL, 0, out(&b, 0), &err),
		-ENOTCONN);
	assert_string_equal(err.msg, "the connection is closed");
	bed_close(&b);

	/* later, while other requests wait */
	bed_open(&b, ACKS | MQ);
	negotiate(&b, ACKS | MQ);
	vu_client_queue_start(b.client, 0, &ring, out(&b, 0), NULL);
	vu_client_queue_start(b.client, 1, &ring, out(&b, 1), NULL);
	serve(&b, VU_SET_VRING_NUM, 0);
	/* each answer has its own limit */
	run_for(&b, LIMIT / 2);
	serve(&b, VU_SET_VRING_BASE, 0);
	run_for(&b, LIMIT / 2);
	assert_int_equal(b.closed, 0);
	run_for(&b, LIMIT);
	assert_int_equal(b.closed, 1);
	assert_string_equal(b.reason,
			    "queue 0: SET_VRING_ADDR: no answer within 300 ms");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(b.out[i].calls, 1);
		assert_int_equal(b.out[i].rc, -ENOTCONN);
		assert_string_equal(b.out[i].reason, b.reason);
	}
	bed_close(&b);
	leaks_assert_none(before);
}

/* An owner that waits does so for all answers together. */
static void test_wait(void **state)
{
	uint64_t begun_ms;
	struct bed b;

	(void)state;
	bed_open(&b, ACKS | MQ);
	negotiate(&b, ACKS | MQ);
	begun_ms = loop_now_ms();
	assert_int_equal(vu_client_wait_within(b.client, LIMIT), 0);
	assert_int_equal(
		vu_client_set_memory(b.client, NULL, 0, out(&b, 0), NULL), 0);
	assert_int_equal(vu_client_wait_within(b.client, 40), -ENOTCONN);
	assert_true(loop_now_ms() - begun_ms >= 40);
	assert_int_equal(b.out[0].rc, -ENOTCONN);
	assert_string_equal(b.reason, "sharing memory: no answer within 40 ms");
	assert_int_equal(vu_client_wait_within(b.client, 40), -ENOTCONN);
	bed_close(&b);
}

/* A back-end that does not read: the rest of a message waits, the loop does
 * not, and the message is complete once it is read. */
static void test_full_socket(void **state)
{
	struct vu_client_config c = { .features = OFFER,
				      .queue_pairs = PAIRS,
				      .timeout_ms = 60000 };
	struct gmem_desc d[8] = { { 0 } };
	unsigned sent = 200, got = 0;
	int sock[2], small = 4096;
	struct bed b = { .loop = loop_create() };

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	setsockopt(sock[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	b.peer = sock[1];
	b.client = vu_client_create(b.loop, vu_sock_create(b.loop, sock[0], MQ),
				    &c, &ops, &b);
	negotiate(&b, MQ);
	for (unsigned i = 0; i < sent; i++)
		vu_client_set_memory(b.client, d, 8, out(&b, 0), NULL);
	on_tick(&b.tick);
	run_for(&b, 10 * TICK);
	assert_true(b.ticks >= 5);
	assert_in_range(b.out[0].calls, 1, sent - 1);
	while (next(&b).hdr.request == VU_SET_MEM_TABLE)
		got++;
	assert_int_equal(got, sent);
	assert_int_equal(b.out[0].calls, sent);
	assert_int_equal(b.closed, 0);
	bed_close(&b);
}

enum bad { BAD_REQUEST, BAD_FLAG, BAD_SIZE, BAD_END, BAD_UNASKED, BAD_PAIRS };

static const char *const bad_reasons[] = {
	[BAD_REQUEST] =
		"GET_FEATURES: GET_QUEUE_NUM came, which is no answer to it",
	[BAD_FLAG] =
		"GET_FEATURES: GET_FEATURES came, which is no answer to it",
	[BAD_SIZE] = "GET_FEATURES: an answer of 4 bytes",
	[BAD_END] = "GET_FEATURES: the back-end closed the connection",
	[BAD_UNASKED] = "SET_OWNER came, which nobody asked for",
	[BAD_PAIRS] = "2 queue pairs are needed, the back-end has 1",
};

static void misbehave(struct bed *b, enum bad bad)
{
	struct vu_msg m = { .hdr = { VU_GET_FEATURES, VU_VERSION, 8 } };

	if (bad == BAD_UNASKED) {
		negotiate(b, MQ);
		answer(b, VU_SET_OWNER, "", 0);
		return;
	}
	if (bad == BAD_PAIRS) {
		serve(b, VU_GET_FEATURES, OFFER & ~PROTO);
		return;
	}
	assert_int_equal(next(b).hdr.request, VU_GET_FEATURES);
	if (bad == BAD_REQUEST)
		answer_u64(b, VU_GET_QUEUE_NUM, 1);
	else if (bad == BAD_FLAG)
		assert_int_equal(vu_msg_send(b->peer, &m), 0);
	else if (bad == BAD_SIZE)
		answer(b, VU_GET_FEATURES, "1234", 4);
	else
		fd_close(&b->peer);
}

static void test_bad_peers(void **state)
{
	struct leaks before = leaks_count();

	(void)state;
	for (enum bad bad = BAD_REQUEST; bad <= BAD_PAIRS; bad++) {
		struct bed b;

		bed_open(&b, ACKS | MQ);
		misbehave(&b, bad);
		step(&b);
		assert_int_equal(b.closed, 1);
		assert_string_equal(b.reason, bad_reasons[bad]);
		run_for(&b, LIMIT + TICK); /* and no further call */
		assert_int_equal(b.closed, 1);
		bed_close(&b);
	}
	leaks_assert_none(before);
}

static int start(struct bed *b, unsigned idx, struct err *err)
{
	return vu_client_queue_start(b->client, idx, &ring, out(b, 0), err);
}

static void test_states(void **state)
{
	struct err err;
	struct bed b;

	(void)state;
	bed_open(&b, MQ);
	assert_int_equal(start(&b, 0, &err), -ENOTCONN);
	assert_string_equal(err.msg, "nothing is agreed yet");
	assert_int_equal(vu_client_features(b.client), 0);
	negotiate(&b, MQ);
	assert_int_equal(start(&b, 2 * PAIRS, &err), -EINVAL);
	assert_string_equal(err.msg, "queue 4: there are 4");
	assert_int_equal(vu_client_queue_stop(b.client, 0, out(&b, 1), &err),
			 -EBUSY);
	assert_string_equal(err.msg,
			    "queue 0 is not started, it cannot be stopped");
	assert_int_equal(start(&b, 0, &err), 0);
	assert_int_equal(start(&b, 0, &err), -EBUSY);
	assert_string_equal(err.msg,
			    "queue 0 is being started, it cannot be started");
	assert_int_equal(
		vu_client_queue_announce(b.client, 0, -1, out(&b, 1), &err),
		-EBUSY);
	assert_string_equal(err.msg,
			    "queue 0 is being started, it cannot be announced");
	step(&b);
	assert_int_equal(b.out[0].calls, 1);
	assert_int_equal(
		vu_client_queue_call(b.client, 0, -1, out(&b, 1), NULL), 0);
	assert_int_equal(vu_client_queue_stop(b.client, 0, out(&b, 2), NULL),
			 0);
	assert_int_equal(
		vu_client_queue_enable(b.client, 0, false, out(&b, 3), &err),
		-EBUSY);
	assert_string_equal(err.msg,
			    "queue 0 is being stopped, it cannot be enabled");
	/* destroyed in the middle: no callback any more */
	bed_close(&b);
	assert_int_equal(b.out[2].calls, 0);
	assert_int_equal(b.closed, 0);
}

/* A transport that answers each call at once, as ioctl() does. */
struct kernel {
	struct vu_transport transport;
	enum vu_verb log[32];
	unsigned count;
	unsigned refuse_at; /* number of the call to refuse; 0: none */
};

static int kernel_step(struct vu_transport *t, struct vu_call *call,
		       struct err *err)
{
	struct kernel *k = container_of(t, struct kernel, transport);

	assert_true(k->count < ARRAY_SIZE(k->log));
	k->log[k->count++] = call->verb;
	if (k->count == k->refuse_at) {
		err_set(err, 0, "%s", strerror(EFAULT));
		return VU_STEP_REFUSED;
	}
	if (call->verb == VU_VERB_GET_FEATURES)
		call->value = OFFER;
	else if (call->verb == VU_VERB_PROTOCOL)
		call->value = PAIRS;
	else if (call->verb == VU_VERB_GET_BASE)
		call->value = 42;
	return VU_STEP_DONE;
}

static int kernel_idle(struct vu_transport *t, struct err *err)
{
	(void)t;
	(void)err;
	return 0;
}

static void kernel_destroy(struct vu_transport *t)
{
	(void)t;
}

static void test_kernel_like(void **state)
{
	static const struct vu_transport_ops kernel_ops = {
		.step = kernel_step,
		.idle = kernel_idle,
		.destroy = kernel_destroy,
	};
	static const enum vu_verb want[] = {
		VU_VERB_GET_FEATURES, VU_VERB_PROTOCOL,	  VU_VERB_SET_OWNER,
		VU_VERB_SET_FEATURES, VU_VERB_SET_MEMORY, VU_VERB_SET_NUM,
		VU_VERB_SET_BASE,     VU_VERB_SET_ADDR,	  VU_VERB_SET_CALL,
		VU_VERB_SET_KICK,     VU_VERB_SET_ENABLE, VU_VERB_GET_BASE,
		VU_VERB_SET_MEMORY,
	};
	struct kernel k = { .transport.ops = &kernel_ops,
			    .refuse_at = ARRAY_SIZE(want) };
	struct bed b = { .loop = loop_create(), .peer = -1 };

	(void)state;
	open_with(&b, &k.transport);
	assert_int_equal(k.count, 0); /* all calls come from the loop */
	step(&b);
	assert_int_equal(b.ready, 1);
	vu_client_set_memory(b.client, NULL, 0, out(&b, 0), NULL);
	assert_int_equal(start(&b, 1, NULL), 0);
	assert_int_equal(b.out[0].calls, 0);
	step(&b);
	assert_int_equal(b.out[0].calls, 2);
	vu_client_queue_stop(b.client, 1, out(&b, 1), NULL);
	vu_client_set_memory(b.client, NULL, 0, out(&b, 2), NULL);
	step(&b);
	assert_int_equal(b.out[1].value, 42);
	assert_int_equal(b.out[2].rc, -EREMOTEIO);
	assert_string_equal(b.out[2].reason, "sharing memory: Bad address");
	assert_int_equal(k.count, ARRAY_SIZE(want));
	assert_memory_equal(k.log, want, sizeof(want));
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_up),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_full_socket),
		cmocka_unit_test(test_bad_peers),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_kernel_like),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

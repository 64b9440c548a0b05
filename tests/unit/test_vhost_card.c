/* SPDX-License-Identifier: Apache-2.0 */
/* A card on a vhost-user back-end that misbehaves, comes late, or comes again:
 * the driver's operations end soon, and the card goes on with the next one. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "unix_sock.h"
#include "vhost_card.h"
#include "vhost_impl.h"
#include "virtio.h"
#include "vu_msg.h"

#define RAM_SIZE (64 * 1024)
#define BASE_HAS                                                          \
	(feat_bit(VIRTIO_F_VERSION_1) | feat_bit(VIRTIO_F_EVENT_IDX) |    \
	 feat_bit(VIRTIO_NET_F_MRG_RXBUF) | feat_bit(VIRTIO_NET_F_CSUM) | \
	 feat_bit(VHOST_USER_F_PROTOCOL_FEATURES))

/* The back-end, on a thread of its own. The test changes the members marked so
 * while it runs. */
struct peer {
	char path[64];
	struct unix_listener listener;
	pthread_t thread;
	int sock;		  /* [any, atomic] */
	uint64_t features;	  /* [any, atomic] */
	unsigned silent, closing; /* [any, atomic] a request that ends so */
	unsigned refused, odd;	  /* [any, atomic] one with such an answer */
	unsigned kicks;		  /* [any, atomic] SET_VRING_KICKs */
};

static void reply(int sock, const struct vu_msg *m, const void *data,
		  uint32_t size)
{
	struct vu_msg a = { .hdr = { m->hdr.request, VU_VERSION | VU_FLAG_REPLY,
				     size } };

	memcpy(a.payload.raw, data, size);
	vu_msg_send(sock, &a);
}

/* Returns whether the connection goes on. */
static bool serve_one(struct peer *p, int sock, const struct vu_msg *m)
{
	unsigned request = m->hdr.request;
	uint64_t value = shm_load(&p->refused) == request;

	if (request == shm_load(&p->closing))
		return false;
	if (request == shm_load(&p->silent))
		return true;
	if (request == VU_SET_VRING_KICK)
		shm_store(&p->kicks, shm_load(&p->kicks) + 1);
	if (request == VU_GET_FEATURES)
		value = shm_load(&p->features);
	else if (request == VU_GET_PROTOCOL_FEATURES)
		value = feat_bit(VU_PROTOCOL_F_MQ) |
			feat_bit(VU_PROTOCOL_F_REPLY_ACK);
	else if (request == VU_GET_QUEUE_NUM)
		value = 1;
	else if (request != VU_GET_VRING_BASE &&
		 !(m->hdr.flags & VU_FLAG_NEED_REPLY))
		return true;
	reply(sock, m, &value, request == shm_load(&p->odd) ? 4 : 8);
	return true;
}

static void serve(struct peer *p, int sock)
{
	struct vu_rx rx = { .have = 0 };
	struct err err;
	int rc = 1;

	fd_set_nonblock(sock);
	while (rc > 0) {
		struct pollfd f = { sock, POLLIN, 0 };

		poll(&f, 1, -1);
		rc = vu_rx_poll(sock, &rx, &err);
		if (rc == -EAGAIN) {
			rc = 1;
			continue;
		}
		if (rc > 0 && !serve_one(p, sock, &rx.msg))
			rc = 0;
		vu_msg_fini(&rx.msg);
		vu_rx_next(&rx);
	}
}

static void *run_peer(void *arg)
{
	struct peer *p = arg;
	int sock;

	while ((sock = accept(p->listener.fd, NULL, NULL)) >= 0) {
		shm_store(&p->sock, sock);
		serve(p, sock);
		shm_store(&p->sock, -1);
		close(sock);
	}
	return NULL;
}

static void cut(struct peer *p)
{
	if (shm_load(&p->sock) >= 0)
		shutdown(shm_load(&p->sock), SHUT_RDWR);
}

static void peer_start(struct peer *p)
{
	struct err err;

	memset(p, 0, sizeof(*p));
	p->sock = -1;
	p->features = BASE_HAS;
	snprintf(p->path, sizeof(p->path), "/tmp/rw-card-%d.sock",
		 (int)getpid());
	assert_int_equal(unix_listen(&p->listener, "path", p->path, 0600, &err),
			 0);
	/* accept() waits */
	fcntl(p->listener.fd, F_SETFL, 0);
	assert_int_equal(pthread_create(&p->thread, NULL, run_peer, p), 0);
}

static void peer_stop(struct peer *p)
{
	shutdown(p->listener.fd, SHUT_RDWR);
	cut(p);
	pthread_join(p->thread, NULL);
	unix_unlisten(&p->listener);
}

/* The machine's side. */
struct bench {
	struct peer peer;
	struct loop *loop;
	struct gmem *ram;
	struct card_conf conf;
	struct vhost_card *v;
	struct virtio_dev *d;
	int kick_fd, call_fd;
};

static unsigned changes, resets;

static void on_change(struct virtio_dev *d)
{
	(void)d;
	changes++;
}

static void on_needs_reset(struct virtio_dev *d, const char *why)
{
	(void)d;
	(void)why;
	resets++;
}

static const struct virtio_transport_ops transport = { on_change,
						       on_needs_reset };

static void make_ram(struct bench *b)
{
	struct gmem_desc desc = { .size = RAM_SIZE, .uva = 0x1000000 };
	struct err err;

	desc.fd = memfd_create("ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(desc.fd, RAM_SIZE), 0);
	assert_int_equal(gmem_create(&desc, 1, &b->ram, &err), 0);
	close(desc.fd);
}

static void bench_open(struct bench *b, bool is_server)
{
	static char mac[] = "52:54:00:00:00:01";
	struct vhost_card_setup setup = { .id = "card",
					  .conf = &b->conf,
					  .pairs = 1,
					  .path = b->peer.path,
					  .reconnect_ms = 10,
					  .is_server = is_server };
	struct err err;
	int rc;

	b->loop = loop_create();
	b->conf = (struct card_conf){ .common.mac = mac,
				      .rx_queue_size = 256,
				      .tx_queue_size = 256,
				      .event_idx = true,
				      .mrg_rxbuf = true,
				      .csum = true,
				      .ctrl_vq = true };
	make_ram(b);
	b->kick_fd = fd_eventfd();
	b->call_fd = fd_eventfd();
	rc = vhost_card_create(b->loop, &setup, &b->v, &err);
	if (rc)
		fail_msg("%s", err.msg);
	b->d = vhost_card_device(b->v);
	b->d->transport = &transport;
	b->d->ram = b->ram;
	changes = resets = 0;
}

static void bench_close(struct bench *b)
{
	b->d->ops->destroy(b->d);
	vhost_card_destroy(b->v);
	gmem_put(b->ram);
	fd_close(&b->kick_fd);
	fd_close(&b->call_fd);
	loop_destroy(b->loop);
}

/* What a driver does at its start. Returns the outcome of driver_ok(). */
static int start(struct bench *b, uint64_t features)
{
	b->d->driver_features = features;
	assert_true(b->d->ops->set_features(b->d, features));
	for (unsigned i = 0; i < 2; i++) {
		const struct virtio_ring r = { .size = 256,
					       .desc = i * 0x4000,
					       .driver = i * 0x4000 + 0x1000,
					       .device = i * 0x4000 + 0x2000,
					       .kick_fd = b->kick_fd,
					       .call_fd = b->call_fd };

		assert_int_equal(b->d->ops->start_ring(b->d, i, &r), 0);
	}
	return b->d->ops->driver_ok(b->d);
}

static int start_all(struct bench *b)
{
	return start(b, b->d->features);
}

static bool is_up(const struct bench *b)
{
	return b->v->state == VHOST_UP && b->v->face.has_link;
}

static void on_tick(struct loop_timer *t)
{
	(void)t;
}

/* Runs the loop until the card has the state @up, and has had it for @ms. */
static void run_until(struct bench *b, bool up)
{
	struct loop_timer tick = { 0 };

	for (unsigned i = 0; i < 2000 && is_up(b) != up; i++) {
		loop_timer_arm(b->loop, &tick, 5, on_tick);
		loop_step(b->loop);
	}
	loop_timer_disarm(&tick);
	assert_int_equal(is_up(b), up);
}

static void expect_reason(const struct bench *b, const char *words)
{
	if (!strstr(b->v->reason.msg, words))
		fail_msg("'%s' is not in '%s'", words, b->v->reason.msg);
}

/* A back-end that refuses what the driver set up makes it reset the card; the
 * next one of its tries works. */
static void test_refusal(void **state)
{
	struct bench b;

	(void)state;
	peer_start(&b.peer);
	bench_open(&b, false);
	assert_true(is_up(&b));
	assert_int_equal(vhost_card_peer(b.v), getpid());
	shm_store(&b.peer.refused, VU_SET_MEM_TABLE);
	assert_int_equal(start_all(&b), -EREMOTEIO);
	expect_reason(&b, "sharing memory: the back-end refused it");
	b.d->ops->reset(b.d);
	shm_store(&b.peer.refused, 0);
	assert_int_equal(start_all(&b), 0);
	assert_true(is_up(&b));
	assert_true(b.v->ring[0].is_served && b.v->ring[1].is_served);
	bench_close(&b);
	peer_stop(&b.peer);
}

/* Each of these ends the connection in the middle of the driver's start or end,
 * within the time that a driver waits; a new one takes the rings up. */
static void test_bad_moments(void **state)
{
	static const struct {
		unsigned silent, closing, odd;
		const char *reason;
	} rows[] = {
		{ .silent = VU_SET_MEM_TABLE,
		  .reason = "sharing memory: no answer within 1000 ms" },
		{ .closing = VU_SET_VRING_ADDR,
		  .reason = "the back-end closed the connection" },
		{ .odd = VU_SET_VRING_NUM, .reason = "an answer of 4 bytes" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t begun_ms;
		struct bench b;

		peer_start(&b.peer);
		bench_open(&b, false);
		shm_store(&b.peer.silent, rows[i].silent);
		shm_store(&b.peer.closing, rows[i].closing);
		shm_store(&b.peer.odd, rows[i].odd);
		begun_ms = loop_now_ms();
		assert_int_equal(start_all(&b), 0);
		assert_in_range(loop_now_ms() - begun_ms, 0, 2500);
		expect_reason(&b, rows[i].reason);
		run_until(&b, false);
		shm_store(&b.peer.silent, 0);
		shm_store(&b.peer.closing, 0);
		shm_store(&b.peer.odd, 0);
		run_until(&b, true);
		assert_true(b.v->ring[0].is_served && b.v->ring[1].is_served);
		assert_int_equal(resets, 0);
		assert_true(changes >= 2);
		bench_close(&b);
		peer_stop(&b.peer);
	}
}

/* A driver that lets go of its rings does not wait for long either. */
static void test_silent_at_the_end(void **state)
{
	uint64_t begun_ms;
	struct bench b;

	(void)state;
	peer_start(&b.peer);
	bench_open(&b, false);
	assert_int_equal(start_all(&b), 0);
	shm_store(&b.peer.silent, VU_GET_VRING_BASE);
	begun_ms = loop_now_ms();
	b.d->ops->stop_ring(b.d, 0);
	b.d->ops->stop_ring(b.d, 1);
	b.d->ops->reset(b.d);
	assert_in_range(loop_now_ms() - begun_ms, 900, 2500);
	expect_reason(&b, "GET_VRING_BASE: no answer within 1000 ms");
	assert_false(is_up(&b));
	shm_store(&b.peer.silent, 0);
	run_until(&b, true);
	assert_int_equal(start_all(&b), 0);
	bench_close(&b);
	peer_stop(&b.peer);
}

/* A back-end that lacks what the driver uses is none for it; one that has more
 * is. */
static void test_other_features(void **state)
{
	struct bench b;
	uint64_t used;

	(void)state;
	peer_start(&b.peer);
	bench_open(&b, false);
	used = b.d->features;
	assert_true(feat_has(used, VIRTIO_NET_F_CSUM));
	assert_int_equal(start_all(&b), 0);
	shm_store(&b.peer.features, BASE_HAS & ~feat_bit(VIRTIO_NET_F_CSUM));
	cut(&b.peer);
	run_until(&b, false);
	for (unsigned i = 0; i < 400 && !strstr(b.v->reason.msg, "lacks"); i++)
		loop_step(b.loop);
	expect_reason(&b, "the back-end lacks features that the driver uses");
	assert_false(is_up(&b));
	shm_store(&b.peer.features,
		  BASE_HAS | feat_bit(VIRTIO_NET_F_HOST_TSO4));
	run_until(&b, true);
	assert_true(b.v->ring[1].is_served);
	assert_int_equal(b.d->features, used); /* a driver uses them */
	bench_close(&b);
	peer_stop(&b.peer);
}

static int connect_to(const struct bench *b)
{
	struct err err;
	int sock = unix_connect("path", b->peer.path, &err);

	assert_true(sock >= 0);
	return sock;
}

struct visit {
	struct peer *peer;
	int sock;
};

static void *run_visit(void *arg)
{
	struct visit *t = arg;

	serve(t->peer, t->sock);
	close(t->sock);
	return NULL;
}

/* With is_server back-ends come to us: before the first one the card offers
 * what all have, and has no link. One at a time. */
static void test_server(void **state)
{
	struct bench b;
	struct visit visit[2];
	pthread_t thread[2];

	(void)state;
	memset(&b, 0, sizeof(b));
	b.peer.features = BASE_HAS;
	snprintf(b.peer.path, sizeof(b.peer.path), "/tmp/rw-card-%d.sock",
		 (int)getpid());
	bench_open(&b, true);
	assert_false(is_up(&b));
	assert_true(feat_has(b.d->features, VIRTIO_NET_F_MRG_RXBUF));
	assert_false(feat_has(b.d->features, VIRTIO_NET_F_CSUM));
	assert_int_equal(start_all(&b), 0); /* nobody is there */
	assert_int_equal(b.peer.kicks, 0);
	for (unsigned i = 0; i < 2; i++) {
		visit[i] = (struct visit){ &b.peer, connect_to(&b) };
		pthread_create(&thread[i], NULL, run_visit, &visit[i]);
	}
	run_until(&b, true);
	assert_int_equal(b.v->connections, 1);
	assert_int_equal(vhost_card_peer(b.v), getpid());
	assert_int_equal(shm_load(&b.peer.kicks), 2);
	shutdown(visit[0].sock, SHUT_RDWR);
	run_until(&b, false);
	run_until(&b, true);
	assert_int_equal(b.v->connections, 2);
	/* a driver that begins anew has what the back-end offers */
	b.d->ops->stop_ring(b.d, 0);
	b.d->ops->stop_ring(b.d, 1);
	b.d->ops->reset(b.d);
	assert_true(feat_has(b.d->features, VIRTIO_NET_F_CSUM));
	assert_int_equal(start_all(&b), 0);
	bench_close(&b);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(access(b.peer.path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_bad_moments),
		cmocka_unit_test(test_silent_at_the_end),
		cmocka_unit_test(test_other_features),
		cmocka_unit_test(test_server),
	};

	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a vhost-user-front port with its back-end, see front.h.
 * Control thread.
 *
 * A port with reconnect= tries for ever, with a delay that grows (retry.h);
 * without it the port stays down when its connection has ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "front.h"
#include "unix_sock.h"
#include "vu_msg.h"
#include "vu_show.h"
#include "workers.h"

/* Time limit of each answer. */
#define ANSWER_MS 3000

#define NEEDED	  (feat_bit(VIRTIO_F_VERSION_1) | feat_bit(VIRTIO_NET_F_MRG_RXBUF))

static void on_timer(struct loop_timer *t);

/* Takes the queues from the workers and closes everything. */
static void disconnect(struct front_port *f)
{
	struct rxq *rxq[FRONT_PAIRS_MAX];

	for (unsigned i = 0; i < f->pairs; i++)
		rxq[i] = &f->pair[i].rx.rxq;
	port_set_txqs(&f->port, NULL, 0, 0);
	rxq_detach_many(rxq, f->pairs);
	vu_client_destroy(f->client);
	f->client = NULL;
	front_queues_close(f);
	f->features = 0;
	f->started = 0;
}

/* Arranges the next try, if there shall be one. */
static void go_on(struct front_port *f)
{
	if (f->is_server) {
		f->state = FRONT_RETRYING;
		loop_timer_arm(f->loop, &f->timer, VU_LISTEN_REST_MS, on_timer);
		return;
	}
	if (!f->retry.first_ms) {
		f->state = FRONT_DOWN;
		return;
	}
	f->state = FRONT_RETRYING;
	loop_timer_arm(f->loop, &f->timer, retry_take(&f->retry), on_timer);
}

/* A connection, or a try to make one, has ended with f->reason. */
static void end(struct front_port *f, bool was_up)
{
	disconnect(f);
	if (was_up)
		log_limited(&f->log, LOG_LEVEL_INFO,
			    "port=%s: disconnected: %s", f->port.name,
			    f->reason.msg);
	else if (!f->said_waiting)
		log_limited(&f->log, LOG_LEVEL_INFO,
			    "port=%s: no connection: %s; %s", f->port.name,
			    f->reason.msg,
			    f->is_server	? "waiting for the next one"
			    : f->retry.first_ms ? "trying again"
						: "the port stays down");
	f->said_waiting = !was_up;
	if (was_up)
		retry_ended(&f->retry, loop_now_ms() - f->since_ms);
	go_on(f);
}

/* Ends the try to connect from the loop: the client is in a callback. */
static void end_soon(struct front_port *f)
{
	f->state = FRONT_ENDING;
	loop_timer_arm(f->loop, &f->timer, 0, on_timer);
}

static void on_closed(void *ctx, const char *reason)
{
	struct front_port *f = ctx;
	bool was_up = f->state == FRONT_UP;

	loop_timer_disarm(&f->timer);
	if (f->state != FRONT_ENDING)
		err_set(&f->reason, -EPIPE, "%s", reason);
	end(f, was_up);
}

/* Gives the queues to the workers. Returns 0 or -errno. */
static int go_up(struct front_port *f)
{
	struct txq *txq[FRONT_PAIRS_MAX];
	int rc = 0;

	for (unsigned i = 0; !rc && i < f->pairs; i++) {
		txq[i] = &f->pair[i].tx.txq;
		rc = rxq_attach(&f->pair[i].rx.rxq);
	}
	if (!rc)
		rc = port_set_txqs(&f->port, txq, f->pairs,
				   vnet_offloads_from_driver(f->features));
	if (rc)
		return err_set(&f->reason, rc, "queues: %s", strerror(-rc));
	f->state = FRONT_UP;
	f->since_ms = loop_now_ms();
	f->connections++;
	f->said_waiting = false;
	log_limited(&f->log, LOG_LEVEL_INFO, "port=%s: connected",
		    f->port.name);
	return 0;
}

static void on_shared(void *arg, int rc, uint64_t value, const char *reason)
{
	struct front_port *f = arg;

	(void)value;
	if (!rc || rc == -ENOTCONN || f->state == FRONT_ENDING)
		return; /* on_closed() follows -ENOTCONN */
	err_set(&f->reason, rc, "%s", reason);
	end_soon(f);
}

static void on_started(void *arg, int rc, uint64_t value, const char *reason)
{
	struct front_port *f = arg;

	on_shared(arg, rc, value, reason);
	if (rc || f->state == FRONT_ENDING)
		return;
	if (++f->started == 2 * f->pairs && go_up(f))
		end_soon(f);
}

/* Returns 0, or -EPROTO when the back-end lacks a feature that we need. */
static int check_features(struct front_port *f)
{
	if (NEEDED & ~f->features)
		return err_set(&f->reason, -EPROTO,
			       "the back-end lacks %s, which is needed",
			       feat_has(f->features, VIRTIO_F_VERSION_1)
				       ? "MRG_RXBUF"
				       : "VERSION_1");
	if (f->is_packed && !feat_has(f->features, VIRTIO_F_RING_PACKED))
		return err_set(&f->reason, -EPROTO,
			       "packed=on: the back-end has no packed rings");
	return 0;
}

/* Makes the queues and asks the back-end to start them. Returns 0 or -errno
 * with f->reason. */
static int start_queues(struct front_port *f)
{
	struct gmem_desc region;
	int rc = front_queues_open(f);

	if (rc)
		return err_set(&f->reason, rc, "memory: %s", strerror(-rc));
	region = front_region(f);
	rc = vu_client_set_memory(f->client, &region, 1,
				  (struct vu_client_done){ on_shared, f },
				  &f->reason);
	/* All before the first one starts: some back-ends count them then. */
	for (unsigned i = 0; !rc && i < 2 * f->pairs; i++)
		rc = vu_client_queue_announce(
			f->client, i, front_ring(f, i).call_fd,
			(struct vu_client_done){ on_shared, f }, &f->reason);
	for (unsigned i = 0; !rc && i < 2 * f->pairs; i++) {
		struct vu_client_ring ring = front_ring(f, i);

		rc = vu_client_queue_start(
			f->client, i, &ring,
			(struct vu_client_done){ on_started, f }, &f->reason);
	}
	return rc;
}

static void on_ready(void *ctx)
{
	struct front_port *f = ctx;

	f->features = vu_client_features(f->client);
	f->state = FRONT_STARTING;
	if (check_features(f) || start_queues(f))
		end_soon(f);
}

static uint64_t wanted_features(const struct front_port *f)
{
	static const uint8_t bits[] = {
		VIRTIO_NET_F_CSUM,
		VIRTIO_NET_F_GUEST_CSUM,
		VIRTIO_NET_F_GUEST_TSO4,
		VIRTIO_NET_F_GUEST_TSO6,
		VIRTIO_NET_F_GUEST_ECN,
		VIRTIO_NET_F_HOST_TSO4,
		VIRTIO_NET_F_HOST_TSO6,
		VIRTIO_NET_F_HOST_ECN,
		VIRTIO_NET_F_GUEST_USO4,
		VIRTIO_NET_F_GUEST_USO6,
		VIRTIO_NET_F_HOST_USO,
		VIRTIO_F_EVENT_IDX,
		VHOST_USER_F_PROTOCOL_FEATURES,
	};
	uint64_t features = NEEDED;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		features |= feat_bit(bits[i]);
	if (f->is_packed)
		features |= feat_bit(VIRTIO_F_RING_PACKED);
	return features;
}

static const struct vu_client_ops client_ops = {
	.ready = on_ready,
	.closed = on_closed,
};

/* Begins to negotiate on the socket @fd, and owns it. Returns 0 or -errno with
 * @err. */
static int begin_on(struct front_port *f, int fd, struct err *err)
{
	const struct vu_client_config config = {
		.features = wanted_features(f),
		.prune = vnet_features_prune,
		.queue_pairs = f->pairs,
		.timeout_ms = ANSWER_MS,
	};

	f->client = vu_client_create(
		f->loop,
		vu_sock_create(f->loop, fd,
			       feat_bit(VU_PROTOCOL_F_MQ) |
				       feat_bit(VU_PROTOCOL_F_REPLY_ACK)),
		&config, &client_ops, f);
	if (!f->client)
		return err_set(err, -ENOMEM, "out of memory");
	f->state = FRONT_NEGOTIATING;
	return 0;
}

static void on_back_end(struct vu_listen *l, int sock)
{
	struct front_port *f = container_of(l, struct front_port, listen);

	if (begin_on(f, sock, &f->reason))
		end(f, false);
}

/* Connects, or waits for the back-end to do so. Returns 0 or -errno with @err.
 */
static int begin(struct front_port *f, struct err *err)
{
	int fd;

	if (f->is_server) {
		vu_listen_wait(&f->listen);
		return 0;
	}
	fd = unix_connect_nowait("path", f->path, err);
	return fd < 0 ? fd : begin_on(f, fd, err);
}

static void on_timer(struct loop_timer *t)
{
	struct front_port *f = container_of(t, struct front_port, timer);

	if (f->state == FRONT_ENDING || begin(f, &f->reason))
		end(f, false);
}

static void say_fault(const struct front_health *h, struct err *err)
{
	uint64_t fault = shm_load(&h->fault);
	unsigned detail = fault >> 32;

	switch ((enum front_fault)(uint32_t)fault) {
	case FRONT_BAD_RING:
		err_set(err, -EPROTO, "the back-end broke the ring: %s",
			detail == VQ_FAULT_CALL
				? "it made the kick descriptor block"
				: vq_fault_name(detail));
		return;
	case FRONT_BAD_SIZE:
		err_set(err, -EPROTO,
			"the back-end broke the ring: a length of %u bytes is "
			"impossible for its buffer",
			detail);
		return;
	default:
		err_set(err, -EPROTO,
			"the back-end broke the ring: a frame cannot have %u "
			"buffers",
			detail);
	}
}

/* Tells of the queues of @p that cannot go on. Returns whether there are some.
 */
static bool has_fault(struct front_port *f, const struct front_pair *p)
{
	const struct front_health *h[2] = { &p->rx.health, &p->tx.health };
	bool is_bad = false;

	for (unsigned i = 0; i < 2; i++) {
		if (!front_is_bad(h[i]))
			continue;
		say_fault(h[i], &f->reason);
		port_tell_fault(&f->port, 2 * p->rx.rxq.idx + i, f->reason.msg);
		is_bad = true;
	}
	return is_bad;
}

static void on_news(struct loop_watch *w, uint32_t events)
{
	struct front_port *f = container_of(w, struct front_port, news);
	bool is_bad = false;

	(void)events;
	fd_drain(f->news_fd);
	if (f->state != FRONT_UP)
		return;
	for (unsigned i = 0; i < f->pairs; i++)
		is_bad |= has_fault(f, &f->pair[i]);
	if (is_bad)
		end(f, true);
}

int front_peer_open(struct front_port *f, struct err *err)
{
	int rc =
		loop_watch_add(f->loop, &f->news, f->news_fd, EPOLLIN, on_news);

	if (rc)
		return err_set(err, rc, "%s", strerror(-rc));
	if (f->is_server) {
		rc = vu_listen_open(&f->listen, f->loop, f->path, on_back_end,
				    err);
		if (rc)
			return rc;
		f->state = FRONT_RETRYING;
	}
	rc = begin(f, &f->reason);
	if (rc && !f->retry.first_ms)
		return err_set(err, rc, "%s", f->reason.msg);
	if (rc)
		end(f, false);
	return 0;
}

void front_peer_close(struct front_port *f)
{
	loop_timer_disarm(&f->timer);
	loop_watch_remove(&f->news);
	vu_listen_close(&f->listen);
	disconnect(f);
	log_limit_fini(&f->log);
}

void front_peer_show(const struct front_port *f, struct show *out)
{
	static const char *const names[] = {
		[FRONT_NEGOTIATING] = "negotiating",
		[FRONT_STARTING] = "starting the queues",
		[FRONT_UP] = "up",
		[FRONT_ENDING] = "ending",
		[FRONT_RETRYING] = "waiting to try again",
		[FRONT_DOWN] = "down",
	};

	show_str(out, "state",
		 f->is_server && f->state == FRONT_RETRYING
			 ? "waiting for a back-end"
			 : names[f->state]);
	if (f->features)
		vu_show_features(out, "features", f->features);
	show_num(out, "connections", f->connections);
	if (*f->reason.msg)
		show_str(out, "last_disconnect", f->reason.msg);
}

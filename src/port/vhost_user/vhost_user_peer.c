/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a vhost-user port. Control thread; calls vhost/backend/
 * (the session).
 *
 * Theory of operation. A port listens or connects for its whole life; a session
 * lives as long as its connection. One front-end at a time has a session. The
 * listener stays watched meanwhile: a few further front-ends are accepted,
 * logged, and wait unread for their turn; more wait in the backlog.
 *
 * No session begins while the timer runs: after a session that ended within its
 * first second, and after a failure to accept or to begin a session. So neither
 * a front-end that connects again and again nor a lack of descriptors costs CPU
 * time or fills the log.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fd.h"
#include "vhost_user.h"

/* A session that is shorter than this is followed by a rest. */
#define SHORT_SESSION_MS 1000
/* Rest after a short session without an error (some front-ends only probe).
 * Each further short session with an error doubles it, up to REST_MAX_MS. */
#define REST_MIN_MS 10
#define REST_MAX_MS 1000
/* Time between two tries to accept without descriptors. */
#define STARVED_MS 1000

/*
 * RING_RESET is not offered: QEMU passes the bit on, but resets a ring without
 * telling a vhost-user back-end. UFO is not offered: no sender makes it any
 * more. The CTRL_* features are for front-ends that hand the control queue
 * over; QEMU serves the queue itself and does not pass these features on.
 */
static const uint8_t offered[] = {
	VIRTIO_NET_F_CSUM,	 VIRTIO_NET_F_GUEST_CSUM,
	VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
	VIRTIO_NET_F_GUEST_ECN,	 VIRTIO_NET_F_GUEST_USO4,
	VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_HOST_TSO4,
	VIRTIO_NET_F_HOST_TSO6,	 VIRTIO_NET_F_HOST_ECN,
	VIRTIO_NET_F_HOST_USO,	 VIRTIO_NET_F_MRG_RXBUF,
	VIRTIO_NET_F_CTRL_VQ,	 VIRTIO_NET_F_CTRL_RX,
	VIRTIO_NET_F_CTRL_VLAN,	 VIRTIO_NET_F_CTRL_RX_EXTRA,
	VIRTIO_NET_F_MQ,	 VIRTIO_NET_F_CTRL_MAC_ADDR,
	VIRTIO_F_ANY_LAYOUT,	 VIRTIO_NET_F_GUEST_ANNOUNCE,
	VIRTIO_F_INDIRECT_DESC,	 VIRTIO_F_EVENT_IDX,
	VIRTIO_F_VERSION_1,	 VIRTIO_F_RING_PACKED,
	VIRTIO_F_IN_ORDER,
};

/* A guest that accepted the MTU feature has an MTU from its front-end, which
 * tells it to us with NET_SET_MTU. */
static void update_mtu(struct vhost_user_port *v)
{
	bool knows = feat_has(v->features, VIRTIO_NET_F_MTU);

	vnet_pairs_set_mtu(&v->pairs, knows ? v->peer_mtu : 0);
}

static void on_features(void *ctx, uint64_t features)
{
	struct vhost_user_port *v = ctx;

	v->features = features;
	update_mtu(v);
	vhost_user_control_reset(v);
}

static void on_mtu(void *ctx, uint16_t mtu)
{
	struct vhost_user_port *v = ctx;

	v->peer_mtu = mtu;
	update_mtu(v);
}

static void disconnect(struct vhost_user_port *v)
{
	if (!v->backend)
		return;
	/* The session goes before the descriptor that its workers signal. */
	vu_backend_destroy(v->backend);
	vhost_user_report_remove(v);
	v->backend = NULL;
	v->features = 0;
	vhost_user_control_reset(v);
	v->peer_pid = 0;
	v->peer_mtu = 0;
	update_mtu(v);
}

static void watch_listener(struct vhost_user_port *v);
static void serve_next(struct vhost_user_port *v);

static uint64_t reconnect_delay_ms(const struct vhost_user_port *v)
{
	return v->conf.has_reconnect_ms ? v->conf.reconnect_ms
					: v->conf.reconnect * 1000ull;
}

static void on_timer(struct loop_timer *t);

static void on_closed(void *ctx, bool by_error, const char *reason)
{
	struct vhost_user_port *v = ctx;

	snprintf(v->last_reason, sizeof(v->last_reason), "%s", reason);
	disconnect(v);
	if (!v->conf.server) {
		loop_timer_arm(v->loop, &v->timer, reconnect_delay_ms(v),
			       on_timer);
		return;
	}
	if (loop_now_ms() - v->since_ms >= SHORT_SESSION_MS)
		v->rest_ms = 0;
	else if (by_error && v->rest_ms)
		v->rest_ms = MIN(2 * v->rest_ms, REST_MAX_MS);
	else
		v->rest_ms = REST_MIN_MS;
	if (v->rest_ms)
		loop_timer_arm(v->loop, &v->timer, v->rest_ms, on_timer);
	else
		serve_next(v);
}

static const struct vu_backend_ops backend_ops = {
	.features_set = on_features,
	.queue_start = vhost_user_queue_start,
	.queue_enable = vhost_user_queue_enable,
	.queues_changed = vhost_user_queues_changed,
	.queues_stop = vhost_user_queues_stop,
	.fault = vhost_user_fault,
	.queue_kicks = vhost_user_queue_kicks,
	.control_start = vhost_user_control_start,
	.control_stop = vhost_user_control_stop,
	.rarp = vhost_user_rarp,
	.mtu = on_mtu,
	.closed = on_closed,
};

/* Begins a session on @sock and takes @sock over. Returns 0 or -errno. */
static int connect_peer(struct vhost_user_port *v, int sock)
{
	struct vu_backend_config config = { .name = v->port.name,
					    .log = &v->log,
					    .queue_pairs = v->pairs.count,
					    .report_fd =
						    vhost_user_report_fd() };
	int64_t pid = unix_peer_pid(sock);
	int rc = vhost_user_report_add(v);

	for (unsigned i = 0; i < ARRAY_SIZE(offered); i++)
		config.features |= feat_bit(offered[i]);
	if (v->conf.mtu)
		config.features |= feat_bit(VIRTIO_NET_F_MTU);
	if (rc) {
		fd_close(&sock);
		goto err_log;
	}
	v->backend = vu_backend_create(v->loop, sock, &config, &backend_ops, v);
	if (!v->backend) {
		rc = -ENOMEM;
		vhost_user_report_remove(v);
		goto err_log;
	}
	v->peer_pid = pid;
	v->since_ms = loop_now_ms();
	v->connections++;
	log_limited(&v->log, LOG_LEVEL_INFO,
		    "port=%s: front-end connected (pid %d)", v->port.name,
		    (int)pid);
	return 0;
err_log:
	log_limited(&v->log, LOG_LEVEL_ERR,
		    "port=%s: cannot serve a front-end: %s", v->port.name,
		    strerror(-rc));
	return rc;
}

/* Takes front-end @i out of the waiting ones and returns its socket. */
static int take_waiting(struct vhost_user_port *v, unsigned i)
{
	struct vhost_user_waiting *w = &v->waiting[i];
	int sock = w->sock;

	/* A watch must not move in memory, so the array keeps its gap. */
	loop_watch_remove(&w->watch);
	w->port = NULL;
	v->waiting_count--;
	return sock;
}

static void on_waiting(struct loop_watch *watch, uint32_t events)
{
	struct vhost_user_waiting *w =
		container_of(watch, struct vhost_user_waiting, watch);
	struct vhost_user_port *v = w->port;
	int sock = take_waiting(v, (unsigned)(w - v->waiting));

	(void)events;
	fd_close(&sock);
	watch_listener(v);
}

/* Makes the front-end on @sock wait for its turn. */
static void add_waiting(struct vhost_user_port *v, int sock)
{
	struct vhost_user_waiting *w = v->waiting;

	while (w->port)
		w++;
	if (loop_watch_add(v->loop, &w->watch, sock, EPOLLRDHUP, on_waiting)) {
		fd_close(&sock);
		return;
	}
	w->port = v;
	w->sock = sock;
	w->pid = unix_peer_pid(sock);
	w->since_ms = loop_now_ms();
	v->waiting_count++;
	if (v->backend)
		log_limited(&v->log, LOG_LEVEL_WARN,
			    "port=%s: a front-end (pid %d) waits: pid %d has "
			    "had the socket for %d s",
			    v->port.name, (int)w->pid, (int)v->peer_pid,
			    (int)((w->since_ms - v->since_ms) / 1000));
}

/* Returns whether a session may begin now. */
static bool is_free(const struct vhost_user_port *v)
{
	return !v->backend && !v->timer.loop;
}

/* Begins a session with the front-end that has waited longest, if any, and
 * watches the listener again. */
static void serve_next(struct vhost_user_port *v)
{
	while (is_free(v) && v->waiting_count) {
		struct vhost_user_waiting *first = NULL;

		for (unsigned i = 0; i < VHOST_USER_WAITING_MAX; i++) {
			struct vhost_user_waiting *w = &v->waiting[i];

			if (w->port &&
			    (!first || w->since_ms < first->since_ms))
				first = w;
		}
		if (connect_peer(
			    v, take_waiting(v, (unsigned)(first - v->waiting))))
			loop_timer_arm(v->loop, &v->timer, STARVED_MS,
				       on_timer);
	}
	watch_listener(v);
}

/* Stops watching the listener for a while: it cannot be served now, and its
 * backlog would wake us up again at once. */
static void rest_starved(struct vhost_user_port *v, int error)
{
	if (!v->refusals++)
		log_err("port=%s: cannot accept front-ends: %s; trying again "
			"every second",
			v->port.name, strerror(error));
	loop_watch_remove(&v->watch);
	loop_timer_arm(v->loop, &v->timer, STARVED_MS, on_timer);
}

static void on_listener(struct loop_watch *w, uint32_t events)
{
	struct vhost_user_port *v =
		container_of(w, struct vhost_user_port, watch);
	int sock = accept4(v->listener.fd, NULL, NULL,
			   SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (sock < 0) {
		/* Any other error: the front-end is gone again. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			rest_starved(v, errno);
		return;
	}
	if (v->refusals)
		log_info("port=%s: accepts front-ends again, after %u tries",
			 v->port.name, (unsigned)v->refusals);
	v->refusals = 0;
	if (!is_free(v))
		add_waiting(v, sock);
	else if (connect_peer(v, sock))
		loop_timer_arm(v->loop, &v->timer, STARVED_MS, on_timer);
	if (v->waiting_count == VHOST_USER_WAITING_MAX)
		loop_watch_remove(&v->watch);
}

static void watch_listener(struct vhost_user_port *v)
{
	int rc;

	if (v->watch.loop || v->waiting_count == VHOST_USER_WAITING_MAX)
		return;
	rc = loop_watch_add(v->loop, &v->watch, v->listener.fd, EPOLLIN,
			    on_listener);
	if (rc)
		rest_starved(v, -rc);
}

/* server=off: tries to connect, and sets the timer for the next try on failure.
 */
static void look_for_peer(struct vhost_user_port *v)
{
	struct err err;
	int sock = unix_connect_nowait("path", v->conf.path, &err);

	if (sock >= 0 && !connect_peer(v, sock)) {
		v->said_waiting = false;
		return;
	}
	if (sock < 0 && !v->said_waiting) {
		log_limited(&v->log, LOG_LEVEL_INFO,
			    "port=%s: %s; trying again every %u ms",
			    v->port.name, err.msg,
			    (unsigned)reconnect_delay_ms(v));
		v->said_waiting = true;
	}
	loop_timer_arm(v->loop, &v->timer, reconnect_delay_ms(v), on_timer);
}

static void on_timer(struct loop_timer *t)
{
	struct vhost_user_port *v =
		container_of(t, struct vhost_user_port, timer);

	if (v->conf.server)
		serve_next(v);
	else
		look_for_peer(v);
}

int vhost_user_peer_open(struct vhost_user_port *v, struct err *err)
{
	int rc;

	if (v->conf.server) {
		rc = vhost_user_listen(&v->conf, &v->listener, err);
		if (rc)
			return rc;
		vhost_user_path_add(v);
		watch_listener(v);
		return 0;
	}
	rc = unix_connect_nowait("path", v->conf.path, err);
	if (rc >= 0)
		rc = connect_peer(v, rc);
	/* A missing front-end is no error; an impossible path is one. */
	if (rc == -ENAMETOOLONG || rc == -EINVAL)
		return rc;
	if (rc < 0)
		loop_timer_arm(v->loop, &v->timer, 0, on_timer);
	return 0;
}

void vhost_user_peer_close(struct vhost_user_port *v)
{
	disconnect(v);
	for (unsigned i = 0; i < VHOST_USER_WAITING_MAX; i++)
		if (v->waiting[i].port)
			fd_close(&(int){ take_waiting(v, i) });
	loop_watch_remove(&v->watch);
	loop_timer_disarm(&v->timer);
	vhost_user_path_remove(v);
	unix_unlisten(&v->listener);
}

static void show_waiting(const struct vhost_user_port *v, uint64_t now,
			 struct show *s)
{
	show_array(s, "waiting");
	for (unsigned i = 0; i < VHOST_USER_WAITING_MAX; i++) {
		const struct vhost_user_waiting *w = &v->waiting[i];

		if (!w->port)
			continue;
		show_object(s, NULL);
		show_num(s, "pid", (uint64_t)w->pid);
		show_num(s, "seconds", (now - w->since_ms) / 1000);
		show_end(s);
	}
	show_end(s);
}

void vhost_user_peer_show(const struct vhost_user_port *v, struct show *s)
{
	uint64_t now = loop_now_ms();

	show_flag(s, "connected", v->backend);
	show_num(s, "connections", v->connections);
	if (v->last_reason[0])
		show_str(s, "last_disconnect", v->last_reason);
	if (v->waiting_count)
		show_waiting(v, now, s);
	if (!v->backend)
		return;
	show_num(s, "peer_pid", (uint64_t)v->peer_pid);
	show_num(s, "peer_seconds", (now - v->since_ms) / 1000);
	if (v->peer_mtu)
		show_num(s, "peer_mtu", v->peer_mtu);
}

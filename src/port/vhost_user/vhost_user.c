/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user port: a virtual machine (or a DPDK virtio-user application) on a
 * UNIX socket. Control thread; calls vhost/ (the session) and switch/. Its
 * queues are vnet/'s pairs.
 *
 * Theory of operation. A port listens or connects for its whole life; a session
 * lives as long as its connection. One front-end at a time: while it is
 * connected the listener is not watched and further ones wait in its backlog.
 */
#include "vhost_user.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fd.h"
#include "log.h"
#include "key.h"
#include "switch.h"

#define FAULT_CHECK_MS 1000

static_assert(VU_MAX_QUEUE_PAIRS <= VNET_PAIRS_MAX,
	      "a session's queues fit into the port's pairs");

/*
 * RING_RESET is not offered: QEMU passes the bit on, but resets a ring without
 * telling a vhost-user back-end. UFO neither, no sender makes it any more.
 */
static const uint8_t offered[] = {
	VIRTIO_NET_F_CSUM,	 VIRTIO_NET_F_GUEST_CSUM,
	VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
	VIRTIO_NET_F_GUEST_ECN,	 VIRTIO_NET_F_GUEST_USO4,
	VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_HOST_TSO4,
	VIRTIO_NET_F_HOST_TSO6,	 VIRTIO_NET_F_HOST_ECN,
	VIRTIO_NET_F_HOST_USO,	 VIRTIO_NET_F_MRG_RXBUF,
	VIRTIO_NET_F_CTRL_VQ,	 VIRTIO_NET_F_MQ,
	VIRTIO_F_ANY_LAYOUT,	 VIRTIO_NET_F_GUEST_ANNOUNCE,
	VIRTIO_F_INDIRECT_DESC,	 VIRTIO_F_EVENT_IDX,
	VIRTIO_F_VERSION_1,	 VIRTIO_F_RING_PACKED,
	VIRTIO_F_IN_ORDER,
};

/* [ctl] Ports that have a front-end, and the one timer that looks at all of
 * them: an idle daemon wakes once a second, however many there are. */
static struct vhost_user_port *connected;
static struct loop_timer fault_timer;

static struct vhost_user_port *to_vu(const struct port *p)
{
	return container_of(p, struct vhost_user_port, port);
}

static void on_features(void *ctx, uint64_t features)
{
	struct vhost_user_port *v = ctx;

	v->features = features;
}

/* RARP request for one's own address (RFC 903), as hypervisors announce a
 * guest with. */
static void on_rarp(void *ctx, const uint8_t mac[6])
{
	static const uint8_t fixed[] = {
		ETHERTYPE_RARP >> 8,
		ETHERTYPE_RARP & 0xff,
		0,
		1, /* Ethernet */
		8,
		0, /* IPv4 */
		ETH_ALEN,
		4,
		0,
		3, /* reverse request */
	};
	struct vhost_user_port *v = ctx;
	uint8_t f[60] = { 0 };

	memset(f, 0xff, ETH_ALEN);
	memcpy(f + 6, mac, ETH_ALEN);
	memcpy(f + 12, fixed, sizeof(fixed));
	memcpy(f + 22, mac, ETH_ALEN); /* sender, its IPv4 address unknown */
	memcpy(f + 32, mac, ETH_ALEN); /* target */
	switch_inject(&v->port, f, sizeof(f));
}

static void on_mtu(void *ctx, uint16_t mtu)
{
	struct vhost_user_port *v = ctx;

	v->peer_mtu = mtu;
}

static void check_faults(struct loop_timer *t)
{
	struct vhost_user_port *v, *next;

	/* A check may end the session and take its port off the list. */
	for (v = connected; v; v = next) {
		next = v->next;
		vu_backend_check_faults(v->backend);
	}
	if (connected)
		loop_timer_arm(connected->loop, t, FAULT_CHECK_MS,
			       check_faults);
}

static void disconnect(struct vhost_user_port *v)
{
	struct vhost_user_port **at;

	if (!v->backend)
		return;
	for (at = &connected; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	if (!connected)
		loop_timer_disarm(&fault_timer);
	vu_backend_destroy(v->backend);
	v->backend = NULL;
	v->features = 0;
	v->peer_pid = 0;
	v->peer_mtu = 0;
}

static void wait_for_peer(struct vhost_user_port *v);

static void on_closed(void *ctx, const char *reason)
{
	struct vhost_user_port *v = ctx;

	snprintf(v->last_reason, sizeof(v->last_reason), "%s", reason);
	disconnect(v);
	wait_for_peer(v);
}

static const struct vu_backend_ops backend_ops = {
	.features_set = on_features,
	.queue_start = vhost_user_queue_start,
	.queue_enable = vhost_user_queue_enable,
	.queues_changed = vhost_user_queues_changed,
	.queues_stop = vhost_user_queues_stop,
	.rarp = on_rarp,
	.mtu = on_mtu,
	.closed = on_closed,
};

/* Begins a session on @sock, which is taken over. */
static int connect_peer(struct vhost_user_port *v, int sock)
{
	struct vu_backend_config config = { .name = v->port.name,
					    .queue_pairs = v->pairs.count };
	struct ucred cred = { 0 };
	socklen_t size = sizeof(cred);

	for (unsigned i = 0; i < ARRAY_SIZE(offered); i++)
		config.features |= feat_bit(offered[i]);
	if (v->conf.mtu)
		config.features |= feat_bit(VIRTIO_NET_F_MTU);
	getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &size);
	v->backend = vu_backend_create(v->loop, sock, &config, &backend_ops, v);
	if (!v->backend) {
		log_err("port=%s: cannot serve a front-end: out of memory",
			v->port.name);
		return -ENOMEM;
	}
	v->peer_pid = cred.pid;
	v->connections++;
	if (!connected)
		loop_timer_arm(v->loop, &fault_timer, FAULT_CHECK_MS,
			       check_faults);
	v->next = connected;
	connected = v;
	log_info("port=%s: front-end connected (pid %d)", v->port.name,
		 (int)cred.pid);
	return 0;
}

static void on_listener(struct loop_watch *w, uint32_t events)
{
	struct vhost_user_port *v =
		container_of(w, struct vhost_user_port, watch);
	int sock = accept4(v->listener.fd, NULL, NULL,
			   SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (sock < 0) {
		/* Gone again, or no descriptors left: then it stays in the
		 * backlog, and asking again at once would only spin. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			log_err("port=%s: accept: %s", v->port.name,
				strerror(errno));
			loop_watch_remove(&v->watch);
			wait_for_peer(v);
		}
		return;
	}
	loop_watch_remove(&v->watch);
	if (connect_peer(v, sock))
		wait_for_peer(v);
}

static uint64_t reconnect_delay_ms(const struct vhost_user_port *v)
{
	return v->conf.has_reconnect_ms ? v->conf.reconnect_ms
					: v->conf.reconnect * 1000ull;
}

static void on_timer(struct loop_timer *t)
{
	struct vhost_user_port *v =
		container_of(t, struct vhost_user_port, timer);
	struct err err;
	int sock;

	if (v->conf.server) {
		wait_for_peer(v);
		return;
	}
	sock = unix_connect_nowait("path", v->conf.path, &err);
	if (sock >= 0 && !connect_peer(v, sock)) {
		v->said_waiting = false;
		return;
	}
	if (sock < 0 && !v->said_waiting) {
		log_info("port=%s: %s; trying again every %u ms", v->port.name,
			 err.msg, (unsigned)reconnect_delay_ms(v));
		v->said_waiting = true;
	}
	wait_for_peer(v);
}

/* Takes the next front-end when it comes / looks for one after the delay. */
static void wait_for_peer(struct vhost_user_port *v)
{
	if (v->conf.server &&
	    !loop_watch_add(v->loop, &v->watch, v->listener.fd, EPOLLIN,
			    on_listener))
		return;
	loop_timer_arm(v->loop, &v->timer, reconnect_delay_ms(v), on_timer);
}

static int open_socket(struct vhost_user_port *v, struct err *err)
{
	int rc;

	if (v->conf.server) {
		rc = unix_listen(&v->listener, "path", v->conf.path,
				 S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP, err);
		if (!rc)
			wait_for_peer(v);
		return rc;
	}
	rc = unix_connect_nowait("path", v->conf.path, err);
	if (rc >= 0)
		rc = connect_peer(v, rc);
	/* That nobody is there yet is no error; a path that cannot be is. */
	if (rc == -ENAMETOOLONG || rc == -EINVAL)
		return rc;
	if (rc < 0)
		loop_timer_arm(v->loop, &v->timer, 0, on_timer);
	return 0;
}

/* Frees @v once nothing refers to it. */
static void free_port(struct vhost_user_port *v)
{
	free(v->pairs.pair);
	free(v->conf.path);
	free(v);
}

static void vhost_user_destroy(struct port *p)
{
	struct vhost_user_port *v = to_vu(p);

	disconnect(v);
	loop_watch_remove(&v->watch);
	loop_timer_disarm(&v->timer);
	unix_unlisten(&v->listener);
	port_fini(p);
	free_port(v);
}

static int vhost_user_set(struct port *p, const void *conf_, struct err *err)
{
	const struct vhost_user_conf *conf = conf_;
	struct vhost_user_port *v = to_vu(p);

	(void)err;
	v->conf.reconnect = conf->reconnect;
	v->conf.reconnect_ms = conf->reconnect_ms;
	v->conf.has_reconnect_ms = conf->has_reconnect_ms;
	v->conf.mtu = conf->mtu;
	return 0;
}

static void vhost_user_show(const struct port *p, struct show *s)
{
	const struct vhost_user_port *v = to_vu(p);

	show_str(s, "path", v->conf.path);
	show_flag(s, "server", v->conf.server);
	show_num(s, "queue_pairs", v->pairs.count);
	show_flag(s, "connected", v->backend);
	show_num(s, "connections", v->connections);
	if (v->last_reason[0])
		show_str(s, "last_disconnect", v->last_reason);
	if (!v->backend)
		return;
	show_num(s, "peer_pid", (uint64_t)v->peer_pid);
	if (v->peer_mtu)
		show_num(s, "peer_mtu", v->peer_mtu);
	vu_backend_show(v->backend, s);
}

static const struct port_ops vhost_user_ops = {
	.rx_burst = vnet_pair_rx_burst,
	.rx_done = vnet_pair_rx_done,
	.rx_arm = vnet_pair_rx_arm,
	.rx_disarm = vnet_pair_rx_disarm,
	.tx_burst = vnet_pair_tx_burst,
	.destroy = vhost_user_destroy,
	.set = vhost_user_set,
	.show = vhost_user_show,
	.qemu_args = vhost_user_qemu_args,
};

static int vhost_user_create(const struct port_env *env,
			     const struct port_conf *common, const void *conf_,
			     struct port **out, struct err *err)
{
	const struct vhost_user_conf *conf = conf_;
	struct vhost_user_port *v = calloc(1, sizeof(*v));
	struct vnet_pair *pair;
	int rc;

	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->loop = env->loop;
	v->conf = *conf;
	v->listener.fd = -1;
	v->conf.path = strdup(conf->path);
	pair = aligned_alloc(CACHE_LINE, conf->queues * sizeof(*pair));
	v->pairs.pair = pair;
	if (!v->conf.path || !pair ||
	    port_init(&v->port, env, &port_vhost_user_type, &vhost_user_ops,
		      common, conf->queues)) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto err_free;
	}
	vnet_pairs_init(&v->pairs, &v->port, pair, conf->queues);
	rc = open_socket(v, err);
	if (rc)
		goto err_fini;
	*out = &v->port;
	return 0;

err_fini:
	port_fini(&v->port);
err_free:
	free_port(v);
	return rc;
}

static const struct opt_row vhost_user_rows[] = {
	{ .key = "path",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct vhost_user_conf, path),
	  .required = true,
	  .arg = "PATH",
	  .help = "UNIX socket where the front-end and the port meet" },
	{ .key = "server",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct vhost_user_conf, server),
	  .def = "on",
	  .help = "listen on the socket; off: connect to it" },
	{ .key = "reconnect",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vhost_user_conf, reconnect),
	  .min = 1,
	  .max = 3600,
	  .def = "1",
	  .runtime = true,
	  .arg = "SECONDS",
	  .help = "with server=off: time between two tries to connect" },
	{ .key = "reconnect-ms",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vhost_user_conf, reconnect_ms),
	  .set_offset = offsetof(struct vhost_user_conf, has_reconnect_ms),
	  .min = 1,
	  .max = 3600000,
	  .runtime = true,
	  .arg = "MS",
	  .help = "the same in milliseconds, instead of reconnect" },
	{ .key = "queues",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vhost_user_conf, queues),
	  .min = 1,
	  .max = VU_MAX_QUEUE_PAIRS,
	  .def = "1",
	  .arg = "N",
	  .help = "queue pairs the front-end may use" },
	{ .key = "mtu",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vhost_user_conf, mtu),
	  .min = 68,
	  .max = 65535,
	  .runtime = true,
	  .arg = "BYTES",
	  .help = "MTU the guest is told, from its next start on (default "
		  "none)" },
	{ .key = NULL },
};

const struct port_type port_vhost_user_type = {
	.name = "vhost-user",
	.help = "a virtual machine on a vhost-user socket",
	.rows = vhost_user_rows,
	.conf_size = sizeof(struct vhost_user_conf),
	.create = vhost_user_create,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a card with its vhost back-end, see vhost_impl.h. Control
 * thread.
 *
 * Requests of a driver (a reset, an interrupt that moves) have to take effect
 * before the guest goes on, so the card waits for the back-end's answers, not
 * longer than DRIVER_WAITS_MS (vhost_setup.c) for all of a request: then the
 * connection ends, as it does for one that is silent at other times for
 * ANSWER_MS.
 *
 * When a vhost-user back-end goes, the guest's link goes down. The next
 * connection gets memory and rings as they are, so that the guest needs no
 * reset: a split ring goes on at its used index, as buffers that the old
 * back-end had are lost and are given again. A packed ring does not say where
 * it is.
 */
#include <errno.h>
#include <string.h>

#include "fd.h"
#include "unix_sock.h"
#include "vhost_impl.h"
#include "virtio.h"
#include "vnet.h"
#include "vu_msg.h"

#define ANSWER_MS 3000

static void on_timer(struct loop_timer *t);

static void set_link(struct vhost_card *v, bool is_up)
{
	card_face_set_link(&v->face, is_up);
}

static void run_soon(struct vhost_card *v, uint32_t ms)
{
	loop_timer_arm(v->loop, &v->timer, ms, on_timer);
}

void vhost_link_fail(struct vhost_card *v)
{
	v->state = VHOST_ENDING;
	run_soon(v, 0);
}

/* What follows asks the back-end, which a callback of the client must not. */
static void on_ready(void *ctx)
{
	run_soon(ctx, 0);
}

static void on_closed(void *ctx, const char *reason)
{
	struct vhost_card *v = ctx;

	err_set(&v->reason, -EPIPE, "%s", reason);
	vhost_link_fail(v);
}

static const struct vu_client_ops client_ops = {
	.ready = on_ready,
	.closed = on_closed,
};

/* Without a header at the tap the kernel takes the guest's off, and there are
 * no offloads. */
static bool is_bare(const struct vhost_card *v)
{
	return v->kind == VHOST_NET && !v->use.tap.has_vnet_hdr;
}

uint64_t vhost_backend_features(const struct vhost_card *v)
{
	static const uint8_t ring_bits[] = {
		VIRTIO_F_VERSION_1,	VIRTIO_F_EVENT_IDX,
		VIRTIO_F_INDIRECT_DESC, VIRTIO_F_RING_PACKED,
		VIRTIO_F_IN_ORDER,	VIRTIO_NET_F_MRG_RXBUF,
	};
	/* A tap has these for vhost-net. */
	static const uint8_t net_bits[] = {
		VIRTIO_NET_F_CSUM,	 VIRTIO_NET_F_GUEST_CSUM,
		VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6,
		VIRTIO_NET_F_GUEST_ECN,	 VIRTIO_NET_F_GUEST_USO4,
		VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_HOST_TSO4,
		VIRTIO_NET_F_HOST_TSO6,	 VIRTIO_NET_F_HOST_ECN,
		VIRTIO_NET_F_HOST_USO,
	};
	/* Who serves the control queue has these. */
	static const uint8_t control_bits[] = {
		VIRTIO_NET_F_CTRL_VQ,
		VIRTIO_NET_F_CTRL_RX,
		VIRTIO_NET_F_CTRL_RX_EXTRA,
		VIRTIO_NET_F_CTRL_VLAN,
		VIRTIO_NET_F_CTRL_MAC_ADDR,
		VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
		VIRTIO_NET_F_MQ,
		VIRTIO_NET_F_GUEST_ANNOUNCE,
		VIRTIO_NET_F_RSS,
		VIRTIO_NET_F_HASH_REPORT,
	};
	uint64_t f = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(ring_bits); i++)
		f |= feat_bit(ring_bits[i]);
	for (unsigned i = 0;
	     i < ARRAY_SIZE(net_bits) && (v->kind != VHOST_NET || is_bare(v));
	     i++)
		f |= feat_bit(net_bits[i]);
	for (unsigned i = 0;
	     i < ARRAY_SIZE(control_bits) && v->kind == VHOST_VDPA; i++)
		f |= feat_bit(control_bits[i]);
	return f;
}

uint64_t vhost_backend_own_features(const struct vhost_card *v)
{
	if (v->kind == VHOST_VDPA)
		return vhost_vdpa_own_features();
	return is_bare(v) ? feat_bit(VHOST_NET_F_VIRTIO_NET_HDR)
			  : feat_bit(VHOST_USER_F_PROTOCOL_FEATURES);
}

/* Returns NULL with v->reason. */
static struct vu_transport *open_kernel(struct vhost_card *v,
					const int *vhost_fd)
{
	int own[TAP_MAX_QUEUES];

	err_set(&v->reason, -ENOMEM, "out of memory");
	if (!vhost_fd && (v->is_passed ||
			  vhost_net_open(NULL, v->face.pairs, own, &v->reason)))
		return NULL;
	return vu_kernel_create(
		&(struct vu_kernel_conf){ .vhost_fd = vhost_fd ? vhost_fd : own,
					  .tap_fd = v->use.tap.fd,
					  .pairs = v->face.pairs,
					  .poll_us = v->poll_us,
					  .err_fd = v->err_fd });
}

/* Begins to negotiate over @t, NULL: v->reason says why. Returns 0 or -errno
 * with v->reason. */
static int negotiate(struct vhost_card *v, struct vu_transport *t)
{
	const struct vu_client_config config = {
		.features = vhost_backend_features(v) |
			    vhost_backend_own_features(v),
		.prune = vnet_features_prune,
		.queue_pairs = v->face.pairs,
		.has_control = v->kind == VHOST_VDPA,
		.timeout_ms = ANSWER_MS,
	};

	v->client = vu_client_create(v->loop, t, &config, &client_ops, v);
	if (!v->client)
		return -EIO;
	v->state = VHOST_CONNECTING;
	return 0;
}

/* @fd: the socket, owned. */
static int negotiate_on(struct vhost_card *v, int fd)
{
	v->peer_pid = unix_peer_pid(fd);
	err_set(&v->reason, -ENOMEM, "out of memory");
	return negotiate(
		v, vu_sock_create(v->loop, fd,
				  feat_bit(VU_PROTOCOL_F_MQ) |
					  feat_bit(VU_PROTOCOL_F_REPLY_ACK)));
}

static void on_back_end(struct vu_listen *l, int sock)
{
	struct vhost_card *v = container_of(l, struct vhost_card, listen);

	if (negotiate_on(v, sock))
		vhost_link_drop(v);
}

/* Connects and begins to negotiate, or waits for a back-end that connects.
 * Returns 0 or -errno with v->reason. */
static int begin(struct vhost_card *v, const int *vhost_fd)
{
	int fd;

	if (v->kind == VHOST_VDPA)
		return negotiate(v, vhost_vdpa_connect(v));
	if (v->kind == VHOST_NET)
		return negotiate(v, open_kernel(v, vhost_fd));
	if (v->is_server) {
		vu_listen_wait(&v->listen);
		return 0;
	}
	fd = unix_connect_nowait("path", v->path, &v->reason);
	return fd < 0 ? fd : negotiate_on(v, fd);
}

/* Returns 0, or -EPROTO with v->reason when the back-end lacks what is needed.
 */
static int check_features(struct vhost_card *v)
{
	uint64_t has = vu_client_offered(v->client);
	uint64_t lacks =
		v->face.dev.driver_features & vhost_backend_features(v) & ~has;

	if (!feat_has(has, VIRTIO_F_VERSION_1))
		return err_set(&v->reason, -EPROTO,
			       "the back-end lacks VERSION_1, which is needed");
	if (v->is_live && lacks)
		return err_set(&v->reason, -EPROTO,
			       "the back-end lacks features that the driver "
			       "uses: %#llx",
			       (unsigned long long)lacks);
	return 0;
}

/* Returns why the driver has to begin anew with a new back-end, or NULL. */
static const char *why_not_resume(const struct vhost_card *v)
{
	uint64_t f = v->face.dev.driver_features;

	if (feat_has(f, VIRTIO_F_RING_PACKED))
		return "the back-end went away, and packed rings do not say "
		       "where they are";
	/* What the driver commanded went past this process. */
	if (v->kind == VHOST_VDPA && feat_has(f, VIRTIO_NET_F_CTRL_VQ))
		return "the device went away, and with it what the driver "
		       "had set by the control queue";
	return NULL;
}

/* Gives a new back-end what the driver has set up. Returns 0 or -errno with
 * v->reason. */
static int resume(struct vhost_card *v)
{
	const char *why = why_not_resume(v);

	if (!v->is_live)
		return 0;
	if (!v->was_served || !why)
		return vhost_start_all(v, v->was_served);
	v->face.dev.transport->needs_reset(&v->face.dev, why);
	return 0;
}

/* Features are agreed. Returns 0 or -errno with v->reason. */
static int go_up(struct vhost_card *v)
{
	int rc = check_features(v);

	if (rc)
		return rc;
	if (v->kind == VHOST_VDPA)
		rc = vhost_vdpa_begin(v);
	if (rc)
		return rc;
	v->state = VHOST_UP;
	v->since_ms = loop_now_ms();
	if (!v->is_live)
		vhost_offer(v);
	rc = resume(v);
	if (rc)
		return rc;
	v->connections++;
	v->reason.msg[0] = v->told.msg[0] = '\0';
	if (v->kind != VHOST_VDPA) /* that device has said it */
		set_link(v, true);
	return 0;
}

static int listen_for(struct vhost_card *v)
{
	int rc = vu_listen_open(&v->listen, v->loop, v->path, on_back_end,
				&v->reason);

	set_link(v, false);
	return rc ? rc : begin(v, NULL);
}

int vhost_link_open(struct vhost_card *v, const int *vhost_fd)
{
	int rc = v->is_server ? listen_for(v) : begin(v, vhost_fd);

	if (rc || v->is_server)
		return rc;
	rc = vu_client_wait(v->client);
	loop_timer_disarm(&v->timer);
	return rc ? rc : go_up(v);
}

/* Says the reason once, however often the tries fail for it. */
static void say_reason(struct vhost_card *v)
{
	if (!strcmp(v->told.msg, v->reason.msg))
		return;
	v->told = v->reason;
	log_limited(&v->log, LOG_LEVEL_WARN, "device %s: %s", v->face.dev.name,
		    v->reason.msg);
}

void vhost_link_close(struct vhost_card *v)
{
	loop_timer_disarm(&v->timer);
	if (v->kind == VHOST_VDPA)
		vhost_vdpa_ending(v);
	vu_client_destroy(v->client);
	v->client = NULL;
	if (v->kind == VHOST_VDPA)
		vhost_vdpa_end(v);
	v->state = VHOST_AWAY;
	for (unsigned i = 0; v->ring && i < vhost_ring_count(v); i++)
		v->ring[i].is_served = false;
}

void vhost_link_drop(struct vhost_card *v)
{
	vhost_link_close(v);
	set_link(v, false);
	say_reason(v);
	if (v->since_ms)
		retry_ended(&v->retry, loop_now_ms() - v->since_ms);
	v->since_ms = 0;
	if (v->is_server)
		run_soon(v, VU_LISTEN_REST_MS);
	else if (v->retry.first_ms)
		run_soon(v, retry_take(&v->retry));
}

void vhost_link_try_soon(struct vhost_card *v)
{
	retry_init(&v->retry, v->retry.first_ms);
	if (v->retry.first_ms)
		run_soon(v, retry_take(&v->retry));
}

static void on_timer(struct loop_timer *t)
{
	struct vhost_card *v = container_of(t, struct vhost_card, timer);

	switch (v->state) {
	case VHOST_AWAY:
		if (begin(v, NULL))
			vhost_link_drop(v);
		break;
	case VHOST_CONNECTING:
		if (go_up(v))
			vhost_link_drop(v);
		else
			log_limited(&v->log, LOG_LEVEL_INFO,
				    "device %s: connected", v->face.dev.name);
		break;
	case VHOST_ENDING:
		vhost_link_drop(v);
		break;
	case VHOST_UP:
		break;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a card with its vhost back-end, see vhost_impl.h. Control
 * thread.
 *
 * Requests of a driver (a reset, an interrupt that moves) have to take effect
 * before the guest goes on, so the card waits for the back-end's answers. One
 * that does not answer within ANSWER_MS loses its connection.
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

bool vhost_is_up(const struct vhost_card *v)
{
	return v->client && v->is_ready;
}

/* Tells the driver whether there is a link. */
static void set_link(struct vhost_card *v, bool is_up)
{
	le16 status = cpu_to_le16(is_up ? CARD_LINK_UP : 0);

	if (v->config.status == status)
		return;
	v->config.status = status;
	if (v->dev.transport)
		v->dev.transport->config_changed(&v->dev);
}

static void on_ready(void *ctx)
{
	((struct vhost_card *)ctx)->is_ready = true;
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
	uint64_t f = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(ring_bits); i++)
		f |= feat_bit(ring_bits[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(net_bits) && v->path; i++)
		f |= feat_bit(net_bits[i]);
	return f;
}

static struct vu_transport *make_transport(struct vhost_card *v,
					   const int *vhost_fd)
{
	int fd;

	if (!v->path)
		return vu_kernel_create(
			&(struct vu_kernel_conf){ .vhost_fd = vhost_fd,
						  .tap_fd = v->tap.fd,
						  .pairs = v->pairs,
						  .poll_us = v->poll_us,
						  .err_fd = v->err_fd });
	fd = unix_connect_nowait("path", v->path, &v->reason);
	return fd < 0 ? NULL
		      : vu_sock_create(
				v->loop, fd,
				feat_bit(VU_PROTOCOL_F_MQ) |
					feat_bit(VU_PROTOCOL_F_REPLY_ACK));
}

int vhost_link_begin(struct vhost_card *v, const int *vhost_fd)
{
	const struct vu_client_config config = {
		.features = vhost_backend_features(v) |
			    feat_bit(VHOST_USER_F_PROTOCOL_FEATURES),
		.prune = vnet_features_prune,
		.queue_pairs = v->pairs,
		.timeout_ms = ANSWER_MS,
	};
	struct vu_transport *t;

	err_set(&v->reason, -ENOMEM, "out of memory");
	v->is_ready = false;
	t = make_transport(v, vhost_fd);
	v->client = vu_client_create(v->loop, t, &config, &client_ops, v);
	if (!v->client)
		return -EIO;
	if (vu_client_wait(v->client))
		return -EIO;
	if (!feat_has(vu_client_offered(v->client), VIRTIO_F_VERSION_1))
		return err_set(&v->reason, -EPROTO,
			       "the back-end lacks VERSION_1, which is needed");
	v->since_ms = loop_now_ms();
	v->connections++;
	v->reason.msg[0] = '\0';
	return 0;
}

void vhost_link_end(struct vhost_card *v)
{
	loop_timer_disarm(&v->timer);
	vu_client_destroy(v->client);
	v->client = NULL;
	v->is_ready = false;
	for (unsigned i = 0; i < 2 * v->pairs; i++)
		v->ring[i].is_running = false;
}

void vhost_link_fail(struct vhost_card *v)
{
	v->is_ready = false;
	loop_timer_arm(v->loop, &v->timer, 0, on_timer);
}

/* Takes the rings up again after a new connection. Returns 0 or -errno with
 * v->reason. */
static int resume(struct vhost_card *v)
{
	uint64_t lacks = v->dev.driver_features & vhost_backend_features(v) &
			 ~vu_client_offered(v->client);

	if (!v->is_live)
		return 0;
	if (lacks)
		return err_set(&v->reason, -EPROTO,
			       "the back-end lacks features that the driver "
			       "uses: %#llx",
			       (unsigned long long)lacks);
	if (feat_has(v->dev.driver_features, VIRTIO_F_RING_PACKED)) {
		v->dev.transport->needs_reset(
			&v->dev, "the back-end went away, and packed rings do "
				 "not say where they are");
		return 0;
	}
	return vhost_start_all(v, true);
}

static void say_end(struct vhost_card *v)
{
	log_limited(&v->log, LOG_LEVEL_WARN, "device %s: %s: %s", v->dev.name,
		    v->path ? v->path : "vhost-net", v->reason.msg);
}

/* The end of a connection, or the next try to make one. */
static void on_timer(struct loop_timer *t)
{
	struct vhost_card *v = container_of(t, struct vhost_card, timer);

	if (v->client) {
		vhost_link_end(v);
		set_link(v, false);
		say_end(v);
		retry_ended(&v->retry, loop_now_ms() - v->since_ms);
	} else if (!vhost_link_begin(v, NULL) && !resume(v)) {
		log_limited(&v->log, LOG_LEVEL_INFO, "device %s: connected",
			    v->dev.name);
		set_link(v, true);
		return;
	} else {
		vhost_link_end(v);
	}
	if (v->retry.first_ms)
		loop_timer_arm(v->loop, &v->timer, retry_take(&v->retry),
			       on_timer);
}

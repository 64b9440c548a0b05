/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2, clause 5.10): sockets between host and guest, by
 * context ids. The kernel's vhost-vsock has the two rings of packets; here are
 * the registers, and the ring of events, of which there are none: the only one
 * says that the guest has moved to another host. Control thread.
 */
#include "vsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "le.h"
#include "log.h"
#include "rings.h"
#include "vhost_setup.h"
#include "virtio.h"

#define ANSWER_MS 3000
#define RING_SIZE 128

enum {
	RING_RX,
	RING_TX,
	RING_EVENT,
	RINGS,
	KERNELS = RING_EVENT, /* the first rings are the kernel's */
};

#define VSOCK_F_SEQPACKET 1 /* clause 5.10.3 */

struct vsock {
	struct virtio_dev dev;
	struct rings rings; /* of which that of events is used */
	uint64_t cid;
	struct vu_client *client;
	struct virtio_ring given[KERNELS];
	bool is_in_use[KERNELS]; /* the driver uses the ring */
	bool is_live;		 /* the driver set DRIVER_OK */
	bool is_served;		 /* the kernel has the rings */
	int err_fd;		 /* the kernel tells of bad rings by it */
	struct loop_watch err_watch;
	struct vhost_outcome outcome;
	struct err reason; /* of the last refusal */
};

static struct vsock *to_vsock(struct virtio_dev *d)
{
	return container_of(d, struct vsock, dev);
}

static uint64_t kernel_features(void)
{
	return feat_bit(VIRTIO_F_VERSION_1) | feat_bit(VIRTIO_F_EVENT_IDX) |
	       feat_bit(VIRTIO_F_INDIRECT_DESC) | feat_bit(VSOCK_F_SEQPACKET);
}

static void config_read(struct virtio_dev *d, unsigned off, unsigned size,
			void *data)
{
	le64 cid = cpu_to_le64(to_vsock(d)->cid);

	memcpy(data, (const char *)&cid + off, size);
}

static int give(struct vsock *v, unsigned idx)
{
	struct vu_client_ring ring;
	int rc = vhost_ring_of(&v->dev, idx, &v->given[idx], false, &ring,
			       &v->reason);

	ring.enabled = true;
	return rc ? rc
		  : vu_client_queue_start(v->client, idx, &ring,
					  vhost_done(&v->outcome), &v->reason);
}

/* The kernel lets go of the rings. If it does not say so, the end of the
 * connection does. */
static void take_back(struct vsock *v)
{
	int rc = 0;

	if (!v->is_served)
		return;
	v->is_served = false;
	for (unsigned i = 0; i < KERNELS && !rc; i++) {
		rc = vu_client_queue_stop(v->client, i, vhost_done(&v->outcome),
					  &v->reason);
		/* It has not started: serve() failed. */
		if (rc == -EBUSY)
			rc = 0;
	}
	if (!vhost_settle(v->client, &v->outcome, rc))
		return;
	vu_client_destroy(v->client);
	v->client = NULL;
}

/* Gives the kernel its rings as soon as the driver has set up both. Returns 0
 * or -errno. */
static int serve(struct vsock *v)
{
	int rc;

	if (!v->is_live || v->is_served || !v->is_in_use[RING_RX] ||
	    !v->is_in_use[RING_TX])
		return 0;
	if (!v->client)
		return -ENOTCONN;
	rc = vhost_give_memory(v->client, &v->dev, v->dev.driver_features,
			       &v->outcome);
	for (unsigned i = 0; i < KERNELS && !rc; i++)
		rc = give(v, i);
	rc = vhost_settle(v->client, &v->outcome, rc);
	v->is_served = true;
	if (rc) {
		log_err("device %s: %s", v->dev.name, v->reason.msg);
		take_back(v); /* the one that it has, for the next driver */
	}
	return rc;
}

static int start_ring(struct virtio_dev *d, unsigned idx,
		      const struct virtio_ring *from)
{
	struct vsock *v = to_vsock(d);

	if (idx >= KERNELS)
		return rings_start(&v->rings, idx, from);
	v->given[idx] = *from;
	v->is_in_use[idx] = true;
	return serve(v);
}

static void stop_ring(struct virtio_dev *d, unsigned idx)
{
	struct vsock *v = to_vsock(d);

	if (idx >= KERNELS) {
		rings_stop(&v->rings, idx);
		return;
	}
	take_back(v);
	v->is_in_use[idx] = false;
}

static void set_call(struct virtio_dev *d, unsigned idx, int fd)
{
	struct vsock *v = to_vsock(d);

	if (idx >= KERNELS) {
		virtio_dev_set_call(&v->rings.ring[idx].vq, fd);
		return;
	}
	v->given[idx].call_fd = fd;
	if (v->is_served)
		vhost_settle(v->client, &v->outcome,
			     vu_client_queue_call(v->client, idx, fd,
						  vhost_done(&v->outcome),
						  &v->reason));
}

static int driver_ok(struct virtio_dev *d)
{
	to_vsock(d)->is_live = true;
	return serve(to_vsock(d));
}

static void reset(struct virtio_dev *d)
{
	to_vsock(d)->is_live = false;
}

static void show(const struct virtio_dev *d, struct show *s)
{
	const struct vsock *v = container_of(d, const struct vsock, dev);

	show_num(s, "guest_cid", v->cid);
	show_str(s, "moved_by", "the kernel's vhost-vsock");
	show_str(s, "back_end", v->client ? "connected" : "gone");
}

static void destroy(struct virtio_dev *d)
{
	struct vsock *v = to_vsock(d);

	take_back(v);
	/* A descriptor that was passed stays open: the kernel must not keep
	 * addresses of a memory that goes. */
	if (v->client)
		vhost_settle(v->client, &v->outcome,
			     vu_client_set_memory(v->client, NULL, 0,
						  vhost_done(&v->outcome),
						  &v->reason));
	vu_client_destroy(v->client);
	rings_stop(&v->rings, RING_EVENT);
	rings_fini(&v->rings);
	loop_watch_remove(&v->err_watch);
	fd_close(&v->err_fd);
	free(v);
}

static const struct virtio_dev_ops vsock_ops = {
	.config_read = config_read,
	.start_ring = start_ring,
	.stop_ring = stop_ring,
	.set_call = set_call,
	.driver_ok = driver_ok,
	.reset = reset,
	.show = show,
	.destroy = destroy,
};

/* The kernel met a bad ring. */
static void on_err(struct loop_watch *w, uint32_t events)
{
	struct vsock *v = container_of(w, struct vsock, err_watch);

	(void)events;
	fd_drain(w->fd);
	if (v->is_live && v->dev.transport)
		v->dev.transport->needs_reset(
			&v->dev, "vhost-vsock stopped at a bad ring");
}

static void on_ready(void *ctx)
{
	(void)ctx;
}

static void on_closed(void *ctx, const char *reason)
{
	struct vsock *v = ctx;

	err_set(&v->reason, -EIO, "%s", reason);
}

static const struct vu_client_ops client_ops = {
	.ready = on_ready,
	.closed = on_closed,
};

/* Agrees on features with the kernel. Owns @vhost_fd. Returns 0 or -errno with
 * v->reason. */
static int connect_kernel(struct vsock *v, struct loop *loop, int vhost_fd)
{
	const struct vu_client_config config = { .features = kernel_features(),
						 .queue_pairs = 1,
						 .timeout_ms = ANSWER_MS };
	const struct vu_kernel_conf kernel = { .vhost_fd = &vhost_fd,
					       .pairs = 1,
					       .err_fd = v->err_fd };

	err_set(&v->reason, -ENOMEM, "out of memory");
	v->client = vu_client_create(loop, vu_kernel_create(&kernel), &config,
				     &client_ops, v);
	return v->client ? vu_client_wait(v->client) : -ENOMEM;
}

static int init(struct vsock *v, const struct vsock_conf *conf,
		struct loop *loop, int vhost_fd)
{
	int rc;

	v->cid = conf->guest_cid;
	v->outcome.reason = &v->reason;
	v->err_fd = fd_eventfd();
	rc = connect_kernel(v, loop, vhost_fd);
	if (rc)
		return rc;
	v->dev = (struct virtio_dev){
		.ops = &vsock_ops,
		.name = conf->common.id,
		.type = 19,
		.ring_count = RINGS,
		.ring_size = RING_SIZE,
		.features = vu_client_offered(v->client),
		.config_size = sizeof(le64),
		.loop = loop,
	};
	rc = v->err_fd < 0 ? v->err_fd
			   : loop_watch_add(loop, &v->err_watch, v->err_fd,
					    EPOLLIN, on_err);
	if (!rc)
		rc = rings_init(&v->rings, loop, &v->dev, RINGS);
	return rc ? err_set(&v->reason, rc, "%s", strerror(-rc)) : 0;
}

static int try_kernel(const void *conf, struct err *err)
{
	int fd = vsock_open(conf, err), rc = MIN(fd, 0);

	fd_close(&fd);
	return rc;
}

static int create(const void *conf_, struct loop *loop, struct virtio_dev **out,
		  struct err *err)
{
	const struct vsock_conf *conf = conf_;
	int fd = vsock_open(conf, err), rc;
	struct vsock *v;

	if (fd < 0)
		return fd;
	v = calloc(1, sizeof(*v));
	if (!v) {
		fd_close(&fd);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = init(v, conf, loop, fd);
	if (rc) {
		*err = v->reason;
		destroy(&v->dev);
		return rc;
	}
	*out = &v->dev;
	return 0;
}

#define OPT(k, member, t, ...)                                             \
	{                                                                  \
		.key = k, .kind = t,                                       \
		.offset = offsetof(struct vsock_conf, member), __VA_ARGS__ \
	}

static const struct opt_row vsock_rows[] = {
	DEVICE_ROWS(vsock_conf),
	OPT("guest-cid", guest_cid, OPT_UINT64, .min = 3, .max = 0xfffffffe,
	    .set_offset = offsetof(struct vsock_conf, has_cid),
	    .required = true, .arg = "N",
	    .help = "context id of the guest: no other machine of the host may "
		    "have it"),
	OPT("vhostfd", vhost_fd, OPT_PATH, .names_fds = true, .arg = "N",
	    .help = "descriptor of /dev/vhost-vsock (default: it is opened)"),
	{ NULL },
};

const struct device_type device_vsock_type = {
	.name = "vhost-vsock-pci",
	.help = "sockets between host and guest (AF_VSOCK), moved by the "
		"kernel",
	.rows = vsock_rows,
	.conf_size = sizeof(struct vsock_conf),
	.create = create,
	.try = try_kernel,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of vhost-vdpa as transport of a vhost client, see vu_transport.h: a
 * verb is an ioctl of linux/vhost.h, or a step of the device's status (virtio
 * 1.2, clause 3.1.1), answered at once. Control thread; calls the kernel.
 *
 * Theory of operation. The device is one: it has a status, features that hold
 * until its reset, and an address space. So SET_FEATURES resets it and goes as
 * far as FEATURES_OK; memory and rings follow; DRIVER_OK lets them run. The
 * first GET_BASE stops all rings: it suspends the device if that can be
 * suspended, notes where the rings are, and resets it.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "vu_client.h"
#include "vu_vdpa_impl.h"

/* Of the features of vhost itself, bit numbers. Older headers lack some. */
enum {
	BACKEND_IOTLB_MSG_V2 = 1,
	BACKEND_IOTLB_BATCH = 2,
	BACKEND_SUSPEND = 4,
	BACKEND_ENABLE_AFTER_DRIVER_OK = 6,
};
#ifndef VHOST_VDPA_SUSPEND
#define VHOST_VDPA_SUSPEND _IO(VHOST_VIRTIO, 0x7D)
#endif

struct vu_vdpa {
	struct vu_transport transport;
	struct vdpa dev;
	struct vdpa_facts facts;
	unsigned pairs;
	uint64_t backend_features; /* of vhost, in use */
	uint64_t features;	   /* of the device, in use */
	uint8_t status;
	struct vdpa_map map;
	uint64_t base[]; /* where a ring stopped; as the client counts them */
};

static struct vu_vdpa *to_vdpa(struct vu_transport *t)
{
	return container_of(t, struct vu_vdpa, transport);
}

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

static unsigned queue_count(const struct vu_vdpa *k)
{
	return 2 * k->pairs + k->facts.has_control;
}

/* Returns the device's number of the client's queue @idx. They differ for the
 * control queue, which is behind all pairs that the device has, or with one
 * pair in use behind that (virtio 1.2, clause 5.1.2). */
static unsigned device_idx(const struct vu_vdpa *k, unsigned idx)
{
	if (idx < 2 * k->pairs)
		return idx;
	return has(k->features, VIRTIO_NET_F_MQ) ||
			       has(k->features, VIRTIO_NET_F_RSS)
		       ? 2 * k->facts.pairs
		       : 2;
}

static int set_status(struct vu_vdpa *k, uint8_t status)
{
	int rc = vdpa_ask(&k->dev, VHOST_VDPA_SET_STATUS, &status);

	if (!rc)
		k->status = status;
	return rc;
}

static int reset(struct vu_vdpa *k)
{
	return set_status(k, 0);
}

/* Sets @bit, too, and reads back whether the device took it. Returns 0, or
 * -errno with @err. */
static int confirm_status(struct vu_vdpa *k, uint8_t bit, const char *refused,
			  struct err *err)
{
	int rc = set_status(k, k->status | bit);
	uint8_t now = 0;

	if (!rc)
		rc = vdpa_ask(&k->dev, VHOST_VDPA_GET_STATUS, &now);
	if (rc)
		return err_set(err, rc, "%s", strerror(-rc));
	if (now & bit && !(now & VIRTIO_CONFIG_S_NEEDS_RESET))
		return 0;
	return err_set(err, -EPROTO, "%s", refused);
}

/* Clause 3.1.1, steps 1 to 6. */
static int set_features(struct vu_vdpa *k, uint64_t features, struct err *err)
{
	int rc = reset(k);

	if (!rc)
		rc = set_status(k, VIRTIO_CONFIG_S_ACKNOWLEDGE |
					   VIRTIO_CONFIG_S_DRIVER);
	if (!rc)
		rc = vdpa_ask(&k->dev, VHOST_SET_FEATURES, &features);
	if (rc)
		return err_set(err, rc, "features %#" PRIx64 ": %s", features,
			       strerror(-rc));
	k->features = features;
	return confirm_status(k, VIRTIO_CONFIG_S_FEATURES_OK,
			      "the device does not take these features", err);
}

/* Agrees on features of vhost itself: on those that are used here. */
static int agree(struct vu_vdpa *k, struct vu_call *call, struct err *err)
{
	uint64_t f = 0;
	int rc = vdpa_ask(&k->dev, VHOST_GET_BACKEND_FEATURES, &f);

	if (!rc && !has(f, BACKEND_IOTLB_MSG_V2))
		return err_set(err, -EPROTO,
			       "the kernel has no IOTLB_MSG_V2, which is "
			       "needed");
	f &= 1ull << BACKEND_IOTLB_MSG_V2 | 1ull << BACKEND_IOTLB_BATCH |
	     1ull << BACKEND_SUSPEND | 1ull << BACKEND_ENABLE_AFTER_DRIVER_OK;
	if (!rc)
		rc = vdpa_ask(&k->dev, VHOST_SET_BACKEND_FEATURES, &f);
	if (rc)
		return err_set(err, rc, "%s", strerror(-rc));
	k->backend_features = f;
	k->map.can_batch = has(f, BACKEND_IOTLB_BATCH);
	call->value = k->facts.pairs;
	return 0;
}

static int ask_state(const struct vu_vdpa *k, unsigned long request,
		     const struct vu_call *call)
{
	struct vhost_vring_state state = { device_idx(k, call->idx),
					   (unsigned)call->u64 };

	return vdpa_ask(&k->dev, request, &state);
}

static int ask_file(const struct vu_vdpa *k, unsigned long request,
		    unsigned idx, int fd)
{
	struct vhost_vring_file file = { device_idx(k, idx), fd };

	return vdpa_ask(&k->dev, request, &file);
}

/* The device's addresses are the guest's. */
static int set_addr(const struct vu_vdpa *k, const struct vu_call *call)
{
	struct vhost_vring_addr a = {
		.index = device_idx(k, call->idx),
		.desc_user_addr = vdpa_map_find(&k->map, call->addr.desc),
		.used_user_addr = vdpa_map_find(&k->map, call->addr.used),
		.avail_user_addr = vdpa_map_find(&k->map, call->addr.avail),
	};

	if (a.desc_user_addr == UINT64_MAX || a.used_user_addr == UINT64_MAX ||
	    a.avail_user_addr == UINT64_MAX)
		return -EFAULT;
	return vdpa_ask(&k->dev, VHOST_SET_VRING_ADDR, &a);
}

/* Stops all rings and notes where they are. A device that cannot be suspended
 * would go on while it tells. */
static int halt(struct vu_vdpa *k)
{
	bool is_suspended = has(k->backend_features, BACKEND_SUSPEND) &&
			    !vdpa_ask(&k->dev, VHOST_VDPA_SUSPEND, NULL);

	for (unsigned i = 0; i < queue_count(k); i++) {
		struct vhost_vring_state s = { .index = device_idx(k, i) };

		k->base[i] = VU_POSITION_UNKNOWN;
		if (is_suspended &&
		    !vdpa_ask(&k->dev, VHOST_GET_VRING_BASE, &s))
			k->base[i] = s.num;
	}
	return reset(k);
}

/* The descriptors of the ring go, too: what they wake is another driver's
 * later. */
static int get_base(struct vu_vdpa *k, struct vu_call *call)
{
	int rc = k->status & VIRTIO_CONFIG_S_DRIVER_OK ? halt(k) : 0;

	if (!rc)
		rc = ask_file(k, VHOST_SET_VRING_KICK, call->idx, -1);
	if (!rc)
		rc = ask_file(k, VHOST_SET_VRING_CALL, call->idx, -1);
	call->value = k->base[call->idx];
	return rc;
}

/* Returns 0 or -errno; may set @err, which is empty before. */
static int ask(struct vu_vdpa *k, struct vu_call *call, struct err *err)
{
	switch (call->verb) {
	case VU_VERB_GET_FEATURES:
		call->value_high = 0;
		return vdpa_ask(&k->dev, VHOST_GET_FEATURES, &call->value);
	case VU_VERB_PROTOCOL:
		return agree(k, call, err);
	case VU_VERB_SET_OWNER:
		return vdpa_ask(&k->dev, VHOST_SET_OWNER, NULL);
	case VU_VERB_SET_FEATURES:
		return set_features(k, call->u64, err);
	case VU_VERB_SET_MEMORY:
		return vdpa_map_set(&k->map, &k->dev, &k->facts,
				    call->mem.region, call->mem.count, err);
	case VU_VERB_SET_NUM:
		return ask_state(k, VHOST_SET_VRING_NUM, call);
	case VU_VERB_SET_BASE:
		return ask_state(k, VHOST_SET_VRING_BASE, call);
	case VU_VERB_SET_ADDR:
		return set_addr(k, call);
	case VU_VERB_SET_CALL:
		return ask_file(k, VHOST_SET_VRING_CALL, call->idx, call->fd);
	case VU_VERB_SET_KICK:
		return ask_file(k, VHOST_SET_VRING_KICK, call->idx, call->fd);
	case VU_VERB_SET_ENABLE:
		return ask_state(k, VHOST_VDPA_SET_VRING_ENABLE, call);
	case VU_VERB_DRIVER_OK:
		return confirm_status(k, VIRTIO_CONFIG_S_DRIVER_OK,
				      "the device does not start", err);
	case VU_VERB_GET_BASE:
		return get_base(k, call);
	default:
		return -EOPNOTSUPP;
	}
}

/* Returns whether after the error @rc the device is of no use any more: a
 * VDUSE device whose process does not answer, one that was taken away. */
static bool is_lost(int rc)
{
	return rc == -EIO || rc == -ENODEV || rc == -ENXIO || rc == -ETIMEDOUT;
}

static int vdpa_step(struct vu_transport *t, struct vu_call *call,
		     struct err *err)
{
	struct vu_vdpa *k = to_vdpa(t);
	int rc;

	err->msg[0] = '\0';
	rc = ask(k, call, err);
	if (!rc)
		return VU_STEP_DONE;
	if (is_lost(rc))
		return err_set(err, rc,
			       "%s: the device does not answer (if it is one "
			       "of VDUSE, its process has ended): %s",
			       k->dev.name, strerror(-rc));
	if (!err->msg[0])
		err_set(err, rc, "%s: %s", k->dev.name, strerror(-rc));
	else if (strncmp(err->msg, k->dev.name, strlen(k->dev.name)) != 0)
		err_prefix(err, rc, "%s", k->dev.name);
	return VU_STEP_REFUSED;
}

static int vdpa_idle(struct vu_transport *t, struct err *err)
{
	(void)t;
	(void)err;
	return 0;
}

static void vdpa_destroy(struct vu_transport *t)
{
	struct vu_vdpa *k = to_vdpa(t);

	/* The kernel resets the device and takes the map back. */
	fd_close(&k->dev.fd);
	vdpa_map_fini(&k->map);
	free(k);
}

static const struct vu_transport_ops vdpa_ops = {
	.step = vdpa_step,
	.idle = vdpa_idle,
	.destroy = vdpa_destroy,
};

struct vu_transport *vu_vdpa_create(const struct vu_vdpa_conf *conf)
{
	unsigned queues = 2 * conf->pairs + 1;
	struct vu_vdpa *k = calloc(1, sizeof(*k) + queues * sizeof(k->base[0]));
	int fd = conf->dev.fd;

	if (!k) {
		fd_close(&fd);
		return NULL;
	}
	k->transport.ops = &vdpa_ops;
	k->dev = conf->dev;
	k->facts = conf->facts;
	k->pairs = conf->pairs;
	for (unsigned i = 0; i < queues; i++)
		k->base[i] = VU_POSITION_UNKNOWN;
	return &k->transport;
}

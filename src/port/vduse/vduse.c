/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vduse port: a vDPA device of this host, for the kernel's own virtio-net
 * (driver virtio_vdpa) or for a guest (vhost_vdpa). This file has the port's
 * options, its start and its end. Control thread; calls vduse_device.c. The
 * queues are the pairs of vnet/.
 *
 * A move of the port to another process would have to save the device's
 * descriptor and the positions of the rings.
 */
#include "vduse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ether_text.h"

struct vduse_conf {
	char *name, *mac;
	uint32_t mtu, queue_size;
};

#define OPT(k, member, t, ...)                                             \
	{                                                                  \
		.key = k, .kind = t,                                       \
		.offset = offsetof(struct vduse_conf, member), __VA_ARGS__ \
	}

static const struct opt_row vduse_rows[] = {
	OPT("name", name, OPT_STRING, .min = 1, .max = VDUSE_NAME_SIZE - 1,
	    .required = true, .arg = "NAME",
	    .help = "name of the device, in /dev/vduse and on the vDPA bus"),
	OPT("mac", mac, OPT_PATH, .arg = "ADDRESS",
	    .help = "address of the device (default: its driver takes one)"),
	OPT("mtu", mtu, OPT_UINT, .min = 68, .max = 65535, .arg = "BYTES",
	    .help = "MTU that the driver is told (default: none)"),
	OPT("queue-size", queue_size, OPT_UINT, .min = 2, .max = VQ_MAX_SIZE,
	    .def = "256", .arg = "N",
	    .help = "descriptors of each queue, a power of two"),
	{ NULL },
};

static struct vduse_port *to_vduse(const struct port *p)
{
	return container_of(p, struct vduse_port, port);
}

static void vduse_destroy(struct port *p)
{
	struct vduse_port *v = to_vduse(p);
	bool is_over = vduse_device_close(v);

	log_limit_fini(&v->log);
	port_fini(p);
	free(v->pair);
	/* A request that the kernel does not end uses v->bus. */
	if (is_over)
		free(v);
}

static int vduse_starting(const struct port *p, struct err *err)
{
	const struct vduse_port *v = to_vduse(p);

	switch (v->state) {
	case VDUSE_CLEARING:
	case VDUSE_ADDING:
		return 1;
	case VDUSE_FAILED:
		return err_set(err, -EIO, "%s", v->reason.msg);
	case VDUSE_READY:
		break;
	}
	return 0;
}

static const struct port_ops vduse_ops = {
	.rx_burst = vnet_pair_rx_burst,
	.rx_done = vnet_pair_rx_done,
	.rx_arm = vnet_pair_rx_arm,
	.rx_disarm = vnet_pair_rx_disarm,
	.rx_has_burst = vnet_pair_rx_has_burst,
	.tx_burst = vnet_pair_tx_burst,
	.destroy = vduse_destroy,
	.starting = vduse_starting,
	.show = vduse_show,
};

/* The name becomes one of a file in /dev/vduse and in /sys. */
static int check_name(const char *name, struct err *err)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	if (!name[strspn(name, legal)] && name[0] != '.' &&
	    strcmp(name, "control"))
		return 0;
	return err_set(err, -EINVAL,
		       "name=%s: must have letters, digits, '_', '-' and '.' "
		       "only, not begin with '.', and not be \"control\"",
		       name);
}

static int check(const struct vduse_conf *c, struct vduse_port *v,
		 struct err *err)
{
	int rc = check_name(c->name, err);

	if (!rc && !is_power_of_two(c->queue_size))
		rc = err_set(err, -EINVAL,
			     "queue-size=%u: must be a power of two",
			     c->queue_size);
	if (!rc && c->mac) {
		rc = ether_from_text("mac", c->mac, v->mac, err);
		v->has_mac = true;
	}
	return rc;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	const struct vduse_conf *c = conf;
	struct vduse_port *v = calloc(1, sizeof(*v));
	int rc;

	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	rc = check(c, v, err);
	if (rc)
		goto err_free;
	v->loop = env->loop;
	v->control_fd = v->fd = v->report_fd = v->bus.done_fd = -1;
	for (unsigned i = 0; i < VDUSE_QUEUES; i++)
		v->queue[i].kick_fd = -1;
	snprintf(v->name, sizeof(v->name), "%s", c->name);
	v->mtu = c->mtu;
	v->queue_size = c->queue_size;
	v->pair = aligned_alloc(CACHE_LINE, sizeof(*v->pair));
	if (!v->pair ||
	    port_init(&v->port, env, &port_vduse_type, &vduse_ops, common, 1)) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto err_free;
	}
	vnet_pairs_init(&v->pairs, &v->port, v->pair, 1);
	vnet_pairs_set_mtu(&v->pairs, c->mtu);
	rc = vduse_device_open(v, err);
	if (rc) {
		vduse_destroy(&v->port);
		return rc;
	}
	*out = &v->port;
	return 0;

err_free:
	free(v->pair);
	free(v);
	return rc;
}

const struct port_type port_vduse_type = {
	.name = "vduse",
	.help = "a vDPA device of this host, made by VDUSE",
	.rows = vduse_rows,
	.conf_size = sizeof(struct vduse_conf),
	.create = create,
};

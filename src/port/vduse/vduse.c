/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vduse port: a vDPA device of this host, for the kernel's own virtio-net
 * (driver virtio_vdpa) or for a guest (vhost_vdpa). This file has the port's
 * start and its end; its options are in vduse_type.c. Control thread; calls
 * vduse_device.c. The queues are the pairs of vnet/.
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
	VNET_PAIR_OPS,
	.destroy = vduse_destroy,
	.starting = vduse_starting,
	.show = vduse_show,
};

int vduse_open(const struct port_env *env, const struct port_conf *common,
	       const struct vduse_conf *c, struct port **out, struct err *err)
{
	struct vduse_port *v = calloc(1, sizeof(*v));
	int rc;

	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	if (c->mac) {
		rc = ether_from_text("mac", c->mac, v->mac, err);
		if (rc)
			goto err_free;
		v->has_mac = true;
	}
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

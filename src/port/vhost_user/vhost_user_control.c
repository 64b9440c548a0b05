/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control queue of a vhost-user port, for front-ends that hand it over.
 * Control thread. vnet/ serves the queue; this file applies the driver's
 * commands.
 */
#include <string.h>

#include "log.h"
#include "vhost_user.h"
#include "virtio.h"

static void on_changed(struct vnet_ctrl *c)
{
	struct vhost_user_port *v =
		container_of(c, struct vhost_user_port, control);
	int rc = vnet_ctrl_apply(c, &v->pairs);

	if (rc)
		log_err("port=%s: link down: %s", v->port.name, strerror(-rc));
}

void vhost_user_control_init(struct vhost_user_port *v)
{
	vnet_ctrl_init(&v->control, v->loop, v->pairs.count, on_changed);
}

void vhost_user_control_reset(struct vhost_user_port *v)
{
	/* the driver does not switch the log of writes: ignore that bit */
	uint64_t features = v->features & ~feat_bit(VHOST_F_LOG_ALL);

	if (features == v->control.state.features)
		return;
	vnet_ctrl_reset(&v->control.state, features, v->pairs.count);
	on_changed(&v->control);
}

void vhost_user_control_start(void *ctx, const struct vu_ring *r)
{
	struct vhost_user_port *v = ctx;

	vnet_ctrl_start(&v->control, r->vq, r->kick_fd, r->is_resumed);
}

void vhost_user_control_stop(void *ctx)
{
	vnet_ctrl_stop(&((struct vhost_user_port *)ctx)->control);
}

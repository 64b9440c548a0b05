/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session says about its rings, handed on to the port's queue pairs.
 * Control thread. The data path is vnet/'s.
 */
#include <string.h>

#include "log.h"
#include "vhost_user.h"
#include "workers.h"

static void log_failure(const struct vhost_user_port *v, unsigned idx, int rc)
{
	if (!rc)
		return;
	if (idx & 1)
		log_err("port=%s: queue %u: no worker takes it: %s",
			v->port.name, idx / 2, strerror(-rc));
	else
		log_err("port=%s: link down: %s", v->port.name, strerror(-rc));
}

void vhost_user_queue_start(void *ctx, unsigned idx, struct vq_dev *vq,
			    int kick_fd, bool enabled)
{
	struct vhost_user_port *v = ctx;

	log_failure(v, idx,
		    vnet_pairs_start(&v->pairs, idx, vq, kick_fd, enabled));
}

void vhost_user_queue_stop(void *ctx, unsigned idx)
{
	struct vhost_user_port *v = ctx;

	log_failure(v, idx, vnet_pairs_stop(&v->pairs, &idx, 1));
}

void vhost_user_queue_enable(void *ctx, unsigned idx, bool enabled)
{
	struct vhost_user_port *v = ctx;

	log_failure(v, idx, vnet_pairs_enable(&v->pairs, idx, enabled));
}

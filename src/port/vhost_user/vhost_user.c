/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user port: a virtual machine (or a DPDK virtio-user application) on a
 * UNIX socket. This file has the port's options, its creation and destruction,
 * and its output. Control thread; calls vhost_user_peer.c (connections) and
 * fabric/. The queues are the pairs of vnet/.
 *
 * A move of the port to another process must save its options, the listener's
 * descriptor and the session (vu_backend_impl.h). Waiting front-ends are closed
 * and connect again.
 */
#include "vhost_user.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(VU_MAX_QUEUE_PAIRS <= VNET_PAIRS_MAX,
	      "a session's queues fit into the port's pairs");

static struct vhost_user_port *to_vu(const struct port *p)
{
	return container_of(p, struct vhost_user_port, port);
}

/* Frees @v, which nothing refers to any more. */
static void free_port(struct vhost_user_port *v)
{
	free(v->pairs.pair);
	free(v->conf.path);
	free(v);
}

static void vhost_user_destroy(struct port *p)
{
	struct vhost_user_port *v = to_vu(p);

	vhost_user_peer_close(v);
	log_limit_fini(&v->log);
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
	vhost_user_path_show(v, s);
	show_flag(s, "server", v->conf.server);
	show_num(s, "queue_pairs", v->pairs.count);
	vhost_user_peer_show(v, s);
	if (v->control.vq)
		vnet_ctrl_show(&v->control, s);
	if (v->backend)
		vu_backend_show(v->backend, s);
}

static const struct port_ops vhost_user_ops = {
	VNET_PAIR_OPS,
	.destroy = vhost_user_destroy,
	.set = vhost_user_set,
	.show = vhost_user_show,
	.qemu_args = vhost_user_qemu_args,
};

int vhost_user_open(const struct port_env *env, const struct port_type *type,
		    const struct port_conf *common,
		    const struct vhost_user_conf *conf, struct port **out,
		    struct err *err)
{
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
	    port_init(&v->port, env, type, &vhost_user_ops, common,
		      conf->queues)) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto err_free;
	}
	vnet_pairs_init(&v->pairs, &v->port, pair, conf->queues);
	vhost_user_control_init(v);
	rc = vhost_user_peer_open(v, err);
	if (rc)
		goto err_fini;
	/* borrowed; their work is done */
	v->conf.mode = v->conf.owner = v->conf.group = NULL;
	*out = &v->port;
	return 0;

err_fini:
	port_fini(&v->port);
err_free:
	free_port(v);
	return rc;
}

static int vhost_user_create(const struct port_env *env,
			     const struct port_conf *common, const void *conf,
			     struct port **out, struct err *err)
{
	return vhost_user_open(env, &port_vhost_user_type, common, conf, out,
			       err);
}

static int derive(struct port_conf *common, const void *conf, struct err *err)
{
	(void)common;
	return vhost_user_check_access(conf, err);
}

static const struct opt_row vhost_user_rows[] = {
	VHOST_USER_ROWS(true),
	{ .key = NULL },
};

const struct port_type port_vhost_user_type = {
	.name = "vhost-user",
	.help = "a virtual machine on a vhost-user socket",
	.rows = vhost_user_rows,
	.conf_size = sizeof(struct vhost_user_conf),
	.derive = derive,
	.create = vhost_user_create,
};

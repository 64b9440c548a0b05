/* SPDX-License-Identifier: Apache-2.0 */
/* The tunnel ports: their start and end, see tunnel.h; tunnel_conf.c has their
 * options. Control thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel_conf.h"
#include "types.h"
#include "workers.h"

#define OFFLOADS                                                    \
	(OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_ECN | \
	 OFFLOAD_USO4 | OFFLOAD_USO6)

static struct tunnel *to_tunnel(const struct port *p)
{
	return container_of(p, struct tunnel, port);
}

static void release(struct tunnel *t)
{
	port_set_txqs(&t->port, NULL, 0, 0);
	tunnel_dev_leave(t);
	if (t->ep)
		endpoint_leave(t);
	port_fini(&t->port);
	peers_fini(&t->peers);
	free(t->out);
	free(t);
}

int tunnel_set_link(struct tunnel *t, bool is_up)
{
	if (is_up == port_link_is_up(&t->port))
		return 0;
	/* GRE segments are packets of their own, which the switch makes as
	 * well. */
	return port_set_txqs(&t->port, t->port.txq, is_up,
			     t->encap->udp_port ? OFFLOADS : 0);
}

static void tunnel_destroy(struct port *p)
{
	release(to_tunnel(p));
}

static int tunnel_set(struct port *p, const void *conf_, struct err *err)
{
	const struct tunnel_conf *conf = conf_;

	(void)err;
	rxq_set_gro(&to_tunnel(p)->rx, conf->gro);
	return 0;
}

static const struct port_ops tunnel_ops = {
	.tx_burst = tunnel_tx_burst,
	.destroy = tunnel_destroy,
	.set = tunnel_set,
	.show = tunnel_show,
};

static int start(struct tunnel *t, const struct port_env *env,
		 const struct endpoint_conf *where, bool gro, struct err *err)
{
	int rc;

	t->rx = (struct rxq){ .port = &t->port, .event_fd = -1 };
	t->tx = (struct txq){ .port = &t->port };
	t->port.rxq[0] = &t->rx;
	t->port.txq[0] = &t->tx;
	rxq_set_gro(&t->rx, gro);
	rc = endpoint_join(t, env, where, err);
	if (!rc)
		rc = tunnel_dev_follow(t, err);
	if (rc)
		return rc;
	rc = tunnel_set_link(t, true);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

int tunnel_create(const struct port_env *env, const struct port_conf *common,
		  const struct port_type *type, const struct encap *encap,
		  const struct tunnel_conf *c, struct port **out,
		  struct err *err)
{
	struct tunnel *t = calloc(1, sizeof(*t));
	struct endpoint_conf where;
	int rc;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->encap = encap;
	rc = tunnel_conf_read(c, t, &where, err);
	if (!rc) {
		t->out = calloc(1, sizeof(*t->out));
		rc = t->out ? port_init(&t->port, env, type, &tunnel_ops,
					common, 1)
			    : -ENOMEM;
		if (rc)
			err_set(err, rc, "out of memory");
	}
	if (rc) {
		peers_fini(&t->peers);
		free(t->out);
		free(t);
		return rc;
	}
	rc = start(t, env, &where, c->gro, err);
	if (rc) {
		release(t);
		return rc;
	}
	*out = &t->port;
	return 0;
}

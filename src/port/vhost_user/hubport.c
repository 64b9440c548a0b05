/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's netdev `hubport`: a port of the hub hubid=N, which is the network
 * hubN. Control thread.
 *
 * Without netdev= a guest plugs in there, so it is a vhost-user port in that
 * network. With netdev=PORT it is no place for frames: it moves that port into
 * the hub as long as it exists.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switch.h"
#include "vhost_user.h"

struct hubport_conf {
	struct vhost_user_conf guest; /* first: VHOST_USER_ROWS */
	uint32_t hubid;
	bool hubid_given;
	char *netdev;
};

static const struct opt_row hubport_rows[] = {
	{ .key = "hubid",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct hubport_conf, hubid),
	  .set_offset = offsetof(struct hubport_conf, hubid_given),
	  .max = INT32_MAX,
	  .required = true,
	  .arg = "N",
	  .help = "number of the hub, which is the network hubN" },
	{ .key = "netdev",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct hubport_conf, netdev),
	  .arg = "PORT",
	  .help = "port that joins the hub; none: a guest plugs in" },
	VHOST_USER_ROWS(false),
	{ .key = NULL },
};

static int derive(struct port_conf *common, const void *conf, struct err *err)
{
	const struct hubport_conf *c = conf;
	char net[16], *copy;

	snprintf(net, sizeof(net), "hub%u", (unsigned)c->hubid);
	if (strcmp(common->net, "default") && strcmp(common->net, net))
		return err_set(err, -EINVAL,
			       "net=%s: the network of hubid=%u is %s: leave "
			       "net= out",
			       common->net, (unsigned)c->hubid, net);
	copy = strdup(net);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	free(common->net);
	common->net = copy;
	return vhost_user_check_access(&c->guest, err);
}

/* A hubport with netdev=. */
struct bringer {
	struct port port;
	char *home; /* network that port.brings came from; heap */
};

static struct bringer *to_bringer(const struct port *p)
{
	return container_of(p, struct bringer, port);
}

static void bringer_destroy(struct port *p)
{
	struct bringer *b = to_bringer(p);
	struct err err;

	if (p->brings) {
		p->brings->brought_by = NULL;
		if (switch_move_port(p->sw, p->brings, b->home, &err))
			log_warn("port=%s: cannot go back to network %s: %s",
				 p->brings->name, b->home, err.msg);
	}
	port_fini(p);
	free(b->home);
	free(b);
}

static void bringer_show(const struct port *p, struct show *s)
{
	show_str(s, "netdev", p->brings->name);
	show_str(s, "home", to_bringer(p)->home);
}

static const struct port_ops bringer_ops = {
	.destroy = bringer_destroy,
	.show = bringer_show,
};

/* Returns 0 if @p can join a hub, or -errno with @err. */
static int check_port(const struct port *p, const char *name, struct err *err)
{
	if (!p)
		return err_set(err, -ENOENT,
			       "netdev=%.64s: there is no such port; it must "
			       "come before the hubport",
			       name);
	if (!p->net)
		return err_set(err, -ENODEV,
			       "netdev=%s: the port is in no network: remove "
			       "it and add it again",
			       name);
	if (p->type == &port_hubport_type || switch_is_hub(switch_net_name(p)))
		return err_set(err, -EBUSY,
			       "netdev=%s: the port is in a hub already: %s",
			       name, switch_net_name(p));
	return 0;
}

static int bring(const struct port_env *env, const struct port_conf *common,
		 const char *name, struct port **out, struct err *err)
{
	struct port *member = switch_find_port(env->sw, name);
	int rc = check_port(member, name, err);
	struct bringer *b;

	if (rc)
		return rc;
	b = calloc(1, sizeof(*b));
	if (!b || port_init(&b->port, env, &port_hubport_type, &bringer_ops,
			    common, 0)) {
		free(b);
		return err_set(err, -ENOMEM, "out of memory");
	}
	b->home = strdup(switch_net_name(member));
	if (!b->home)
		rc = err_set(err, -ENOMEM, "out of memory");
	else
		rc = switch_move_port(env->sw, member, common->net, err);
	if (rc) {
		bringer_destroy(&b->port);
		return err_prefix(err, rc, "netdev=%s", name);
	}
	b->port.brings = member;
	member->brought_by = &b->port;
	*out = &b->port;
	return 0;
}

static bool has_guest_options(const struct vhost_user_conf *c)
{
	return c->path || !c->server || c->reconnect != 1 ||
	       c->has_reconnect_ms || c->queues != 1 || c->mtu || c->mode ||
	       c->owner || c->group;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	const struct hubport_conf *c = conf;

	if (!c->netdev && !c->guest.path)
		return err_set(err, -EINVAL,
			       "path: is missing: the socket where a guest "
			       "plugs in; or netdev=PORT joins a port to the "
			       "hub");
	if (!c->netdev)
		return vhost_user_open(env, &port_hubport_type, common,
				       &c->guest, out, err);
	if (has_guest_options(&c->guest))
		return err_set(err, -EINVAL,
			       "netdev=%s: path, server, reconnect, queues and "
			       "mtu are for a hubport without netdev=, where a "
			       "guest plugs in",
			       c->netdev);
	return bring(env, common, c->netdev, out, err);
}

const struct port_type port_hubport_type = {
	.name = "hubport",
	.help = "a port of a hub, for a guest or another port; as QEMU's "
		"netdev "
		"of that name",
	.rows = hubport_rows,
	.conf_size = sizeof(struct hubport_conf),
	.derive = derive,
	.create = create,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Shows a port: its options, state and counters. Control thread. */
#include <string.h>

#include "methods_impl.h"

static void show_offloads(unsigned offloads, struct show *s)
{
	static const struct {
		unsigned bit;
		const char *name;
	} name[] = {
		{ OFFLOAD_CSUM, "csum" }, { OFFLOAD_TSO4, "tso4" },
		{ OFFLOAD_TSO6, "tso6" }, { OFFLOAD_ECN, "ecn" },
		{ OFFLOAD_USO4, "uso4" }, { OFFLOAD_USO6, "uso6" },
		{ OFFLOAD_UFO, "ufo" },
	};

	show_array(s, "offloads");
	for (unsigned i = 0; i < ARRAY_SIZE(name); i++)
		if (offloads & name[i].bit)
			show_str(s, NULL, name[i].name);
	show_end(s);
}

/* Shows only the VLAN options that are set. */
static void show_vlan(const struct vlan_conf *c, struct show *s)
{
	if (vlan_conf_is_set(c->vlan))
		show_str(s, "vlan", c->vlan);
	if (vlan_conf_is_set(c->trunk))
		show_str(s, "trunk", c->trunk);
	if (vlan_conf_is_set(c->native))
		show_str(s, "native", c->native);
	if (c->dot1ad)
		show_flag(s, "dot1ad", true);
}

static void show_head(const struct daemon_port *p, struct show *s)
{
	const struct port *port = p->port;
	const struct port *wire = port->brings ? port->brings : port;

	show_str(s, "id", p->netdev->common.id);
	show_str(s, "type", p->netdev->type->name);
	show_str(s, "net", switch_net_name(port));
	show_flag(s, "link", port_link_is_up(wire));
	show_flag(s, "captured", p->capture != NULL);
	show_vlan(&p->netdev->common.vlan, s);
}

/*
 * A filter between a back-end or the counters and the summary of a port: passes
 * single values on to @to and drops objects and arrays, which fit no line.
 */
struct brief {
	struct show show;
	struct show *to;
	unsigned depth; /* of open containers, all of which are dropped */
};

static struct brief *brief_of(struct show *s)
{
	return container_of(s, struct brief, show);
}

static void brief_open(struct show *s, const char *key)
{
	(void)key;
	brief_of(s)->depth++;
}

static void brief_end(struct show *s)
{
	brief_of(s)->depth--;
}

static void brief_str(struct show *s, const char *key, const char *value)
{
	if (!brief_of(s)->depth)
		show_str(brief_of(s)->to, key, value);
}

static void brief_num(struct show *s, const char *key, uint64_t value)
{
	if (!brief_of(s)->depth)
		show_num(brief_of(s)->to, key, value);
}

static void brief_flag(struct show *s, const char *key, bool value)
{
	if (!brief_of(s)->depth)
		show_flag(brief_of(s)->to, key, value);
}

static const struct show_ops brief_ops = {
	.object = brief_open,
	.array = brief_open,
	.end = brief_end,
	.str = brief_str,
	.num = brief_num,
	.flag = brief_flag,
};

void port_show_summary(const struct daemon_port *p, struct show *s)
{
	struct brief b = { .show.ops = &brief_ops, .to = s };
	const struct port *port = p->port;

	show_head(p, s);
	show_num(s, "rx_queues", port->rxq_count);
	show_num(s, "tx_queues", port->txq_count);
	show_offloads(shm_load(&port->tx_offloads), s);
	port_show_stats(port, &b.show);
	if (port->ops->show) {
		show_object(s, "state");
		port->ops->show(port, &b.show);
		show_end(s);
	}
}

static void show_filter(const struct filter *f, void *arg)
{
	show_object(arg, f->spec->common.id);
	filter_show(f, arg);
	show_end(arg);
}

void port_show_all(const struct daemon_port *p, struct show *s)
{
	const struct port *port = p->port;

	show_head(p, s);
	show_offloads(shm_load(&port->tx_offloads), s);
	show_object(s, "config");
	netdev_show(p->netdev, s);
	show_end(s);
	if (port->ops->show) {
		show_object(s, "state");
		port->ops->show(port, s);
		show_end(s);
	}
	if (port->filters) {
		show_object(s, "filters");
		filter_each(port, show_filter, s);
		show_end(s);
	}
	show_object(s, "stats");
	port_show_stats(port, s);
	show_end(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The ports of the switch, see switch.h: how they come into networks, change
 * and go. Control thread only. */
#include "switch_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "rcu.h"

static struct net *net_find(struct vswitch *sw, const char *name)
{
	struct net *net;

	cds_list_for_each_entry(net, &sw->nets, node)
		if (!strcmp(net->name, name))
			return net;
	return NULL;
}

static unsigned topology_free_slot(const struct topology *t)
{
	unsigned slot = 0;

	while (slot < t->count && t->port[slot])
		slot++;
	return slot;
}

static int port_list_add(struct vswitch *sw, struct port *p)
{
	if (sw->port_count == sw->port_room) {
		unsigned room = MAX(sw->port_room * 2, 16u);
		struct port **more = realloc(sw->port, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		sw->port = more;
		sw->port_room = room;
	}
	sw->port[sw->port_count++] = p;
	return 0;
}

static void port_list_remove(struct vswitch *sw, const struct port *p)
{
	unsigned i = 0;

	while (i < sw->port_count && sw->port[i] != p)
		i++;
	if (i == sw->port_count)
		return;
	sw->port_count--;
	memmove(&sw->port[i], &sw->port[i + 1],
		(sw->port_count - i) * sizeof(struct port *));
}

static void net_release(struct net *net)
{
	if (net->port_count)
		return;
	cds_list_del(&net->node);
	/* The removal of the last port waited: no worker knows the network. */
	net_destroy(net);
}

/* Sets the head bytes that a network needs. With VLANs the choice among a
 * receiver's queues needs the headers behind two tags. */
static void update_snap(struct net *net)
{
	uint32_t snap = net->vlans ? KEY_L4_SNAP : 0;

	for (unsigned i = 0; i < net->all->count; i++)
		if (net->all->port[i] && net->all->port[i]->snap != snap)
			port_set_snap(net->all->port[i], snap);
}

static bool is_same_vlan(const struct port_vlan *a, const struct port_vlan *b)
{
	return a == b || (a && b && !memcmp(a, b, sizeof(*a)));
}

static void tell_port(const struct port *p, enum event_kind kind)
{
	observers_tell(p->observers, &(struct event){ .kind = kind,
						      .port = p->name,
						      .net = p->net_name });
}

bool switch_is_hub(const char *name)
{
	return net_kind_of(name) == NET_HUB;
}

/* Returns 0 if a port with @vlan can be in the network @net, or -EINVAL with
 * @err. */
static int check_vlan(const struct port_vlan *vlan, const char *net,
		      struct err *err)
{
	if (!vlan || !switch_is_hub(net))
		return 0;
	return err_set(err, -EINVAL,
		       "vlan, trunk and native: network %s is a hub, which "
		       "passes tags as they are and has no VLANs",
		       net);
}

/* Adds @p to the network @name. Returns 0 or -errno with @err. */
static int enter(struct vswitch *sw, struct port *p, const char *name,
		 struct err *err)
{
	struct net *net = net_find(sw, name);
	unsigned slot;
	int rc;

	if (!net) {
		net = net_create(name);
		if (net)
			cds_list_add_tail(&net->node, &sw->nets);
	}
	if (!net)
		return err_set(err, -ENOMEM, "out of memory");
	slot = topology_free_slot(net->all);
	if (slot >= FDB_NO_SLOT)
		return err_set(err, -ENOSPC, "network %s has %u ports already",
			       name, slot);
	rc = net_add_port(net, p, slot);
	if (rc) {
		net_release(net);
		return err_set(err, rc, "out of memory");
	}
	p->net_name = net->name;
	rcu_publish(p->net, net);
	update_snap(net);
	tell_port(p, EVENT_PORT_ADDED);
	return 0;
}

/* Takes @p out of its network, if it is in one. */
static void leave(struct vswitch *sw, struct port *p)
{
	struct net *net = p->net;

	if (!net)
		return;
	rcu_publish(p->net, NULL);
	/* On return no worker learns for its slot any more. */
	net_remove_port(net, p);
	mac_news_drain(&sw->mac_news);
	tell_port(p, EVENT_PORT_REMOVED);
	p->net_name = NULL;
	update_snap(net);
	net_release(net);
}

int switch_add_port(struct vswitch *sw, struct port *p, const char *name,
		    struct err *err)
{
	int rc = check_vlan(p->vlan, name, err);

	if (rc)
		return rc;
	if (switch_find_port(sw, p->name))
		return err_set(err, -EEXIST, "id=%s is in use by another port",
			       p->name);
	if (port_list_add(sw, p))
		return err_set(err, -ENOMEM, "out of memory");
	rc = enter(sw, p, name, err);
	if (rc)
		port_list_remove(sw, p);
	return rc;
}

void switch_remove_port(struct vswitch *sw, struct port *p)
{
	port_list_remove(sw, p);
	loop_timer_disarm(&p->link_timer);
	leave(sw, p);
}

int switch_move_port(struct vswitch *sw, struct port *p, const char *name,
		     struct err *err)
{
	int rc = check_vlan(p->vlan, name, err);
	char *before;

	if (rc)
		return rc;
	before = strdup(p->net_name);
	if (!before)
		return err_set(err, -ENOMEM, "out of memory");
	leave(sw, p);
	rc = enter(sw, p, name, err);
	if (rc)
		enter(sw, p, before, NULL);
	free(before);
	return rc;
}

int switch_set_vlan(struct port *p, const struct vlan_conf *conf,
		    struct err *err)
{
	struct port_vlan *vlan;
	int rc = port_vlan_parse(conf, &vlan, err);

	if (rc)
		return rc;
	if (p->net)
		rc = check_vlan(vlan, p->net_name, err);
	if (rc) {
		free(vlan);
		return rc;
	}
	if (!p->net) {
		free(p->vlan);
		p->vlan = vlan;
		return 0;
	}
	if (is_same_vlan(p->vlan, vlan)) {
		free(vlan);
		return 0;
	}
	rc = net_set_vlan(p->net, p, vlan);
	if (rc) {
		free(vlan);
		return err_set(err, rc, "out of memory");
	}
	update_snap(p->net);
	return 0;
}

struct port *switch_find_port(struct vswitch *sw, const char *name)
{
	for (unsigned i = 0; i < sw->port_count; i++)
		if (!strcmp(sw->port[i]->name, name))
			return sw->port[i];
	return NULL;
}

const char *switch_net_name(const struct port *p)
{
	return p->net_name ? p->net_name : "";
}

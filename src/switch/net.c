/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks and their domains, see net.h for the theory of operation. Control
 * thread; workers see what is published with RCU.
 */
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "rcu.h"

/* Buckets of a new MAC table: of the base, and of a VLAN, of which there are
 * many. */
#define BASE_BUCKETS 64
#define VLAN_BUCKETS 4

static void vlans_destroy(struct net *net, struct vlans *v)
{
	if (!v)
		return;
	for (unsigned i = 1; i <= VLAN_MAX; i++) {
		fdb_destroy(v->domain[i].fdb);
		topology_put(&net->known, v->domain[i].topology);
	}
	free(v);
}

void net_destroy(struct net *net)
{
	vlans_destroy(net, net->vlans);
	fdb_destroy(net->base.fdb);
	topology_put(&net->known, net->base.topology);
	topology_put(&net->known, net->all);
	free(net->name);
	free(net);
}

/* Hubs are "hub" and a number, whoever makes them. */
enum net_kind net_kind_of(const char *name)
{
	static const char hub[] = "hub";
	size_t len = sizeof(hub) - 1;

	if (strncmp(name, hub, len) || !name[len])
		return NET_SWITCH;
	name += len;
	return name[strspn(name, "0123456789")] ? NET_SWITCH : NET_HUB;
}

struct net *net_create(const char *name)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return NULL;
	CDS_INIT_LIST_HEAD(&net->node);
	net->name = strdup(name);
	net->kind = net_kind_of(name);
	net->base.fdb = fdb_create(BASE_BUCKETS);
	net->all = topology_create(&net->known);
	if (!net->name || !net->base.fdb || !net->all) {
		net_destroy(net);
		return NULL;
	}
	/* without VLANs the two are one topology */
	net->base.topology = net->all;
	net->all->users++;
	return net;
}

/* A change of a network. */
struct change {
	struct net *net;
	struct port *port;
	unsigned slot;
	/* the port's rules; NULL: the port is not in the network */
	const struct port_vlan *before, *after;
	struct vlans *vlans;   /* net->vlans after the change; NULL: no rules */
	struct topology *olds; /* list of the topologies to replace */
	struct topology *news; /* list of those made for it */
};

static const struct port_vlan *rules_of(const struct port_vlan *v)
{
	return v ? v : &port_vlan_plain;
}

static bool is_in(const struct port_vlan *v, unsigned vlan)
{
	return v && port_vlan_has(v, vlan);
}

/* Prepares the replacement of @t: with the port where it is not, and without it
 * where it is. */
static int replace(struct change *c, struct topology *t)
{
	struct topology *new;
	bool is_new;

	if (t->instead)
		return 0;
	new = topology_toggle(&c->net->known, t, c->slot, c->port, &is_new);
	if (!new)
		return -ENOMEM;
	if (is_new) {
		new->newer = c->news;
		c->news = new;
	}
	t->instead = new;
	t->next = c->olds;
	c->olds = t;
	return 0;
}

static bool comes_or_goes(const struct change *c, unsigned vlan)
{
	return is_in(c->before, vlan) != is_in(c->after, vlan);
}

static int prepare_domain(struct change *c, struct domain *d)
{
	if (!comes_or_goes(c, d->vlan))
		return 0;
	if (!d->fdb) {
		struct fdb *fdb = fdb_create(VLAN_BUCKETS);

		if (!fdb)
			return -ENOMEM;
		rcu_publish(d->fdb, fdb);
	}
	return replace(c, d->topology);
}

/* Makes the domains of a network that gets its first rules. None of its
 * ports has rules yet, so each is in all domains. */
static struct vlans *vlans_create(struct net *net)
{
	struct vlans *v = calloc(1, sizeof(*v));
	bool failed = false;

	for (unsigned i = 1; v && i <= VLAN_MAX; i++) {
		struct domain *d = &v->domain[i];

		d->vlan = (uint16_t)i;
		d->topology = net->all;
		net->all->users++;
		if (!net->port_count || failed)
			continue;
		d->fdb = fdb_create(VLAN_BUCKETS);
		failed |= !d->fdb;
	}
	if (!failed)
		return v;
	vlans_destroy(net, v);
	return NULL;
}

/* Makes everything that can fail. Without VLANs the base shares the topology of
 * all ports and needs none of its own. */
static int prepare(struct change *c)
{
	int rc = 0;

	if (!c->before != !c->after)
		rc = replace(c, c->net->all);
	if (c->vlans && !rc)
		rc = prepare_domain(c, &c->net->base);
	for (unsigned v = 1; c->vlans && v <= VLAN_MAX && !rc; v++)
		rc = prepare_domain(c, &c->vlans->domain[v]);
	return rc;
}

static void give_up(struct change *c)
{
	struct topology *newer;

	for (struct topology *t = c->olds; t; t = t->next)
		t->instead = NULL;
	for (struct topology *t = c->news; t; t = newer) {
		newer = t->newer;
		topology_free(&c->net->known, t);
	}
	c->olds = c->news = NULL;
	if (c->vlans != c->net->vlans)
		vlans_destroy(c->net, c->vlans);
}

/* Publishes @new (NULL: no change) at *@at. A topology that loses its last user
 * is freed after the wait. */
static void publish(struct change *c, struct topology **at,
		    struct topology *new)
{
	struct topology *old = *at;

	if (!new || new == old)
		return;
	new->users++;
	if (!--old->users && !old->instead) {
		old->next = c->olds;
		c->olds = old;
	}
	rcu_publish(*at, new);
}

/* Removes the port from a live topology, if there is no memory for a copy.
 * Workers may or may not see the store until the wait is over. */
static void remove_in_place(struct change *c, struct topology *t)
{
	if (c->slot < t->count && t->port[c->slot] == c->port)
		shm_store(&t->port[c->slot], NULL);
}

static void publish_all(struct change *c, bool in_place)
{
	struct net *net = c->net;

	if (in_place) {
		remove_in_place(c, net->all);
		remove_in_place(c, net->base.topology);
	}
	if (!c->before != !c->after)
		publish(c, &net->all, net->all->instead);
	publish(c, &net->base.topology,
		!c->vlans	      ? net->all
		: comes_or_goes(c, 0) ? net->base.topology->instead
				      : NULL);
	for (unsigned v = 1; c->vlans && v <= VLAN_MAX; v++) {
		struct domain *d = &c->vlans->domain[v];

		if (in_place)
			remove_in_place(c, d->topology);
		else if (comes_or_goes(c, v))
			publish(c, &d->topology, d->topology->instead);
	}
}

static void free_olds(struct change *c)
{
	struct topology *next;

	for (struct topology *t = c->olds; t; t = next) {
		next = t->next;
		t->instead = t->next = NULL;
		if (!t->users)
			topology_free(&c->net->known, t);
	}
}

/* Forgets the port's addresses in the domains that it left. */
static void forget_addresses(struct change *c, bool had_vlans)
{
	struct net *net = c->net;

	for (struct domain *d = NULL; (d = net_next_domain(net, d));)
		if (c->before && comes_or_goes(c, d->vlan) &&
		    is_in(c->before, d->vlan))
			fdb_flush(d->fdb, (uint16_t)c->slot, net_mac_gone, net);
	/* Tags had no meaning until now, so the base may have addresses of any
	 * VLAN. */
	if (!had_vlans && c->vlans)
		fdb_flush(net->base.fdb, FDB_NO_SLOT, net_mac_gone, net);
}

/* Makes the change. @vlan: the port's new rules, if it stays. */
static void apply(struct change *c, struct port_vlan *vlan, bool in_place)
{
	struct net *net = c->net;
	struct vlans *old_vlans = net->vlans != c->vlans ? net->vlans : NULL;
	bool had_vlans = net->vlans;
	struct port_vlan *old_rules = NULL;

	publish_all(c, in_place);
	if (c->before && c->after) {
		old_rules = c->port->vlan;
		rcu_publish(c->port->vlan, vlan);
	}
	if (c->vlans != net->vlans)
		rcu_publish(net->vlans, c->vlans);
	/* Workers may still use the replaced topologies, domains and rules, and
	 * through them a port that goes, until the end of their burst. Control
	 * itself is here. */
	rcu_wait_workers();
	free_olds(c);
	forget_addresses(c, had_vlans);
	for (unsigned v = 1; old_vlans && v <= VLAN_MAX; v++)
		if (old_vlans->domain[v].fdb)
			fdb_flush(old_vlans->domain[v].fdb, FDB_NO_SLOT,
				  net_mac_gone, net);
	vlans_destroy(net, old_vlans);
	free(old_rules);
}

/* Sets c->vlans for a network in which @count ports have rules. Returns 0 or
 * -ENOMEM. */
static int choose_vlans(struct change *c, unsigned count)
{
	c->vlans = NULL;
	if (count)
		c->vlans = c->net->vlans ? c->net->vlans : vlans_create(c->net);
	return count && !c->vlans ? -ENOMEM : 0;
}

int net_add_port(struct net *net, struct port *p, unsigned slot)
{
	struct change c = {
		.net = net, .port = p, .slot = slot, .after = rules_of(p->vlan)
	};
	unsigned rules = net->rule_count + !!p->vlan;
	int rc = choose_vlans(&c, rules);

	if (!rc && (rc = prepare(&c)))
		give_up(&c);
	if (rc)
		return rc;
	p->slot = slot;
	net->port_count++;
	net->rule_count = rules;
	apply(&c, NULL, false);
	return 0;
}

void net_remove_port(struct net *net, struct port *p)
{
	struct change c = { .net = net,
			    .port = p,
			    .slot = p->slot,
			    .before = rules_of(p->vlan) };
	bool in_place;

	net->port_count--;
	net->rule_count -= !!p->vlan;
	choose_vlans(&c, net->rule_count); /* cannot fail: makes no new ones */
	in_place = prepare(&c);
	if (in_place) {
		give_up(&c);
	}
	apply(&c, NULL, in_place);
	p->mac_count = 0;
}

int net_set_vlan(struct net *net, struct port *p, struct port_vlan *vlan)
{
	struct change c = { .net = net,
			    .port = p,
			    .slot = p->slot,
			    .before = rules_of(p->vlan),
			    .after = rules_of(vlan) };
	unsigned rules = net->rule_count - !!p->vlan + !!vlan;
	int rc = choose_vlans(&c, rules);

	if (!rc && (rc = prepare(&c)))
		give_up(&c);
	if (rc)
		return rc;
	net->rule_count = rules;
	apply(&c, vlan, false);
	return 0;
}

struct domain *net_next_domain(struct net *net, const struct domain *d)
{
	unsigned v;

	if (!d)
		return &net->base;
	if (!net->vlans)
		return NULL;
	for (v = d->vlan + 1u; v <= VLAN_MAX; v++)
		if (net->vlans->domain[v].fdb)
			return &net->vlans->domain[v];
	return NULL;
}

void net_uncount_mac(const struct net *net, uint16_t slot)
{
	const struct topology *all = rcu_read(net->all);
	struct port *p = NULL;

	if (slot < all->count)
		p = shm_load(&all->port[slot]);
	if (p)
		shm_fetch_sub(&p->mac_count, 1);
}

void net_mac_gone(uint16_t slot, void *arg)
{
	net_uncount_mac(arg, slot);
}

unsigned net_flush(struct net *net, const struct port *p)
{
	uint16_t slot = p ? (uint16_t)p->slot : FDB_NO_SLOT;
	unsigned n = 0;

	for (struct domain *d = NULL; (d = net_next_domain(net, d));)
		n += fdb_flush(d->fdb, slot, net_mac_gone, net);
	return n;
}

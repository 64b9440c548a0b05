/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: a network, its domains and the topology that workers see.
 *
 * Theory of operation. A *domain* is where a frame may go: a set of ports and a
 * MAC table. A network without VLANs has one domain, its base. As soon as one
 * port has rules about VLANs (struct port_vlan), each VLAN is a domain of its
 * own, found by its number, and the base is left to untagged frames of the
 * ports without rules. This costs workers one test of a pointer per burst
 * (net->vlans).
 *
 * A change (a port comes, goes or gets other rules) makes new objects and
 * publishes them: first the topologies of the domains that the port joins or
 * leaves, then its rules, then net->vlans. In between a worker may see a
 * mixture. A frame then goes where it would have gone a moment before or after;
 * a test at the exit (deliver.c) keeps it from leaving through a port that is
 * not in its VLAN. Domains with the same ports share a topology, so a port in
 * all VLANs costs one copy.
 *
 * A *hub* learns nothing: it sends every frame to all other ports, so it has
 * one domain with a MAC table that stays empty, and no VLANs.
 *
 * To be saved with a network: nothing that the ports' options do not say. The
 * addresses may be, so that nothing is flooded after an upgrade.
 */
#ifndef RW_NET_H
#define RW_NET_H

#include <urcu/list.h>

#include "fdb.h"
#include "port.h"
#include "topology.h"

struct domain {
	struct fdb *fdb;	   /* [rcu] NULL: no port ever was in it */
	struct topology *topology; /* [rcu] never NULL */
	uint16_t vlan;		   /* [const] 0: the base */
};

struct vlans {
	struct domain domain[VLAN_COUNT]; /* 0 and 4095 are not used */
};

/* What a network does with a frame. */
enum net_kind {
	NET_SWITCH, /* sends it where its destination was learned */
	NET_HUB,    /* sends it to all other ports */
};

/* Returns the kind of the network called @name. */
enum net_kind net_kind_of(const char *name);

struct net {
	char *name;	    /* heap */
	enum net_kind kind; /* [const] */
	struct domain base;
	struct topology *all;	   /* [rcu] every port by its slot */
	struct topologies known;   /* [ctl] those of its domains */
	struct vlans *vlans;	   /* [rcu] NULL: no port has rules */
	unsigned port_count;	   /* [ctl] */
	unsigned rule_count;	   /* [ctl] ports that have rules */
	struct cds_list_head node; /* [ctl] in vswitch.nets */
};

struct net *net_create(const char *name); /* NULL: out of memory */
void net_destroy(struct net *net);	  /* no worker may use it */

/* Put @p into the domains of its VLANs, or take it out of them. On return no
 * worker uses the replaced objects. Adding returns 0, or -ENOMEM and nothing
 * has changed; removing always succeeds. [ctl] */
int net_add_port(struct net *net, struct port *p, unsigned slot);
void net_remove_port(struct net *net, struct port *p);
/* Gives @p other rules, which it then owns (NULL: none). Returns 0, or -ENOMEM
 * and nothing has changed. [ctl] */
int net_set_vlan(struct net *net, struct port *p, struct port_vlan *vlan);

/* Returns the first domain of @net that may have addresses (@d is NULL), or the
 * next one after @d; NULL: no more. [ctl] */
struct domain *net_next_domain(struct net *net, const struct domain *d);

/* Forgets the addresses behind @p (NULL: all). Returns how many. [ctl] */
unsigned net_flush(struct net *net, const struct port *p);

/* Takes an address off the count of the port at @slot. Any thread. */
void net_uncount_mac(const struct net *net, uint16_t slot);
/* The same for fdb_age(); @arg is the net. */
void net_mac_gone(uint16_t slot, void *arg);

#endif

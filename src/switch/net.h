/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: a network, its domains and the topology that workers see.
 *
 * Theory of operation. A *domain* is where a frame may go: ports and a MAC
 * table. A network without VLANs has one, its base. As soon as one of its ports
 * has rules about VLANs (struct port_vlan), each VLAN is a domain of its own,
 * found by its number, and the base is left to untagged frames of the ports
 * without rules. Workers test one pointer per burst (net->vlans) for that.
 *
 * What changes when a port comes, goes or gets other rules is made anew and
 * published: first the topologies of the domains that it joins or leaves, then
 * its rules, then net->vlans. In between a worker may see a mixture. Then a
 * frame goes where it would have gone a moment before or after; that it leaves
 * a port in a VLAN the port is not in is ruled out by a test at the exit
 * (deliver.c). Domains with the same ports share a topology, so that a port in
 * all VLANs costs one copy.
 */
#ifndef RW_NET_H
#define RW_NET_H

#include <urcu/list.h>

#include "fdb.h"
#include "port.h"

/* The ports of a domain by slot; immutable, published with RCU. */
struct topology {
	unsigned users;		  /* [ctl] domains that have it */
	struct topology *instead; /* [ctl] what replaces it, during a change */
	struct topology *next;	  /* [ctl] of those that are replaced */
	unsigned count;		  /* slots, holes included */
	struct port *port[];	  /* NULL: free slot, or not in the domain */
};

struct domain {
	struct fdb *fdb;	   /* [const] NULL: no port ever was in it */
	struct topology *topology; /* [rcu] never NULL */
	uint16_t vlan;		   /* [const] 0: the base */
};

struct vlans {
	struct domain domain[VLAN_COUNT]; /* 0 and 4095 are not used */
};

struct net {
	char *name; /* heap */
	struct domain base;
	struct topology *all;	   /* [rcu] every port by its slot */
	struct vlans *vlans;	   /* [rcu] NULL: no port has rules */
	unsigned port_count;	   /* [ctl] */
	unsigned rule_count;	   /* [ctl] of these have rules */
	struct cds_list_head node; /* [ctl] in vswitch.nets */
};

struct net *net_create(const char *name); /* NULL: out of memory */
void net_destroy(struct net *net);	  /* no worker may have it */

/* Puts @p into / takes it out of the domains that it belongs to. On return no
 * worker uses what was before. 0 or -ENOMEM, and nothing has changed; removing
 * always succeeds. [ctl] */
int net_add_port(struct net *net, struct port *p, unsigned slot);
void net_remove_port(struct net *net, struct port *p);
/* Gives @p other rules (NULL: none), which become its own. 0 or -ENOMEM, and
 * nothing has changed. [ctl] */
int net_set_vlan(struct net *net, struct port *p, struct port_vlan *vlan);

/* The next domain of @net that may have addresses, NULL: no more. Begins with
 * NULL. [ctl] */
struct domain *net_next_domain(struct net *net, const struct domain *d);

/* Forgets the addresses behind @p, or (NULL) all. Returns how many. [ctl] */
unsigned net_flush(struct net *net, const struct port *p);

/* An address of slot @slot was forgotten; for fdb_age(), @arg is the net. */
void net_mac_gone(uint16_t slot, void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch: networks with their ports and MAC tables, and the workers that
 * run the data path. Control thread only, except where another header says
 * otherwise.
 */
#ifndef RW_SWITCH_H
#define RW_SWITCH_H

#include "fdb.h"
#include "port.h"
#include "workers.h"

struct switch_config {
	unsigned workers;   /* 1..WORKERS_MAX */
	const int *cpus;    /* worker i runs on cpus[i % cpu_count]; borrowed */
	unsigned cpu_count; /* 0: wherever the scheduler likes */
	int poll_us;	    /* longest spin without work; -1: adaptive */
	unsigned mac_age_s; /* seconds without a frame until forgotten */
	bool rebalance;	    /* move queues away from overloaded workers */
};

int switch_create(const struct switch_config *config, struct loop *loop,
		  struct vswitch **out, struct err *err);
void switch_destroy(struct vswitch *sw); /* no port may be left */

/* What a back-end is created with. */
struct port_env switch_port_env(struct vswitch *sw);
struct workers *switch_workers(struct vswitch *sw);
/* Who is told what happens; observer_add() to these. */
struct observers *switch_observers(struct vswitch *sw);

/* Puts @p into the network @name (made when new). -EEXIST: the name is taken
 * anywhere in the switch. From then on it gets frames. */
int switch_add_port(struct vswitch *sw, struct port *p, const char *name,
		    struct err *err);
/* Takes @p out of its network: no worker sends to it or learns on it any more,
 * its addresses are forgotten. An empty network goes away. */
void switch_remove_port(struct vswitch *sw, struct port *p);

/* Gives @p the rules about VLANs that @conf says, while it is in use or not. 0,
 * -EINVAL with @err for what is wrong in them, -ENOMEM; then the port keeps
 * what it had. */
int switch_set_vlan(struct port *p, const struct vlan_conf *conf,
		    struct err *err);

struct port *switch_find_port(struct vswitch *sw, const char *name);
const char *switch_net_name(const struct port *p);

/* MAC entries of the network @name or (NULL) all. */
struct mac_entry {
	uint8_t mac[6];
	const char *net, *port; /* valid during the call */
	uint16_t vlan;		/* 0: none */
	unsigned age_s;
};
void switch_each_mac(struct vswitch *sw, const char *name,
		     bool (*fn)(const struct mac_entry *, void *), void *arg);
/* Forgets addresses: of one port, or (NULL) all of the network @name (NULL:
 * everywhere). Returns how many. */
unsigned switch_flush_macs(struct vswitch *sw, const char *name,
			   const struct port *p);

/* Lets the frame @data into the switch as if @p had received it; for
 * announcements on behalf of a guest. */
void switch_inject(struct port *p, const void *data, uint32_t len);

#endif

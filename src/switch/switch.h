/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch: networks with their ports and MAC tables, and the workers that
 * run the data path. Control thread only, unless another header says otherwise.
 */
#ifndef RW_SWITCH_H
#define RW_SWITCH_H

#include "fdb.h"
#include "port.h"
#include "workers.h"

struct switch_config {
	unsigned workers;   /* 1..WORKERS_MAX */
	const int *cpus;    /* worker i runs on cpus[i % cpu_count]; borrowed */
	unsigned cpu_count; /* 0: workers are not bound to CPUs */
	int poll_us;	    /* longest spin without work; -1: adaptive */
	unsigned mac_age_s; /* seconds without a frame until forgotten */
	bool rebalance;	    /* move queues away from overloaded workers */
};

int switch_create(const struct switch_config *config, struct loop *loop,
		  struct vswitch **out, struct err *err);
void switch_destroy(struct vswitch *sw); /* no port may be left */

/* Returns the environment that back-ends are created with. */
struct port_env switch_port_env(struct vswitch *sw);
struct workers *switch_workers(struct vswitch *sw);
/* Returns the list of observers, for observer_add(). */
struct observers *switch_observers(struct vswitch *sw);

/* Returns whether the network called @name is a hub, which sends every frame to
 * all other ports: its name is "hub" and a number. */
bool switch_is_hub(const char *name);

/* Adds @p to the network @name, which is made if it is new; from then on @p
 * gets frames. Returns 0, or -errno with @err; -EEXIST when any port of the
 * switch has the name of @p, -EINVAL when it has VLAN rules and the network is
 * a hub. */
int switch_add_port(struct vswitch *sw, struct port *p, const char *name,
		    struct err *err);
/* Removes @p from its network: no worker sends to it or learns on it any more,
 * and its addresses are forgotten. An empty network goes away. */
void switch_remove_port(struct vswitch *sw, struct port *p);
/* Moves @p, which is in a network, to the network @name. Frames that come in
 * meanwhile are dropped. Returns 0; or -errno with @err as switch_add_port(),
 * and
 * @p is where it was or, if there is no memory for that, in no network. */
int switch_move_port(struct vswitch *sw, struct port *p, const char *name,
		     struct err *err);

/* Gives @p the VLAN rules of @conf, in use or not. Returns 0, -EINVAL with @err
 * for a fault in them or rules in a hub, or -ENOMEM; after an error the port
 * keeps its rules. */
int switch_set_vlan(struct port *p, const struct vlan_conf *conf,
		    struct err *err);

struct port *switch_find_port(struct vswitch *sw, const char *name);
const char *switch_net_name(const struct port *p);

/* A MAC entry. switch_each_mac() calls @fn for those of the network @name
 * (NULL: all) until @fn returns false. */
struct mac_entry {
	uint8_t mac[6];
	const char *net, *port; /* valid during the call */
	uint16_t vlan;		/* 0: none */
	unsigned age_s;
};
void switch_each_mac(struct vswitch *sw, const char *name,
		     bool (*fn)(const struct mac_entry *, void *), void *arg);
/* Forgets the addresses of @p, or (NULL) those of the network @name (NULL:
 * all). Returns how many. */
unsigned switch_flush_macs(struct vswitch *sw, const char *name,
			   const struct port *p);

/* Forwards the frame @data as if @p had received it; for announcements on
 * behalf of a guest. */
void switch_inject(struct port *p, const void *data, uint32_t len);

/* Forwards what is in @q, which no worker has and which does not hold frames.
 * Back-ends find it as port_env.drain. */
void switch_drain(struct vswitch *sw, struct rxq *q);

#endif

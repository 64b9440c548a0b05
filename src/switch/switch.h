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

#define SWITCH_MAX_WORKERS 64

struct switch_config {
	unsigned workers;   /* 1..SWITCH_MAX_WORKERS */
	const int *cpus;    /* worker i runs on cpus[i % cpu_count]; borrowed */
	unsigned cpu_count; /* 0: wherever the scheduler likes */
	int poll_us;	    /* longest spin without work; -1: adaptive */
	unsigned mac_age_s; /* seconds without a frame until forgotten */
	bool rebalance;	    /* move queues away from overloaded workers */
};

int switch_create(const struct switch_config *config, struct loop *loop,
		  struct vswitch **out, struct err *err);
void switch_destroy(struct vswitch *sw); /* no port may be left */

/* Puts @p into the network @net (made when new). -EEXIST: the name is taken
 * anywhere in the switch. From then on it gets frames. */
int switch_add_port(struct vswitch *sw, struct port *p, const char *net,
		    struct err *err);
/* Takes @p out of its network: no worker sends to it or learns on it any more,
 * its addresses are forgotten. An empty network goes away. */
void switch_remove_port(struct vswitch *sw, struct port *p);

struct port *switch_find_port(struct vswitch *sw, const char *name);
/* Ports in the order they were added; stops when @fn returns false. */
void switch_each_port(struct vswitch *sw, bool (*fn)(struct port *, void *),
		      void *arg);
const char *switch_net_name(const struct port *p);

/* MAC entries of one network or (NULL) all. */
struct mac_entry {
	uint8_t mac[6];
	const char *net, *port; /* valid during the call */
	unsigned age_s;
};
void switch_each_mac(struct vswitch *sw, const char *net,
		     bool (*fn)(const struct mac_entry *, void *), void *arg);
/* Forgets addresses: of one port, or (NULL) all of @net (NULL: everywhere).
 * Returns how many. */
unsigned switch_flush_macs(struct vswitch *sw, const char *net,
			   const struct port *p);

/* A receive queue that changed its worker. */
struct queue_move {
	const char *port; /* valid during the call */
	unsigned queue, from, to;
	unsigned percent; /* of a worker's time that it took */
};
/*
 * Spreads the queues over the workers by their load since the last time this
 * was looked at (automatic moves look four times a second while there is much
 * to do). Tells @fn each move made; returns how many.
 */
unsigned switch_rebalance(struct vswitch *sw,
			  void (*fn)(const struct queue_move *, void *),
			  void *arg);

/* Counters of a port with its queues; of the workers, @with_time what they did
 * with it, too. */
void switch_show_stats(const struct port *p, struct show *s);
void switch_show_workers(struct vswitch *sw, struct show *s, bool with_time);

#endif

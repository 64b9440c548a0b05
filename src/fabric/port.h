/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: the place where frames come into the switch and leave it. A back-end
 * (port/) embeds struct port, fills in the operations and attaches its queues;
 * the switch does the rest.
 *
 * rx is into the switch, tx out of it.
 */
#ifndef RW_PORT_H
#define RW_PORT_H

#include "err.h"
#include "loop.h"
#include "observer.h"
#include "opt.h"
#include "queue.h"
#include "show.h"
#include "vlan.h"

struct capture;
struct filter_chain;
struct flow_table;
struct net;
struct vswitch;
struct workers;

struct port_ops {
	/*
	 * Borrows up to @b->want frames from @q into @b->frame and returns how
	 * many. Frames that were held back come first; those for which @b->want
	 * leaves no room come with a later burst. Unfit frames are counted in
	 * q->stats.drops and given back with the others. The count may be 0
	 * although something is borrowed: every rx_burst is followed by
	 * rx_done.
	 */
	unsigned (*rx_burst)(struct rxq *q, struct burst *b);
	/* Gives back everything that the last rx_burst borrowed. Publishes once
	 * and notifies at most once. */
	void (*rx_done)(struct rxq *q, struct burst *b);
	/* Asks for an event at the next frame. Returns true when the queue is
	 * armed and empty, false when there is work. NULL: the event_fd needs
	 * no arming. */
	bool (*rx_arm)(struct rxq *q);
	/* An event came, or may have been lost: [ctl] calls it too, while no
	 * worker has the queue. */
	void (*rx_disarm)(struct rxq *q);
	/* Returns whether a full burst is at hand; takes nothing. A back-end
	 * has it if short bursts cost its sender more than full ones. NULL:
	 * the worker never waits for a burst to become full. */
	bool (*rx_has_burst)(struct rxq *q);
	/*
	 * Copies up to @n frames (n <= BURST_MAX) out and returns how many are
	 * finished. The caller still owns all frames and decides about the rest
	 * (counted DROP_TX_FULL). The back-end counts frames that it drops
	 * itself with txq_drop(), and in q->stats its calls and the copies it
	 * made of frames; the caller counts the frames sent. port->tx_offloads
	 * covers every frame. Any worker, with q->lock held; never sleeps.
	 */
	unsigned (*tx_burst)(struct txq *q, struct frame *const *frames,
			     unsigned n);
	/* All operations below run on the control thread. */
	/* Ends a port that was removed from the switch: detaches its queues,
	 * closes and frees everything, struct port included. */
	void (*destroy)(struct port *p);
	/* Returns the state of the start: 1 while it goes on (a script runs), 0
	 * when it is over, or -errno with @err when it failed. NULL: create()
	 * does all of it. */
	int (*starting)(const struct port *p, struct err *err);
	/* Applies the options of @conf that may change at run time. NULL: there
	 * are none. */
	int (*set)(struct port *p, const void *conf, struct err *err);
	/* Adds the port's own lines to `port show`. May be NULL. */
	void (*show)(const struct port *p, struct show *s);
	/* Writes the QEMU arguments that attach a guest to this port into @buf,
	 * one per line. @memory is the guest's size in bytes (QEMU wants a
	 * shared memory object as large as its -m); 0: 1 GiB. NULL: guests
	 * cannot attach here. */
	int (*qemu_args)(const struct port *p, uint64_t memory, char *buf,
			 size_t size, struct err *err);
};

/* The options of every port. */
struct port_conf {
	char *id;
	char *net;	   /* name of its network */
	uint32_t max_macs; /* bound of addresses learned at a time */
	int full;	   /* enum port_full */
	uint32_t full_us;  /* PORT_FULL_WAIT: longest wait in microseconds */
	struct vlan_conf vlan;
};

/* What happens to a frame whose receiver has no buffers. Flooded frames never
 * wait. */
enum port_full { PORT_FULL_WAIT, PORT_FULL_DROP };
extern const struct opt_row port_conf_rows[];

struct port_env {
	struct loop *loop; /* the control thread's */
	struct workers *workers;
	struct vswitch *sw;
	struct observers *observers;
	void (*drain)(struct vswitch *sw, struct rxq *q); /* switch_drain() */
};

/* A kind of port: one row in ctl's table, one file or folder in port/. */
struct port_type {
	const char *name;	    /* as in -netdev NAME,... */
	const char *help;	    /* one line */
	const char *option;	    /* that names it; NULL: "netdev" */
	const struct opt_row *rows; /* its own options */
	size_t conf_size;	    /* size of the struct that the rows fill */
	/* Checks @conf once all options are read, and sets those of @common
	 * that follow. Returns 0, or -errno with @err. Keeps nothing open. */
	int (*derive)(struct port_conf *common, const void *conf,
		      struct err *err);
	/*
	 * Opens the resources of a port and makes it ready to be added to the
	 * switch. @conf is borrowed and may be gone after the return. Returns 0
	 * with the port in *@out, or -errno with @err and nothing left behind.
	 */
	int (*create)(const struct port_env *env,
		      const struct port_conf *common, const void *conf,
		      struct port **out, struct err *err);
};

struct port {
	const struct port_type *type;
	const struct port_ops *ops;
	char *name;		     /* heap; the id */
	struct workers *workers;     /* [const] owners of its receive queues */
	struct vswitch *sw;	     /* [const] */
	struct observers *observers; /* [const] told of link changes */
	struct net *net;	     /* [ctl] NULL while not in the switch */
	const char *net_name;	     /* [ctl] name of net; borrowed */
	uint32_t slot;		     /* [const while in net] in the topology */
	/* [ctl] A hubport with netdev= has no queues: it brings another port
	 * into the hub. */
	struct port *brings;	 /* that port; NULL: this is an own port */
	struct port *brought_by; /* such a hubport; NULL: none. While there is
				  * one, this port must not go */
	uint32_t max_macs;	 /* [ctl -> any, atomic] bound of mac_count */
	uint32_t mac_count;	 /* [any, atomic] addresses learned now */
	unsigned tx_offloads;	 /* [ctl -> any, atomic] OFFLOAD_* it takes */
	uint64_t full_ns;	 /* [ctl -> any, atomic] longest wait of senders
				  * for it; 0: they drop */
	struct port_vlan *vlan;	 /* [rcu] rules about tags; heap; NULL: none */
	uint64_t down_ms;	 /* [ctl] when the link went down; 0: up */
	bool told_up;		 /* [ctl] the link as observers know it */
	struct loop *loop;	 /* [const] the control thread's */
	struct loop_timer link_timer; /* [ctl] armed while down and not told */
	struct txq_set *txqs;	 /* [rcu] queues to send on; NULL: link down */
	struct capture *capture; /* [rcu] NULL: not captured */
	struct filter_chain *filters; /* [rcu] NULL: none */
	uint64_t down_drops;	  /* [any, atomic] frames dropped while down */
	struct flow_table *flows; /* queue of each flow; heap; NULL: the port
				   * has one queue pair */
	uint32_t snap;		  /* [ctl] head bytes that its network needs */
	struct rxq **rxq;	  /* [ctl] all queues, for statistics; heap */
	struct txq **txq;
	unsigned rxq_count, txq_count;
};

/* Returns 0 when the options agree, or -errno with @err. Pure. */
int port_conf_check(const struct port_conf *common, struct err *err);

/* Initialises the common part of @p, which is zeroed memory. Allocates the
 * name, and tables for @queues receive and transmit queues; the back-end stores
 * its pointers there. With 0 the port never has a link. Returns 0 or -ENOMEM.
 */
int port_init(struct port *p, const struct port_env *env,
	      const struct port_type *type, const struct port_ops *ops,
	      const struct port_conf *common, unsigned queues);
void port_fini(struct port *p);

/* Applies the common options that may change at run time. Those about VLANs are
 * excepted: switch_set_vlan(). */
void port_set_common(struct port *p, const struct port_conf *common);

/* Sets the usable transmit queues and the offloads they take. @count 0: link
 * down. Copies the pointers. Waits for workers: on return no worker uses a
 * queue outside @txqs. Returns 0 or -ENOMEM. */
int port_set_txqs(struct port *p, struct txq *const *txqs, unsigned count,
		  unsigned offloads);

/* Sets the head bytes that the network of @p needs of incoming frames. 0: the
 * default. [ctl] */
void port_set_snap(struct port *p, uint32_t snap);

/* Prints the counters of a port and its queues. */
void port_show_stats(const struct port *p, struct show *out);

/* Tells observers that @queue of @p stopped: @text, one sentence. [ctl] */
void port_tell_fault(const struct port *p, unsigned queue, const char *text);

static inline bool port_link_is_up(const struct port *p)
{
	return shm_load(&p->txqs) != NULL;
}

#endif

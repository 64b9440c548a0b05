/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: where frames come into the switch and leave it. A back-end (port/)
 * embeds struct port, fills in the operations and attaches its queues; the
 * switch does the rest.
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
struct flow_table;
struct net;
struct vswitch;
struct workers;

struct port_ops {
	/*
	 * Borrows up to @b->want frames from @q into @b->frame and returns how
	 * many; what was held back comes again even if that is more. Frames
	 * that are not fit are counted in q->stats.drops and given back with
	 * the others. A count of 0 with something borrowed is possible: rx_done
	 * is called whenever rx_burst was.
	 */
	unsigned (*rx_burst)(struct rxq *q, struct burst *b);
	/* Gives back everything that the last rx_burst borrowed; publishes
	 * once, notifies at most once. */
	void (*rx_done)(struct rxq *q, struct burst *b);
	/* Asks for an event at the next frame. True: armed and nothing pending.
	 * False: there is work. NULL: the event_fd needs no arming. */
	bool (*rx_arm)(struct rxq *q);
	void (*rx_disarm)(struct rxq *q);
	/*
	 * Copies up to @n frames (n <= BURST_MAX) out and returns how many it
	 * is done with; the caller still owns all of them and decides about the
	 * rest (counted DROP_TX_FULL). Those that it drops itself go through
	 * txq_drop(); what it sent is counted by the caller. Counts in
	 * q->stats: calls, and copies it made of a frame. Every frame is
	 * covered by port->tx_offloads. Any worker, with q->lock held; never
	 * sleeps.
	 */
	unsigned (*tx_burst)(struct txq *q, struct frame *const *frames,
			     unsigned n);
	/* The rest runs on the control thread. */
	/* Ends the port: detaches its queues, closes and frees everything, the
	 * struct port too. It was removed from the switch before. */
	void (*destroy)(struct port *p);
	/* Returns how the start of the port goes on: 1 while it does (a script
	 * runs), 0 when it is over, or -errno with @err when it failed. NULL:
	 * it is over with create(). */
	int (*starting)(const struct port *p, struct err *err);
	/* Applies the options of @conf that may change at run time. NULL:
	 * none may. */
	int (*set)(struct port *p, const void *conf, struct err *err);
	/* What `port show` prints beyond the common part. May be NULL. */
	void (*show)(const struct port *p, struct show *s);
	/* Writes the QEMU arguments that attach a guest to this port, one per
	 * line, into @buf. @memory is the guest's size in bytes (QEMU wants the
	 * shared memory object to be as large as its -m); 0: 1 GiB. NULL:
	 * guests do not plug in here. */
	int (*qemu_args)(const struct port *p, uint64_t memory, char *buf,
			 size_t size, struct err *err);
};

/* Options every port has. */
struct port_conf {
	char *id;
	char *net;	   /* network's name */
	uint32_t max_macs; /* addresses it may have learned at a time */
	int full;	   /* enum port_full */
	uint32_t full_us;  /* PORT_FULL_WAIT: at most so long */
	struct vlan_conf vlan;
};

/* What becomes of a frame for one receiver that has no buffers. Flooded frames
 * never wait. */
enum port_full { PORT_FULL_WAIT, PORT_FULL_DROP };
extern const struct opt_row port_conf_rows[];

struct port_env {
	struct loop *loop; /* the control thread's */
	struct workers *workers;
	struct vswitch *sw;
	struct observers *observers;
};

/* A kind of port: one row in ctl's table, one file in port/. */
struct port_type {
	const char *name;	    /* of -netdev NAME,... */
	const char *help;	    /* one line */
	const struct opt_row *rows; /* of its own options */
	size_t conf_size;	    /* of the struct the rows fill */
	/*
	 * Opens what the port needs and makes it ready to be added to the
	 * switch. @conf is borrowed and may be gone after the return. 0 with
	 * the port in *@out, or -errno with @err, nothing left behind.
	 */
	int (*create)(const struct port_env *env,
		      const struct port_conf *common, const void *conf,
		      struct port **out, struct err *err);
};

struct port {
	const struct port_type *type;
	const struct port_ops *ops;
	char *name;		     /* heap; the id */
	struct workers *workers;     /* [const] who its receive queues go to */
	struct vswitch *sw;	     /* [const] */
	struct observers *observers; /* [const] told when the link changes */
	struct net *net;	     /* [ctl] NULL while not in the switch */
	const char *net_name;	     /* [ctl] of that; borrowed */
	uint32_t slot;		     /* [const while in net] in the topology */
	uint32_t max_macs;	/* [ctl -> any, atomic] bound of learning */
	uint32_t mac_count;	/* [any, atomic] learned at present */
	unsigned tx_offloads;	/* [ctl -> any, atomic] OFFLOAD_* it takes */
	uint64_t full_ns;	/* [ctl -> any, atomic] how long senders wait
				 * for it; 0: they drop */
	struct port_vlan *vlan; /* [rcu] what it does with tags; heap; NULL: it
				 * has no rules */
	uint64_t down_ms;	/* [ctl] when its link went down; 0: it is up */
	struct txq_set *txqs;	/* [rcu] NULL: nothing can be sent: link down */
	struct capture *capture;  /* [rcu] NULL: not captured */
	uint64_t down_drops;	  /* [any, atomic] frames for it while down */
	struct flow_table *flows; /* queue of each flow; heap; NULL: the port
				   * has one queue pair */
	uint32_t snap;		  /* [ctl] bytes its network needs of heads */
	struct rxq **rxq;	  /* [ctl] all queues, for statistics; heap */
	struct txq **txq;
	unsigned rxq_count, txq_count;
};

/* Can these options stand together? 0, or -EINVAL with @err. Pure. */
int port_conf_check(const struct port_conf *common, struct err *err);

/* Fills in the common part. @p is zeroed memory. Allocates the name and tables
 * for @queues receive and transmit queues, whose pointers the back-end then
 * stores. 0 or -ENOMEM. */
int port_init(struct port *p, const struct port_env *env,
	      const struct port_type *type, const struct port_ops *ops,
	      const struct port_conf *common, unsigned queues);
void port_fini(struct port *p);

/* Applies the common options that may change while the port lives, but for
 * those about VLANs: switch_set_vlan(). */
void port_set_common(struct port *p, const struct port_conf *common);

/* Tells which transmit queues work and what they take. @count 0: link down.
 * Waits for workers: on return no worker uses a queue that is not named. The
 * pointers are copied. */
int port_set_txqs(struct port *p, struct txq *const *txqs, unsigned count,
		  unsigned offloads);

/* The heads of frames that come in at @p need @snap bytes for what its network
 * does with them. 0: nothing special. [ctl] */
void port_set_snap(struct port *p, uint32_t snap);

/* Counters of a port with its queues. */
void port_show_stats(const struct port *p, struct show *out);

/* Tells observers that something of @p stopped: its queue @queue, and one
 * sentence. [ctl] */
void port_tell_fault(const struct port *p, unsigned queue, const char *text);

static inline bool port_link_is_up(const struct port *p)
{
	return shm_load(&p->txqs) != NULL;
}

#endif

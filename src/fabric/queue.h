/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of a port: what brings frames into the switch and what takes them
 * out, with their counters. A back-end embeds struct rxq and struct txq in
 * queues of its own.
 *
 * rx is into the switch, tx out of it.
 */
#ifndef RW_QUEUE_H
#define RW_QUEUE_H

#include "frame.h"
#include "shm.h"

struct port;
struct worker;

/* Why a frame was dropped. Names in drop_reason_name(). */
enum drop_reason {
	DROP_TX_FULL,	     /* receiver had no buffers */
	DROP_TX_DOWN,	     /* receiver not connected or disabled */
	DROP_TX_TOO_BIG,     /* larger than the receiver can take */
	DROP_TX_ERROR,	     /* the back-end's system call failed */
	DROP_TX_NOT_MINE,    /* the receiver is a host, and not this one */
	DROP_TX_UNWANTED,    /* the receiver's driver filters it out */
	DROP_RX_BAD_FRAME,   /* too short or too long for Ethernet */
	DROP_RX_BAD_OFFLOAD, /* offload header refused */
	DROP_RX_DISABLED,    /* sent on a queue that is not enabled */
	DROP_RX_ALONE,	     /* no other port to go to */
	DROP_RX_HAIRPIN,     /* destination is where it came from */
	DROP_RX_VLAN,	     /* in a VLAN that the port is not a member of */
	DROP_TX_VLAN,	     /* the same of a receiver, while rules change */
	DROP_COUNT,
};
const char *drop_reason_name(enum drop_reason r);

/* Counters of a queue. One writer at a time (the owning worker, or the holder
 * of the transmit lock); read by control at any time. */
struct queue_stats {
	uint64_t frames;
	uint64_t bytes;	 /* Ethernet bytes */
	uint64_t bursts; /* bursts with at least one frame */
	uint64_t kicks;	 /* rx: wake-ups by the peer */
	uint64_t calls;	 /* notifications sent to the peer */
	uint64_t copies; /* times frame payload was copied */
	uint64_t polls;	 /* rx: looks that found nothing */
	uint64_t waits;	 /* rx: bursts cut short by a full receiver */
	uint64_t sleeps; /* rx: times armed and left alone */
	/* tx, [any, atomic]: counted before the lock is taken */
	uint64_t segmented;   /* large frames cut in software */
	uint64_t checksummed; /* checksums filled in software */
	uint64_t merged;      /* rx: frames that went on inside the one before
			       * them in their flow; for each receiver */
	uint64_t drops[DROP_COUNT];
};

/* Working memory of one burst; each worker has one. */
#define BURST_SCRATCH (48 * 1024)
struct burst {
	struct frame frame[BURST_MAX];
	unsigned want;	    /* set before rx_burst: so many frames at most */
	unsigned borrowed;  /* the back-end's own, rx_burst to rx_done */
	uint64_t held_mask; /* set before rx_done: bit i, frame[i] was not
			     * sent; the next rx_burst returns these again,
			     * in their order and before others. 0 unless
			     * rxq.can_hold */
	uint8_t scratch[BURST_SCRATCH] __cacheline; /* likewise */
};

/* A queue that brings frames in. Embedded in the back-end's own queue. */
struct rxq {
	struct port *port;
	uint16_t idx;	/* within the port, for people */
	bool can_spin;	/* polling it costs no system call */
	bool can_hold;	/* rx_done puts frames back: the queue may wait
			 * for a receiver that is full */
	bool wants_gro; /* [ctl -> worker, atomic] merge small frames for
			 * receivers of large ones; rxq_set_gro() */
	int event_fd;	/* becomes readable when there is work; -1: the
			 * queue must be polled for ever */
	bool is_shared; /* its frames may come in at several ports; frame.from
			 * says which */
	/* set by the switch */
	uint32_t snap; /* [ctl -> worker, atomic] bytes that the head of a
			* plain frame is to have, at most FRAME_HEAD */
	struct worker *worker; /* [ctl] NULL while not attached */
	uint16_t worker_idx;   /* [ctl] its number, while attached */
	unsigned slot;	       /* [ctl] in the worker's table */
	unsigned want;	       /* [worker] frames in the next burst, at most */
	uint64_t idle_since;   /* [worker] cycles; 0 while busy */
	uint64_t busy_cycles;  /* [worker -> ctl] spent on its frames */
	uint64_t busy_seen;    /* [ctl] of these, at the last look */
	uint32_t load;	       /* [ctl] share of a worker before that */
	uint64_t moved_ms;     /* [ctl] by the balancer; 0: never */
	struct queue_stats stats; /* [worker] */
};

/* A queue that takes frames out. */
struct txq {
	struct port *port;
	uint16_t idx;
	struct spinlock lock;	  /* held by the switch around tx_burst */
	uint64_t full_since;	  /* [holder of lock] ns; 0: took all it got */
	uint32_t dropped;	  /* [holder of lock] by this tx_burst ... */
	uint64_t dropped_bytes;	  /* ... and how large they were */
	struct queue_stats stats; /* [holder of lock] */
};

/* The transmit queues that can be used now; immutable, published with RCU. */
struct txq_set {
	unsigned count; /* >= 1 */
	struct txq *txq[];
};

/* Works out q->snap anew: from what the port's network, its rules and merging
 * need. For who attaches @q or changes one of these. [ctl] */
void rxq_update_snap(struct rxq *q);
void rxq_set_gro(struct rxq *q, bool on); /* [ctl] */

/* Counts @n frames of @bytes that tx_burst takes and does not send. */
static inline void txq_drop(struct txq *q, enum drop_reason r, unsigned n,
			    uint64_t bytes)
{
	stat_add(&q->stats.drops[r], n);
	q->dropped += n;
	q->dropped_bytes += bytes;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of a port with their counters: receive queues bring frames into
 * the switch, transmit queues take them out. A back-end embeds struct rxq and
 * struct txq in its own queues.
 *
 * rx is into the switch, tx out of it.
 */
#ifndef RW_QUEUE_H
#define RW_QUEUE_H

#include "frame.h"
#include "shm.h"

struct port;
struct rss;
struct worker;
struct filter_entry;

/* Reasons to drop a frame. drop_reason_name() has their names. */
enum drop_reason {
	DROP_TX_FULL,	     /* the receiver had no buffers */
	DROP_TX_DOWN,	     /* the receiver is not connected or disabled */
	DROP_TX_TOO_BIG,     /* the frame is larger than the receiver takes */
	DROP_TX_ERROR,	     /* the back-end's system call failed */
	DROP_TX_NOT_MINE,    /* the receiver is a host, but not the addressee */
	DROP_TX_UNWANTED,    /* the receiver's driver filters the frame out */
	DROP_RX_BAD_FRAME,   /* too short or too long for Ethernet */
	DROP_RX_BAD_OFFLOAD, /* the offload header was refused */
	DROP_RX_DISABLED,    /* the guest sent it on a disabled queue */
	DROP_RX_ALONE,	     /* the network has no other port with a link */
	DROP_RX_HAIRPIN,     /* the destination is behind the port itself */
	DROP_RX_VLAN,	     /* the sender's port is not in the VLAN */
	DROP_TX_VLAN,	     /* the receiver is not in the VLAN any more */
	DROP_RX_TUNNEL,	     /* the tunnel's header is cut short or not data */
	DROP_RX_SESSION,     /* the tunnel's session is another one */
	DROP_RX_COOKIE,	     /* the tunnel's cookie is wrong */
	DROP_RX_OPTION,	     /* the tunnel's header has an option that we must
			      * know and do not */
	DROP_RX_CSUM,	     /* a checksum of the tunnel is wrong */
	DROP_RX_CONGESTED,   /* the way to us was congested, and the sender does
			      * not know marks that say so */
	DROP_COUNT,
};
const char *drop_reason_name(enum drop_reason r);

/* Counters of a queue. One writer at a time: the worker that owns the queue, or
 * the holder of the transmit lock. Control reads them at any time. */
struct queue_stats {
	uint64_t frames;
	uint64_t bytes;	 /* Ethernet bytes */
	uint64_t bursts; /* bursts with at least one frame */
	uint64_t kicks;	 /* rx: wake-ups by the peer */
	uint64_t calls;	 /* notifications to the peer, or system calls that
			  * receive and send */
	uint64_t copies; /* copies of frame payload */
	uint64_t polls;	 /* rx: polls that found nothing */
	uint64_t waits;	 /* rx: bursts cut short by a full receiver */
	uint64_t sleeps; /* rx: times armed for an event */
	/* tx, [any, atomic]: counted without the lock */
	uint64_t segmented;   /* large frames cut in software */
	uint64_t checksummed; /* checksums filled in software */
	uint64_t merged;      /* rx: frames that left as part of an earlier
			       * frame of their flow, counted per receiver */
	uint64_t drops[DROP_COUNT];
};

/* Working memory of one burst, one per worker. */
#define BURST_SCRATCH (48 * 1024)
struct burst {
	struct frame frame[BURST_MAX];
	unsigned want;	    /* set before rx_burst: the most frames to return */
	unsigned borrowed;  /* the back-end's, rx_burst to rx_done */
	uint64_t held_mask; /* set before rx_done: bit i, frame[i] was not sent.
			     * The next rx_burst returns these again, in order
			     * and before others. 0 unless rxq.can_hold */
	uint8_t scratch[BURST_SCRATCH] __cacheline; /* the back-end's, rx_burst
						     * to rx_done */
};

/* A queue that brings frames in; embedded in the back-end's own queue. */
struct rxq {
	struct port *port;
	uint16_t idx;	/* number within the port */
	bool can_spin;	/* a poll costs no system call */
	bool can_hold;	/* rx_done can put frames back, so the queue may wait
			 * for a full receiver */
	bool wants_gro; /* [ctl -> worker, atomic] merge small frames for
			 * receivers of large ones; rxq_set_gro() */
	int event_fd;	/* becomes readable when there is work; -1: the queue is
			 * polled all the time */
	bool is_shared; /* its frames come in at several ports: frame.from.
			 * Each of these has an rxq that is only counted in and
			 * never attached */
	/* [const] the place in a port's path where its frames go on, of a queue
	 * with is_shared; NULL: they come in by the port */
	const struct filter_entry *entry;
	/* the rest is set by the switch */
	uint32_t snap; /* [ctl -> worker, atomic] head bytes to snapshot of a
			* plain frame, at most FRAME_HEAD */
	struct worker *worker; /* [ctl] NULL while not attached */
	uint16_t worker_idx;   /* [ctl] the worker's number, while attached */
	unsigned slot;	       /* [ctl] its slot in the worker's table */
	unsigned want;	       /* [worker] most frames in the next burst */
	uint64_t idle_since;   /* [worker] cycles; 0 while busy */
	uint64_t gather_until; /* [worker] cycles: the next burst waits for more
				* frames until then; 0: it does not wait */
	uint64_t gather_look;  /* [worker] cycles of the next look at them */
	uint64_t busy_cycles;  /* [worker -> ctl] cycles spent on its frames */
	uint64_t busy_seen;    /* [ctl] busy_cycles at the last look */
	uint32_t load;	       /* [ctl] share of a worker, at the last look */
	uint64_t moved_ms;     /* [ctl] when it last moved; 0: never */
	struct queue_stats stats; /* [worker] */
};

/* A queue that takes frames out. */
struct txq {
	struct port *port;
	uint16_t idx;
	struct spinlock lock;	  /* held by the switch around tx_burst */
	uint64_t full_since;	  /* [holder of lock] ns; 0: it is not full */
	uint32_t dropped;	  /* [holder of lock] in this tx_burst */
	uint64_t dropped_bytes;	  /* [holder of lock] bytes of dropped */
	struct queue_stats stats; /* [holder of lock] */
};

/* The transmit queues in use; immutable, published with RCU. */
struct txq_set {
	unsigned count; /* queues that flows are spread over; 0: rss chooses.
			 * Only for ports of several queue pairs */
	struct port *port;
	/* NULL, or the receiver's rule: its queue numbers are indexes of txq,
	 * where queues that are not in use are NULL. Borrowed of the port */
	const struct rss *rss;
	struct txq *txq[];
};

/* Does the work of port_set_txqs() for a receiver that chooses the queue of
 * each frame with @rss, which it keeps until the next call and a wait for all
 * workers. @txqs are @count (at least 1) queues, by the numbers that @rss has;
 * frames for one that is NULL are dropped. */
int port_set_steered_txqs(struct port *p, struct txq *const *txqs,
			  unsigned count, unsigned offloads,
			  const struct rss *rss);

/* Updates q->snap from the needs of the port's network and of merging. Call it
 * before @q is attached and after a change of these needs. [ctl] */
void rxq_update_snap(struct rxq *q);
void rxq_set_gro(struct rxq *q, bool on); /* [ctl] turns merging on or off */

/* Counts @n frames of @bytes that tx_burst accepts and drops. */
static inline void txq_drop(struct txq *q, enum drop_reason r, unsigned n,
			    uint64_t bytes)
{
	stat_add(&q->stats.drops[r], n);
	q->dropped += n;
	q->dropped_bytes += bytes;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue pairs of a port whose far side is a virtio-net driver: each is an
 * rxq over a transmitq and a txq over a receiveq (virtio 1.2, clause 5.1.2).
 * Whoever has the rings (a vhost-user session, a monitor's own device) hands
 * them in and takes them back; what they came from is not known here.
 *
 * A ring's number is the specification's: 2i is the receiveq of pair i, 2i + 1
 * its transmitq.
 *
 * The vnet_pair_* functions are port_ops and run on workers, the vnet_pairs_*
 * functions on the control thread.
 */
#ifndef RW_VNET_PAIR_H
#define RW_VNET_PAIR_H

#include "port.h"
#include "vnet.h"
#include "vnet_filter.h"

#define VNET_PAIRS_MAX 64

/*
 * What a queue is to its ring:
 *
 *              has a ring   frames from the guest   frames to the guest
 *   STOPPED    no           none are read           not in the port's set
 *   DRAINING   yes          are read and dropped    not in the port's set
 *   RUNNING    yes          enter the switch        are written
 *
 * vnet_pairs_start() leads from STOPPED to one of the others, _enable() between
 * those, _stop() back; _publish() is to follow the first two.
 */
enum vnet_queue_state {
	VNET_QUEUE_STOPPED,
	VNET_QUEUE_DRAINING,
	VNET_QUEUE_RUNNING,
};

/* What the guest sends: a transmitq. */
struct vnet_rxq {
	struct rxq rxq __cacheline; /* queues may be of different workers */
	struct vq_dev *vq;	    /* [const while attached] its owner's */
	unsigned offloads; /* [const while attached] OFFLOAD_* it may use */
	enum vnet_queue_state state; /* [ctl -> worker, atomic] */
	struct waiting waiting;	     /* [worker] */
};

/* What the guest receives: a receiveq. */
struct vnet_txq {
	struct txq txq __cacheline;
	struct vq_dev *vq;	     /* [const while in the port's txq_set] */
	enum vnet_queue_state state; /* [ctl] */
	struct copy_choice choice;   /* [holder of txq.lock] */
	uint32_t frame_max; /* [ctl -> worker, atomic] bytes of a frame that is
			     * not to be cut by the guest; 0: any */
	const struct vnet_filter *filter; /* [rcu] NULL: every frame passes */
};

struct vnet_pair {
	struct vnet_rxq rx;
	struct vnet_txq tx;
};

/* All pairs of a port. */
struct vnet_pairs {
	struct port *port;	/* its owner */
	struct vnet_pair *pair; /* [ctl] the owner's array */
	unsigned count;
	unsigned active; /* [ctl] the guest listens to the first so many */
	struct vnet_filter filter[2]; /* [ctl] one of them may be published,
				       * and is immutable then */
	bool is_changed; /* [ctl] a receiveq runs or stands still that was not
			  * published so */
};

/* A ring that is handed in. */
struct vnet_ring {
	struct vq_dev *vq;
	int kick_fd;  /* -1: the ring is polled */
	bool enabled; /* RUNNING, else DRAINING */
	/* It is the ring that was taken back here last, at the position where
	 * it stood: what was sent ahead of frames that wait is known. */
	bool is_resumed;
};

/* Makes @array, which stays the caller's and is aligned to CACHE_LINE, the
 * @count (1..VNET_PAIRS_MAX) queue pairs of @port, which went through
 * port_init() for as many. No ring is there yet. */
void vnet_pairs_init(struct vnet_pairs *p, struct port *port,
		     struct vnet_pair *array, unsigned count);

/*
 * Lets the data path have @ring as number @idx until vnet_pairs_stop(), a
 * receiveq from the next vnet_pairs_publish() on. What is in @ring is borrowed
 * for the same time. 0, or -errno: a transmitq has no worker. Stop it in any
 * case.
 */
int vnet_pairs_start(struct vnet_pairs *p, unsigned idx,
		     const struct vnet_ring *ring);

/* Takes the @n rings @idx[] back, with one wait for all transmitqs and one for
 * all receiveqs: on return no worker touches them or their kick_fds. A ring
 * that is STOPPED stays so. 0, or -ENOMEM: they are taken back, and the link is
 * down. */
int vnet_pairs_stop(struct vnet_pairs *p, const unsigned *idx, unsigned n);

/* Lets frames pass, or no more, on ring @idx, which is not STOPPED; on a
 * receiveq from the next vnet_pairs_publish() on. */
void vnet_pairs_enable(struct vnet_pairs *p, unsigned idx, bool enabled);

/* Makes what was started and enabled take effect, all of it in one go. 0, or
 * -ENOMEM: the link is down. */
int vnet_pairs_publish(struct vnet_pairs *p);

/* The guest takes frames of an MTU of @mtu, larger ones only with a
 * segmentation type (virtio 1.2, clause 5.1.4.1); they are dropped as
 * DROP_TX_TOO_BIG. 0: it did not say. */
void vnet_pairs_set_mtu(struct vnet_pairs *p, uint32_t mtu);

/* Sends nothing on any but the first @active (1..count) pairs, from the next
 * vnet_pairs_publish() on. In the beginning it is all of them. */
void vnet_pairs_set_active(struct vnet_pairs *p, unsigned active);

/* Sends only what passes @filter, which is copied; NULL: everything. On return
 * it is so. */
void vnet_pairs_set_filter(struct vnet_pairs *p,
			   const struct vnet_filter *filter);

/* port_ops of the queues */
unsigned vnet_pair_rx_burst(struct rxq *rxq, struct burst *b);
void vnet_pair_rx_done(struct rxq *rxq, struct burst *b);
bool vnet_pair_rx_arm(struct rxq *rxq);
void vnet_pair_rx_disarm(struct rxq *rxq);
unsigned vnet_pair_tx_burst(struct txq *txq, struct frame *const *frames,
			    unsigned n);

#endif

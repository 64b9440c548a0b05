/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue pairs of a port whose far side is a virtio-net driver: each is an
 * rxq over a transmitq and a txq over a receiveq (virtio 1.2, clause 5.1.2).
 * The owner of the rings (a vhost-user session, a monitor's own device) hands
 * them in and takes them back; this code does not know their origin.
 *
 * Rings are numbered as in the specification: 2i is the receiveq of pair i,
 * 2i+1 its transmitq.
 *
 * The vnet_pair_* functions are port_ops and run on workers, the vnet_pairs_*
 * functions on the control thread.
 */
#ifndef RW_VNET_PAIR_H
#define RW_VNET_PAIR_H

#include "port.h"
#include "rss.h"
#include "vnet.h"
#include "vnet_filter.h"

#define VNET_PAIRS_MAX 64

/*
 * States of a queue:
 *
 *              has a ring   frames from the guest   frames to the guest
 *   STOPPED    no           none are read           not in the port's set
 *   DRAINING   yes          are read and dropped    not in the port's set
 *   RUNNING    yes          enter the switch        are written
 *
 * vnet_pairs_start() leads from STOPPED to one of the others, _enable() between
 * these, _stop() back to STOPPED. Call _publish() after the first two.
 */
enum vnet_queue_state {
	VNET_QUEUE_STOPPED,
	VNET_QUEUE_DRAINING,
	VNET_QUEUE_RUNNING,
};

/* A transmitq, from which the guest's frames come. */
struct vnet_rxq {
	struct rxq rxq __cacheline; /* neighbours may have other workers */
	struct vq_dev *vq;	    /* [const while attached] borrowed */
	unsigned offloads; /* [const while attached] OFFLOAD_* that the guest
			    * may send */
	enum vnet_queue_state state; /* [ctl -> worker, atomic] */
	struct waiting waiting;	     /* [worker] */
};

/* A receiveq, to which the guest's frames go. */
struct vnet_txq {
	struct txq txq __cacheline;
	struct vq_dev *vq; /* [const while in the port's txq_set] borrowed */
	enum vnet_queue_state state; /* [ctl] */
	struct copy_choice choice;   /* [holder of txq.lock] */
	uint32_t frame_max; /* [ctl -> worker, atomic] most bytes of a frame
			     * without a segmentation type; 0: any */
	const struct vnet_filter *filter; /* [rcu] NULL: every frame passes */
	const struct rss *rss; /* [rcu] of hashes in headers; NULL: none */
};

struct vnet_pair {
	struct vnet_rxq rx;
	struct vnet_txq tx;
};

/* All queue pairs of a port. */
struct vnet_pairs {
	struct port *port;	/* owns the pairs */
	struct vnet_pair *pair; /* [ctl] array of the owner */
	unsigned count;
	unsigned active; /* [ctl] the guest listens to the first @active */
	uint64_t off;	 /* [ctl] GUEST_* features that are switched off */
	struct vnet_filter filter[2]; /* [ctl] at most one is published, and is
				       * immutable then */
	/* [ctl] two of them, of the owner; at most one is in force, and is
	 * immutable then. NULL: the port has no RSS and no hashes */
	struct rss *rss_memory;
	struct rss *rss; /* [ctl] the one in force, or NULL */
	bool is_changed; /* [ctl] vnet_pairs_publish() has work to do */
};

/* A ring that its owner hands in. */
struct vnet_ring {
	struct vq_dev *vq;
	int kick_fd;  /* -1: the ring is polled */
	bool enabled; /* RUNNING, else DRAINING */
	/* True if this ring was the last one taken back here and is at the
	 * position it had then: the record of frames sent ahead of waiting ones
	 * is valid. */
	bool is_resumed;
};

/* Makes @array the @count (1..VNET_PAIRS_MAX) queue pairs of @port, all without
 * a ring. The caller keeps @array, aligned to CACHE_LINE, and has called
 * port_init() for @count queues. */
void vnet_pairs_init(struct vnet_pairs *p, struct port *port,
		     struct vnet_pair *array, unsigned count);

/*
 * Gives @ring number @idx to the data path until vnet_pairs_stop(); a receiveq
 * takes effect with the next vnet_pairs_publish(). Borrows the members of @ring
 * for that time. Returns 0, or -errno when a transmitq gets no worker; stop the
 * ring even then.
 */
int vnet_pairs_start(struct vnet_pairs *p, unsigned idx,
		     const struct vnet_ring *ring);

/* Takes back the @n rings @idx[], with one wait for all transmitqs and one for
 * all receiveqs. On return no worker touches the rings or their kick_fds.
 * STOPPED rings may be among them. Returns 0, or -ENOMEM: the rings are taken
 * back, but the link is down. */
int vnet_pairs_stop(struct vnet_pairs *p, const unsigned *idx, unsigned n);

/* Lets frames pass on ring @idx, or stops them. The ring must not be STOPPED. A
 * receiveq takes effect with the next vnet_pairs_publish(). */
void vnet_pairs_enable(struct vnet_pairs *p, unsigned idx, bool enabled);

/* Publishes all starts and enables of receiveqs at once. Returns 0, or -ENOMEM:
 * the link is down. */
int vnet_pairs_publish(struct vnet_pairs *p);

/* Sets the MTU of the guest; 0: unknown. Larger frames without a segmentation
 * type (virtio 1.2, clause 5.1.4.1) are dropped as DROP_TX_TOO_BIG. */
void vnet_pairs_set_mtu(struct vnet_pairs *p, uint32_t mtu);

/* Sends on the first @active (1..count) pairs only, from the next
 * vnet_pairs_publish() on. Initially all pairs are active. */
void vnet_pairs_set_active(struct vnet_pairs *p, unsigned active);

/* Does as if the driver had not negotiated the GUEST_* features in @off, from
 * the next vnet_pairs_publish() on. Initially none are off. */
void vnet_pairs_set_off(struct vnet_pairs *p, uint64_t off);

/* Hashes frames by @conf from the next vnet_pairs_publish() on, which has to
 * come before the next call of this; NULL: no frame has a hash, and the port
 * chooses the queue of a flow. With conf->steers the hash chooses it, out of
 * all pairs. Only for owners that gave p->rss_memory. */
void vnet_pairs_set_rss(struct vnet_pairs *p, const struct rss_conf *conf);

/* Sends only frames that pass @filter, which is copied; NULL: all frames. Takes
 * effect before the return. */
void vnet_pairs_set_filter(struct vnet_pairs *p,
			   const struct vnet_filter *filter);

/* port_ops of the queues */
unsigned vnet_pair_rx_burst(struct rxq *rxq, struct burst *b);
void vnet_pair_rx_done(struct rxq *rxq, struct burst *b);
bool vnet_pair_rx_arm(struct rxq *rxq);
void vnet_pair_rx_disarm(struct rxq *rxq);
bool vnet_pair_rx_has_burst(struct rxq *rxq);
unsigned vnet_pair_tx_burst(struct txq *txq, struct frame *const *frames,
			    unsigned n);
/* These members of a struct port_ops. */
#define VNET_PAIR_OPS                                                 \
	.rx_burst = vnet_pair_rx_burst, .rx_done = vnet_pair_rx_done, \
	.rx_arm = vnet_pair_rx_arm, .rx_disarm = vnet_pair_rx_disarm, \
	.rx_has_burst = vnet_pair_rx_has_burst, .tx_burst = vnet_pair_tx_burst

#endif

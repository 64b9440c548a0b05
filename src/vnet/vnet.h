/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net on a device-side queue: chains to frames and frames to chains
 * (virtio 1.2, clause 5.1.6).
 *
 * Frames enter the switch from a transmitq of the guest, which vnet_rx_* reads,
 * and leave it through a receiveq of the guest, which vnet_tx_* fills: rx and
 * tx are the host's view.
 */
#ifndef RW_VNET_H
#define RW_VNET_H

#include "copy_choice.h"
#include "frame.h"
#include "vq_dev.h"
#include "virtio.h"
#include "waiting.h"

struct rss;

/* Returns the size of the header in front of each frame, both ways: 20 with
 * HASH_REPORT, else 12 with VERSION_1 or MRG_RXBUF, else 10 (legacy, clause
 * 5.1.6.1). */
unsigned vnet_hdr_size(uint64_t features);

/* Returns @features without those that need another one which is missing
 * (clause 5.1.3.1): a driver must not accept them. */
uint64_t vnet_features_prune(uint64_t features);

/* The features of offloads towards the guest, which its driver may switch at
 * run time with CTRL_GUEST_OFFLOADS. */
extern const uint64_t vnet_features_to_driver;

/* Return the OFFLOAD_* that the guest may send (HOST_* features) and that it
 * takes (GUEST_* features). Dependent bits without their base bit count as
 * absent (clause 5.1.3.1). */
unsigned vnet_offloads_from_driver(uint64_t features);
unsigned vnet_offloads_to_driver(uint64_t features);

/* Working memory of one receive burst; part of the worker's scratch area. */
struct vnet_rx_scratch {
	struct vq_chain chain[BURST_MAX];
	struct vq_done done[BURST_MAX];
	struct iovec iov[VQ_BURST_IOV];
};

/* Counters of one queue, single writer. */
struct vnet_rx_stats {
	uint64_t bad_frame;   /* too short, too long, no header */
	uint64_t bad_offload; /* header refused by offload_is_valid() or not
			       * negotiated */
};

/*
 * Borrows up to @n frames (n <= BURST_MAX) from the guest's transmit queue and
 * returns their number. The head of a plain frame has @snap bytes, of any other
 * FRAME_HEAD. Chains without a good frame are counted in @stats and given back
 * with the others. Stores the number of borrowed chains in *@chain_count, for
 * vnet_rx_done(). @waiting belongs to the queue; zero it when the queue is
 * created.
 */
unsigned vnet_rx_burst(struct vq_dev *vq, unsigned offloads,
		       struct vnet_rx_scratch *s, struct waiting *waiting,
		       uint32_t snap, struct frame *frames, unsigned n,
		       unsigned *chain_count, struct vnet_rx_stats *stats);

/* Gives the borrowed chains back: one publication, at most one notification.
 * Returns whether that was sent. The frames in the mask @held stay in the ring,
 * as do all chains behind the first of them. The next burst begins there and
 * returns only those that @held named. */
bool vnet_rx_done(struct vq_dev *vq, struct vnet_rx_scratch *s,
		  struct waiting *waiting, unsigned chain_count, uint64_t held);

/* Counters of one transmit burst; the caller adds them up. */
struct vnet_tx_result {
	unsigned taken;	  /* frames written to the guest or dropped */
	unsigned too_big; /* frames in @taken that were dropped: larger than any
			   * buffer the guest could offer (without mergeable
			   * buffers) */
	uint64_t too_big_bytes; /* bytes of the frames in @too_big */
	uint64_t bytes;		/* Ethernet bytes copied */
	bool notified;
};

/*
 * Copies up to @n frames into the guest's receive buffers: one publication, at
 * most one notification. Stops at the first frame for which the guest has too
 * few buffers (result.taken < n). The receiver's offloads must cover every
 * frame. Headers get num_buffers with MRG_RXBUF or VERSION_1. @choice belongs
 * to the queue; zero it when the queue is created.
 */
static inline struct vnet_tx_result vnet_tx_burst(struct vq_dev *vq,
						  struct copy_choice *choice,
						  struct frame *const *frames,
						  unsigned n);

/* As vnet_tx_burst(); with HASH_REPORT the headers also get the frames' hashes
 * by @rss. NULL: there is none. */
struct vnet_tx_result vnet_tx_hashed_burst(struct vq_dev *vq,
					   struct copy_choice *choice,
					   const struct rss *rss,
					   struct frame *const *frames,
					   unsigned n);

static inline struct vnet_tx_result vnet_tx_burst(struct vq_dev *vq,
						  struct copy_choice *choice,
						  struct frame *const *frames,
						  unsigned n)
{
	return vnet_tx_hashed_burst(vq, choice, NULL, frames, n);
}

#endif

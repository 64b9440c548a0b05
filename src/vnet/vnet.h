/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net on a device-side queue: chains to frames and frames to chains
 * (virtio 1.2, clause 5.1.6).
 *
 * A transmit queue of the guest (the spec's transmitq) is where frames come
 * into the switch; vnet_rx_* reads it. A receiveq of the guest is where frames
 * leave the switch; vnet_tx_* fills it. rx and tx here are the host's view.
 */
#ifndef RW_VNET_H
#define RW_VNET_H

#include "copy_choice.h"
#include "frame.h"
#include "vq_dev.h"
#include "virtio.h"
#include "waiting.h"

/* Size of the header in front of each frame: 12 with VERSION_1 or MRG_RXBUF,
 * else 10 (legacy, clause 5.1.6.1). */
unsigned vnet_hdr_size(uint64_t features);

/* What the guest sends / takes, as OFFLOAD_*, from its negotiated features
 * (HOST_* and GUEST_*); dependent bits without their base bit count as absent
 * (clause 5.1.3.1). */
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
 * Borrows up to @n frames (n <= BURST_MAX) from the guest's transmit queue.
 * Heads of plain frames are @snap bytes long, those of others FRAME_HEAD.
 * Chains that hold no good frame are counted, and given back with the others.
 * *@chain_count says how many chains are borrowed; pass it to vnet_rx_done().
 * @waiting belongs to the queue, zeroed when that is created.
 */
unsigned vnet_rx_burst(struct vq_dev *vq, unsigned offloads,
		       struct vnet_rx_scratch *s, struct waiting *waiting,
		       uint32_t snap, struct frame *frames, unsigned n,
		       unsigned *chain_count, struct vnet_rx_stats *stats);

/* Gives the borrowed chains back: one publication, at most one notification
 * (true when it was sent). The frames in the mask @held stay in the ring, and
 * what is behind the first of them with them; the next burst begins there and
 * returns those of @held again, but none of the others. */
bool vnet_rx_done(struct vq_dev *vq, struct vnet_rx_scratch *s,
		  struct waiting *waiting, unsigned chain_count, uint64_t held);

/* Counters of one transmit burst; the caller adds them up. */
struct vnet_tx_result {
	unsigned taken;	  /* frames given to the guest or dropped for good */
	unsigned too_big; /* of these: dropped, larger than any buffer
			   * the guest could ever offer (no mergeable) */
	uint64_t too_big_bytes; /* of those */
	uint64_t bytes;		/* Ethernet bytes copied */
	bool notified;
};

/*
 * Copies up to @n frames into the guest's receive buffers: one publication, at
 * most one notification. Stops at the first frame for which the guest has not
 * enough buffers (result.taken < n). A frame that the receiver's offloads do
 * not cover must not come here. Headers get num_buffers with MRG_RXBUF or
 * VERSION_1. @choice belongs to the queue, zeroed when that is created.
 */
struct vnet_tx_result vnet_tx_burst(struct vq_dev *vq,
				    struct copy_choice *choice,
				    struct frame *const *frames, unsigned n);

#endif

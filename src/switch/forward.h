/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: the path of a burst from its receive queue to the transmit
 * queues.
 */
#ifndef RW_FORWARD_H
#define RW_FORWARD_H

#include "gro.h"
#include "mac_news.h"
#include "pairs.h"
#include "port.h"
#include "workers.h"

#define SOFT_IOV 1024

/* Working memory of forwarding, one per worker and one for control. */
struct forward {
	struct burst burst;
	struct pairs pairs;
	/* segments made in software, in batches */
	struct frame segment[BURST_MAX];
	struct iovec iov[SOFT_IOV];
	/* large frames made in software, for one receiver at a time */
	struct gro gro;
	/* where merged frames of the present queue are counted; NULL: it wants
	 * no merging */
	struct queue_stats *merge_stats;
	/* the present frames are for one port and come from behind this filter
	 * of it; NULL: they pass all filters */
	const struct filter *behind;
	bool has_vlans; /* of the network that the present frames are in */
	struct frame
		edited[BURST_MAX]; /* copies of those that get other tags */
	struct mac_news *mac_news; /* [const] */
	/* [worker -> ctl] set when a MAC table asks for growth */
	bool *grow_wanted;
	int grow_fd; /* eventfd that wakes control for growth */
};

/* Marks @f, a frame of fw->burst, as held. */
static inline void forward_hold(struct forward *fw, const struct frame *f)
{
	fw->burst.held_mask |= 1ull << (f - fw->burst.frame);
}

/* Polls @q once with the struct forward @path: borrows a burst, forwards it,
 * gives it back. [worker] */
struct poll_result forward_poll(void *path, struct rxq *q);

/* Sends @n frames of fw->burst out by the port @to, past the filters behind
 * @behind. Frames that must wait are held as by forward_frames(). */
void forward_out(struct forward *fw, struct port *to,
		 const struct filter *behind, unsigned n, bool can_hold);

/* Forwards @n frames that came in at @from. With @can_hold, @frames are in
 * fw->burst, and those that must wait are marked in fw->burst.held_mask. Runs
 * on the thread that has @fw. */
void forward_frames(struct forward *fw, struct port *from, struct frame *frames,
		    unsigned n, bool can_hold, struct queue_stats *rx_stats);

#endif

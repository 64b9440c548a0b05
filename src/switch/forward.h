/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: what happens to a burst between the queue it came from and
 * the queues it leaves by.
 */
#ifndef RW_FORWARD_H
#define RW_FORWARD_H

#include "gro.h"
#include "mac_news.h"
#include "pairs.h"
#include "port.h"
#include "workers.h"

#define SOFT_IOV 1024

/* Working memory of forwarding: one per worker and one for control. */
struct forward {
	struct burst burst;
	struct pairs pairs;
	/* segments made in software, one batch at a time */
	struct frame segment[BURST_MAX];
	struct iovec iov[SOFT_IOV];
	/* large frames made in software, for one receiver at a time */
	struct gro gro;
	/* counters of the queue at hand when it wants its small frames merged,
	 * else NULL */
	struct queue_stats *merging;
	/* Whether the frames at hand are in a network with VLANs, and private
	 * copies of those whose tags one receiver wants otherwise. */
	bool has_vlans;
	struct frame edited[BURST_MAX];
	struct mac_news *mac_news; /* [const] */
	/* Set when a MAC table asked for growth; [worker -> ctl] */
	bool *grow_wanted;
	int grow_fd; /* eventfd to tell control */
};

/* @f, a frame of fw->burst, is to wait. */
static inline void forward_hold(struct forward *fw, const struct frame *f)
{
	fw->burst.held_mask |= 1ull << (f - fw->burst.frame);
}

/* Looks at @q once with the struct forward @path: takes a burst in, forwards
 * it, gives it back. Worker. */
struct poll_result forward_poll(void *path, struct rxq *q);

/* Forwards @n frames that came in at @from. Those that wait for a receiver are
 * marked in fw->burst.held_mask; @can_hold: they are fw->burst's and may.
 * Whoever has @fw. */
void forward_frames(struct forward *fw, struct port *from, struct frame *frames,
		    unsigned n, bool can_hold, struct queue_stats *rx_stats);

#endif

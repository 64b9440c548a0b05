/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: what happens to a burst between the queue it came from and
 * the queues it leaves by.
 */
#ifndef RW_FORWARD_H
#define RW_FORWARD_H

#include "port.h"

#define SOFT_IOV 1024

/* Working memory of forwarding: one per worker and one for control. */
struct forward {
	struct burst burst;
	/* segments made in software, one batch at a time */
	struct frame segment[BURST_MAX];
	struct iovec iov[SOFT_IOV];
	/* Set when a MAC table asked for growth; [worker -> ctl] */
	bool *grow_wanted;
	int grow_fd; /* eventfd to tell control */
};

/* Looks at @q once: takes a burst in, forwards it, gives it back. Returns how
 * many frames there were. Worker. */
unsigned forward_poll(struct forward *fw, struct rxq *q);

/* Forwards @n frames that came in at @from. Whoever has @fw. */
void forward_frames(struct forward *fw, struct port *from, struct frame *frames,
		    unsigned n, struct queue_stats *rx_stats);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside work/: receive queues move from busy workers to others.
 *
 * Theory of operation. Workers count the cycles that they spend on each queue's
 * frames. A worker that had frames in many rounds without a sleep says so once;
 * then control looks at the counters every LOOK_MS, moves at most one queue a
 * look, and stops looking when no worker has much to do. Without traffic, or
 * with little, nobody wakes up for this.
 *
 * What keeps queues from moving to and fro: a worker must be overloaded, the
 * move must relieve it by a clear margin, each move is followed by a look at
 * what it did, and a queue that moved stays for a while.
 */
#ifndef RW_REBALANCE_H
#define RW_REBALANCE_H

#include "loop.h"

struct workers;

/* A worker says that it is busy after so many rounds with frames. */
#define REBALANCE_BUSY_ROUNDS 256

struct balancer {
	struct loop_timer timer; /* [ctl] armed while something is busy */
	struct loop_watch watch;
	int fd;			/* eventfd: a worker is busy; -1: automatic
				 * moves are off */
	bool is_looking;	/* [any, atomic] workers need not say it */
	uint64_t looked_ms;	/* [ctl] when the counters were last read */
	uint64_t looked_cycles; /* [ctl] the same by cycles_now() */
};

/* Automatic moves, when @on and there are several workers. */
int rebalance_init(struct workers *ws, bool on);
void rebalance_fini(struct workers *ws);

/* This thread's worker has been busy for a while. Worker. */
void rebalance_notice(struct workers *ws);

#endif

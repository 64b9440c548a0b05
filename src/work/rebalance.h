/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside work/: moves of receive queues from busy workers to others.
 *
 * Theory of operation. Workers count the cycles that they spend on each queue's
 * frames. A worker that had frames in many rounds without a sleep signals once.
 * Control then reads the counters every LOOK_MS, moves at most one queue each
 * time, and stops when no worker has much to do. With little or no traffic,
 * nothing wakes up for this.
 *
 * Queues do not move to and fro: the worker must be overloaded, the move must
 * relieve it by a clear margin, each move is followed by a look at its effect,
 * and a queue that moved stays for a while.
 */
#ifndef RW_REBALANCE_H
#define RW_REBALANCE_H

#include "loop.h"

struct workers;

/* Rounds with frames after which a worker signals that it is busy. */
#define REBALANCE_BUSY_ROUNDS 256

struct balancer {
	struct loop_timer timer; /* [ctl] armed while a worker is busy */
	struct loop_watch watch;
	int fd;			/* eventfd: a worker is busy; -1: no automatic
				 * moves */
	bool is_looking;	/* [any, atomic] workers need not signal */
	uint64_t looked_ms;	/* [ctl] time of the last look */
	uint64_t looked_cycles; /* [ctl] cycles_now() at the last look */
};

/* Starts automatic moves when @on. Returns 0 or -errno. */
int rebalance_init(struct workers *ws, bool on);
void rebalance_fini(struct workers *ws);

/* Signals that this thread's worker has been busy for a while. [worker] */
void rebalance_notice(struct workers *ws);

#endif

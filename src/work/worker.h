/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside work/: a worker thread and the receive queues it owns.
 *
 * Theory of operation. Control puts queues into the worker's table of slots;
 * the worker keeps a private set of the awake ones. It polls each awake queue
 * in every round. A queue that stayed empty for as long as the worker is
 * willing to spin is armed (its peer is asked for an event) and sleeps; an
 * event on its descriptor, edge-triggered in the worker's epoll set, wakes it.
 * Without awake queues the worker sleeps in epoll_wait(), offline for RCU.
 *
 * The worker learns how long to spin, between 0 and SPIN_MAX_NS. A wake-up soon
 * after falling asleep shows that a slightly longer spin would have caught it;
 * a long sleep shows that the spin was a waste.
 *
 * To remove a queue, control empties its slot, takes its descriptor out of the
 * epoll set, and waits until every worker passed a quiescent point. Until then
 * the worker may be in a poll of the queue (online, so control waits for it).
 * An event fetched before names only the slot number; it finds the slot empty,
 * or finds the next queue there, which is polled once for nothing. A move works
 * the same, but everything that can fail is done first: the queue already has
 * its slot and its event in the new worker while the old worker still polls it.
 */
#ifndef RW_WORKER_H
#define RW_WORKER_H

#include <pthread.h>

#include "cycles.h"
#include "rebalance.h"
#include "workers.h"

struct worker_slots {
	unsigned count;	 /* multiple of 64 */
	bool has_woken;	 /* [any, atomic] woken has a bit set */
	uint64_t *awake; /* [worker] a bit per slot to poll */
	uint64_t *woken; /* [any, atomic] a bit per slot to wake */
	struct rxq *q[]; /* [ctl -> worker, atomic] NULL: free */
};

/* Returns a table of @count slots, a multiple of 64; NULL: out of memory.
 * worker_slots_destroy(NULL) does nothing. */
struct worker_slots *worker_slots_create(unsigned count);
void worker_slots_destroy(struct worker_slots *s);

/* Mark @slot to be polled, and merge the marks into s->awake. The marks and
 * their flag belong to the table: a worker that still has the old table cannot
 * take marks meant for the next one. */
void worker_slots_wake(struct worker_slots *s, unsigned slot); /* any thread */
void worker_slots_merge(struct worker_slots *s);	       /* [worker] */

struct worker {
	struct workers *all;
	unsigned idx;
	int cpu;	       /* CPU it is bound to; -1: any */
	int64_t spin_limit_ns; /* from poll_us; -1: adaptive */
	pthread_t thread;
	int epoll_fd;
	int wake_fd;
	bool stop;		    /* [ctl -> worker, atomic] */
	unsigned queue_count;	    /* [ctl] */
	struct worker_slots *slots; /* [rcu] */
	struct poll_result (*poll)(void *path, struct rxq *q); /* [const] */
	void *path;		    /* [const] working memory of poll() */
	struct stage_totals stages; /* [worker -> ctl] */

	uint64_t spin_ns;     /* [worker] spin on an empty queue */
	uint64_t spin_cycles; /* [worker] spin_ns in cycles */
	uint64_t looked_at;   /* [worker] cycles at the last check for events */
	uint64_t frames_at;   /* [worker] cycles after the last frames */
	uint64_t look_busy, look_idle; /* [worker] cycles between checks */
	uint64_t gather;	       /* [worker] GATHER_NS in cycles */
	uint64_t holding_since;	       /* [worker] ns; 0: not only waiting */
	unsigned busy_rounds; /* [worker] with frames, since the last sleep */
	/* Cycles of rounds with frames, and of rounds without. The rest of the
	 * time since start_cycles is sleep. */
	uint64_t working, polling; /* [worker -> ctl] */
	uint64_t last_cycles;	   /* [worker] both count up to here */
	uint64_t start_cycles;	   /* [const] */
	uint64_t start_ns;	   /* [const] */
	uint64_t rounds;	   /* [worker -> ctl] */
	uint64_t frames;	   /* [worker -> ctl] */
	uint64_t sleeps;	   /* [worker -> ctl] */

	/* [ctl] the values shown last */
	uint64_t shown_working, shown_cycles, shown_ms;
	unsigned shown_percent;
};

struct workers {
	struct loop *loop;
	struct observers *observers;
	struct worker *worker; /* heap, cache-line aligned */
	unsigned count;	       /* number of workers that run */
	struct balancer balancer;
};

int worker_start(struct worker *w); /* returns 0 or -errno */
void worker_stop(struct worker *w); /* no queue may be attached */

/* Adds @q to @w and sets q->worker and q->slot. Returns 0 or -errno. [ctl] */
int worker_add(struct worker *w, struct rxq *q);
/* Takes @q out of its worker's table. The worker may still be in a poll of it
 * until rcu_wait_workers() returns. [ctl] */
void worker_unlink(struct rxq *q);

/*
 * Hands @q over from its worker to @to; in between no worker has it. The old
 * worker finishes its last poll, frames sent and given back, before the new one
 * begins its first: frames from @q leave in order. On error (-errno) the queue
 * stays where it is. [ctl]
 */
int worker_move(struct rxq *q, struct worker *to);

#endif

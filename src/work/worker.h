/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside work/: a worker thread and the receive queues it owns.
 *
 * Theory of operation. Control puts queues into the worker's table of slots;
 * the worker keeps, privately, which of them are awake. An awake queue is
 * polled in every round. One that stayed empty for as long as the worker is
 * willing to spin is armed (its peer is asked for an event) and sleeps; an
 * event on its descriptor, edge-triggered in the worker's epoll, wakes it. With
 * no queue awake the worker sleeps in epoll_wait(), offline for RCU.
 *
 * How long to spin is learned, between 0 and SPIN_MAX: a wake-up that came soon
 * after falling asleep says that spinning a little longer would have caught it;
 * a long sleep says that spinning was a waste.
 *
 * Taking a queue away: the slot is emptied, its descriptor leaves the epoll
 * set, then every worker passes a quiescent point. The worker may until then be
 * in a poll of the queue (online, so waited for); an event that was already
 * fetched names only the slot number and finds it empty, or finds the next
 * queue there, which is polled once for nothing. Moving one is the same, and
 * everything that can fail is done before: it has its slot and its event in the
 * new worker already while the old one still polls it.
 */
#ifndef RW_WORKER_H
#define RW_WORKER_H

#include <pthread.h>

#include "cycles.h"
#include "rebalance.h"
#include "workers.h"

struct worker_slots {
	unsigned count;	 /* multiple of 64 */
	bool has_woken;	 /* [any, atomic] a bit of woken is set */
	uint64_t *awake; /* [worker] bit per slot: poll it */
	uint64_t *woken; /* [any, atomic] wake it; merged into awake */
	struct rxq *q[]; /* [ctl -> worker, atomic] NULL: free */
};

/* @count a multiple of 64; NULL: out of memory / NULL is fine */
struct worker_slots *worker_slots_create(unsigned count);
void worker_slots_destroy(struct worker_slots *s);

/* Marks @slot to be polled / takes the marks over into s->awake. The marks and
 * the flag that tells of them are the table's own: a worker that still has the
 * table before cannot take what is meant for the next. */
void worker_slots_wake(struct worker_slots *s, unsigned slot); /* any thread */
void worker_slots_merge(struct worker_slots *s);	       /* [worker] */

struct worker {
	struct workers *all;
	unsigned idx;
	int cpu;	       /* -1: any */
	int64_t spin_limit_ns; /* of poll_us; -1: adaptive */
	pthread_t thread;
	int epoll_fd;
	int wake_fd;
	bool stop;		    /* [ctl -> worker, atomic] */
	unsigned queue_count;	    /* [ctl] */
	struct worker_slots *slots; /* [rcu] */
	struct poll_result (*poll)(void *path, struct rxq *q); /* [const] */
	void *path;		    /* [const] working memory of poll() */
	struct stage_totals stages; /* [worker -> ctl] */

	uint64_t spin_ns;     /* [worker] how long an empty queue is polled */
	uint64_t spin_cycles; /* [worker] the same in cycles */
	uint64_t looked_at;   /* [worker] cycles at the last look at events */
	uint64_t look_busy, look_idle; /* [worker] cycles between looks */
	uint64_t holding_since;	       /* [worker] ns; 0: not only holding */
	unsigned busy_rounds; /* [worker] with frames, since the last sleep */
	/* Cycles of rounds that moved frames and of those that found nothing to
	 * move; the rest since start_cycles was slept. */
	uint64_t working, polling; /* [worker -> ctl] */
	uint64_t last_cycles;	   /* [worker] accounted for up to here */
	uint64_t start_cycles;	   /* [const] */
	uint64_t start_ns;	   /* [const] */
	uint64_t rounds;	   /* [worker -> ctl] */
	uint64_t frames;	   /* [worker -> ctl] */
	uint64_t sleeps;	   /* [worker -> ctl] */

	/* [ctl] what was shown last, and when */
	uint64_t shown_working, shown_cycles, shown_ms;
	unsigned shown_percent;
};

struct workers {
	struct loop *loop;
	struct observers *observers;
	struct worker *worker; /* heap, cache-line aligned */
	unsigned count;	       /* of those that run */
	struct balancer balancer;
};

int worker_start(struct worker *w); /* 0 or -errno */
void worker_stop(struct worker *w); /* no queue may be left */

/* Control. Adds @q; q->worker and q->slot are set here. 0 or -errno. */
int worker_add(struct worker *w, struct rxq *q);
/* Control. Takes @q out of its worker's table. The worker may still be in a
 * poll of it until rcu_wait_workers() returned. */
void worker_unlink(struct rxq *q);

/*
 * Hands @q, which has a worker, over to @to; in between no worker has it. The
 * old one is through with its last poll, frames sent and given back, before the
 * new one begins with its first: what comes in at @q leaves in order. On error
 * (-errno) it stays where it is.
 */
int worker_move(struct rxq *q, struct worker *to);

#endif

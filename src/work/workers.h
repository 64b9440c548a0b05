/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker threads, and which receive queue is whose. Workers know queues,
 * events and time; what happens to frames is the business of the function that
 * they are given. Control thread, except where it says otherwise.
 */
#ifndef RW_WORKERS_H
#define RW_WORKERS_H

#include "port.h"

#define WORKERS_MAX 64

struct workers;

/* What a look at a queue found. */
struct poll_result {
	unsigned frames; /* dealt with */
	unsigned held;	 /* left in the queue: their receiver is full */
};

struct workers_config {
	struct loop *loop;  /* the control thread's */
	unsigned count;	    /* 1..WORKERS_MAX */
	const int *cpus;    /* worker i runs on cpus[i % cpu_count]; borrowed */
	unsigned cpu_count; /* 0: wherever the scheduler likes */
	int poll_us;	    /* longest spin without work; -1: adaptive */
	bool rebalance;	    /* move queues away from overloaded workers */
	struct observers *observers; /* told of queues that move; borrowed */
	/* Looks at @q once and forwards what it finds; runs on the worker. */
	struct poll_result (*poll)(void *path, struct rxq *q);
	/* Returns the working memory @path of worker @i; borrowed until the
	 * workers are destroyed. */
	void *(*path)(void *ctx, unsigned i);
	void *ctx;
};

/* Starts the threads. 0 or -errno, nothing left behind. */
int workers_create(const struct workers_config *config, struct workers **out);
/* Ends the threads. No queue may be left. NULL is fine. */
void workers_destroy(struct workers *ws);

/* Gives @q to the worker with the fewest queues, which polls it at once. 0, or
 * -errno from epoll for an event_fd that cannot be waited for. Does nothing
 * when it is attached. */
int rxq_attach(struct rxq *q);
/* Takes @q away: on return no worker touches it. Does nothing when it is not
 * attached. */
void rxq_detach(struct rxq *q);
/* The same for @n queues, of which some may be NULL, with one wait for all. */
void rxq_detach_many(struct rxq *const *q, unsigned n);

/* A receive queue that changed its worker. */
struct queue_move {
	const char *port; /* valid during the call */
	unsigned queue, from, to;
	unsigned percent; /* of a worker's time that it took */
};

/*
 * Spreads the queues over the workers by their load since the last time this
 * was looked at (automatic moves look four times a second while there is much
 * to do). Tells @fn each move made; returns how many.
 */
unsigned workers_rebalance(struct workers *ws,
			   void (*fn)(const struct queue_move *, void *),
			   void *arg);

/* Counters of the workers; @with_time: what they did with it, too. */
void workers_show(struct workers *ws, struct show *out, bool with_time);

#endif

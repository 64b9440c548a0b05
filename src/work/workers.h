/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker threads and their receive queues. Workers know queues, events and
 * time; a function that they are given handles the frames. Control thread,
 * except where a comment says otherwise.
 */
#ifndef RW_WORKERS_H
#define RW_WORKERS_H

#include "port.h"

#define WORKERS_MAX 64

struct workers;

/* The result of one poll of a queue. */
struct poll_result {
	unsigned frames; /* frames finished */
	unsigned held;	 /* frames left in the queue, for full receivers */
};

struct workers_config {
	struct loop *loop;  /* the control thread's */
	unsigned count;	    /* 1..WORKERS_MAX */
	const int *cpus;    /* worker i runs on cpus[i % cpu_count]; borrowed */
	unsigned cpu_count; /* 0: workers are not bound to CPUs */
	int poll_us;	    /* longest spin without work; -1: adaptive */
	bool rebalance;	    /* move queues away from overloaded workers */
	struct observers *observers; /* told of queues that move; borrowed */
	/* Polls @q once and forwards its frames; runs on the worker. */
	struct poll_result (*poll)(void *path, struct rxq *q);
	/* Returns the working memory @path of worker @i; borrowed until the
	 * workers are destroyed. */
	void *(*path)(void *ctx, unsigned i);
	void *ctx;
};

/* Starts the threads. Returns 0, or -errno and nothing is left behind. */
int workers_create(const struct workers_config *config, struct workers **out);
/* Ends the threads. No queue may be attached. NULL is fine. */
void workers_destroy(struct workers *ws);

/* Attaches @q to the worker with the fewest queues, which polls it at once.
 * Returns 0, or -errno from epoll when event_fd cannot be waited for. Does
 * nothing when @q is attached. */
int rxq_attach(struct rxq *q);
/* Detaches @q: on return no worker touches it. Does nothing when @q is not
 * attached. */
void rxq_detach(struct rxq *q);
/* Detaches @n queues with one wait for all; entries may be NULL. */
void rxq_detach_many(struct rxq *const *q, unsigned n);

/* A move of a receive queue between workers. */
struct queue_move {
	const char *port; /* valid during the call */
	unsigned queue, from, to;
	unsigned percent; /* its load in percent of a worker's time */
};

/*
 * Spreads the queues over the workers by their load since the last look.
 * (Automatic moves look four times a second while there is much to do.) Calls
 * @fn for each move. Returns the number of moves.
 */
unsigned workers_rebalance(struct workers *ws,
			   void (*fn)(const struct queue_move *, void *),
			   void *arg);

/* Prints the workers' counters; @with_time: their use of time, too. */
void workers_show(struct workers *ws, struct show *out, bool with_time);

/* Prints which workers serve the queues of @p, the card of a guest, and the
 * counters of the guest's frames (out) and of those to it (in). Returns how
 * often the guest was notified. */
uint64_t port_show_work(const struct port *p, struct show *s);

#endif

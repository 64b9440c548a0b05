/* SPDX-License-Identifier: Apache-2.0 */
/* Inside work/: the choice of queues to move between workers. Pure. */
#ifndef RW_BALANCE_H
#define RW_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#define BALANCE_FULL	    1000000 /* a worker that never waits for work */
#define BALANCE_MAX_WORKERS 64

struct balance_queue {
	uint32_t load;	 /* share of a worker, of BALANCE_FULL */
	uint32_t worker; /* number of its worker */
	bool is_fixed;	 /* the queue must stay there */
};

/* The conditions for a move. */
struct balance_rule {
	uint32_t busy;	 /* least load of the worker to relieve */
	uint32_t margin; /* least relief of the busier worker; at least a
			  * quarter of the queue's load, too */
};

struct balance_move {
	unsigned queue; /* index of the queue */
	uint32_t to;
};

/*
 * Finds the move that relieves the busiest worker most. If no move relieves
 * that worker, the next one is tried. Returns false when no move is worth it.
 * Repeated moves come to an end, because each lowers the larger of two loads.
 */
bool balance_pick(const struct balance_queue *q, unsigned n, unsigned workers,
		  const struct balance_rule *rule, struct balance_move *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Inside work/: which queue should move to which worker. Pure. */
#ifndef RW_BALANCE_H
#define RW_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#define BALANCE_FULL	    1000000 /* a worker that never waits for work */
#define BALANCE_MAX_WORKERS 64

struct balance_queue {
	uint32_t load;	 /* share of a worker, of BALANCE_FULL */
	uint32_t worker; /* where it is */
	bool is_fixed;	 /* stays there */
};

/* When a move is worth it. */
struct balance_rule {
	uint32_t busy;	 /* only from workers with at least this load */
	uint32_t margin; /* the busier of the two is relieved by so much, and
			  * by a quarter of what moves */
};

struct balance_move {
	unsigned queue; /* index */
	uint32_t to;
};

/*
 * Finds the move that relieves the busiest worker most (one that nothing can
 * relieve is passed over for the next). False: no move is worth it. Applied
 * again and again it comes to an end: each move lowers the larger of two loads.
 */
bool balance_pick(const struct balance_queue *q, unsigned n, unsigned workers,
		  const struct balance_rule *rule, struct balance_move *out);

#endif

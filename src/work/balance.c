/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of the next move, see balance.h. Pure. */
#include "balance.h"

#include <assert.h>

#include "util.h"

/* Returns the best queue to move from @from to @to; @n: none. */
static unsigned pick_queue(const struct balance_queue *q, unsigned n,
			   const uint32_t *load, uint32_t from, uint32_t to,
			   uint32_t margin)
{
	unsigned best = n;
	uint32_t best_worst = load[from];

	for (unsigned i = 0; i < n; i++) {
		uint32_t worst, relief;

		if (q[i].worker != from || q[i].is_fixed)
			continue;
		worst = MAX(load[from] - q[i].load, load[to] + q[i].load);
		relief = load[from] - MIN(worst, load[from]);
		if (relief < MAX(margin, q[i].load / 4) || worst > best_worst)
			continue;
		/* of two equally good queues, the one with less load */
		if (worst == best_worst && best < n &&
		    q[i].load >= q[best].load)
			continue;
		best = i;
		best_worst = worst;
	}
	return best;
}

bool balance_pick(const struct balance_queue *q, unsigned n, unsigned workers,
		  const struct balance_rule *rule, struct balance_move *out)
{
	uint32_t load[BALANCE_MAX_WORKERS] = { 0 }, to = 0;
	uint64_t passed = 0;

	assert(workers && workers <= BALANCE_MAX_WORKERS);
	for (unsigned i = 0; i < n; i++)
		load[q[i].worker] += q[i].load;
	for (unsigned w = 1; w < workers; w++)
		if (load[w] < load[to])
			to = w;
	for (;;) {
		uint32_t from = to;
		unsigned best;

		for (unsigned w = 0; w < workers; w++)
			if (!(passed >> w & 1) && load[w] > load[from])
				from = w;
		if (from == to || load[from] < rule->busy)
			return false;
		best = pick_queue(q, n, load, from, to, rule->margin);
		if (best < n) {
			*out = (struct balance_move){ best, to };
			return true;
		}
		passed |= 1ull << from;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The set of workers, see workers.h. Control thread; calls the workers and the
 * balancer. */
#include "workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rcu.h"
#include "worker.h"

static int start(struct workers *ws, const struct workers_config *c, unsigned i)
{
	struct worker *w = &ws->worker[i];

	memset(w, 0, sizeof(*w));
	w->all = ws;
	w->idx = i;
	w->cpu = c->cpu_count ? c->cpus[i % c->cpu_count] : -1;
	w->spin_limit_ns = c->poll_us < 0 ? -1 : c->poll_us * 1000ll;
	w->poll = c->poll;
	w->path = c->path(c->ctx, i);
	return worker_start(w);
}

int workers_create(const struct workers_config *c, struct workers **out)
{
	size_t size = c->count * sizeof(struct worker);
	struct workers *ws = calloc(1, sizeof(*ws));
	int rc;

	if (!ws)
		return -ENOMEM;
	ws->loop = c->loop;
	ws->observers = c->observers;
	ws->balancer.fd = -1;
	ws->worker = aligned_alloc(CACHE_LINE, align_up(size, CACHE_LINE));
	rc = ws->worker ? 0 : -ENOMEM;
	if (!rc)
		rc = rebalance_init(ws, c->rebalance && c->count > 1);
	while (!rc && ws->count < c->count) {
		rc = start(ws, c, ws->count);
		ws->count += !rc;
	}
	if (rc)
		workers_destroy(ws);
	else
		*out = ws;
	return rc;
}

void workers_destroy(struct workers *ws)
{
	if (!ws)
		return;
	for (unsigned i = 0; i < ws->count; i++)
		worker_stop(&ws->worker[i]);
	rebalance_fini(ws);
	free(ws->worker);
	free(ws);
}

static struct worker *pick(struct workers *ws)
{
	struct worker *best = &ws->worker[0];

	for (unsigned i = 1; i < ws->count; i++)
		if (ws->worker[i].queue_count < best->queue_count)
			best = &ws->worker[i];
	return best;
}

int rxq_attach(struct rxq *q)
{
	if (q->worker)
		return 0;
	rxq_update_snap(q);
	return worker_add(pick(q->port->workers), q);
}

void rxq_detach(struct rxq *q)
{
	rxq_detach_many(&q, 1);
}

void rxq_detach_many(struct rxq *const *q, unsigned n)
{
	bool any = false;

	for (unsigned i = 0; i < n; i++) {
		if (!q[i] || !q[i]->worker)
			continue;
		worker_unlink(q[i]);
		any = true;
	}
	/* Their workers may still have the queues, in the poll of this round.
	 * An event fetched before names only the slot. */
	if (any)
		rcu_wait_workers();
}

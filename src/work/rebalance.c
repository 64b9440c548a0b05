/* SPDX-License-Identifier: Apache-2.0 */
/* Moves of receive queues between workers, see rebalance.h. Control thread,
 * but for rebalance_notice(). */
#include "rebalance.h"

#include <errno.h>
#include <stdlib.h>

#include "balance.h"
#include "cycles.h"
#include "fd.h"
#include "log.h"
#include "switch_impl.h"

#define LOOK_MS 250 /* so there are at most four automatic moves a second */
/* A look so soon after the last one would have too little to go by: what that
 * one saw stands. */
#define LOOK_AGAIN_MS 100
/* A queue that moved stays where it is: eight looks. */
#define STAY_MS 2000

/* Looking ends when no worker is as busy as this. */
#define LITTLE (BALANCE_FULL / 20)
/* An idle queue counts as so much, so that they spread too. */
#define IDLE_LOAD (BALANCE_FULL / 100000)

static const struct balance_rule automatic = {
	.busy = BALANCE_FULL / 5 * 4,
	.margin = BALANCE_FULL / 10,
};
static const struct balance_rule manual = { .margin = IDLE_LOAD };

/* Every queue that a worker has, and the same as the planner sees it. */
struct plan {
	struct rxq **rxq;
	struct balance_queue *queue;
	unsigned count;
};

static void plan_free(struct plan *p)
{
	free(p->rxq);
	free(p->queue);
}

static int plan_make(struct vswitch *sw, bool may_move_again, struct plan *p)
{
	uint64_t now = loop_now_ms();
	unsigned room = 1;

	for (unsigned i = 0; i < sw->port_count; i++)
		room += sw->port[i]->rxq_count;
	*p = (struct plan){ .rxq = calloc(room, sizeof(*p->rxq)),
			    .queue = calloc(room, sizeof(*p->queue)) };
	if (!p->rxq || !p->queue) {
		plan_free(p);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < sw->port_count; i++) {
		const struct port *port = sw->port[i];

		for (unsigned k = 0; k < port->rxq_count; k++) {
			struct rxq *q = port->rxq[k];
			bool moved = q->moved_ms && now - q->moved_ms < STAY_MS;

			if (!q->worker)
				continue;
			p->rxq[p->count] = q;
			p->queue[p->count++] = (struct balance_queue){
				.load = q->load + IDLE_LOAD,
				.worker = q->worker->idx,
				.is_fixed = moved && !may_move_again,
			};
		}
	}
	return 0;
}

/* Reads the counters: each queue's load since the last look. */
static void look(struct vswitch *sw)
{
	struct balancer *b = &sw->balancer;
	uint64_t now = cycles_now(), elapsed = now - b->looked_cycles;

	if (loop_now_ms() - b->looked_ms < LOOK_AGAIN_MS)
		return;
	b->looked_ms = loop_now_ms();
	b->looked_cycles = now;
	for (unsigned i = 0; i < sw->port_count; i++) {
		const struct port *port = sw->port[i];

		for (unsigned k = 0; k < port->rxq_count; k++) {
			struct rxq *q = port->rxq[k];
			uint64_t busy = stat_read(&q->busy_cycles);
			double share = (double)(busy - q->busy_seen) /
				       (double)MAX(elapsed, 1);

			q->busy_seen = busy;
			q->load = (uint32_t)(MIN(share, 1.0) * BALANCE_FULL);
		}
	}
}

/* Makes one move of @p; true: it was made. */
static bool make_move(struct vswitch *sw, struct plan *p,
		      const struct balance_rule *rule, struct queue_move *done)
{
	struct balance_move m;
	struct rxq *q;
	int rc;

	if (!balance_pick(p->queue, p->count, sw->worker_count, rule, &m))
		return false;
	q = p->rxq[m.queue];
	*done = (struct queue_move){ .port = q->port->name,
				     .queue = q->idx,
				     .from = q->worker->idx,
				     .to = m.to,
				     .percent =
					     q->load / (BALANCE_FULL / 100) };
	rc = worker_move(q, &sw->worker[m.to]);
	if (rc) {
		log_ratelimited(LOG_LEVEL_WARN,
				"port=%s q=%u: cannot move to worker %u: error "
				"%d",
				done->port, done->queue, done->to, -rc);
		return false;
	}
	q->moved_ms = loop_now_ms();
	p->queue[m.queue].worker = m.to;
	log_debug("port=%s q=%u: moved from worker %u to %u, load %u %%",
		  done->port, done->queue, done->from, done->to, done->percent);
	return true;
}

static bool is_quiet(const struct vswitch *sw)
{
	uint32_t load[SWITCH_MAX_WORKERS] = { 0 };

	for (unsigned i = 0; i < sw->port_count; i++) {
		const struct port *p = sw->port[i];

		for (unsigned k = 0; k < p->rxq_count; k++) {
			const struct rxq *q = p->rxq[k];

			if (!q->worker)
				continue;
			load[q->worker->idx] += q->load;
			if (load[q->worker->idx] >= LITTLE)
				return false;
		}
	}
	return true;
}

static void on_look(struct loop_timer *t)
{
	struct vswitch *sw = container_of(t, struct vswitch, balancer.timer);
	struct queue_move done;
	struct plan plan;

	look(sw);
	if (is_quiet(sw)) {
		shm_store(&sw->balancer.is_looking, false);
		return;
	}
	loop_timer_arm(sw->loop, t, LOOK_MS, on_look);
	if (plan_make(sw, false, &plan))
		return;
	make_move(sw, &plan, &automatic, &done);
	plan_free(&plan);
}

static void on_busy(struct loop_watch *watch, uint32_t events)
{
	struct vswitch *sw =
		container_of(watch, struct vswitch, balancer.watch);

	(void)events;
	fd_drain(sw->balancer.fd);
	look(sw); /* what was before does not count */
	loop_timer_arm(sw->loop, &sw->balancer.timer, LOOK_MS, on_look);
}

void rebalance_notice(struct vswitch *sw)
{
	if (!shm_load(&sw->balancer.is_looking) &&
	    !shm_exchange(&sw->balancer.is_looking, true))
		fd_signal(sw->balancer.fd);
}

int rebalance_init(struct vswitch *sw, bool on)
{
	struct balancer *b = &sw->balancer;

	b->looked_ms = loop_now_ms();
	b->looked_cycles = cycles_now();
	b->fd = -1;
	/* Nobody is to say anything. */
	b->is_looking = true;
	if (!on)
		return 0;
	b->fd = fd_eventfd();
	if (b->fd < 0)
		return -EMFILE;
	b->is_looking = false;
	return loop_watch_add(sw->loop, &b->watch, b->fd, EPOLLIN, on_busy);
}

void rebalance_fini(struct vswitch *sw)
{
	loop_timer_disarm(&sw->balancer.timer);
	loop_watch_remove(&sw->balancer.watch);
	fd_close(&sw->balancer.fd);
}

unsigned switch_rebalance(struct vswitch *sw,
			  void (*fn)(const struct queue_move *, void *),
			  void *arg)
{
	struct queue_move done;
	struct plan plan;
	unsigned n = 0;

	look(sw);
	if (plan_make(sw, true, &plan))
		return 0;
	/* On average each queue once; the end comes long before. */
	while (n < plan.count && make_move(sw, &plan, &manual, &done)) {
		fn(&done, arg);
		n++;
	}
	plan_free(&plan);
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Moves of receive queues between workers, see rebalance.h. Control thread,
 * except rebalance_notice(). */
#include "rebalance.h"

#include <errno.h>
#include <stdlib.h>

#include "balance.h"
#include "cycles.h"
#include "fd.h"
#include "log.h"
#include "worker.h"

#define LOOK_MS 250 /* allows at most four automatic moves a second */
/* A look this soon after the last one has too little data: the result of the
 * last one stands. */
#define LOOK_AGAIN_MS 100
/* A queue that moved stays for eight looks. */
#define STAY_MS 2000

/* Looking ends when every worker's load is below this. */
#define LITTLE (BALANCE_FULL / 20)
/* Load that is added to each queue, so that idle queues spread too. */
#define IDLE_LOAD (BALANCE_FULL / 100000)

static const struct balance_rule automatic = {
	.busy = BALANCE_FULL / 5 * 4,
	.margin = BALANCE_FULL / 10,
};
static const struct balance_rule manual = { .margin = IDLE_LOAD };

/* All attached queues: rxq[i], and queue[i] for the planner. */
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

/* Returns the attached queue after @q in the order of workers and slots, the
 * first one when @q is NULL; NULL after the last one. */
static struct rxq *next_queue(const struct workers *ws, const struct rxq *q)
{
	unsigned w = q ? q->worker_idx : 0, slot = q ? q->slot + 1 : 0;

	for (; w < ws->count; w++, slot = 0) {
		const struct worker_slots *s = ws->worker[w].slots;

		for (; slot < s->count; slot++)
			if (s->q[slot])
				return s->q[slot];
	}
	return NULL;
}

static int plan_make(struct workers *ws, bool may_move_again, struct plan *p)
{
	uint64_t now = loop_now_ms();
	unsigned room = 1;

	for (unsigned i = 0; i < ws->count; i++)
		room += ws->worker[i].queue_count;
	*p = (struct plan){ .rxq = calloc(room, sizeof(*p->rxq)),
			    .queue = calloc(room, sizeof(*p->queue)) };
	if (!p->rxq || !p->queue) {
		plan_free(p);
		return -ENOMEM;
	}
	for (struct rxq *q = next_queue(ws, NULL); q; q = next_queue(ws, q)) {
		bool moved = q->moved_ms && now - q->moved_ms < STAY_MS;

		p->rxq[p->count] = q;
		p->queue[p->count++] = (struct balance_queue){
			.load = q->load + IDLE_LOAD,
			.worker = q->worker_idx,
			.is_fixed = moved && !may_move_again,
		};
	}
	return 0;
}

/* Reads the counters and sets each queue's load since the last look. */
static void look(struct workers *ws)
{
	struct balancer *b = &ws->balancer;
	uint64_t now = cycles_now(), elapsed = now - b->looked_cycles;

	if (loop_now_ms() - b->looked_ms < LOOK_AGAIN_MS)
		return;
	b->looked_ms = loop_now_ms();
	b->looked_cycles = now;
	for (struct rxq *q = next_queue(ws, NULL); q; q = next_queue(ws, q)) {
		uint64_t busy = stat_read(&q->busy_cycles);
		double share =
			(double)(busy - q->busy_seen) / (double)MAX(elapsed, 1);

		q->busy_seen = busy;
		q->load = (uint32_t)(MIN(share, 1.0) * BALANCE_FULL);
	}
}

/* Makes one move of @p. Returns whether it was made. */
static bool make_move(struct workers *ws, struct plan *p,
		      const struct balance_rule *rule, struct queue_move *done)
{
	struct balance_move m;
	struct rxq *q;
	int rc;

	if (!balance_pick(p->queue, p->count, ws->count, rule, &m))
		return false;
	q = p->rxq[m.queue];
	*done = (struct queue_move){ .port = q->port->name,
				     .queue = q->idx,
				     .from = q->worker_idx,
				     .to = m.to,
				     .percent =
					     q->load / (BALANCE_FULL / 100) };
	rc = worker_move(q, &ws->worker[m.to]);
	if (rc) {
		static struct log_limit limit;

		log_limited(&limit, LOG_LEVEL_WARN,
			    "port=%s q=%u: cannot move to worker %u: error %d",
			    done->port, done->queue, done->to, -rc);
		return false;
	}
	q->moved_ms = loop_now_ms();
	p->queue[m.queue].worker = m.to;
	observers_tell(ws->observers,
		       &(struct event){ .kind = EVENT_QUEUE_MOVE,
					.port = done->port,
					.net = q->port->net_name,
					.move = { done->queue, done->from,
						  done->to, done->percent } });
	log_debug("port=%s q=%u: moved from worker %u to %u, load %u %%",
		  done->port, done->queue, done->from, done->to, done->percent);
	return true;
}

static bool is_quiet(const struct workers *ws)
{
	uint32_t load[WORKERS_MAX] = { 0 };

	for (struct rxq *q = next_queue(ws, NULL); q; q = next_queue(ws, q)) {
		load[q->worker_idx] += q->load;
		if (load[q->worker_idx] >= LITTLE)
			return false;
	}
	return true;
}

static void on_look(struct loop_timer *t)
{
	struct workers *ws = container_of(t, struct workers, balancer.timer);
	struct queue_move done;
	struct plan plan;

	look(ws);
	if (is_quiet(ws)) {
		shm_store(&ws->balancer.is_looking, false);
		return;
	}
	loop_timer_arm(ws->loop, t, LOOK_MS, on_look);
	if (plan_make(ws, false, &plan))
		return;
	make_move(ws, &plan, &automatic, &done);
	plan_free(&plan);
}

static void on_busy(struct loop_watch *watch, uint32_t events)
{
	struct workers *ws =
		container_of(watch, struct workers, balancer.watch);

	(void)events;
	fd_drain(ws->balancer.fd);
	look(ws); /* the time before this notice does not count */
	loop_timer_arm(ws->loop, &ws->balancer.timer, LOOK_MS, on_look);
}

void rebalance_notice(struct workers *ws)
{
	if (!shm_load(&ws->balancer.is_looking) &&
	    !shm_exchange(&ws->balancer.is_looking, true))
		fd_signal(ws->balancer.fd);
}

int rebalance_init(struct workers *ws, bool on)
{
	struct balancer *b = &ws->balancer;

	b->looked_ms = loop_now_ms();
	b->looked_cycles = cycles_now();
	b->fd = -1;
	/* Workers do not signal while this is set. */
	b->is_looking = true;
	if (!on)
		return 0;
	b->fd = fd_eventfd();
	if (b->fd < 0)
		return -EMFILE;
	b->is_looking = false;
	return loop_watch_add(ws->loop, &b->watch, b->fd, EPOLLIN, on_busy);
}

void rebalance_fini(struct workers *ws)
{
	loop_timer_disarm(&ws->balancer.timer);
	loop_watch_remove(&ws->balancer.watch);
	fd_close(&ws->balancer.fd);
}

unsigned workers_rebalance(struct workers *ws,
			   void (*fn)(const struct queue_move *, void *),
			   void *arg)
{
	struct queue_move done;
	struct plan plan;
	unsigned n = 0;

	look(ws);
	if (plan_make(ws, true, &plan))
		return 0;
	/* At most one move per queue on average; usually far fewer. */
	while (n < plan.count && make_move(ws, &plan, &manual, &done)) {
		fn(&done, arg);
		n++;
	}
	plan_free(&plan);
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves of queues between workers: the choice of a move; no lost frame and no
 * overtaking within a flow during moves under load; automatic moves
 * from an overloaded worker, and no wake-ups without one.
 */
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "balance.h"
#include "clock.h"
#include "fake_port.h"
#include "switch.h"
#include "worker.h"

#define PERCENT (BALANCE_FULL / 100)

static const struct balance_rule eager = { .margin = 10 };
static const struct balance_rule calm = { .busy = 80 * PERCENT,
					  .margin = 10 * PERCENT };

/* Loads of queues in percent, ended by -1; one row per worker. */
struct plan_case {
	int load[4][6];
	unsigned workers;
	bool is_calm;
	int moved, to; /* load of the queue to move; -1: none */
};

static const struct plan_case plan_cases[] = {
	/* nothing to do */
	{ { { -1 }, { -1 } }, 2, false, -1, 0 },
	{ { { 90, -1 } }, 1, false, -1, 0 },
	{ { { 90, -1 }, { -1 } }, 2, false, -1, 0 },
	{ { { 40, 40, -1 }, { 70, -1 } }, 2, true, -1, 0 },
	/* half of the load moves */
	{ { { 45, 45, -1 }, { -1 } }, 2, true, 45, 1 },
	/* the small one of two equally good queues */
	{ { { 80, 15, -1 }, { -1 } }, 2, true, 15, 1 },
	{ { { 50, 30, 20, -1 }, { 10, -1 } }, 2, true, 50, 1 },
	/* not overloaded; overloaded with little to gain */
	{ { { 35, 35, -1 }, { -1 } }, 2, true, -1, 0 },
	{ { { 35, 35, -1 }, { -1 } }, 2, false, 35, 1 },
	{ { { 93, 6, -1 }, { -1 } }, 2, true, -1, 0 },
	{ { { 50, 49, -1 }, { 45, -1 } }, 2, true, -1, 0 },
	/* no move helps the busiest worker, one helps the next */
	{ { { 100, -1 }, { -1 }, { 45, 44, -1 } }, 3, true, 44, 1 },
	/* to the idlest of several */
	{ { { 30, 30, 30, -1 }, { 30, -1 }, { 10, -1 }, { 20, -1 } },
	  4,
	  true,
	  30,
	  2 },
};

static unsigned plan_fill(const struct plan_case *c, struct balance_queue *q)
{
	unsigned n = 0;

	for (unsigned w = 0; w < c->workers; w++)
		for (unsigned i = 0; c->load[w][i] >= 0; i++)
			q[n++] = (struct balance_queue){
				.load = (uint32_t)c->load[w][i] * PERCENT,
				.worker = w,
			};
	return n;
}

static void test_plan(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(plan_cases); i++) {
		const struct plan_case *c = &plan_cases[i];
		struct balance_queue q[24];
		unsigned n = plan_fill(c, q);
		struct balance_move m;
		bool found = balance_pick(q, n, c->workers,
					  c->is_calm ? &calm : &eager, &m);

		if (found != (c->moved >= 0))
			fail_msg("case %u", i);
		if (!found)
			continue;
		assert_int_equal(q[m.queue].load, c->moved * PERCENT);
		assert_int_equal(m.to, c->to);
		/* the same queue marked as fixed */
		for (unsigned k = 0; k < n; k++)
			q[k].is_fixed = true;
		assert_false(balance_pick(q, n, c->workers, &eager, &m));
	}
}

/* Random loads: moves end, never make the busiest worker busier, and spread
 * equal queues evenly. */
static void test_plan_random(void **state)
{
	struct rng r = rng_start();

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		unsigned workers = 1 + rng_below(&r, 8);
		unsigned n = rng_below(&r, 40), moves = 0, count[8] = { 0 };
		bool is_equal = round & 1;
		struct balance_queue q[40];
		struct balance_move m;

		for (unsigned i = 0; i < n; i++)
			q[i] = (struct balance_queue){
				.load = is_equal ? 1000
						 : rng_below(&r,
							     BALANCE_FULL / 4),
				.worker = rng_below(&r, workers),
			};
		while (balance_pick(q, n, workers, &eager, &m)) {
			uint32_t from = q[m.queue].worker, before = 0,
				 after = 0;

			for (unsigned i = 0; i < n; i++) {
				before += q[i].worker == from ? q[i].load : 0;
				after += q[i].worker == m.to ? q[i].load : 0;
			}
			assert_true(after + q[m.queue].load < before);
			q[m.queue].worker = m.to;
			assert_true(++moves <= 3 * n);
		}
		for (unsigned i = 0; i < n && is_equal; i++)
			count[q[i].worker]++;
		for (unsigned i = 0; i < workers && is_equal; i++)
			assert_in_range(count[i], n / workers,
					(n + workers - 1) / workers);
	}
}

#define SENDERS	  3
#define QUEUES	  4 /* of each sender */
#define FLOWS	  5 /* of each queue */
#define ALL_FLOWS (SENDERS * QUEUES * FLOWS)
#define RECEIVER  (SENDERS + 1) /* its address */

/* The guests: one thread fills all queues of the senders and reads those of the
 * receiver. */
struct traffic {
	struct fake_port *from[SENDERS], *to;
	struct rng rng;
	unsigned sent[ALL_FLOWS]; /* frames sent; the next serial */
	unsigned next[ALL_FLOWS]; /* least serial that may come next */
	unsigned wrong;		  /* frames out of order */
	uint64_t frames;	  /* frames received */
	bool stop;		  /* [atomic] stops sending */
	pthread_t thread;
};

static void send_some(struct traffic *t, unsigned sender, unsigned queue)
{
	struct fake_queue *q = &t->from[sender]->q[queue];
	unsigned first = (sender * QUEUES + queue) * FLOWS;
	struct message *m;

	for (unsigned n = rng_below(&t->rng, 100); n; n--) {
		unsigned flow = first + rng_below(&t->rng, FLOWS);

		m = fifo_next(&q->in);
		if (!m)
			break;
		make_udp(m, RECEIVER, sender + 1, flow, t->sent[flow]++);
		fifo_push(&q->in);
	}
	fifo_kick(q);
}

/* Reads all queues. Returns whether there were frames. */
static bool receive_all(struct traffic *t)
{
	uint64_t before = t->frames;

	for (unsigned i = 0; i < t->to->queues; i++) {
		struct fifo *f = &t->to->q[i].out;
		const struct message *m;

		for (; (m = fifo_first(f)); fifo_pop(f)) {
			unsigned flow, serial;

			read_udp(m, &flow, &serial);
			t->frames++;
			if (flow >= ALL_FLOWS || serial < t->next[flow])
				t->wrong++;
			else
				t->next[flow] = serial + 1;
		}
	}
	return t->frames != before;
}

static void *be_guests(void *arg)
{
	struct traffic *t = arg;

	while (!shm_load(&t->stop)) {
		send_some(t, rng_below(&t->rng, SENDERS),
			  rng_below(&t->rng, QUEUES));
		receive_all(t);
	}
	/* reads the frames in flight, until 200 ms bring none */
	for (unsigned silent = 0; silent < 200; silent++) {
		if (receive_all(t))
			silent = 0;
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	return NULL;
}

static void start_traffic(struct traffic *t, struct world *w)
{
	static const char *const names[] = { "a", "b", "c" };
	struct port_conf conf = { .max_macs = 9,
				  .full = PORT_FULL_WAIT,
				  .full_us = 1000000 };

	memset(t, 0, sizeof(*t));
	t->rng = rng_start();
	for (unsigned i = 0; i < SENDERS; i++)
		t->from[i] =
			add_port_full(w, names[i], "x", PORT_FULL_DROP, QUEUES);
	t->to = add_port_full(w, "to", "x", PORT_FULL_WAIT, 2);
	port_set_common(&t->to->port, &conf);
	send_frame(t->to, 9, RECEIVER, 0); /* makes it known */
	wait_taken(t->to);
	for (unsigned i = 0; i < 2; i++)
		t->to->q[i].out_is_read = true;
	assert_int_equal(pthread_create(&t->thread, NULL, be_guests, t), 0);
}

static void end_traffic(struct traffic *t, struct world *w)
{
	uint64_t sent = 0, full = 0;

	shm_store(&t->stop, true);
	pthread_join(t->thread, NULL);
	assert_int_equal(t->wrong, 0);
	for (unsigned i = 0; i < ALL_FLOWS; i++)
		sent += t->sent[i];
	for (unsigned i = 0; i < t->to->queues; i++)
		full += t->to->q[i].txq.stats.drops[DROP_TX_FULL];
	/* Only the last frames of a burst for several full queues wait. */
	assert_int_equal(t->frames + full, sent);
	assert_true(full < sent / 2);
	for (unsigned i = 0; i < SENDERS; i++)
		remove_port(w, t->from[i]);
	remove_port(w, t->to);
}

/* Queues move at random under load: no frame is lost and each flow keeps its
 * order. */
static void test_order(void **state)
{
	static struct traffic t;
	struct rng r = rng_start();

	(void)state;
	for (unsigned workers = 2; workers <= 4; workers += 2) {
		struct world w = start(workers);
		uint64_t begin, least = 0;
		unsigned moves = 0;

		start_traffic(&t, &w);
		for (begin = clock_ns(); clock_ns() - begin < 700000000;) {
			struct fake_port *p = t.from[rng_below(&r, SENDERS)];
			struct rxq *q = &p->q[rng_below(&r, QUEUES)].rxq;
			struct worker *to =
				&switch_workers(w.sw)
					 ->worker[rng_below(&r, workers)];

			moves += q->worker != to;
			assert_int_equal(worker_move(q, to), 0);
			assert_ptr_equal(q->worker, to);
			if (rng_below(&r, 4) == 0)
				nanosleep(&(struct timespec){ 0, 500000 },
					  NULL);
		}
		end_traffic(&t, &w);
		assert_true(moves > 10);
		for (unsigned i = 0; i < workers; i++)
			least += switch_workers(w.sw)->worker[i].frames;
		assert_true(least >= t.frames && t.frames > 1000);
		stop(&w);
	}
}

/* Returns how many of @p's queues worker @idx has. */
static unsigned count_on(const struct fake_port *p, unsigned idx)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->queues; i++)
		n += p->q[i].rxq.worker->idx == idx;
	return n;
}

static void note_move(const struct queue_move *m, void *arg)
{
	assert_string_equal(m->port, "a");
	assert_int_not_equal(m->from, m->to);
	(*(unsigned *)arg)++;
}

/* Idle queues are spread on request, too. */
static void test_manual(void **state)
{
	struct world w = start(3);
	struct fake_port *a = add_port_full(&w, "a", "x", PORT_FULL_DROP, 8);
	unsigned moves = 0;

	(void)state;
	assert_int_equal(
		workers_rebalance(switch_workers(w.sw), note_move, &moves), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(worker_move(&a->q[i].rxq,
					     &switch_workers(w.sw)->worker[2]),
				 0);
	assert_int_equal(count_on(a, 2), 8);
	assert_int_equal(
		workers_rebalance(switch_workers(w.sw), note_move, &moves), 5);
	assert_int_equal(moves, 5);
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(count_on(a, i), 2, 3);
	assert_int_equal(
		workers_rebalance(switch_workers(w.sw), note_move, &moves), 0);
	remove_port(&w, a);
	stop(&w);
}

/* A thread that keeps the queues of @bits full. */
struct flood {
	struct fake_port *from;
	bool stop; /* [atomic] */
};

static void *be_busy(void *arg)
{
	struct flood *f = arg;

	while (!shm_load(&f->stop)) {
		for (unsigned i = 0; i < f->from->queues; i += 2) {
			struct fake_queue *q = &f->from->q[i];
			struct message *m;

			while ((m = fifo_next(&q->in))) {
				make_udp(m, 2, 1, i, 0);
				fifo_push(&q->in);
			}
			fifo_kick(q);
		}
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	return NULL;
}

static struct waiting {
	struct loop_timer timer;
	struct world *w;
	struct fake_port *a;
	uint64_t until_ms;
	bool (*is_over)(const struct waiting *);
} waiting;

static void on_wait(struct loop_timer *t)
{
	if (waiting.is_over(&waiting) || loop_now_ms() > waiting.until_ms)
		loop_stop(waiting.w->loop);
	else
		loop_timer_arm(waiting.w->loop, t, 20, on_wait);
}

/* Runs the loop until @is_over, at most @ms. */
static bool run_until(bool (*is_over)(const struct waiting *), unsigned ms)
{
	waiting.is_over = is_over;
	waiting.until_ms = loop_now_ms() + ms;
	loop_timer_arm(waiting.w->loop, &waiting.timer, 0, on_wait);
	loop_run(waiting.w->loop);
	loop_timer_disarm(&waiting.timer);
	return is_over(&waiting);
}

static bool busy_ones_are_apart(const struct waiting *x)
{
	return x->a->q[0].rxq.worker != x->a->q[2].rxq.worker;
}

static bool nobody_looks(const struct waiting *x)
{
	return !shm_load(&switch_workers(x->w->sw)->balancer.is_looking) &&
	       !switch_workers(x->w->sw)->balancer.timer.due_ms;
}

static bool never(const struct waiting *x)
{
	(void)x;
	return false;
}

/* Two busy queues on one worker, two idle ones on the other. */
static void test_automatic(void **state)
{
	const struct switch_config config = {
		.workers = 2, .poll_us = -1, .mac_age_s = 300, .rebalance = true
	};
	struct world w = start_with(&config);
	struct fake_port *a = add_port_full(&w, "a", "x", PORT_FULL_DROP, 4);
	struct fake_port *b = add_port(&w, "b", "x");
	struct flood f = { .from = a };
	const struct worker *home;
	pthread_t thread;

	(void)state;
	waiting.w = &w;
	waiting.a = a;
	assert_ptr_equal(a->q[0].rxq.worker, a->q[2].rxq.worker);
	assert_false(run_until(never, 300)); /* a timer would be armed */
	assert_true(nobody_looks(&waiting));
	for (unsigned i = 0; i < 4; i++)
		a->q[i].rx_ns = 100000;
	assert_int_equal(pthread_create(&thread, NULL, be_busy, &f), 0);
	assert_true(run_until(busy_ones_are_apart, 5000));
	assert_false(nobody_looks(&waiting));
	/* the queues stay there */
	home = a->q[0].rxq.worker;
	assert_false(run_until(never, 600));
	assert_ptr_equal(a->q[0].rxq.worker, home);
	assert_ptr_not_equal(a->q[2].rxq.worker, home);
	shm_store(&f.stop, true);
	pthread_join(thread, NULL);
	assert_true(run_until(nobody_looks, 3000));
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_plan_random),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_automatic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's thread, see worker.h for the theory of operation. worker_main()
 * and its callees run on the worker, start and stop on the control thread.
 * worker_slots.c adds and removes queues.
 */
#include "worker.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#include "clock.h"
#include "cycles.h"
#include "fd.h"
#include "log.h"
#include "probe.h"
#include "rcu.h"

#define EVENTS_PER_WAIT 64
#define SLOT_WAKE	UINT64_MAX /* epoll data of wake_fd */

/* Longest useful spin: longer ones cost more than the two wake-ups that they
 * save (a write to a sleeping peer's eventfd and the peer's wake-up take 40 to
 * 90 us). */
#define SPIN_MAX_NS  100000
#define SPIN_STEP_NS 10000
/* Interval between polls of an idle queue without an event descriptor. */
#define MUST_POLL_NS 1000000
/* A worker that only waits for full receivers spins for HOLD_SPIN_NS, then naps
 * between its tries: the receiver may need this very CPU. */
#define HOLD_SPIN_NS 50000
#define HOLD_NAP_NS  50000
/* Intervals between checks for events of sleeping queues: of a worker that had
 * frames within the last LOOK_IDLE_NS, and of one that had none. A check costs
 * about as much as eight polls of an empty queue, and a round that copies large
 * frames may itself take longer. */
#define LOOK_BUSY_NS 20000
#define LOOK_IDLE_NS 5000
/*
 * A queue whose last burst had GATHER_LEAST frames or more waits up to
 * GATHER_NS for a full burst, and looks for it a few times. Each burst moves
 * the lines of four indices between the caches; fuller bursts move them less
 * often (docs/performance.md has what 2, 4 and 8 us give). A queue with fewer
 * frames never waits, nor one whose frames are large.
 */
#define GATHER_NS    4000
#define GATHER_LEAST 16
#define GATHER_LOOKS 8

/* Handles a queue that was empty at @now (cycles). Returns true when the queue
 * was armed and needs no polls before its event. */
static bool put_to_sleep(struct worker *w, struct rxq *q, uint64_t now)
{
	stat_inc(&q->stats.polls);
	if (q->event_fd < 0)
		return false;
	if (!q->idle_since)
		q->idle_since = now;
	if (q->can_spin && now - q->idle_since < w->spin_cycles)
		return false;
	if (q->port->ops->rx_arm && !q->port->ops->rx_arm(q))
		return false;
	stat_inc(&q->stats.sleeps);
	q->idle_since = 0;
	return true;
}

struct round {
	unsigned frames;
	unsigned holding; /* queues that only wait for receivers */
	unsigned awake;	  /* queues to poll again at once */
	bool must_poll;	  /* an idle queue has no event descriptor */
	uint64_t cycles;  /* cycle counter at its last read; in the end: now */
};

/* Counts the cycles of @q, which had frames. They include those of empty polls
 * before it: reading the counter costs a third of such a poll. */
static void measure(struct round *r, struct rxq *q)
{
	uint64_t now = cycles_now();

	stat_add(&q->busy_cycles, now - r->cycles);
	r->cycles = now;
}

/* Handles @q, which had no frames. Returns true when it needs no polls before
 * its event. */
static bool is_done_with(struct worker *w, struct rxq *q, struct round *r)
{
	if (put_to_sleep(w, q, r->cycles))
		return true;
	if (q->event_fd < 0)
		r->must_poll = true;
	else
		r->awake++;
	return false;
}

/* Makes the next burst of @q wait for more frames, if the one that ended now is
 * of a stream of small frames. */
static void gather(const struct worker *w, struct rxq *q,
		   struct poll_result done, uint64_t now)
{
	if (done.frames < GATHER_LEAST || done.held || q->want < BURST_MAX ||
	    !q->port->ops->rx_has_burst)
		return;
	q->gather_until = now + w->gather;
	q->gather_look = 0;
}

/* Returns whether @q still waits for more frames at @now. */
static bool is_gathering(const struct worker *w, struct rxq *q, uint64_t now)
{
	if (now < q->gather_until) {
		if (now < q->gather_look)
			return true;
		q->gather_look = now + w->gather / GATHER_LOOKS;
		if (!q->port->ops->rx_has_burst(q))
			return true;
	}
	q->gather_until = 0;
	return false;
}

static struct round poll_awake(struct worker *w, struct worker_slots *s)
{
	struct round r = { .cycles = w->last_cycles };

	for (unsigned slot = 0; slot < s->count; slot += 64) {
		uint64_t *awake = &s->awake[slot / 64];

		for (uint64_t bits = *awake; bits; bits &= bits - 1) {
			uint64_t bit = bits & -bits;
			/* worker:B  acquire: the queue is complete. Pairs with
			 * the release in fill_slot(). */
			struct rxq *q = shm_load_acquire(
				&s->q[slot + (unsigned)__builtin_ctzll(bits)]);
			struct poll_result done;

			if (!q) {
				*awake &= ~bit;
				continue;
			}
			if (q->gather_until && is_gathering(w, q, r.cycles)) {
				r.awake++;
				continue;
			}
			stage_begin();
			done = w->poll(w->path, q);
			stage_end(&w->stages, done.frames);
			if (done.frames) {
				measure(&r, q);
				gather(w, q, done, r.cycles);
			}
			r.frames += done.frames;
			if (done.frames || done.held) {
				q->idle_since = 0;
				r.awake++;
				r.holding += !done.frames;
			} else if (is_done_with(w, q, &r)) {
				*awake &= ~bit;
			}
		}
	}
	r.cycles = cycles_now();
	return r;
}

/* Wakes the queues that have events. */
static void take_events(struct worker *w, const struct epoll_event *ev, int n)
{
	struct worker_slots *s = rcu_read(w->slots);

	for (int i = 0; i < n; i++) {
		uint64_t slot = ev[i].data.u64;
		struct rxq *q;

		if (slot == SLOT_WAKE) {
			fd_drain(w->wake_fd);
			continue;
		}
		q = slot < s->count ? shm_load_acquire(&s->q[slot]) : NULL;
		if (!q)
			continue;
		stat_inc(&q->stats.kicks);
		PROBE2(kick, q->port->name, q->idx);
		s->awake[slot / 64] |= 1ull << (slot & 63);
		if (q->port->ops->rx_disarm)
			q->port->ops->rx_disarm(q);
	}
}

/* Adapts the spin after a sleep of @slept_ns: a short sleep shows that the spin
 * before it was too short, a long one that it was too long. */
static uint64_t learn_spin(uint64_t spin_ns, uint64_t slept_ns)
{
	if (slept_ns < SPIN_MAX_NS)
		return MIN(spin_ns * 2 + SPIN_STEP_NS, SPIN_MAX_NS);
	return spin_ns < SPIN_STEP_NS ? 0 : spin_ns / 2;
}

/* Converts @ns to cycles, by the worker's readings of both clocks. */
static uint64_t cycles_of(const struct worker *w, uint64_t ns, uint64_t now)
{
	return (uint64_t)((double)ns *
			  (double)(cycles_now() - w->start_cycles) /
			  (double)(now - w->start_ns));
}

/* Sets the spin after a sleep that began at @since and ended now. Also sets it
 * in cycles, the only clock of the rounds. */
static void set_spin(struct worker *w, uint64_t since)
{
	uint64_t now = clock_ns(), spin_ns = w->spin_ns;

	if (w->spin_limit_ns < 0)
		spin_ns = learn_spin(spin_ns, now - since);
	shm_store(&w->spin_ns, spin_ns);
	w->spin_cycles = cycles_of(w, spin_ns, now);
	w->look_busy = cycles_of(w, LOOK_BUSY_NS, now);
	w->look_idle = cycles_of(w, LOOK_IDLE_NS, now);
	w->gather = cycles_of(w, GATHER_NS, now);
}

/* Checks for events between the round @r and the next one, if due. */
static void look_at_events(struct worker *w, const struct round *r)
{
	struct epoll_event ev[EVENTS_PER_WAIT];

	if (r->frames)
		w->frames_at = r->cycles;
	if (r->cycles - w->looked_at < (r->cycles - w->frames_at < w->look_idle
						? w->look_busy
						: w->look_idle))
		return;
	w->looked_at = r->cycles;
	take_events(w, ev, epoll_wait(w->epoll_fd, ev, EVENTS_PER_WAIT, 0));
}

/* Adds the cycles from the last call to @now to @kind: w->working or
 * w->polling. */
static void account(struct worker *w, uint64_t *kind, uint64_t now)
{
	stat_add(kind, now - w->last_cycles);
	w->last_cycles = now;
}

/* Calls epoll_pwait2() with a timeout of @ns; -1: none. Before Linux 5.11 the
 * timeout is rounded up to milliseconds. */
static int wait_for_events(struct worker *w, struct epoll_event *ev, int64_t ns)
{
	const struct timespec timeout = { ns / 1000000000, ns % 1000000000 };
	int n = epoll_pwait2(w->epoll_fd, ev, EVENTS_PER_WAIT,
			     ns < 0 ? NULL : &timeout, NULL);

	if (unlikely(n < 0 && errno == ENOSYS))
		n = epoll_wait(w->epoll_fd, ev, EVENTS_PER_WAIT,
			       ns < 0 ? -1 : (int)((ns + 999999) / 1000000));
	return n;
}

/* Sleeps until an event, at most @ns nanoseconds; -1: no limit. */
static void sleep_until_event(struct worker *w, int64_t ns)
{
	struct epoll_event ev[EVENTS_PER_WAIT];
	uint64_t since = clock_ns();
	int n;

	stat_inc(&w->sleeps);
	w->busy_rounds = 0;
	rcu_offline();
	account(w, &w->polling, cycles_now());
	n = wait_for_events(w, ev, ns);
	w->last_cycles = cycles_now();
	rcu_online();
	if (ns < 0)
		set_spin(w, since);
	take_events(w, ev, n);
}

/* Waits while all awake queues wait for full receivers. */
static void wait_for_receivers(struct worker *w)
{
	uint64_t now = clock_ns();

	if (!w->holding_since)
		w->holding_since = now;
	if (now - w->holding_since < HOLD_SPIN_NS)
		cpu_relax();
	else
		sleep_until_event(w, HOLD_NAP_NS);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	rcu_register();
	while (!shm_load_acquire(&w->stop)) {
		struct worker_slots *s = rcu_read(w->slots);
		struct round r;

		worker_slots_merge(s);
		r = poll_awake(w, s);
		account(w, r.frames ? &w->working : &w->polling, r.cycles);
		stat_inc(&w->rounds);
		stat_add(&w->frames, r.frames);
		if (r.frames && ++w->busy_rounds > REBALANCE_BUSY_ROUNDS)
			rebalance_notice(w->all);
		rcu_quiescent();
		if (!r.holding || r.frames)
			w->holding_since = 0;
		if (!r.awake) {
			sleep_until_event(w, r.must_poll ? MUST_POLL_NS : -1);
		} else if (r.holding == r.awake) {
			wait_for_receivers(w);
		} else {
			look_at_events(w, &r);
		}
	}
	rcu_unregister();
	return NULL;
}

static void pin(const struct worker *w)
{
	cpu_set_t set;
	int rc;

	if (w->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(w->cpu, &set);
	rc = pthread_setaffinity_np(w->thread, sizeof(set), &set);
	if (rc)
		log_warn("worker %u: cannot run on CPU %d: %s", w->idx, w->cpu,
			 strerror(rc));
}

int worker_start(struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET,
				  .data.u64 = SLOT_WAKE };
	char name[16];
	int rc;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = fd_eventfd();
	w->slots = worker_slots_create(64);
	w->spin_ns = w->spin_limit_ns > 0 ? (uint64_t)w->spin_limit_ns : 0;
	if (w->epoll_fd < 0 || w->wake_fd < 0 || !w->slots ||
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->wake_fd, &ev) < 0) {
		rc = w->slots ? errno : ENOMEM;
		goto err_free;
	}
	w->start_ns = clock_ns();
	w->start_cycles = w->last_cycles = cycles_now();
	rc = pthread_create(&w->thread, NULL, worker_main, w);
	if (rc)
		goto err_free;
	snprintf(name, sizeof(name), "worker%u", w->idx);
	pthread_setname_np(w->thread, name);
	pin(w);
	return 0;

err_free:
	worker_slots_destroy(w->slots);
	fd_close(&w->wake_fd);
	fd_close(&w->epoll_fd);
	return -rc;
}

void worker_stop(struct worker *w)
{
	shm_store_release(&w->stop, true);
	fd_signal(w->wake_fd);
	pthread_join(w->thread, NULL);
	worker_slots_destroy(w->slots);
	fd_close(&w->wake_fd);
	fd_close(&w->epoll_fd);
}

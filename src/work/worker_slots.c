/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a worker's queues; see worker.h. Control thread, except
 * worker_slots_merge(); calls RCU and the worker's epoll set.
 */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "fd.h"
#include "rcu.h"

struct worker_slots *worker_slots_create(unsigned count)
{
	struct worker_slots *s =
		calloc(1, sizeof(*s) + count * sizeof(s->q[0]));

	if (!s)
		return NULL;
	s->count = count;
	s->awake = calloc(count / 64, sizeof(*s->awake));
	s->woken = calloc(count / 64, sizeof(*s->woken));
	if (!s->awake || !s->woken) {
		free(s->awake);
		free(s->woken);
		free(s);
		return NULL;
	}
	return s;
}

void worker_slots_destroy(struct worker_slots *s)
{
	if (!s)
		return;
	free(s->awake);
	free(s->woken);
	free(s);
}

void worker_slots_wake(struct worker_slots *s, unsigned slot)
{
	shm_fetch_or(&s->woken[slot / 64], 1ull << (slot & 63));
	/* worker:A  release: the bit is visible before the flag. */
	shm_store_release(&s->has_woken, true);
}

void worker_slots_merge(struct worker_slots *s)
{
	/* worker:A  acquire: slots and bits stored before the flag are visible
	 * below. Pairs with the release in worker_slots_wake(). */
	if (!shm_load(&s->has_woken) || !shm_exchange(&s->has_woken, false))
		return;
	for (unsigned i = 0; i < s->count / 64; i++)
		s->awake[i] |= shm_exchange(&s->woken[i], 0);
}

/* Doubles the table. Every queue is polled once afterwards, because only the
 * worker knows which ones were awake. */
static int slots_grow(struct worker *w)
{
	struct worker_slots *old = w->slots;
	struct worker_slots *s = worker_slots_create(old->count * 2);

	if (!s)
		return -ENOMEM;
	for (unsigned i = 0; i < old->count; i++) {
		s->q[i] = old->q[i];
		if (s->q[i])
			worker_slots_wake(s, i);
	}
	rcu_publish(w->slots, s);
	fd_signal(w->wake_fd);
	/* This worker may still have the old table, in its present round. */
	rcu_wait_workers();
	worker_slots_destroy(old);
	return 0;
}

/* Finds a free slot for @q and directs the events of @q to it. The slot stays
 * empty until fill_slot(); no other slot of @w may be prepared before that. */
static int prepare(struct worker *w, const struct rxq *q, unsigned *out)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	unsigned slot = 0;

	while (slot < w->slots->count && w->slots->q[slot])
		slot++;
	if (slot == w->slots->count) {
		int rc = slots_grow(w);

		if (rc)
			return rc;
	}
	*out = slot;
	ev.data.u64 = slot;
	if (q->event_fd >= 0 &&
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, q->event_fd, &ev) < 0)
		return -errno;
	return 0;
}

/* Gives @q to @w, which polls it at once. */
static void fill_slot(struct worker *w, unsigned slot, struct rxq *q)
{
	q->worker = w;
	q->worker_idx = (uint16_t)w->idx;
	q->slot = slot;
	q->idle_since = 0;
	q->gather_until = 0;
	q->want = BURST_MAX;
	w->queue_count++;
	/* worker:B  release: @q is complete before the pointer to it. Pairs
	 * with the acquire in poll_awake(). */
	shm_store_release(&w->slots->q[slot], q);
	worker_slots_wake(w->slots, slot);
	fd_signal(w->wake_fd);
}

/* An event that came since prepare() went to nobody: @q must not wait for it.
 * Nobody has @q. */
static void forget_events(struct rxq *q)
{
	if (q->port->ops->rx_disarm)
		q->port->ops->rx_disarm(q);
}

int worker_add(struct worker *w, struct rxq *q)
{
	unsigned slot;
	int rc = prepare(w, q, &slot);

	if (rc)
		return rc;
	forget_events(q);
	fill_slot(w, slot, q);
	return 0;
}

int worker_move(struct rxq *q, struct worker *to)
{
	unsigned slot;
	int rc;

	if (q->worker == to)
		return 0;
	rc = prepare(to, q, &slot);
	if (rc)
		return rc;
	worker_unlink(q);
	rcu_wait_workers();
	forget_events(q);
	fill_slot(to, slot, q);
	return 0;
}

void worker_unlink(struct rxq *q)
{
	struct worker *w = q->worker;

	shm_store(&w->slots->q[q->slot], NULL);
	if (q->event_fd >= 0)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, q->event_fd, NULL);
	w->queue_count--;
	q->worker = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interrupt line of an emulated card, see nic_impl.h. A throttle is the
 * shortest time between two interrupts: one that comes sooner waits for it.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "nic_impl.h"

#define NS_PER_S 1000000000ull

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void wait_until(struct nic_irq *q, uint64_t ns)
{
	const struct itimerspec at = {
		.it_value = { .tv_sec = (time_t)(ns / NS_PER_S),
			      .tv_nsec = (long)(ns % NS_PER_S) }
	};

	q->is_waiting =
		!timerfd_settime(q->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Returns whether an interrupt may come now; else it comes later. */
static bool is_time(struct nic_irq *q)
{
	uint64_t now;

	if (!q->interval_ns)
		return true;
	now = now_ns();
	if (now - q->last_ns < q->interval_ns) {
		if (!q->is_waiting)
			wait_until(q, q->last_ns + q->interval_ns);
		return !q->is_waiting;
	}
	q->last_ns = now;
	return true;
}

static void update_locked(struct nic *n)
{
	struct nic_irq *q = &n->irq;
	bool is_wanted = shm_load(&q->cause) & shm_load(&q->mask);

	if (is_wanted == q->is_up || !n->pci.bus || (is_wanted && !is_time(q)))
		return;
	q->is_up = is_wanted;
	if (is_wanted)
		stat_inc(&q->raised);
	pci_set_intx(&n->pci, is_wanted);
}

void nic_irq_update(struct nic *n)
{
	pthread_mutex_lock(&n->irq.lock);
	update_locked(n);
	pthread_mutex_unlock(&n->irq.lock);
}

uint32_t nic_irq_take(struct nic *n, uint32_t clear)
{
	uint32_t cause = shm_fetch_and(&n->irq.cause, ~clear);

	nic_irq_update(n);
	return cause;
}

void nic_irq_set_mask(struct nic *n, uint32_t keep, uint32_t add)
{
	shm_store(&n->irq.mask, (n->irq.mask & keep) | add);
	/* A worker sees the mask, or we see its cause. */
	shm_fence();
	nic_irq_update(n);
}

void nic_irq_set_interval(struct nic *n, uint64_t ns)
{
	pthread_mutex_lock(&n->irq.lock);
	n->irq.interval_ns = ns;
	pthread_mutex_unlock(&n->irq.lock);
}

static void on_news(struct loop_watch *w, uint32_t events)
{
	(void)events;
	fd_drain(w->fd);
	nic_irq_update(container_of(w, struct nic, irq.news));
}

static void on_timer(struct loop_watch *w, uint32_t events)
{
	struct nic *n = container_of(w, struct nic, irq.timer);

	(void)events;
	fd_drain(w->fd);
	pthread_mutex_lock(&n->irq.lock);
	n->irq.is_waiting = false;
	update_locked(n);
	pthread_mutex_unlock(&n->irq.lock);
}

void nic_irq_reset(struct nic *n)
{
	struct nic_irq *q = &n->irq;

	pthread_mutex_lock(&q->lock);
	shm_store(&q->cause, 0);
	shm_store(&q->mask, 0);
	q->interval_ns = 0;
	update_locked(n);
	pthread_mutex_unlock(&q->lock);
}

int nic_irq_init(struct nic_irq *q, struct nic *n)
{
	int rc;

	pthread_mutex_init(&q->lock, NULL);
	q->news_fd = fd_eventfd();
	q->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (q->news_fd < 0 || q->timer_fd < 0)
		return q->news_fd < 0 ? q->news_fd : -errno;
	rc = loop_watch_add(n->loop, &q->news, q->news_fd, EPOLLIN, on_news);
	return rc ? rc
		  : loop_watch_add(n->loop, &q->timer, q->timer_fd, EPOLLIN,
				   on_timer);
}

void nic_irq_fini(struct nic_irq *q)
{
	loop_watch_remove(&q->news);
	loop_watch_remove(&q->timer);
	fd_close(&q->news_fd);
	fd_close(&q->timer_fd);
	pthread_mutex_destroy(&q->lock);
}

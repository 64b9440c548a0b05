/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interrupt of an emulated card, see nic_impl.h: a line, or messages
 * (MSI-X). A throttle is the shortest time between two interrupts: one that
 * comes sooner waits for it. Control and vCPU threads; workers send messages.
 *
 * A message is sent once for a cause: told has the causes whose message was
 * sent and which the driver has not cleared. Clearing a cause (nic_irq_take())
 * and unmasking it (nic_irq_set_mask()) take it out of told.
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "nic_impl.h"

#define NS_PER_S 1000000000ull

uint64_t nic_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Lets the timer end at @ns at the latest. */
static void wake_at(struct nic_irq *q, uint64_t ns)
{
	const struct itimerspec at = {
		.it_value = { .tv_sec = (time_t)(ns / NS_PER_S),
			      .tv_nsec = (long)(ns % NS_PER_S) }
	};

	if (q->wake_ns && q->wake_ns <= ns)
		return;
	if (!timerfd_settime(q->timer_fd, TFD_TIMER_ABSTIME, &at, NULL))
		q->wake_ns = ns;
}

/* Returns 0 when an interrupt may come now, which it does; else when it may. */
static uint64_t pass(struct nic_throttle *t)
{
	uint64_t now;

	if (!t->interval_ns)
		return 0;
	now = nic_now_ns();
	if (now - t->last_ns < t->interval_ns)
		return t->last_ns + t->interval_ns;
	t->last_ns = now;
	return 0;
}

static void update_line(struct nic *n)
{
	struct nic_irq *q = &n->irq;
	bool is_wanted = !msix_is_on(&n->pci) &&
			 shm_load(&q->cause) & shm_load(&q->mask);
	uint64_t wake;

	if (is_wanted == q->is_up || !n->pci.bus)
		return;
	wake = is_wanted ? pass(&q->line) : 0;
	if (wake) {
		wake_at(q, wake);
		return;
	}
	q->is_up = is_wanted;
	if (is_wanted)
		stat_inc(&q->raised);
	if (is_wanted && msi_count(&n->pci))
		fd_signal(msi_fd(&n->pci, 0));
	pci_set_intx(&n->pci, is_wanted);
}

/* Sends the message @i of the causes @due. Clearing the cause comes first: one
 * that is set again later has a message of its own. */
static void send_message(struct nic *n, unsigned i, uint32_t due)
{
	struct nic_irq *q = &n->irq;
	uint32_t clear = q->auto_clear & due;

	q->told = (q->told | due) & ~clear;
	shm_fetch_and(&q->cause, ~clear);
	shm_fetch_and(&q->mask, ~(q->auto_mask & q->vector[i].causes));
	stat_inc(&q->raised);
	fd_signal(msix_fd(&n->pci, i));
}

/* Sends the messages that are due. Returns when the next of those that come too
 * soon may be sent, or 0. */
static uint64_t send_messages(struct nic *n)
{
	struct nic_irq *q = &n->irq;
	uint64_t wake, first = 0;

	if (!msix_is_on(&n->pci))
		return 0;
	spin_lock(&q->vector_lock);
	for (unsigned i = 0; i < NIC_VECTORS; i++) {
		struct nic_vector *v = &q->vector[i];
		uint32_t due = shm_load(&q->cause) & shm_load(&q->mask) &
			       v->causes & ~q->told;

		if (!due)
			continue;
		wake = pass(&v->throttle);
		if (!wake)
			send_message(n, i, due);
		else if (!first || wake < first)
			first = wake;
	}
	spin_unlock(&q->vector_lock);
	return first;
}

void nic_irq_tell(struct nic *n)
{
	if (!msix_is_on(&n->pci) || send_messages(n))
		fd_signal(n->irq.news_fd);
}

static void update_locked(struct nic *n)
{
	uint64_t wake = send_messages(n);

	if (wake)
		wake_at(&n->irq, wake);
	update_line(n);
}

void nic_irq_update(struct nic *n)
{
	pthread_mutex_lock(&n->irq.lock);
	update_locked(n);
	pthread_mutex_unlock(&n->irq.lock);
}

void nic_irq_repeat(struct nic *n)
{
	bool was_up;

	pthread_mutex_lock(&n->irq.lock);
	was_up = n->irq.is_up;
	update_locked(n);
	if (was_up && n->irq.is_up && msi_count(&n->pci))
		fd_signal(msi_fd(&n->pci, 0));
	pthread_mutex_unlock(&n->irq.lock);
}

/* The causes @bits are to be told of again. */
static void forget_told(struct nic_irq *q, uint32_t bits)
{
	spin_lock(&q->vector_lock);
	q->told &= ~bits;
	spin_unlock(&q->vector_lock);
}

uint32_t nic_irq_take(struct nic *n, uint32_t clear)
{
	uint32_t cause = shm_fetch_and(&n->irq.cause, ~clear);

	forget_told(&n->irq, clear);
	nic_irq_update(n);
	return cause;
}

void nic_irq_set_mask(struct nic *n, uint32_t keep, uint32_t add)
{
	uint32_t old = shm_fetch_and(&n->irq.mask, keep);

	forget_told(&n->irq, add & ~old);
	shm_fetch_or(&n->irq.mask, add);
	/* A worker sees the mask, or we see its cause. */
	shm_fence();
	nic_irq_update(n);
}

void nic_irq_set_interval(struct nic *n, uint64_t ns)
{
	pthread_mutex_lock(&n->irq.lock);
	n->irq.line.interval_ns = ns;
	pthread_mutex_unlock(&n->irq.lock);
}

void nic_irq_set_vector_interval(struct nic *n, unsigned vector, uint64_t ns)
{
	spin_lock(&n->irq.vector_lock);
	n->irq.vector[vector].throttle.interval_ns = ns;
	spin_unlock(&n->irq.vector_lock);
}

void nic_irq_set_vectors(struct nic *n, const uint32_t causes[NIC_VECTORS])
{
	uint32_t taken = 0;

	spin_lock(&n->irq.vector_lock);
	for (unsigned i = 0; i < NIC_VECTORS; i++) {
		n->irq.vector[i].causes = causes[i] & ~taken;
		taken |= causes[i];
	}
	spin_unlock(&n->irq.vector_lock);
	nic_irq_update(n);
}

void nic_irq_set_auto(struct nic *n, uint32_t clear, uint32_t mask)
{
	spin_lock(&n->irq.vector_lock);
	n->irq.auto_clear = clear;
	n->irq.auto_mask = mask;
	spin_unlock(&n->irq.vector_lock);
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
	n->irq.wake_ns = 0;
	update_locked(n);
	pthread_mutex_unlock(&n->irq.lock);
}

void nic_irq_reset(struct nic *n)
{
	struct nic_irq *q = &n->irq;

	pthread_mutex_lock(&q->lock);
	shm_store(&q->cause, 0);
	shm_store(&q->mask, 0);
	q->line.interval_ns = 0;
	spin_lock(&q->vector_lock);
	memset(q->vector, 0, sizeof(q->vector));
	q->told = q->auto_clear = q->auto_mask = 0;
	spin_unlock(&q->vector_lock);
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

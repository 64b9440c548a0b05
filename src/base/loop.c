/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event loop of the control thread, see loop.h.
 *
 * The loop keeps the events of one epoll_wait() while it delivers them.
 * loop_watch_remove() strikes out those of the removed watch, whose memory may
 * then be freed at once. Timers are in a sorted list, because there are few.
 */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "shm.h"
#include "util.h"

#define EVENTS_PER_WAIT 64

struct posted {
	void (*fn)(void *arg);
	void *arg;
	struct posted *next;
};

struct loop {
	int epoll_fd;
	int wake_fd;
	bool stop; /* [any, atomic] */
	struct loop_watch wake;
	struct loop_timer *timers; /* sorted by due_ms */

	struct epoll_event event[EVENTS_PER_WAIT]; /* now being delivered */
	int event_count;

	pthread_mutex_t lock;	      /* guards the posted calls */
	struct posted *first, **last; /* posted calls, oldest first */
};

uint64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void run_posted(struct loop_watch *w, uint32_t events)
{
	struct loop *loop = container_of(w, struct loop, wake);
	struct posted *p;

	(void)events;
	fd_drain(loop->wake_fd);
	pthread_mutex_lock(&loop->lock);
	p = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	while (p) {
		struct posted *next = p->next;

		p->fn(p->arg);
		free(p);
		p = next;
	}
}

struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	pthread_mutex_init(&loop->lock, NULL);
	loop->last = &loop->first;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = fd_eventfd();
	if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
	    loop_watch_add(loop, &loop->wake, loop->wake_fd, EPOLLIN,
			   run_posted)) {
		loop_destroy(loop);
		return NULL;
	}
	return loop;
}

void loop_destroy(struct loop *loop)
{
	struct posted *p, *next;

	if (!loop)
		return;
	for (p = loop->first; p; p = next) {
		next = p->next;
		free(p);
	}
	fd_close(&loop->wake_fd);
	fd_close(&loop->epoll_fd);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

/* Returns the milliseconds until the first timer (a minute at most), or -1
 * without timers. */
static int next_timeout(const struct loop *loop)
{
	uint64_t now = loop_now_ms();

	if (!loop->timers)
		return -1;
	if (loop->timers->due_ms <= now)
		return 0;
	return (int)MIN(loop->timers->due_ms - now, 60000);
}

static void run_timers(struct loop *loop)
{
	uint64_t now = loop_now_ms();

	while (loop->timers && loop->timers->due_ms <= now) {
		struct loop_timer *t = loop->timers;

		loop_timer_disarm(t);
		t->fn(t);
	}
}

bool loop_step(struct loop *loop)
{
	int n;

	if (shm_load_acquire(&loop->stop))
		return false;
	n = epoll_wait(loop->epoll_fd, loop->event, EVENTS_PER_WAIT,
		       next_timeout(loop));
	loop->event_count = n > 0 ? n : 0;
	for (int i = 0; i < loop->event_count; i++) {
		struct loop_watch *w = loop->event[i].data.ptr;

		if (w)
			w->fn(w, loop->event[i].events);
	}
	loop->event_count = 0;
	run_timers(loop);
	return true;
}

void loop_run(struct loop *loop)
{
	while (loop_step(loop))
		;
	shm_store_release(&loop->stop, false);
}

void loop_stop(struct loop *loop)
{
	shm_store_release(&loop->stop, true);
	fd_signal(loop->wake_fd);
}

int loop_watch_add(struct loop *loop, struct loop_watch *w, int fd,
		   uint32_t events, void (*fn)(struct loop_watch *, uint32_t))
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*w = (struct loop_watch){ .fn = fn, .fd = fd, .loop = loop };
	return 0;
}

int loop_watch_set(struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		return -errno;
	return 0;
}

void loop_watch_remove(struct loop_watch *w)
{
	struct loop *loop = w->loop;

	if (!loop)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < loop->event_count; i++)
		if (loop->event[i].data.ptr == w)
			loop->event[i].data.ptr = NULL;
	w->loop = NULL;
	w->fd = -1;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *t, uint64_t ms,
		    void (*fn)(struct loop_timer *))
{
	struct loop_timer **at;

	loop_timer_disarm(t);
	t->fn = fn;
	t->loop = loop;
	t->due_ms = loop_now_ms() + ms;
	for (at = &loop->timers; *at && (*at)->due_ms <= t->due_ms;
	     at = &(*at)->next)
		;
	t->next = *at;
	*at = t;
}

void loop_timer_disarm(struct loop_timer *t)
{
	struct loop_timer **at;

	if (!t->loop)
		return;
	for (at = &t->loop->timers; *at && *at != t; at = &(*at)->next)
		;
	if (*at)
		*at = t->next;
	t->next = NULL;
	t->loop = NULL;
	t->due_ms = 0;
}

int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct posted *p = malloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct posted){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&loop->lock);
	*loop->last = p;
	loop->last = &p->next;
	pthread_mutex_unlock(&loop->lock);
	/* Queued, whatever becomes of the wake-up: it can only fail when the
	 * loop has one to see already. */
	fd_signal(loop->wake_fd);
	return 0;
}

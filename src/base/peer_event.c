/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events to an untrusted peer, see peer_event.h. Any thread.
 *
 * Theory of operation. Linux has no write to an eventfd that cannot sleep:
 * RWF_NOWAIT is refused, the descriptor cannot be opened anew, and a poll()
 * before the write is too early. But a signal ends the sleep. So each writing
 * thread has a periodic timer that sends it a signal. If one signal comes just
 * before the write begins to sleep, the next one ends the sleep. Returning from
 * the handler is all that it takes to interrupt the write.
 *
 * The timer costs nothing without writes: after two periods without a call the
 * handler disarms it, and the next call arms it again.
 */
#include "peer_event.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "shm.h"
#include "util.h"

/* glibc names the member only since 2.38. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* State shared by a thread and the signal handler that runs on it. [atomic] */
struct guard {
	timer_t timer;
	bool has_timer; /* @timer was created */
	bool is_armed;	/* @timer runs */
	bool is_inside; /* a write is under way */
	unsigned quiet; /* periods without a write */
};

static __thread struct guard guard;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor ends the thread's timer */

static void set_timer(struct guard *g, long ms)
{
	const struct timespec period = { 0, ms * 1000000 };

	timer_settime(g->timer, 0,
		      &(struct itimerspec){ .it_interval = period,
					    .it_value = period },
		      NULL);
}

static void on_tick(int sig)
{
	struct guard *g = &guard;
	int saved_errno = errno;

	(void)sig;
	if (shm_load(&g->has_timer) && !shm_load(&g->is_inside) &&
	    shm_fetch_add(&g->quiet, 1)) {
		set_timer(g, 0);
		shm_store(&g->is_armed, false);
	}
	errno = saved_errno;
}

static void end_timer(void *arg)
{
	struct guard *g = arg;

	shm_store(&g->has_timer, false);
	timer_delete(g->timer);
}

static void install(void)
{
	struct sigaction sa = { .sa_handler = on_tick };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, NULL);
	pthread_key_create(&key, end_timer);
}

/* Arms the timer. If it cannot be created (RLIMIT_SIGPENDING), the write goes
 * unguarded: refusing it would stop every guest. */
static void arm(struct guard *g)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID,
			       .sigev_signo = SIGALRM };
	sigset_t set;

	if (!g->has_timer) {
		pthread_once(&once, install);
		ev.sigev_notify_thread_id = gettid();
		if (timer_create(CLOCK_MONOTONIC, &ev, &g->timer) < 0)
			return;
		sigemptyset(&set);
		sigaddset(&set, SIGALRM);
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		pthread_setspecific(key, g);
		shm_store(&g->has_timer, true);
	}
	shm_store(&g->is_armed, true);
	set_timer(g, PEER_EVENT_MS);
}

int peer_event_signal(int fd)
{
	const uint64_t one = 1;
	struct guard *g = &guard;
	ssize_t n;

	shm_store(&g->quiet, 0);
	shm_store(&g->is_inside, true);
	/* Stores is_inside before is_armed is loaded: from here on the handler
	 * leaves the timer alone. The handler runs on this thread, so the fence
	 * has no partner elsewhere. */
	shm_fence();
	if (unlikely(!shm_load(&g->is_armed)))
		arm(g);
	n = write(fd, &one, sizeof(one));
	shm_store(&g->is_inside, false);
	return n < 0 && errno != EAGAIN ? -errno : 0;
}

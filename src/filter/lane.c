/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes, see lane.h. lane_put() runs on any thread, the queue's operations on
 * the worker that has the queue, the rest on the control thread.
 *
 * The gate has no thread: the queue's event descriptor is a timer. Who puts the
 * first frame into an empty lane sets it to the end of the interval, and so
 * does the worker when it finds frames that may not leave yet. An empty lane
 * wakes nobody.
 *
 * End. The filter's owner opens the gate, takes the queue from its worker and
 * forwards the rest itself, while workers may still put frames in. When the
 * filter has left its chain they cannot any more, and the last frames are
 * forwarded.
 */
#include "lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

#include "clock.h"
#include "fd.h"
#include "filter.h"
#include "rcu.h"
#include "workers.h"

#define DRAIN_TRIES 16
#define AT_ONCE	    1 /* ns: long ago, a timer expires at once */

/* The header of each frame in the ring. */
struct record {
	uint64_t time; /* clock_ns(), when it came */
	struct vnet_hdr hdr;
};

static struct lane *lane_of(struct rxq *q)
{
	return container_of(q, struct lane, rxq);
}

/* Returns the end of the interval in which @time lies. */
static uint64_t end_of(const struct lane *l, uint64_t time)
{
	return l->start + ((time - l->start) / l->interval + 1) * l->interval;
}

static void set_timer(const struct lane *l, uint64_t ns)
{
	const struct itimerspec at = {
		.it_value = { (time_t)(ns / 1000000000),
			      (long)(ns % 1000000000) },
	};

	timerfd_settime(l->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Sets the timer to the end of the interval of @time. */
static void set_end(const struct lane *l, uint64_t time)
{
	set_timer(l, end_of(l, time));
	/* lane:A  set the timer, then load is_open. Pairs in lane_set_open(),
	 * which stores is_open, then sets the timer: a gate that was opened
	 * meanwhile does not keep the later time. */
	shm_fence();
	if (shm_load(&l->is_open))
		set_timer(l, AT_ONCE);
}

/* Wakes the worker for a frame that came at @time. */
static void wake(const struct lane *l, uint64_t time)
{
	if (!l->interval)
		fd_signal(l->fd);
	else
		set_end(l, time);
}

/* Returns whether a frame that came at @time still has to wait at @now. */
static bool is_early(const struct lane *l, uint64_t time, uint64_t now)
{
	return l->interval && !shm_load(&l->is_open) && now < end_of(l, time);
}

static void *reserve(struct lane *l, uint64_t now, const struct vnet_hdr *hdr,
		     uint32_t len)
{
	struct record *r = mring_reserve(l->ring, (uint32_t)sizeof(*r) + len);

	if (!r)
		return NULL;
	*r = (struct record){ now, *hdr };
	stat_inc(&l->frames);
	return r + 1;
}

void lane_put(struct lane *l, struct frame *const *frames, unsigned n)
{
	uint64_t now = l->interval ? clock_ns() : 0;
	bool must_wake = false;

	for (unsigned i = 0; i < n; i++) {
		const struct frame *f = frames[i];
		void *to = reserve(l, now, &f->hdr, f->len);

		if (!to) {
			shm_fetch_add(&l->dropped, 1);
			continue;
		}
		frame_copy(f, 0, to, f->len);
		must_wake |= mring_commit(l->ring);
	}
	if (must_wake)
		wake(l, now);
}

bool lane_put_data(struct lane *l, const struct vnet_hdr *hdr, const void *data,
		   uint32_t len)
{
	uint64_t now = l->interval ? clock_ns() : 0;
	void *to = reserve(l, now, hdr, len);

	if (!to)
		return false;
	memcpy(to, data, len);
	if (mring_commit(l->ring))
		wake(l, now);
	return true;
}

static unsigned lane_rx_burst(struct rxq *q, struct burst *b)
{
	struct lane *l = lane_of(q);
	uint64_t now = l->interval ? clock_ns() : 0;
	const struct record *r;
	unsigned n = 0;
	uint32_t size;

	if (unlikely(l->store.count))
		return store_again(&l->store, b, FRAME_HEAD);
	waiting_begin(&l->store.waiting);
	while (n < b->want && (r = mring_peek(l->ring, &size))) {
		if (is_early(l, r->time, now)) {
			mring_unpeek(l->ring, r);
			break;
		}
		l->store.raw[n] = (struct iovec){
			(void *)(uintptr_t)(r + 1),
			size - sizeof(*r),
		};
		l->store.hdr[n] = r->hdr;
		if (!store_frame(&l->store, n, b, n, FRAME_HEAD)) {
			stat_inc(&q->stats.drops[DROP_RX_BAD_OFFLOAD]);
			continue;
		}
		b->frame[n++].from = l->entry.port;
	}
	store_received(&l->store, n);
	return n;
}

/* Frames that wait keep their place in the ring, and those behind them too. */
static void lane_rx_done(struct rxq *q, struct burst *b)
{
	struct lane *l = lane_of(q);

	store_done(&l->store, b);
	if (!l->store.count)
		mring_release(l->ring);
}

static bool lane_rx_arm(struct rxq *q)
{
	struct lane *l = lane_of(q);
	const struct record *r;
	uint32_t size;
	uint64_t time;

	if (l->store.count)
		return false;
	r = mring_peek(l->ring, &size);
	if (!r)
		return mring_arm(l->ring);
	time = r->time;
	mring_unpeek(l->ring, r);
	if (!is_early(l, time, l->interval ? clock_ns() : 0))
		return false;
	set_end(l, time);
	return true;
}

static void lane_rx_disarm(struct rxq *q)
{
	struct lane *l = lane_of(q);

	mring_disarm(l->ring);
	if (!l->interval)
		fd_drain(l->fd);
}

static const struct port_ops lane_ops = {
	.rx_burst = lane_rx_burst,
	.rx_done = lane_rx_done,
	.rx_arm = lane_rx_arm,
	.rx_disarm = lane_rx_disarm,
};

struct lane *lane_create(const struct port_env *env, const struct filter *f,
			 bool is_rx, size_t bytes, uint64_t interval_ns)
{
	struct lane *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	/* The name is in the list of moves between workers. */
	l->owner = (struct port){ .ops = &lane_ops,
				  .name = f->spec->common.id,
				  .workers = env->workers,
				  .sw = env->sw };
	l->drain = env->drain;
	l->entry = (struct filter_entry){ f->port, f, is_rx };
	l->interval = interval_ns;
	l->start = clock_ns();
	l->ring = mring_create(bytes);
	l->fd = interval_ns ? timerfd_create(CLOCK_MONOTONIC,
					     TFD_NONBLOCK | TFD_CLOEXEC)
			    : fd_eventfd();
	l->rxq = (struct rxq){ .port = &l->owner,
			       .idx = is_rx,
			       .can_spin = !interval_ns,
			       .can_hold = true,
			       .event_fd = l->fd,
			       .is_shared = true,
			       .entry = &l->entry };
	if (!l->ring || l->fd < 0) {
		lane_destroy(l);
		return NULL;
	}
	return l;
}

int lane_attach(struct lane *l)
{
	return rxq_attach(&l->rxq);
}

void lane_set_open(struct lane *l, bool is_open)
{
	shm_store(&l->is_open, is_open);
	shm_fence(); /* lane:A  store is_open, then set the timer */
	if (is_open && l->interval)
		set_timer(l, AT_ONCE);
}

void lane_drain(struct lane *l)
{
	unsigned tries = DRAIN_TRIES;

	lane_set_open(l, true);
	rxq_detach(&l->rxq);
	l->rxq.can_hold = false;
	/* A worker that still saw frames in the lane may have added its own
	 * after the last ones left. */
	do {
		l->drain(l->owner.sw, &l->rxq);
		rcu_wait_workers();
	} while (!lane_is_empty(l) && --tries);
}

void lane_destroy(struct lane *l)
{
	if (!l)
		return;
	mring_destroy(l->ring);
	fd_close(&l->fd);
	free(l);
}

void lanes_show(struct lane *const lane[2], struct show *s)
{
	uint64_t frames = 0, gone = 0, dropped = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct queue_stats *stats;

		if (!lane[i])
			continue;
		stats = &lane[i]->rxq.stats;
		gone += stat_read(&stats->frames);
		frames += stat_read(&lane[i]->frames);
		dropped += stat_read(&lane[i]->dropped);
		for (unsigned r = 0; r < DROP_COUNT; r++)
			dropped += stat_read(&stats->drops[r]);
	}
	show_num(s, "frames", frames);
	show_num(s, "held", frames > gone ? frames - gone : 0);
	show_num(s, "dropped", dropped);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's event loop: epoll, timers, and calls posted from helper
 * threads. Callbacks run on the thread that calls loop_run() or loop_step().
 * Only that thread may call the functions, except loop_post() and loop_stop().
 * A callback may remove any watch or timer, its own included.
 */
#ifndef RW_LOOP_H
#define RW_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

/* A watched file descriptor. Embedded in its owner's struct; the loop keeps a
 * pointer to it until loop_watch_remove(). */
struct loop_watch {
	void (*fn)(struct loop_watch *w, uint32_t events);
	int fd;		   /* set by loop_watch_add(); -1 after removal */
	struct loop *loop; /* NULL while not watched */
};

/* A timer. Embedded in its owner's struct. */
struct loop_timer {
	void (*fn)(struct loop_timer *t);
	uint64_t due_ms; /* monotonic; 0 while not armed */
	struct loop *loop;
	struct loop_timer *next;
};

/* Returns NULL without memory or descriptors. */
struct loop *loop_create(void);
void loop_destroy(struct loop *loop);

/* Runs callbacks until loop_stop(). */
void loop_run(struct loop *loop);

/* Waits for events once, runs their callbacks and returns true. After
 * loop_stop() it returns false without waiting, and loop_run() returns at once.
 */
bool loop_step(struct loop *loop);

/* Makes loop_run() return. Any thread, and signal handlers. */
void loop_stop(struct loop *loop);

/* Watches @fd for @events as in epoll_ctl(2), level-triggered;
 * loop_watch_set() changes @events. Both return 0 or -errno. */
int loop_watch_add(struct loop *loop, struct loop_watch *w, int fd,
		   uint32_t events, void (*fn)(struct loop_watch *, uint32_t));
int loop_watch_set(struct loop_watch *w, uint32_t events);
/* Ends the watch if there is one. Does not close the fd. */
void loop_watch_remove(struct loop_watch *w);

/* Calls @fn once after @ms milliseconds. Arming an armed timer moves its time.
 */
void loop_timer_arm(struct loop *loop, struct loop_timer *t, uint64_t ms,
		    void (*fn)(struct loop_timer *));
void loop_timer_disarm(struct loop_timer *t);

/* Makes the loop's thread call fn(arg), after all calls posted earlier. Returns
 * 0 or -errno. Any thread. loop_destroy() drops calls that have not run yet. */
int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

uint64_t loop_now_ms(void); /* CLOCK_MONOTONIC in milliseconds */

#endif

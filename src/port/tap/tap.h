/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tap port's inside: tap.c is the port (control thread), tap_io.c its
 * queues' data path (workers), tap_link.c what becomes of the interface,
 * tap_script.c the scripts, tap_linux.c the kernel's side.
 */
#ifndef RW_TAP_H
#define RW_TAP_H

#include <sys/uio.h>

#include "log.h"
#include "port.h"
#include "tap_linux.h"
#include "waiting.h"

#define TAP_READ_ROOM  (68 * 1024) /* for the largest frame and its header */
#define TAP_ARENA_SIZE (8 * TAP_READ_ROOM) /* eight of them in a burst */
#define TAP_BOUNCE     TAP_READ_ROOM /* behind the arena, for transmission */

struct tap_queue {
	struct rxq rx;
	struct txq tx;
	int fd;		   /* [const] borrowed from the tap_if */
	unsigned hdr_size; /* [const] 12, or 0 without vnet_hdr */
	uint8_t *arena;	   /* [const] TAP_ARENA_SIZE, then TAP_BOUNCE */
	bool has_more;	   /* [worker] the last burst stopped early */
	bool is_gone;	   /* [worker] the interface is, and control
			    * was told */
	struct iovec iov[BURST_MAX]; /* [worker] rx_burst to rx_done */
	struct iovec raw[BURST_MAX]; /* [worker] what was read */
	unsigned raw_count;	     /* [worker] after rx_done: left of it */
	struct waiting waiting;	     /* [worker] of these */
};

struct tap_port {
	struct port port;
	struct tap_if tap;    /* [ctl] */
	enum tap_state state; /* [ctl] */
	char reason[256];     /* [ctl] why it failed; empty: it did not */
	struct tap_scripts *scripts; /* [ctl] NULL: none */
	struct loop *loop;	     /* [const] */
	struct tap_port *next;	     /* [ctl] of all taps, see tap_link.c */
	bool is_listed;		     /* [ctl] it is one of these */
	bool is_changed; /* [ctl] its interface is to be looked at */
	unsigned count;	 /* [const] of queues */
	struct tap_queue *q[TAP_MAX_QUEUES]; /* [const] */
	struct log_limit log;
};

/* Operations of a port on a tap. [worker] */
unsigned tap_rx_burst(struct rxq *rx, struct burst *b);
bool tap_rx_arm(struct rxq *rx);
void tap_rx_done(struct rxq *rx, struct burst *b);
unsigned tap_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n);

/* Takes frames from now on, and follows the interface's state. 0 or -errno.
 * [ctl] */
int tap_start(struct tap_port *t);
/* The port has failed for good: link down, and why. [ctl] */
void tap_fail(struct tap_port *t, const char *reason);
/* Finds out the interface's state and makes it the port's. [ctl] */
void tap_examine(struct tap_port *t);

/*
 * Has tap_examine() called whenever the interface of @t changed. One netlink
 * socket serves all taps. 0 or -errno. [ctl]
 */
int tap_link_follow(struct tap_port *t);
void tap_link_leave(struct tap_port *t);
/* A queue found that its interface is gone. [any] */
void tap_link_wake(void);

/*
 * Scripts. @up and @down are paths, or NULL for none; @name is the port's id.
 * All are copied. NULL: out of memory. [ctl]
 */
struct tap_scripts *tap_scripts_create(struct loop *loop, const char *name,
				       const char *up, const char *down);
bool tap_scripts_have_up(const struct tap_scripts *s);
/* Runs the first script for @t, and at its end calls tap_start() or tap_fail().
 * 0 or -errno with @err. [ctl] */
int tap_scripts_begin(struct tap_scripts *s, struct tap_port *t,
		      struct err *err);
/* The port goes: takes its interface over, runs the second script and closes
 * the interface at its end. Waits for nothing; @s is freed in due time. [ctl]
 */
void tap_scripts_end(struct tap_scripts *s, struct tap_if *tap);
/* For a port that never was. NULL is fine. [ctl] */
void tap_scripts_destroy(struct tap_scripts *s);

#endif

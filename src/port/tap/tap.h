/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the tap port: tap.c is the port (control thread), tap_io.c the
 * data path of its queues (workers), tap_link.c follows the interface's state,
 * tap_script.c runs the scripts, tap_linux.c talks to the kernel.
 */
#ifndef RW_TAP_H
#define RW_TAP_H

#include <sys/uio.h>

#include "log.h"
#include "port.h"
#include "store.h"
#include "tap_linux.h"

#define TAP_READ_ROOM  (68 * 1024) /* the largest frame and its header */
#define TAP_ARENA_SIZE (8 * TAP_READ_ROOM) /* eight such frames in a burst */
#define TAP_BOUNCE     TAP_READ_ROOM /* behind the arena, for transmission */

struct tap_queue {
	struct rxq rx;
	struct txq tx;
	int fd;		    /* [const] borrowed from the tap_if */
	unsigned hdr_size;  /* [const] 12, or 0 without vnet_hdr */
	uint8_t *arena;	    /* [const] TAP_ARENA_SIZE, then TAP_BOUNCE */
	bool has_more;	    /* [worker] the last burst stopped early */
	bool is_gone;	    /* [worker] the interface is gone and control was
			     * told */
	struct store store; /* [worker] the frames that were read */
};

struct tap_port {
	struct port port;
	struct tap_if tap;    /* [ctl] */
	enum tap_state state; /* [ctl] */
	char reason[256];     /* [ctl] why it failed; empty: not failed */
	struct tap_scripts *scripts; /* [ctl] NULL: none */
	struct loop *loop;	     /* [const] */
	struct tap_port *next;	     /* [ctl] list of all taps, tap_link.c */
	bool is_listed;		     /* [ctl] this port is in that list */
	bool is_changed;	     /* [ctl] tap_examine() must be called */
	unsigned count;		     /* [const] number of queues */
	struct tap_queue *q[TAP_MAX_QUEUES]; /* [const] */
	struct log_limit log;
};

/* The port_ops of a tap's queues. [worker] */
unsigned tap_rx_burst(struct rxq *rx, struct burst *b);
bool tap_rx_arm(struct rxq *rx);
void tap_rx_done(struct rxq *rx, struct burst *b);
unsigned tap_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n);

/* Attaches the queues and sets the link by the interface's state. Returns 0,
 * -ENODEV if the interface is gone, or another -errno. [ctl] */
int tap_start(struct tap_port *t);
/* Makes the port fail for good, with the link down and a reason. [ctl] */
void tap_fail(struct tap_port *t, const char *reason);
/* Asks the kernel for the interface's state and makes it the port's. [ctl] */
void tap_examine(struct tap_port *t);

/*
 * Makes every change of @t's interface call tap_examine(). One netlink socket
 * serves all taps. Returns 0 or -errno. [ctl]
 */
int tap_link_follow(struct tap_port *t);
void tap_link_leave(struct tap_port *t);
/* Makes control examine all taps: a queue found its interface gone. [any] */
void tap_link_wake(void);

/*
 * Returns the scripts of a port, or NULL without memory. @up and @down are
 * paths or NULL; @name is the port's id. All three are copied. [ctl]
 */
struct tap_scripts *tap_scripts_create(struct loop *loop, const char *name,
				       const char *up, const char *down);
bool tap_scripts_have_up(const struct tap_scripts *s);
/* Starts the up script for @t; the script's end calls tap_start() or
 * tap_fail(). Returns 0 or -errno with @err. [ctl] */
int tap_scripts_begin(struct tap_scripts *s, struct tap_port *t,
		      struct err *err);
/* Takes the interface over from a port that is destroyed, starts the down
 * script and returns. At the script's end the interface is closed and @s freed.
 * [ctl]
 */
void tap_scripts_end(struct tap_scripts *s, struct tap_if *tap);
/* Frees the scripts of a port that could not be created; NULL is fine. [ctl] */
void tap_scripts_destroy(struct tap_scripts *s);

#endif

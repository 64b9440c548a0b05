/* SPDX-License-Identifier: Apache-2.0 */
/* The tap port's inside: tap.c is the port (control thread), tap_io.c its
 * queues' data path (workers), tap_linux.c the kernel's side. */
#ifndef RW_TAP_H
#define RW_TAP_H

#include <sys/uio.h>

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
	struct iovec iov[BURST_MAX]; /* [worker] rx_burst to rx_done */
	struct iovec raw[BURST_MAX]; /* [worker] what was read */
	unsigned raw_count;	     /* [worker] after rx_done: left of it */
	struct waiting waiting;	     /* [worker] of these */
};

struct tap_port {
	struct port port;
	struct tap_if tap;		     /* [ctl] */
	char *downscript;		     /* [ctl] heap; NULL: none */
	unsigned count;			     /* [const] of queues */
	struct tap_queue *q[TAP_MAX_QUEUES]; /* [const] */
};

/* Operations of a port on a tap. [worker] */
unsigned tap_rx_burst(struct rxq *rx, struct burst *b);
bool tap_rx_arm(struct rxq *rx);
void tap_rx_done(struct rxq *rx, struct burst *b);
unsigned tap_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n);

#endif

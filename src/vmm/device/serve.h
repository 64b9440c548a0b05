/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving a ring on the control thread: its kicks, and turns of bounded work. A
 * driver that keeps the ring full gets a few turns per millisecond, so the loop
 * stays free for its other users. Control thread.
 */
#ifndef RW_VMM_DEVICE_SERVE_H
#define RW_VMM_DEVICE_SERVE_H

#include "loop.h"
#include "vq_dev.h"

enum serve_result {
	SERVE_AGAIN, /* the next turn follows after a millisecond */
	SERVE_EMPTY, /* no chain was left: the next kick matters */
	SERVE_WAITS, /* chains wait for something else: no kick matters, the
		      * owner calls serve_now() */
};

/* Embedded in the model. */
struct serve {
	enum serve_result (*turn)(struct serve *s); /* does a bounded work */
	struct vq_dev *vq; /* NULL: no ring is served */
	struct loop *loop;
	struct loop_watch kick;
	struct loop_timer timer; /* of the next turn */
};

/* Serves @vq from the loop's next step on. Returns 0 or -errno. */
int serve_start(struct serve *s, struct loop *loop, struct vq_dev *vq,
		int kick_fd, enum serve_result (*turn)(struct serve *s));
void serve_stop(struct serve *s); /* also if nothing is served */

/* Has a turn now, unless the next one is due within a millisecond. */
void serve_now(struct serve *s);

/* Returns finished chains and notifies the driver if it wants that. */
void serve_push(struct vq_dev *vq, const struct vq_done *done, unsigned n);

#endif

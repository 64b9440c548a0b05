/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of a device model, and the report of their faults: a ring that the
 * driver broke makes the transport set DEVICE_NEEDS_RESET. Control thread,
 * except rings_break().
 */
#ifndef RW_VMM_RINGS_H
#define RW_VMM_RINGS_H

#include "virtio_dev.h"

struct ring {
	struct vq_dev vq;
	bool is_held;	    /* [ctl] @vq is active */
	bool is_told;	    /* [ctl] the transport knows of the fault */
	const char *broken; /* [any, atomic] what the driver did; NULL: it
			     * works */
};

struct rings {
	struct virtio_dev *dev;
	/* Ring @idx is broken: @why, a sentence. Before the transport is told.
	 * NULL: the transport is all. [ctl] */
	void (*broken)(struct rings *r, unsigned idx, const char *why);
	struct ring *ring; /* heap array */
	unsigned count;
	int report_fd;
	struct loop_watch watch; /* of @report_fd */
};

/* Returns the features of rings and transport that the models offer. */
uint64_t rings_features(bool packed);

/* Makes @count inactive rings for @dev, whose name is set. Returns 0 or -errno
 * with nothing left. */
int rings_init(struct rings *r, struct loop *loop, struct virtio_dev *dev,
	       unsigned count);
/* Frees them; none is held. May be called for zeroed memory. */
void rings_fini(struct rings *r);

/* Activates ring @idx. Returns 0 or -errno, also for an @idx that is too large
 * or held. rings_stop() deactivates it; nobody uses it any more then. It does
 * nothing for one that is not held. */
int rings_start(struct rings *r, unsigned idx, const struct virtio_ring *from);
void rings_stop(struct rings *r, unsigned idx);

/* The driver broke ring @idx in a way that only the model knows: @why, a
 * constant. The holder of the ring serves it no more. Any thread. */
void rings_break(struct rings *r, unsigned idx, const char *why);

/* Returns whether ring @idx has to be left alone until its reset. For its
 * holder. */
bool rings_is_broken(const struct rings *r, unsigned idx);

#endif

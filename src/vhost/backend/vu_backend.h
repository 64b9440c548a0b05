/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-end session of vhost-user: one connected front-end. Keeps what the
 * front-end configured, turns it into activated device-side queues and hands
 * them to its owner (a port), takes them back before anything under them
 * changes.
 *
 * Queue life (vhost-user, "Ring states"; the table is in vu_queue.h):
 *
 *   unconfigured -> ready -> waiting -> running <-> draining -> stopped
 *                                          `--> faulted
 *
 * ready: size and addresses known; waiting: SET_VRING_KICK came, and features
 * or the memory that holds the ring are missing; running: the owner has it and
 * it is enabled; draining: started but disabled (transmit is drained and
 * discarded, nothing is received); faulted: the guest broke it; stopped:
 * GET_VRING_BASE was answered.
 *
 * Control thread only.
 */
#ifndef RW_VU_BACKEND_H
#define RW_VU_BACKEND_H

#include "log.h"
#include "loop.h"
#include "show.h"
#include "vq_dev.h"
#include "vu_msg.h"

#define VU_MAX_QUEUE_PAIRS 64
#define VU_MAX_QUEUES	   (2 * VU_MAX_QUEUE_PAIRS)

/* The control queue, when the owner serves one, comes behind these. */
#define VU_MAX_RINGS (VU_MAX_QUEUES + 1)

struct vu_backend;

/* A queue of the front-end that works from now on. All of it is borrowed until
 * the owner is told to stop it. */
struct vu_ring {
	struct vq_dev *vq;
	int kick_fd;  /* -1: must be polled */
	bool enabled; /* as SET_VRING_ENABLE last said */
	/* It goes on where the owner left it; false: the front-end said where,
	 * and what it left there may be something else. */
	bool is_resumed;
};

struct vu_backend_ops {
	/* Features were agreed; comes before the first queue_start and again
	 * whenever they change (no queue runs then). */
	void (*features_set)(void *ctx, uint64_t features);
	/* Queue @idx works; the owner's data path has it until queues_stop().
	 */
	void (*queue_start)(void *ctx, unsigned idx,
			    const struct vu_ring *ring);
	/* While running; not called when nothing changes. */
	void (*queue_enable)(void *ctx, unsigned idx, bool enabled);
	/* Follows one or more of the two above, which must have taken effect
	 * on return. */
	void (*queues_changed)(void *ctx);
	/* On return no worker touches the @n queues @idx[] or their kick_fds
	 * any more. */
	void (*queues_stop)(void *ctx, const unsigned *idx, unsigned n);
	/* The control queue works, or no more: the same for the one queue that
	 * is no part of a pair (virtio 1.2, clause 5.1.2). Few front-ends hand
	 * it over, most serve it themselves. NULL, both: none is accepted. */
	void (*control_start)(void *ctx, const struct vu_ring *ring);
	void (*control_stop)(void *ctx);
	/* The guest broke queue @idx, which stopped; logged already. May be
	 * NULL. */
	void (*fault)(void *ctx, unsigned idx, const char *text);
	/* Returns how often the driver kicked queue @idx so far, in whatever
	 * session; of a receiveq 0. NULL: kicks are not counted. */
	uint64_t (*queue_kicks)(void *ctx, unsigned idx);
	/* The guest moved here: announce @mac on its behalf (SEND_RARP). */
	void (*rarp)(void *ctx, const uint8_t mac[6]);
	void (*mtu)(void *ctx, uint16_t mtu);
	/* The connection is over (@reason: one line, already logged; not
	 * @by_error: the front-end left); every queue was stopped. The owner
	 * calls vu_backend_destroy(), now or later, never from inside another
	 * callback. */
	void (*closed)(void *ctx, bool by_error, const char *reason);
};

struct vu_backend_config {
	const char *name;      /* of the port, for log lines; borrowed */
	struct log_limit *log; /* of the port, for what a front-end or its
				* guest can bring about; borrowed */
	uint64_t features;     /* device features offered */
	unsigned queue_pairs;  /* 1..VU_MAX_QUEUE_PAIRS */
	const int *report_fd;  /* see vq_dev.h: after each event the owner
				* calls vu_backend_check(); borrowed */
};

/* Takes ownership of the connected socket @sock (made non-blocking). */
struct vu_backend *vu_backend_create(struct loop *loop, int sock,
				     const struct vu_backend_config *config,
				     const struct vu_backend_ops *ops,
				     void *ctx);

/* Stops every queue (queue_stop is called), drops memory, closes all fds. Does
 * not call closed(). NULL is fine. */
void vu_backend_destroy(struct vu_backend *b);

/* Looks after the queues when something was reported: signals the error eventfd
 * of each that broke and logs, ends the session whose memory was cut. May call
 * closed(). */
void vu_backend_check(struct vu_backend *b);

/* Negotiated features, protocol features, status, memory, state and fault of
 * each queue. */
void vu_backend_show(const struct vu_backend *b, struct show *s);

#endif

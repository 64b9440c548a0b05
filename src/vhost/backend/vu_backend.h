/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-end session of vhost-user: one connected front-end. The session keeps
 * the front-end's configuration, turns it into activated device-side queues and
 * hands these to its owner (a port). It takes them back before it changes
 * anything under them.
 *
 * Queue life (vhost-user, "Ring states"; the table is in vu_queue.h):
 *
 *   unconfigured -> ready -> waiting -> running <-> draining -> stopped
 *                                          `--> faulted
 *
 * ready: size and addresses are known; waiting: SET_VRING_KICK came, but
 * features or the memory that holds the ring are missing; running: the owner
 * has the ring and it is enabled; draining: started but disabled (frames of the
 * guest are dropped, the guest receives none); faulted: the guest broke it;
 * stopped: GET_VRING_BASE was answered.
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

/* All rings, including the control queue, which is the last if the owner serves
 * one. */
#define VU_MAX_RINGS (VU_MAX_QUEUES + 1)

struct vu_backend;

/* A queue that starts. All members are borrowed until the owner has to stop the
 * queue. */
struct vu_ring {
	struct vq_dev *vq;
	int kick_fd;  /* -1: the owner must poll */
	bool enabled; /* value of the last SET_VRING_ENABLE */
	/* True if the ring goes on where the owner left it. False if the
	 * front-end set the position: the ring's content may be new. */
	bool is_resumed;
};

struct vu_backend_ops {
	/* Features were agreed. Called before the first queue_start, and again
	 * at each change, when no queue runs. */
	void (*features_set)(void *ctx, uint64_t features);
	/* Queue @idx starts; the owner's data path has it until
	 * queues_stop(). */
	void (*queue_start)(void *ctx, unsigned idx,
			    const struct vu_ring *ring);
	/* A running queue was enabled or disabled. Called only at a change. */
	void (*queue_enable)(void *ctx, unsigned idx, bool enabled);
	/* Called after one or more calls of the two above. All of them must be
	 * in effect on its return. */
	void (*queues_changed)(void *ctx);
	/* Stops the @n queues @idx[]. On return no worker touches them or their
	 * kick_fds. */
	void (*queues_stop)(void *ctx, const unsigned *idx, unsigned n);
	/* As queue_start and queues_stop, for the control queue, which belongs
	 * to no pair (virtio 1.2, clause 5.1.2). Few front-ends hand it over;
	 * most serve it themselves. Both NULL: a control queue is refused. */
	void (*control_start)(void *ctx, const struct vu_ring *ring);
	void (*control_stop)(void *ctx);
	/* The guest broke queue @idx, which has stopped; already logged. May be
	 * NULL. */
	void (*fault)(void *ctx, unsigned idx, const char *text);
	/* Returns how often the driver has kicked queue @idx in all sessions; 0
	 * for a receiveq. NULL: kicks are not counted. */
	uint64_t (*queue_kicks)(void *ctx, unsigned idx);
	/* The guest moved here: announce @mac on its behalf (SEND_RARP). */
	void (*rarp)(void *ctx, const uint8_t mac[6]);
	void (*mtu)(void *ctx, uint16_t mtu);
	/* The connection ended and every queue was stopped. @reason is one
	 * line, already logged; without @by_error the front-end left. The owner
	 * calls vu_backend_destroy(), now or later, but not from inside another
	 * callback. */
	void (*closed)(void *ctx, bool by_error, const char *reason);
};

struct vu_backend_config {
	const char *name;      /* name of the port, for log lines; borrowed */
	struct log_limit *log; /* the port's limit for lines that a front-end or
				* its guest can cause; borrowed */
	uint64_t features;     /* device features offered */
	unsigned queue_pairs;  /* 1..VU_MAX_QUEUE_PAIRS */
	const int *report_fd;  /* see vq_dev.h: after each event the owner
				* calls vu_backend_check(); borrowed */
};

/* Returns a session that owns the connected socket @sock and makes it
 * non-blocking, or NULL; @sock is closed then. */
struct vu_backend *vu_backend_create(struct loop *loop, int sock,
				     const struct vu_backend_config *config,
				     const struct vu_backend_ops *ops,
				     void *ctx);

/* Stops every queue (calls queues_stop), drops memory and closes all
 * descriptors. Does not call closed(). @b may be NULL. */
void vu_backend_destroy(struct vu_backend *b);

/* Checks the queues after an event of report_fd: signals the error eventfd of
 * each queue that broke and logs it; ends a session whose memory was cut. May
 * call closed(). */
void vu_backend_check(struct vu_backend *b);

/* Shows negotiated features, protocol features, status, memory, and the state
 * and fault of each queue. */
void vu_backend_show(const struct vu_backend *b, struct show *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of a vhost back-end, as a hypervisor is one for its guest's queues. An
 * event loop drives it; nothing here waits. The caller owns memory and rings
 * and passes their addresses.
 *
 * Requests are done in the order they were made, each after the answer to the
 * previous one. The loop then calls the request's vu_client_done.
 *
 *   state         legal requests              ends
 *   NEGOTIATING   none                        features agreed: ops.ready
 *   READY         all                         the connection: ops.closed
 *   CLOSED        none                        vu_client_destroy()
 *
 * Each queue:
 *
 *   IDLE          announce, start             start was requested
 *   STARTING      none                        outcome: RUNNING, refused: IDLE
 *   RUNNING       stop, enable, call          stop was requested
 *   STOPPING      none                        outcome: IDLE
 *
 * State to save when a client moves to another process: the agreed features,
 * the memory regions, and the ring that each queue was started with.
 *
 * Runs on the control thread, that of the loop.
 */
#ifndef RW_VU_CLIENT_H
#define RW_VU_CLIENT_H

#include "gmem.h"
#include "loop.h"
#include "vdpa.h"

#define VU_CLIENT_PAIRS_MAX 128 /* vhost-user's queue index has 8 bits */

struct vu_client;
struct vu_transport;

struct vu_client_config {
	uint64_t features;	/* wanted; the back-end may lack some. With
				 * VHOST_F_LOG_ALL vu_client_set_log() may be used */
	uint64_t features_high; /* the same of 64 to 127, which only the kernel
				 * can have */
	/* Takes out features that cannot stand without a missing one. NULL:
	 * all may. Pure. */
	uint64_t (*prune)(uint64_t features);
	unsigned queue_pairs; /* needed, 1..VU_CLIENT_PAIRS_MAX */
	bool has_control;     /* the queue 2 * queue_pairs is the control queue,
			       * which the back-end serves (vDPA) */
	unsigned timeout_ms;  /* time limit of each answer */
};

struct vu_client_ops {
	/* Features are agreed: memory and queues can be set up. */
	void (*ready)(void *ctx);
	/* The connection ended (@reason: a sentence); pending requests were
	 * completed with -ENOTCONN. The owner calls vu_client_destroy(), now or
	 * later, but not from inside any other callback. */
	void (*closed)(void *ctx, const char *reason);
};

/* Called once with the outcome of a request: @rc is 0, or -errno with @reason,
 * a sentence. @value is the answer, if the request has one. fn may be NULL. */
struct vu_client_done {
	void (*fn)(void *arg, int rc, uint64_t value, const char *reason);
	void *arg;
};

/* Returns a transport over the connected UNIX socket @sock, which it owns, or
 * NULL (out of memory, or the socket cannot be watched; @sock is closed). Uses
 * the protocol features that are in @wanted and that the back-end has. */
struct vu_transport *vu_sock_create(struct loop *loop, int sock,
				    uint64_t wanted);

/* What a transport by ioctls of the kernel's vhost-net or vhost-vsock needs. */
struct vu_kernel_conf {
	const int *vhost_fd; /* a descriptor of the device for each pair of
			      * queues; owned by the transport afterwards */
	const int *tap_fd;   /* that of the pair's frames, borrowed. NULL: the
			      * device is /dev/vhost-vsock, with one pair */
	unsigned pairs;
	uint32_t poll_us; /* time that the kernel polls a ring; 0: not at all */
	int err_fd;	  /* eventfd that the kernel signals about a bad ring;
			   * borrowed;       -1: none */
	/* As ioctl(2), for tests. NULL: ioctl(2). */
	int (*request)(int fd, unsigned long request, const void *arg);
};
/* Returns such a transport, or NULL (out of memory; the descriptors are
 * closed). */
struct vu_transport *vu_kernel_create(const struct vu_kernel_conf *conf);

/* What a transport to a vDPA device needs. The device has one status for all of
 * its queues: the features are agreed anew with a reset, queues run from
 * vu_client_driver_ok() on, and the first one that is stopped stops all. */
struct vu_vdpa_conf {
	struct vdpa dev; /* whose descriptor the transport owns afterwards */
	struct vdpa_facts facts;
	unsigned pairs; /* as queue_pairs of the client */
};
/* Returns such a transport, or NULL (out of memory; the descriptor is closed).
 */
struct vu_transport *vu_vdpa_create(const struct vu_vdpa_conf *conf);

/* Returns a client that starts to negotiate, or NULL when memory is short or @t
 * is NULL. Owns @t, also after a failure. */
struct vu_client *vu_client_create(struct loop *loop, struct vu_transport *t,
				   const struct vu_client_config *config,
				   const struct vu_client_ops *ops, void *ctx);
/* Ends the connection; pending requests are dropped without a callback. @c may
 * be NULL. */
void vu_client_destroy(struct vu_client *c);

/* Carries on until nothing is pending, waiting for the back-end, for owners
 * that cannot wait in the loop. Callbacks are called meanwhile. Returns 0, or
 * -ENOTCONN: the client is CLOSED, perhaps because @ms were not enough for all
 * that was pending. */
int vu_client_wait_within(struct vu_client *c, unsigned ms);
/* The same with the time limit of an answer for all of them. */
int vu_client_wait(struct vu_client *c);

/* Returns the agreed features; 0 before ops.ready. */
uint64_t vu_client_features(const struct vu_client *c);
/* Returns the features agreed when the connection began. */
uint64_t vu_client_offered(const struct vu_client *c);
/* Returns those of 64 to 127, which hold for the connection's life. */
uint64_t vu_client_features_high(const struct vu_client *c);

/*
 * Requests. Each returns 0 when it is pending, or -errno with @err; @done is
 * not called then. -ENOTCONN: the client is not READY; -EBUSY: the queue's
 * state forbids it; -EINVAL: no such queue; -ENOMEM.
 */

/* Agrees on @features, some of those agreed when the connection began, while
 * all queues are IDLE: a driver chooses its own at each start. */
int vu_client_set_features(struct vu_client *c, uint64_t features,
			   struct vu_client_done done, struct err *err);

/* Replaces the memory that the back-end sees by @region[0..count). A region
 * with the addresses and offset of a previous one is the same region. The array
 * is copied; the descriptors are borrowed until @done. */
int vu_client_set_memory(struct vu_client *c, const struct gmem_desc *region,
			 unsigned count, struct vu_client_done done,
			 struct err *err);

struct vu_client_ring {
	uint32_t num;		    /* descriptors of the ring */
	uint32_t base;		    /* position word, see vq.h */
	uint64_t desc, avail, used; /* addresses as in gmem_desc.uva */
	uint64_t log;		    /* guest physical address of @used */
	int kick_fd, call_fd;	    /* borrowed until done; -1: none */
	bool enabled;
};

/* Tells the back-end that queue @idx will be used, and its call descriptor.
 * DPDK's vhost counts the queues when the first pair starts: announce all of
 * them before. @fd is borrowed until @done. */
int vu_client_queue_announce(struct vu_client *c, unsigned idx, int fd,
			     struct vu_client_done done, struct err *err);
/* Sets up queue @idx and starts it. */
int vu_client_queue_start(struct vu_client *c, unsigned idx,
			  const struct vu_client_ring *ring,
			  struct vu_client_done done, struct err *err);
/* The queues that were started are all that the driver uses: they may run. */
int vu_client_driver_ok(struct vu_client *c, struct vu_client_done done,
			struct err *err);
/* Stops queue @idx; the value is the position word where it stopped, or
 * VU_POSITION_UNKNOWN: only the ring tells. */
#define VU_POSITION_UNKNOWN UINT64_MAX
int vu_client_queue_stop(struct vu_client *c, unsigned idx,
			 struct vu_client_done done, struct err *err);
int vu_client_queue_enable(struct vu_client *c, unsigned idx, bool enable,
			   struct vu_client_done done, struct err *err);
/* Bits of the pages that a back-end wrote to: page N is bit N % 8 of byte N
 * / 8. A page has VU_CLIENT_LOG_PAGE bytes of guest physical addresses. */
#define VU_CLIENT_LOG_PAGE 4096
struct vu_client_log {
	int fd;	       /* memfd of the bits, borrowed until done: for another
			* process */
	uint8_t *bits; /* its mapping here: for the kernel */
	uint64_t size; /* bytes: a bit for each page of the memory */
	int event_fd;  /* signalled when bits were set; -1: not */
};

/* Makes the back-end set bits of @log for all that it writes to the guest's
 * memory, buffers and rings, from now on; NULL: no more. The bits stay the
 * owner's, and stay mapped until it ends. -EOPNOTSUPP: the back-end has no
 * VHOST_F_LOG_ALL, or the client did not want it. */
int vu_client_set_log(struct vu_client *c, const struct vu_client_log *log,
		      struct vu_client_done done, struct err *err);

/* Replaces the call descriptor; @fd is borrowed until @done. */
int vu_client_queue_call(struct vu_client *c, unsigned idx, int fd,
			 struct vu_client_done done, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of a vhost back-end: what a hypervisor does for its guest's queues.
 * Driven by an event loop; nothing here waits. Memory and rings are the
 * caller's, who names them by their addresses.
 *
 * Requests are done in the order they were made, each after the answer to the
 * one before, and its vu_client_done is called with the outcome, from the loop.
 *
 *   state         may be asked for            ends
 *   NEGOTIATING   nothing yet                 features agreed: ops.ready
 *   READY         everything                  the connection: ops.closed
 *   CLOSED        nothing                     vu_client_destroy()
 *
 * Each queue:
 *
 *   IDLE          start                       start was asked for
 *   STARTING      nothing                     outcome: RUNNING, refused: IDLE
 *   RUNNING       stop, enable, call          stop was asked for
 *   STOPPING      nothing                     outcome: IDLE
 *
 * To be saved when a client moves to another process: the agreed features, the
 * memory regions, and of each queue what it was started with.
 *
 * Control thread, that of the loop.
 */
#ifndef RW_VU_CLIENT_H
#define RW_VU_CLIENT_H

#include "gmem.h"
#include "loop.h"

#define VU_CLIENT_PAIRS_MAX 128 /* vhost-user's queue index has 8 bits */

struct vu_client;
struct vu_transport;

struct vu_client_config {
	uint64_t features;    /* wanted; ANDed with what the back-end has */
	unsigned queue_pairs; /* needed, 1..VU_CLIENT_PAIRS_MAX */
	unsigned timeout_ms;  /* for each answer */
};

struct vu_client_ops {
	/* Features are agreed: memory and queues may be set up. */
	void (*ready)(void *ctx);
	/* It is over (@reason: a sentence); what was asked for and not done has
	 * been completed with -ENOTCONN. The owner calls vu_client_destroy(),
	 * now or later, but not from inside any other callback. */
	void (*closed)(void *ctx, const char *reason);
};

/* Called once with the outcome of a request: @rc 0, or -errno and @reason, a
 * sentence. @value: what was asked for, if anything was. fn may be NULL. */
struct vu_client_done {
	void (*fn)(void *arg, int rc, uint64_t value, const char *reason);
	void *arg;
};

/* The connected UNIX socket @sock, which is taken over; of its protocol
 * features those in @wanted are used. NULL: out of memory. */
struct vu_transport *vu_sock_create(struct loop *loop, int sock,
				    uint64_t wanted);

/* Begins to negotiate. Takes @t over, also when it fails; NULL is passed on.
 * NULL: out of memory. */
struct vu_client *vu_client_create(struct loop *loop, struct vu_transport *t,
				   const struct vu_client_config *config,
				   const struct vu_client_ops *ops, void *ctx);
/* Ends the connection; requests that are under way are forgotten without a
 * word. NULL is fine. */
void vu_client_destroy(struct vu_client *c);

/* What was agreed; 0 before ops.ready. */
uint64_t vu_client_features(const struct vu_client *c);

/*
 * The requests. Each returns 0 when it is under way, or -errno with @err, and
 * then @done is not called: -ENOTCONN while the client is not READY, -EBUSY
 * where the queue's state forbids it, -EINVAL for a queue there is not,
 * -ENOMEM.
 */

/* Makes @region[0..count) the memory the back-end sees, in place of what it
 * saw. A region with the addresses and offset of one before is that one. The
 * array is copied, the descriptors are borrowed until @done. */
int vu_client_set_memory(struct vu_client *c, const struct gmem_desc *region,
			 unsigned count, struct vu_client_done done,
			 struct err *err);

struct vu_client_ring {
	uint32_t num;		    /* descriptors */
	uint32_t base;		    /* position word, see vq.h */
	uint64_t desc, avail, used; /* addresses as in gmem_desc.uva */
	int kick_fd, call_fd;	    /* borrowed until done; -1: none */
	bool enabled;
};

/* Sets queue @idx up and starts it. */
int vu_client_queue_start(struct vu_client *c, unsigned idx,
			  const struct vu_client_ring *ring,
			  struct vu_client_done done, struct err *err);
/* Stops it; value: the position word where it stands. */
int vu_client_queue_stop(struct vu_client *c, unsigned idx,
			 struct vu_client_done done, struct err *err);
int vu_client_queue_enable(struct vu_client *c, unsigned idx, bool enable,
			   struct vu_client_done done, struct err *err);
/* Exchanges the descriptor for calls; @fd is borrowed until @done. */
int vu_client_queue_call(struct vu_client *c, unsigned idx, int fd,
			 struct vu_client_done done, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from a vhost client to its back-end. Private to vhost/client/ and its
 * tests. The client (vu_client.c) knows which verbs to ask and in which order;
 * a transport knows how: by messages on a UNIX socket (vu_sock.c), or by ioctls
 * of a kernel device, which has the same requests and answers each at once.
 *
 * One call at a time. Control thread.
 */
#ifndef RW_VU_TRANSPORT_H
#define RW_VU_TRANSPORT_H

#include "err.h"
#include "gmem.h"
#include "vu_client.h"
#include "vu_msg.h"

struct vu_transport;

/* Requests to the back-end. A verb without a request in the transport is done
 * at once. */
enum vu_verb {
	VU_VERB_GET_FEATURES, /* -> value: device features; value_high: 64-127
			       */
	VU_VERB_PROTOCOL,     /* u64: features that will be accepted. Negotiates
			       * what the two sides themselves support. -> value:
			       * queue pairs */
	VU_VERB_SET_OWNER,
	VU_VERB_SET_FEATURES, /* u64; u64_high, if the back-end has it */
	VU_VERB_SET_MEMORY,   /* mem: replaces all memory set before */
	VU_VERB_SET_NUM,      /* idx, u64 */
	VU_VERB_SET_BASE,     /* idx, u64: position word */
	VU_VERB_SET_ADDR,     /* idx, addr */
	VU_VERB_SET_CALL,     /* idx, fd; -1: no call descriptor */
	VU_VERB_SET_KICK,     /* idx, fd; -1: the back-end polls */
	VU_VERB_SET_ENABLE,   /* idx, u64: 0 or 1 */
	VU_VERB_SET_LOG,      /* log; size 0: nothing is asked */
	VU_VERB_DRIVER_OK,    /* the queues that were started may run */
	VU_VERB_GET_BASE,     /* idx; stops the queue. -> value: position, or
			       * VU_POSITION_UNKNOWN */
	VU_VERB_COUNT,
};

struct vu_call {
	enum vu_verb verb;
	unsigned idx;
	uint64_t u64, u64_high;
	int fd; /* borrowed */
	struct vu_vring_addr addr;
	struct {
		const struct gmem_desc *region; /* borrowed, with their fds */
		unsigned count;
	} mem;
	const struct vu_client_log *log; /* borrowed */
	uint64_t value, value_high;	 /* answer */
};

enum vu_step {
	VU_STEP_WAIT,	  /* wait for vu_client_wake() */
	VU_STEP_ANSWERED, /* a part was answered; call step() again at once */
	VU_STEP_DONE,
	VU_STEP_REFUSED, /* the back-end refused; @err says why */
};

struct vu_transport_ops {
	/* Carries on @call, which stays the same until it is done or refused.
	 * Returns an enum vu_step, or -errno with @err: the connection is
	 * unusable. Never waits. */
	int (*step)(struct vu_transport *t, struct vu_call *call,
		    struct err *err);
	/* Checks the connection while no call is pending. Returns 0, or -errno
	 * with @err: the connection is unusable. */
	int (*idle)(struct vu_transport *t, struct err *err);
	/* Waits until step() can carry on, at most @ms. Returns whether it can.
	 * NULL: step() answers at once. */
	bool (*wait)(struct vu_transport *t, unsigned ms);
	void (*destroy)(struct vu_transport *t);
};

/* Base of a transport, embedded in its own struct. */
struct vu_transport {
	const struct vu_transport_ops *ops;
	struct vu_client *client; /* set by the client */
};

/* Carries the client on after an event on the connection. Do not call it from
 * inside step(). */
void vu_client_wake(struct vu_client *c);

#endif

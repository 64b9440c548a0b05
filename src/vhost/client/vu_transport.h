/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a vhost client reaches its back-end; inside vhost/client/ and its tests.
 * The client (vu_client.c) knows what to ask for and in which order, a
 * transport how to ask: with messages on a UNIX socket (vu_sock.c), or with
 * ioctls of a device of the kernel's, which has the same requests and answers
 * each at once.
 *
 * One call at a time. Control thread.
 */
#ifndef RW_VU_TRANSPORT_H
#define RW_VU_TRANSPORT_H

#include "err.h"
#include "gmem.h"
#include "vu_msg.h"

struct vu_client;
struct vu_transport;

/* What is asked for. A verb that a transport has no request for is done at
 * once. */
enum vu_verb {
	VU_VERB_GET_FEATURES, /* -> value: device features */
	VU_VERB_PROTOCOL,     /* u64: features that will be accepted; what the
			       * two sides themselves can do, is agreed here.
			       * -> value: queue pairs */
	VU_VERB_SET_OWNER,
	VU_VERB_SET_FEATURES, /* u64 */
	VU_VERB_SET_MEMORY,   /* mem: all of it, in place of what was there */
	VU_VERB_SET_NUM,      /* idx, u64 */
	VU_VERB_SET_BASE,     /* idx, u64: position word */
	VU_VERB_SET_ADDR,     /* idx, addr */
	VU_VERB_SET_CALL,     /* idx, fd; -1: nobody listens */
	VU_VERB_SET_KICK,     /* idx, fd; -1: the back-end polls */
	VU_VERB_SET_ENABLE,   /* idx, u64: 0 or 1 */
	VU_VERB_GET_BASE,     /* idx; stops the queue. -> value: position */
	VU_VERB_COUNT,
};

struct vu_call {
	enum vu_verb verb;
	unsigned idx;
	uint64_t u64;
	int fd; /* borrowed */
	struct vu_vring_addr addr;
	struct {
		const struct gmem_desc *region; /* borrowed, with their fds */
		unsigned count;
	} mem;
	uint64_t value; /* the answer */
};

enum vu_step {
	VU_STEP_WAIT,	  /* vu_client_wake() comes when it can go on */
	VU_STEP_ANSWERED, /* a part was answered; go on at once */
	VU_STEP_DONE,
	VU_STEP_REFUSED, /* the back-end said no; @err tells why */
};

struct vu_transport_ops {
	/* Carries @call on: it is the same until it is done or refused. Returns
	 * an enum vu_step, or -errno with @err: the connection is of no more
	 * use. Never waits. */
	int (*step)(struct vu_transport *t, struct vu_call *call,
		    struct err *err);
	/* Looks at the connection while nothing is asked. 0, or -errno with
	 * @err as above. */
	int (*idle)(struct vu_transport *t, struct err *err);
	void (*destroy)(struct vu_transport *t);
};

/* Embedded in the transport's own struct. */
struct vu_transport {
	const struct vu_transport_ops *ops;
	struct vu_client *client; /* set by the client */
};

/* Something happened on the connection. Not from inside step(). */
void vu_client_wake(struct vu_client *c);

#endif

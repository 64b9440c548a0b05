/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of a filter: a stream that frames go to or come from (wire.h), with
 * a thread of its own that may wait. Stands for QEMU's chardev.
 *
 * A sending peer gets copies of frames through a bounded ring; without room
 * they are dropped and counted. A receiving peer fills lanes; it reads no
 * further while they are full.
 */
#ifndef RW_PEER_H
#define RW_PEER_H

#include "device.h"
#include "lane.h"

enum peer_state {
	PEER_LISTENING,
	PEER_CONNECTING,
	PEER_CONNECTED,
	PEER_RETRYING, /* waits before the next try */
	PEER_DOWN,     /* the connection has ended, there will be no other */
};

struct peer;

struct peer_setup {
	const struct device *device; /* copied */
	const char *key;	     /* option that error texts name */
	const char *filter;	     /* name for log lines; outlives the peer */
	bool has_hdr;		     /* vnet_hdr_support */
	/* For a receiving peer: where frames go; entries may be NULL. NULL: the
	 * peer is a sending one. */
	struct lane *const *lane;
};

/* Listens, or begins to connect. Returns 0 or -errno with @err. [ctl] */
int peer_create(const struct peer_setup *setup, struct peer **out,
		struct err *err);
int peer_start(struct peer *p, struct err *err); /* starts the thread; [ctl] */
/* Ends the thread, and before that sends what the stream takes at once. NULL is
 * fine. [ctl] */
void peer_destroy(struct peer *p);
void peer_pause(struct peer *p, bool on);	      /* stops reading; [ctl] */
void peer_show(const struct peer *p, struct show *s); /* [ctl] */

/* Sends copies of @n frames. Returns false when there is no connection: no
 * frame is sent then. [worker] */
bool peer_send(struct peer *p, struct frame *const *frames, unsigned n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Inside filter/: a peer, whose connections are in peer.c and whose frames in
 * peer_io.c. */
#ifndef RW_PEER_IMPL_H
#define RW_PEER_IMPL_H

#include <pthread.h>

#include "log.h"
#include "peer.h"
#include "retry.h"
#include "unix_sock.h"
#include "wire.h"

#define PEER_RING (4u << 20)   /* bytes, of a sending peer */
#define PEER_ROOM (256u << 10) /* bytes read, or to be sent, at a time */

/* Why a connection has ended: an errno, or one of these. */
enum { PEER_END_NONE = 0, PEER_END_CLOSED = -1, PEER_END_NONSENSE = -2 };

struct peer {
	/* [const] */
	struct device device;
	const char *key, *filter;
	bool has_hdr;
	struct lane *lane[2]; /* both NULL: a sending peer */
	struct mring *ring;   /* workers -> thread; NULL: a receiving peer */
	int event_fd;
	pthread_t thread;

	/* [any, atomic] */
	uint32_t state; /* enum peer_state */
	int end;	/* of the last connection or try */
	bool stop, is_paused;
	uint64_t dropped; /* frames without room */

	/* [thread -> any, atomic] */
	uint64_t frames, bad, connections;

	bool is_running; /* [ctl] */

	/* [thread, before its start ctl] */
	struct unix_listener listener;
	int fd;	      /* the connection, or on its way */
	uint64_t due; /* ns: end of PEER_CONNECTING and _RETRYING */
	struct retry retry;
	uint64_t since; /* ns, begin of the connection */
	uint8_t *room;	/* bytes at..fill are there */
	size_t at, fill;
	bool is_writing; /* [thread] out is not finished */
	struct wire_out out;
	struct log_limit log;
};

static inline enum peer_state peer_state(const struct peer *p)
{
	return (enum peer_state)shm_load_acquire(&p->state);
}

static inline void peer_set_state(struct peer *p, enum peer_state state)
{
	shm_store_release(&p->state, state);
}

static inline bool peer_is_sender(const struct peer *p)
{
	return p->ring != NULL;
}

/* The connection has ended, or could not be made: arranges the next one.
 * [thread] */
void peer_end(struct peer *p, int end);

/* Prepares for a new connection: throws away frames for an earlier one.
 * [thread] */
void peer_io_reset(struct peer *p);
/* Sends until the ring is empty or the socket is full. Returns whether bytes
 * are left. [thread] */
bool peer_io_send(struct peer *p);
/* Receives once, and puts whole frames into the lanes. [thread] */
void peer_io_receive(struct peer *p);

#endif

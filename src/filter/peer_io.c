/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of a peer, see peer_impl.h. peer_send() runs on workers, the rest
 * on the peer's thread. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "fd.h"
#include "peer_impl.h"

#define LOOK_NS 200000 /* between looks at a full lane */

/* The header of each frame in the ring. */
struct record {
	struct vnet_hdr hdr;
};

bool peer_send(struct peer *p, struct frame *const *frames, unsigned n)
{
	bool must_signal = false;

	if (peer_state(p) != PEER_CONNECTED)
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct frame *f = frames[i];
		struct record *r =
			mring_reserve(p->ring, (uint32_t)sizeof(*r) + f->len);

		if (!r) {
			shm_fetch_add(&p->dropped, 1);
			continue;
		}
		r->hdr = f->hdr;
		frame_copy(f, 0, r + 1, f->len);
		must_signal |= mring_commit(p->ring);
	}
	if (must_signal)
		fd_signal(p->event_fd);
	return true;
}

void peer_io_reset(struct peer *p)
{
	uint32_t size;

	p->at = p->fill = 0;
	p->is_writing = false;
	if (!peer_is_sender(p))
		return;
	while (mring_peek(p->ring, &size))
		mring_release(p->ring);
}

/* Fills the room with frames from the ring. Returns whether there are bytes to
 * send. */
static bool gather(struct peer *p)
{
	uint32_t size;

	if (p->at < p->fill)
		return true;
	p->at = p->fill = 0;
	while (PEER_ROOM - p->fill >= WIRE_MAX) {
		uint32_t n = p->is_writing
				     ? wire_next(&p->out, p->room + p->fill)
				     : 0;
		struct record *r;

		p->fill += n;
		if (n)
			continue;
		if (p->is_writing) {
			p->is_writing = false;
			mring_release(p->ring);
			stat_inc(&p->frames);
		}
		r = mring_peek(p->ring, &size);
		if (!r)
			break;
		wire_begin(&p->out, p->has_hdr, &r->hdr, r + 1,
			   size - (uint32_t)sizeof(*r));
		p->is_writing = true;
	}
	return p->fill > 0;
}

bool peer_io_send(struct peer *p)
{
	while (gather(p)) {
		ssize_t n = send(p->fd, p->room + p->at, p->fill - p->at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			peer_end(p, errno == EPIPE ? PEER_END_CLOSED : errno);
			return false;
		}
		p->at += (size_t)n;
	}
	return false;
}

/* Waits a moment for a lane to be emptied. Returns false after a stop. */
static bool await_room(struct peer *p)
{
	const struct timespec moment = { 0, LOOK_NS };

	nanosleep(&moment, NULL);
	return !shm_load(&p->stop);
}

/* Puts a frame into the lanes. Returns false after a stop. */
static bool put_frame(struct peer *p, const struct wire_frame *w)
{
	for (unsigned i = 0; i < ARRAY_SIZE(p->lane); i++)
		while (p->lane[i] &&
		       !lane_put_data(p->lane[i], &w->hdr, w->data, w->len))
			if (!await_room(p))
				return false;
	return true;
}

/* Takes the frames out of the bytes that were received. */
static void take_frames(struct peer *p)
{
	struct wire_frame w;

	for (;;) {
		switch (wire_parse(p->room + p->at, p->fill - p->at, p->has_hdr,
				   &w)) {
		case WIRE_FRAME:
			stat_inc(&p->frames);
			if (!put_frame(p, &w))
				return;
			break;
		case WIRE_BAD:
			stat_inc(&p->bad);
			break;
		case WIRE_NONSENSE:
			peer_end(p, PEER_END_NONSENSE);
			return;
		case WIRE_MORE:
			memmove(p->room, p->room + p->at, p->fill - p->at);
			p->fill -= p->at;
			p->at = 0;
			return;
		}
		p->at += w.used;
	}
}

void peer_io_receive(struct peer *p)
{
	ssize_t n = recv(p->fd, p->room + p->fill, PEER_ROOM - p->fill, 0);

	if (n > 0) {
		p->fill += (size_t)n;
		take_frames(p);
	} else if (!n) {
		peer_end(p, PEER_END_CLOSED);
	} else if (errno != EAGAIN && errno != EINTR) {
		peer_end(p, errno);
	}
}

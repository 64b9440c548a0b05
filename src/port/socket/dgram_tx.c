/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out of a datagram port, see dgram.h. Workers. A burst goes out with
 * one sendmmsg(). Neighbours of one size are one message, which the kernel cuts
 * into their datagrams (UDP_SEGMENT) as late as it can: it routes and queues
 * them once.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "cycles.h"
#include "dgram.h"
#include "udp_gso.h"

/* Messages that are being made. */
struct batch {
	unsigned messages, frames;
	struct iovec *iov;  /* free from here on */
	bool room_is_taken; /* by a frame of many pieces */
	/* the last message */
	size_t bytes;
	size_t size;  /* of each datagram in it, the last excepted */
	bool is_open; /* others may join */
};

static size_t datagram_size(const struct dgram_link *l, const struct frame *f)
{
	return f->len + (l->encap ? l->encap->size : 0);
}

/* Puts header and pieces of @f, the @i-th frame, at @iov. Returns how many
 * entries that are, or 0 for a frame of many pieces when the room for such a
 * frame is taken. */
static unsigned prepare(struct dgram_link *l, unsigned i, const struct frame *f,
			struct iovec *iov, bool *room_is_taken)
{
	unsigned before = l->encap ? 1 : 0;
	unsigned count = frame_to_iov(f, iov + before, DGRAM_TX_IOV - before);

	if (unlikely(!count)) {
		uint8_t *room = l->room + DGRAM_ROOM_ALL - DGRAM_ROOM;

		if (*room_is_taken)
			return 0;
		*room_is_taken = true;
		frame_copy(f, 0, room, f->len);
		iov[before] = (struct iovec){ room, f->len };
		count = 1;
	}
	if (before) {
		l->encap->put(l->encap, f, i, l->hdr[i]);
		iov[0] = (struct iovec){ l->hdr[i], l->encap->size };
	}
	return before + count;
}

/* Returns whether a datagram of @len bytes in @pieces joins the last message.
 */
static bool joins(const struct dgram_link *l, const struct batch *b, size_t len,
		  unsigned pieces)
{
	unsigned i = b->messages - 1;

	return b->messages && b->is_open && len <= b->size &&
	       b->size <= l->join_max && b->bytes + len <= UDP_GSO_BYTES &&
	       l->out_frames[i] < UDP_GSO_FRAMES &&
	       l->out[i].msg_hdr.msg_iovlen + pieces <= IOV_MAX;
}

/* Adds a frame. Returns false when it has to wait for the next batch, or is too
 * large for any. */
static bool add(struct dgram_link *l, struct batch *b, const struct frame *f)
{
	size_t len = datagram_size(l, f);
	struct msghdr *m;
	unsigned pieces;

	if (unlikely(f->len > l->frame_max))
		return false;
	pieces = prepare(l, b->frames, f, b->iov, &b->room_is_taken);
	if (!pieces)
		return false;
	if (joins(l, b, len, pieces)) {
		m = &l->out[b->messages - 1].msg_hdr;
		b->is_open = len == b->size;
		b->bytes += len;
		m->msg_iovlen += pieces;
		if (++l->out_frames[b->messages - 1] == 2)
			udp_gso_set(m, l->out_control[b->messages - 1],
				    (uint16_t)b->size);
	} else {
		m = &l->out[b->messages].msg_hdr;
		m->msg_iov = b->iov;
		m->msg_iovlen = pieces;
		m->msg_control = NULL;
		m->msg_controllen = 0;
		l->out_frames[b->messages++] = 1;
		b->size = b->bytes = len;
		b->is_open = true;
	}
	b->iov += pieces;
	b->frames++;
	return true;
}

enum drop_reason sock_drop_reason(int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case EINTR:
		return DROP_COUNT;
	case EMSGSIZE:
		return DROP_TX_TOO_BIG;
	case ECONNREFUSED: /* UNIX: nobody has the socket file open */
	case ENOENT:
	case ENOTCONN: /* UNIX: the other end of a pair is closed */
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENXIO: /* packet: the interface is gone */
	case EPIPE: /* vde: vde_plug has ended */
		return DROP_TX_DOWN;
	default:
		return DROP_TX_ERROR;
	}
}

/* Returns whether the message of datagrams of @size bytes failed because they
 * were sent together, and sends such ones alone from now on. */
static bool is_unfit(struct dgram_link *l, int error, size_t size)
{
	switch (error) {
	case EINVAL: /* a datagram is larger than the way takes in one piece */
	case EMSGSIZE:
		l->join_max = (uint32_t)size - 1;
		return true;
	case EIO: /* the way has no checksums in hardware, or IPsec */
	case EOPNOTSUPP:
	case ENOPROTOOPT:
		l->join_max = 0;
		return true;
	default:
		return false;
	}
}

/* Returns the frames in the first @messages messages. */
static unsigned count_frames(const struct dgram_link *l, unsigned messages)
{
	unsigned frames = 0;

	for (unsigned i = 0; i < messages; i++)
		frames += l->out_frames[i];
	return frames;
}

/* Ends frames whose message failed with @error. Returns how many are finished.
 */
static unsigned fail(struct dgram_link *l, struct frame *const *frames,
		     int error)
{
	enum drop_reason reason = sock_drop_reason(error);

	if (reason == DROP_COUNT)
		return 0;
	for (unsigned i = 0; i < l->out_frames[0]; i++)
		txq_drop(&l->tx, reason, 1, frames[i]->len);
	return l->out_frames[0];
}

/* Sends up to @n frames; returns how many are finished, at least one unless
 * they have to wait. */
static unsigned send_some(struct dgram_link *l, struct frame *const *frames,
			  unsigned n)
{
	struct batch b;
	unsigned done;
	int sent;

	do {
		b = (struct batch){ .iov = l->out_iov };
		while (b.frames < n && add(l, &b, frames[b.frames]))
			;
		if (unlikely(!b.frames)) {
			txq_drop(&l->tx, DROP_TX_TOO_BIG, 1, frames[0]->len);
			return 1;
		}
		sent = sendmmsg(l->out_fd, l->out, b.messages,
				MSG_DONTWAIT | MSG_NOSIGNAL);
		stage_mark(STAGE_SYSCALL);
		stat_inc(&l->tx.stats.calls);
		/* an error is about the first message */
	} while (unlikely(sent < 0 && l->out_frames[0] > 1 &&
			  is_unfit(l, errno, datagram_size(l, frames[0]))));
	if (sent <= 0)
		return fail(l, frames, errno);
	done = count_frames(l, (unsigned)sent);
	stat_add(&l->tx.stats.copies, done);
	if (l->encap && l->encap->sent)
		l->encap->sent(l->encap, done);
	return done;
}

unsigned dgram_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n)
{
	struct dgram_link *l = container_of(tx, struct dgram_link, tx);
	unsigned done = 0, some;

	if (unlikely(!l->has_remote)) {
		for (; done < n; done++)
			txq_drop(tx, DROP_TX_DOWN, 1, frames[done]->len);
		return n;
	}
	while (done < n) {
		some = send_some(l, frames + done, n - done);
		if (!some)
			break;
		done += some;
	}
	return done;
}

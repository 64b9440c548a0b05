/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of a stream port, see stream.h. Workers, except where stream.h
 * says control.
 *
 * One read fetches many frames; they stay where they were read until the switch
 * is done with them. A burst goes out in one sendmsg(). When the socket takes
 * only a part of a frame, the rest is copied aside and the frame counts as
 * sent; nothing else is sent before that rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cycles.h"
#include "fd.h"
#include "le.h"
#include "stream.h"

/* Frames without use that a burst drops before it lets others have a turn. */
#define BAD_MAX (4 * BURST_MAX)

/* Gives the connection up; the first reason counts. */
static void give_up(struct stream_link *l, enum stream_end end, uint32_t detail)
{
	uint64_t open = STREAM_OPEN;

	if (shm_compare_exchange(&l->end, &open, end | (uint64_t)detail << 32))
		fd_signal(l->news_fd);
}

static void read_more(struct stream_link *l)
{
	ssize_t got;

	if (l->start) {
		memmove(l->room, l->room + l->start, l->fill - l->start);
		l->fill -= l->start;
		l->start = 0;
	}
	/* Who passed us the socket can make it blocking at any time. */
	got = recv(l->fd, l->room + l->fill, STREAM_RX_ROOM - l->fill,
		   MSG_DONTWAIT);
	stage_mark(STAGE_SYSCALL);
	stat_inc(&l->rx.stats.calls);
	if (got > 0) {
		/* Not dry, even after a short read: the peer's end may have
		 * come with the bytes, in one event. */
		l->fill += (size_t)got;
		return;
	}
	l->is_dry = got == 0 || errno != EINTR;
	if (!got)
		give_up(l, STREAM_CLOSED, 0);
	else if (errno != EINTR && errno != EAGAIN)
		give_up(l, STREAM_ERROR, (uint32_t)errno);
}

/* Returns the size of the frame at l->start with its length, or 0 if it is not
 * complete. */
static size_t next_size(struct stream_link *l)
{
	size_t have = l->fill - l->start, size;

	if (have < STREAM_LEN || (uint32_t)shm_load(&l->end) == STREAM_NONSENSE)
		return 0;
	size = get_be32(l->room + l->start);
	if (unlikely(size > STREAM_FRAME_MAX)) {
		give_up(l, STREAM_NONSENSE, (uint32_t)size);
		return 0;
	}
	size += STREAM_LEN;
	return size <= have ? size : 0;
}

unsigned stream_rx_burst(struct rxq *rx, struct burst *b)
{
	struct stream_link *l = container_of(rx, struct stream_link, rx);
	uint32_t snap = shm_load(&rx->snap);
	unsigned n = 0, bad = 0;
	size_t size;

	if (unlikely(l->store.count))
		return store_again(&l->store, b, snap);
	waiting_begin(&l->store.waiting);
	if (!l->is_dry && !next_size(l))
		read_more(l);
	while (n < b->want && bad < BAD_MAX && (size = next_size(l))) {
		struct iovec *raw = &l->store.raw[n];

		*raw = (struct iovec){ l->room + l->start + STREAM_LEN,
				       size - STREAM_LEN };
		l->start += size;
		if (raw->iov_len < ETH_HLEN || raw->iov_len > FRAME_MAX) {
			stat_inc(&rx->stats.drops[DROP_RX_BAD_FRAME]);
			bad++;
			continue;
		}
		store_frame(&l->store, n, b, n, snap);
		n++;
	}
	stage_mark(STAGE_SNAPSHOT);
	store_received(&l->store, n);
	return n;
}

/* The descriptor is the event, and is edge-triggered: an event comes for bytes
 * that arrive after the read that found nothing. */
bool stream_rx_arm(struct rxq *rx)
{
	struct stream_link *l = container_of(rx, struct stream_link, rx);

	return l->is_dry && !next_size(l);
}

void stream_rx_disarm(struct rxq *rx)
{
	container_of(rx, struct stream_link, rx)->is_dry = false;
}

void stream_rx_done(struct rxq *rx, struct burst *b)
{
	store_done(&container_of(rx, struct stream_link, rx)->store, b);
}

/* Sends @count iovecs. Returns the bytes sent, perhaps 0. */
static size_t send_iov(struct stream_link *l, struct iovec *iov, size_t count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t sent = sendmsg(l->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	stage_mark(STAGE_SYSCALL);
	if (sent >= 0)
		return (size_t)sent;
	if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		give_up(l, STREAM_ERROR, (uint32_t)errno);
	return 0;
}

/* Returns whether nothing is left to send before the next frame. */
static bool send_rest(struct stream_link *l)
{
	struct iovec iov = { l->rest + l->rest_at, l->rest_size - l->rest_at };

	if (likely(!iov.iov_len))
		return true;
	l->rest_at += send_iov(l, &iov, 1);
	return l->rest_at == l->rest_size;
}

/* Keeps frame @f but for its first @sent bytes, its length included. */
static void keep_rest(struct stream_link *l, const struct frame *f, size_t sent)
{
	put_be32(l->rest, f->len);
	frame_copy(f, 0, l->rest + STREAM_LEN, f->len);
	l->rest_at = sent;
	l->rest_size = STREAM_LEN + f->len;
}

/* Stores frames with their lengths as iovecs. Returns how many frames fit; the
 * first may not: it has more pieces than there are iovecs. */
static unsigned gather(struct stream_link *l, uint32_t *len,
		       struct frame *const *frames, unsigned n, size_t *count)
{
	size_t used = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		unsigned pieces;

		if (used + 2 > STREAM_TX_IOV)
			break;
		pieces = frame_to_iov(frames[i], &l->out[used + 1],
				      (unsigned)(STREAM_TX_IOV - used - 1));
		if (!pieces)
			break;
		put_be32(&len[i], frames[i]->len);
		l->out[used] = (struct iovec){ &len[i], STREAM_LEN };
		used += 1 + pieces;
	}
	*count = used;
	return i;
}

/* Returns how many of @n frames are sent when the socket took @sent bytes; the
 * rest of one that was sent in part is kept. */
static unsigned count_sent(struct stream_link *l, struct frame *const *frames,
			   unsigned n, size_t sent)
{
	unsigned i;

	for (i = 0; i < n && sent; i++) {
		size_t size = STREAM_LEN + frames[i]->len;

		if (sent < size) {
			keep_rest(l, frames[i], sent);
			fd_signal(l->news_fd);
			return i + 1;
		}
		sent -= size;
	}
	return i;
}

static unsigned send_frames(struct stream_link *l, struct frame *const *frames,
			    unsigned n)
{
	uint32_t len[BURST_MAX];
	size_t count;
	unsigned fit = gather(l, len, frames, n, &count);

	if (unlikely(!fit)) {
		keep_rest(l, frames[0], 0);
		if (!send_rest(l))
			fd_signal(l->news_fd);
		return 1;
	}
	return count_sent(l, frames, fit, send_iov(l, l->out, count));
}

unsigned stream_tx_burst(struct txq *tx, struct frame *const *frames,
			 unsigned n)
{
	struct stream_link *l = container_of(tx, struct stream_link, tx);
	unsigned done = 0, sent;

	while (done < n && send_rest(l)) {
		sent = send_frames(l, frames + done, n - done);
		stat_add(&tx->stats.copies, sent);
		stat_inc(&tx->stats.calls);
		done += sent;
		if (!sent)
			break;
	}
	if (unlikely(shm_load(&l->end) != STREAM_OPEN))
		for (; done < n; done++)
			txq_drop(tx, DROP_TX_DOWN, 1, frames[done]->len);
	return done;
}

bool stream_link_flush(struct stream_link *l)
{
	bool is_sent;

	if (!spin_trylock(&l->tx.lock))
		return false; /* a worker is sending */
	is_sent = send_rest(l) || shm_load(&l->end) != STREAM_OPEN;
	spin_unlock(&l->tx.lock);
	return is_sent;
}

int stream_link_init(struct stream_link *l, struct port *p)
{
	int rc = 0;

	l->rx = (struct rxq){ .port = p, .can_hold = true, .event_fd = -1 };
	l->tx = (struct txq){ .port = p };
	l->fd = -1;
	l->news_fd = fd_eventfd();
	l->room = mmap(NULL, STREAM_RX_ROOM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->room == MAP_FAILED)
		l->room = NULL;
	l->out = calloc(STREAM_TX_IOV, sizeof(*l->out));
	l->rest = malloc(STREAM_LEN + FRAME_MAX + FRAME_HEADROOM);
	if (l->news_fd < 0)
		rc = l->news_fd;
	else if (!l->room || !l->out || !l->rest)
		rc = -ENOMEM;
	if (rc)
		stream_link_fini(l);
	return rc;
}

void stream_link_fini(struct stream_link *l)
{
	if (l->room)
		munmap(l->room, STREAM_RX_ROOM);
	free(l->out);
	free(l->rest);
	fd_close(&l->news_fd);
}

void stream_link_reset(struct stream_link *l, int fd)
{
	l->fd = l->rx.event_fd = fd;
	l->end = STREAM_OPEN;
	l->start = l->fill = 0;
	l->is_dry = false;
	l->store.count = 0;
	l->store.waiting = (struct waiting){ 0 };
	l->rest_at = l->rest_size = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of a datagram port, see dgram.h. Workers. A burst comes in with
 * one recvmmsg() and goes out with one sendmmsg().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "cycles.h"
#include "dgram.h"

/* Errors in a row after which a queue waits for the next event. */
#define ERRORS_MAX 16
#define ROOM_SIZE  ((size_t)(BURST_MAX + 1) * DGRAM_ROOM)

/* Returns how many datagrams came, up to @want. */
static unsigned receive(struct dgram_link *l, unsigned want)
{
	int got;

	for (unsigned i = 0; i < want; i++) {
		l->in[i].msg_hdr.msg_namelen =
			l->own.len ? sizeof(l->sender[i]) : 0;
		l->in[i].msg_hdr.msg_controllen =
			l->control ? DGRAM_CONTROL : 0;
	}
	got = recvmmsg(l->fd, l->in, want, MSG_DONTWAIT, NULL);
	stage_mark(STAGE_SYSCALL);
	if (got > 0) {
		/* Not dry, even after less than @want: an error ends a call
		 * early, and the next call returns it. */
		l->errors = 0;
		return (unsigned)got;
	}
	/* An error is about an earlier datagram of ours that nobody wanted, or
	 * about one that the kernel cannot describe to us; others may follow.
	 * One that stays must not keep the worker busy. */
	l->is_dry = !got || errno == EAGAIN || ++l->errors == ERRORS_MAX;
	if (l->is_dry)
		l->errors = 0;
	/* packet: offloads that PACKET_VNET_HDR has no words for */
	if (got < 0 && errno == EINVAL && l->control)
		stat_inc(&l->rx.stats.drops[DROP_RX_BAD_OFFLOAD]);
	return 0;
}

/* Stores the frame in datagram @i. Returns false when there is none for us. */
static bool find_frame(struct dgram_link *l, unsigned i, struct iovec *frame,
		       struct vnet_hdr *hdr)
{
	struct mmsghdr *m = &l->in[i];
	uint8_t *data = l->slot[i].iov_base;
	int skip = 0;

	*hdr = (struct vnet_hdr){ 0 };
	if (l->own.len && sock_addr_equal(&l->sender[i], &l->own))
		return false;
	if (l->encap)
		skip = l->encap->check(l->encap, m, data, hdr);
	if (unlikely(skip < 0)) {
		stat_inc(&l->rx.stats.drops[-skip]);
		return false;
	}
	*frame = (struct iovec){ data + skip, m->msg_len - (size_t)skip };
	if (likely(frame->iov_len >= ETH_HLEN && frame->iov_len <= FRAME_MAX &&
		   !(m->msg_hdr.msg_flags & MSG_TRUNC)))
		return true;
	stat_inc(&l->rx.stats.drops[DROP_RX_BAD_FRAME]);
	return false;
}

unsigned dgram_rx_burst(struct rxq *rx, struct burst *b)
{
	struct dgram_link *l = container_of(rx, struct dgram_link, rx);
	uint32_t snap = shm_load(&rx->snap);
	unsigned n = 0, got;

	if (unlikely(l->store.count))
		return store_again(&l->store, b, snap);
	waiting_begin(&l->store.waiting);
	if (l->is_dry)
		return 0;
	got = receive(l, b->want);
	for (unsigned i = 0; i < got; i++) {
		if (!find_frame(l, i, &l->store.raw[n], &l->store.hdr[n]))
			continue;
		if (likely(store_frame(&l->store, n, b, n, snap)))
			n++;
		else
			stat_inc(&rx->stats.drops[DROP_RX_BAD_OFFLOAD]);
	}
	stage_mark(STAGE_SNAPSHOT);
	store_received(&l->store, n);
	return n;
}

/* The descriptor is the event, and is edge-triggered: an event comes for
 * datagrams that arrive after the call that found nothing. */
bool dgram_rx_arm(struct rxq *rx)
{
	return container_of(rx, struct dgram_link, rx)->is_dry;
}

void dgram_rx_disarm(struct rxq *rx)
{
	container_of(rx, struct dgram_link, rx)->is_dry = false;
}

void dgram_rx_done(struct rxq *rx, struct burst *b)
{
	store_done(&container_of(rx, struct dgram_link, rx)->store, b);
}

/* Prepares message @i for @f. Returns false for a frame of many pieces when the
 * room for such a frame is taken. */
static bool prepare(struct dgram_link *l, unsigned i, const struct frame *f,
		    bool *room_is_taken)
{
	struct iovec *iov = &l->out_iov[i * DGRAM_TX_IOV];
	unsigned before = l->encap ? 1 : 0;
	unsigned count = frame_to_iov(f, iov + before, DGRAM_TX_IOV - before);

	if (unlikely(!count)) {
		uint8_t *room = l->room + ROOM_SIZE - DGRAM_ROOM;

		if (*room_is_taken)
			return false;
		*room_is_taken = true;
		frame_copy(f, 0, room, f->len);
		iov[before] = (struct iovec){ room, f->len };
		count = 1;
	}
	if (before) {
		l->encap->put(l->encap, f, i, l->hdr[i]);
		iov[0] = (struct iovec){ l->hdr[i], l->encap->size };
	}
	l->out[i].msg_hdr.msg_iovlen = before + count;
	return true;
}

/* Returns the reason to drop a frame whose sending failed with @error, or
 * DROP_COUNT if it shall wait. */
static enum drop_reason why(int error)
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
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENXIO: /* packet: the interface is gone */
		return DROP_TX_DOWN;
	default:
		return DROP_TX_ERROR;
	}
}

/* Sends up to @n frames; returns how many are finished, at least one unless
 * they have to wait. */
static unsigned send_some(struct dgram_link *l, struct frame *const *frames,
			  unsigned n)
{
	bool room_is_taken = false;
	enum drop_reason reason;
	unsigned ready = 0;
	int sent;

	while (ready < n && prepare(l, ready, frames[ready], &room_is_taken))
		ready++;
	sent = sendmmsg(l->out_fd, l->out, ready, MSG_DONTWAIT | MSG_NOSIGNAL);
	stage_mark(STAGE_SYSCALL);
	stat_inc(&l->tx.stats.calls);
	if (sent > 0) {
		stat_add(&l->tx.stats.copies, (unsigned)sent);
		if (l->encap && l->encap->sent)
			l->encap->sent(l->encap, (unsigned)sent);
		return (unsigned)sent;
	}
	/* the error is about the first message */
	reason = why(errno);
	if (reason == DROP_COUNT)
		return 0;
	txq_drop(&l->tx, reason, 1, frames[0]->len);
	return 1;
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

/* Points the messages at their buffers, once. */
static void prepare_messages(struct dgram_link *l)
{
	for (unsigned i = 0; i < BURST_MAX; i++) {
		l->slot[i] = (struct iovec){ l->room + (size_t)i * DGRAM_ROOM,
					     DGRAM_ROOM };
		l->in[i].msg_hdr = (struct msghdr){ .msg_iov = &l->slot[i],
						    .msg_iovlen = 1,
						    .msg_name = &l->sender[i] };
		if (l->control)
			l->in[i].msg_hdr.msg_control = l->control[i];
		l->out[i].msg_hdr = (struct msghdr){
			.msg_iov = &l->out_iov[i * DGRAM_TX_IOV],
		};
		if (l->remote.len) {
			l->out[i].msg_hdr.msg_name = &l->remote;
			l->out[i].msg_hdr.msg_namelen = l->remote.len;
		}
	}
}

int dgram_link_init(struct dgram_link *l, struct port *p)
{
	l->rx = (struct rxq){ .port = p, .can_hold = true, .event_fd = l->fd };
	l->tx = (struct txq){ .port = p };
	l->room = mmap(NULL, ROOM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->room == MAP_FAILED)
		l->room = NULL;
	l->in = calloc(BURST_MAX, sizeof(*l->in));
	l->out = calloc(BURST_MAX, sizeof(*l->out));
	l->sender = calloc(BURST_MAX, sizeof(*l->sender));
	if (l->encap && l->encap->wants_control) {
		l->control = calloc(BURST_MAX, sizeof(*l->control));
		if (!l->control)
			goto fail;
	}
	l->out_iov = calloc(BURST_MAX * DGRAM_TX_IOV, sizeof(*l->out_iov));
	if (!l->room || !l->in || !l->out || !l->sender || !l->out_iov)
		goto fail;
	prepare_messages(l);
	return 0;
fail:
	dgram_link_fini(l);
	return -ENOMEM;
}

void dgram_link_fini(struct dgram_link *l)
{
	if (l->room)
		munmap(l->room, ROOM_SIZE);
	free(l->in);
	free(l->out);
	free(l->sender);
	free(l->control);
	free(l->out_iov);
}

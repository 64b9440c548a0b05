/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffers of a datagram port and the way in, see dgram.h. Workers. Up to a
 * burst of datagrams comes with one recvmmsg(). A datagram that the kernel made
 * of several (UDP_GRO) is taken apart; what does not fit into a burst is left
 * for the next one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "cycles.h"
#include "dgram.h"
#include "udp_gso.h"

/* Errors in a row after which a queue without a datagram waits for the next
 * event. */
#define ERRORS_MAX 16

/* Returns whether @fd has a datagram, whatever the next call says of it. */
static bool has_datagram(int fd)
{
	int size = 0;

	return !ioctl(fd, FIONREAD, &size) && size > 0;
}

bool sock_is_dry(int fd, int got, int error, unsigned *errors)
{
	/* Not after fewer than were wanted: an error ends a call early, and the
	 * next call returns it. An error is about an earlier datagram of ours
	 * that nobody wanted, or about one that the kernel cannot describe to
	 * us, and throws away; others may follow. One that stays must not keep
	 * the worker busy. */
	bool is_dry = got == 0 || (got < 0 && error == EAGAIN) ||
		      (got < 0 && ++*errors >= ERRORS_MAX && !has_datagram(fd));

	if (got > 0 || is_dry)
		*errors = 0;
	return is_dry;
}

/* Returns how many datagrams came, up to @want. */
static unsigned receive(struct dgram_link *l, unsigned want)
{
	int got, error;

	for (unsigned i = 0; i < want; i++) {
		l->in[i].msg_hdr.msg_namelen =
			l->own.len ? sizeof(l->sender[i]) : 0;
		l->in[i].msg_hdr.msg_controllen =
			l->control ? DGRAM_CONTROL : 0;
	}
	got = recvmmsg(l->fd, l->in, want, MSG_DONTWAIT, NULL);
	stage_mark(STAGE_SYSCALL);
	stat_inc(&l->rx.stats.calls);
	while (unlikely(l->has_end) && got > 0 && !l->in[got - 1].msg_len)
		got--;
	error = errno;
	l->is_dry = sock_is_dry(l->fd, got, error, &l->errors);
	if (got > 0)
		return (unsigned)got;
	/* packet: offloads that PACKET_VNET_HDR has no words for */
	if (got < 0 && error == EINVAL && l->encap && l->encap->wants_control)
		stat_inc(&l->rx.stats.drops[DROP_RX_BAD_OFFLOAD]);
	return 0;
}

/* Takes the next datagram out of what was received. Returns its message and
 * sets *@data, of @len bytes. */
static struct mmsghdr *next_datagram(struct dgram_link *l, uint8_t **data,
				     size_t *len)
{
	struct mmsghdr *m = &l->in[l->next];

	if (!l->at)
		l->piece = l->is_joined ? udp_gro_size(&m->msg_hdr) : 0;
	*data = (uint8_t *)l->slot[l->next].iov_base + l->at;
	*len = m->msg_len - l->at;
	if (l->piece && *len > l->piece) {
		*len = l->piece;
		l->at += l->piece;
	} else {
		l->at = 0;
		l->next++;
	}
	return m;
}

/* Stores the frame in the datagram @data. Returns false when there is none for
 * us. */
static bool find_frame(struct dgram_link *l, struct mmsghdr *m, uint8_t *data,
		       size_t len, struct iovec *frame, struct vnet_hdr *hdr)
{
	int skip = 0;

	*hdr = (struct vnet_hdr){ 0 };
	if (l->own.len && sock_addr_equal(&l->sender[m - l->in], &l->own))
		return false;
	if (l->encap)
		skip = l->encap->check(l->encap, &m->msg_hdr, data, len, hdr);
	if (unlikely(skip < 0)) {
		stat_inc(&l->rx.stats.drops[-skip]);
		return false;
	}
	*frame = (struct iovec){ data + skip, len - (size_t)skip };
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
	struct mmsghdr *m;
	unsigned n = 0;
	uint8_t *data;
	size_t len;

	if (unlikely(l->store.count))
		return store_again(&l->store, b, snap);
	waiting_begin(&l->store.waiting);
	if (l->is_dry)
		return 0;
	if (l->next == l->got) {
		l->next = 0;
		l->got = receive(l, b->want);
	}
	while (l->next < l->got && n < b->want) {
		m = next_datagram(l, &data, &len);
		if (!find_frame(l, m, data, len, &l->store.raw[n],
				&l->store.hdr[n]))
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
		l->out[i].msg_hdr = (struct msghdr){ 0 };
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
	if (!l->frame_max)
		l->frame_max = FRAME_MAX;
	l->room = mmap(NULL, DGRAM_ROOM_ALL, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (l->room == MAP_FAILED)
		l->room = NULL;
	l->in = calloc(BURST_MAX, sizeof(*l->in));
	l->out = calloc(BURST_MAX, sizeof(*l->out));
	l->sender = calloc(BURST_MAX, sizeof(*l->sender));
	l->is_joined = udp_is_udp(l->fd) && !udp_set_gro(l->fd);
	if (udp_is_udp(l->out_fd))
		l->join_max = UINT16_MAX;
	if (l->is_joined || (l->encap && l->encap->wants_control)) {
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

void dgram_link_reset(struct dgram_link *l, int fd)
{
	l->fd = l->out_fd = l->rx.event_fd = fd;
	if (l->is_joined)
		udp_set_gro(fd);
	l->join_max = udp_is_udp(fd) ? UINT16_MAX : 0;
	l->is_dry = false;
	l->errors = l->got = l->next = 0;
	l->at = 0;
	l->store.count = 0;
	l->store.waiting = (struct waiting){ 0 };
}

void dgram_link_fini(struct dgram_link *l)
{
	if (l->room)
		munmap(l->room, DGRAM_ROOM_ALL);
	free(l->in);
	free(l->out);
	free(l->sender);
	free(l->control);
	free(l->out_iov);
}

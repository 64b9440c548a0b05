/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving side of an endpoint, see tunnel.h. Workers. A burst comes in
 * with one recvmmsg(). The kernel may have put datagrams of one size together
 * (UDP_GRO): such a one is cut again here, and its rest comes with the next
 * burst if this one is full.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cycles.h"
#include "key.h"
#include "socket.h"
#include "tunnel.h"
#include "udp_gso.h"

/* Datagrams of a call: of the largest ones, more do not stay in the cache. */
#define BATCH 32

/* Returns whether a sender with a link-local address is on the tunnel's
 * interface. */
static bool is_of_link(const struct tunnel *t, const struct sock_addr *from)
{
	return from->sa.sa_family != AF_INET6 || !from->in6.sin6_scope_id ||
	       !*t->dev ||
	       from->in6.sin6_scope_id == (unsigned)shm_load(&t->ifindex);
}

/* Returns the tunnel that a header with @session from @from is of, or NULL, and
 * stores the number of its peer; -1: a member of the group that there is no
 * room for. */
static struct tunnel *find(struct endpoint *e, uint64_t session,
			   const struct sock_addr *from, uint32_t now,
			   int *peer)
{
	struct tunnel *t = e->bucket[session & e->bucket_mask];

	for (; t; t = t->next_bucket) {
		if (t->conf.rx_session != session || !is_of_link(t, from))
			continue;
		*peer = peers_find(&t->peers, from, now);
		if (*peer >= 0 || t->group.len)
			return t;
	}
	return NULL;
}

/* Makes the sender of datagram @i what an answer to it is sent to: its host,
 * and the port of all ends. */
static void name_host(struct endpoint *e, unsigned i)
{
	struct sock_addr *a = &e->sender[i];

	a->len = e->in[i].msg_hdr.msg_namelen;
	/* at the same place in both families */
	a->in.sin_port = e->conf.local.in.sin_port;
}

static void receive(struct endpoint *e, unsigned want)
{
	int got;

	want = MIN(want, BATCH);
	for (unsigned i = 0; i < want; i++) {
		e->in[i].msg_hdr.msg_namelen = offsetof(struct sock_addr, len);
		e->in[i].msg_hdr.msg_controllen = TUNNEL_CONTROL;
	}
	got = recvmmsg(e->fd, e->in, want, MSG_DONTWAIT, NULL);
	stage_mark(STAGE_SYSCALL);
	stat_inc(&e->rx.stats.calls);
	e->cut = e->cut_off = e->got = 0;
	e->is_dry = sock_is_dry(e->fd, got, errno, &e->errors);
	if (got > 0)
		e->got = (unsigned)got;
	for (unsigned i = 0; i < e->got; i++)
		name_host(e, i);
}

static struct endpoint_message look_at(struct msghdr *m, uint32_t len)
{
	struct endpoint_message what = { .size = len };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int value = 0;

		/* a byte or an int, whose first byte is the same */
		if (c->cmsg_type == IP_TOS && c->cmsg_level == IPPROTO_IP)
			what.ecn = *CMSG_DATA(c) & ECN_MASK;
		if (c->cmsg_len < CMSG_LEN(sizeof(value)))
			continue;
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		if (c->cmsg_type == IPV6_TCLASS &&
		    c->cmsg_level == IPPROTO_IPV6)
			what.ecn = (uint8_t)value & ECN_MASK;
		if (c->cmsg_type == UDP_GRO && c->cmsg_level == SOL_UDP &&
		    value > 0 && (uint32_t)value < len)
			what.size = (uint32_t)value;
	}
	return what;
}

/* Counts a datagram that is dropped: at the tunnel it is of, else at the oldest
 * one. */
static void count_drop(struct endpoint *e, struct tunnel *t,
		       enum drop_reason reason)
{
	struct tunnel *at = t ? t : e->tunnels;

	stat_inc(&at->rx.stats.drops[reason]);
}

/* Stores the frame in the @len bytes at @data, from @from, as entry @n. Returns
 * false when there is none for us. */
static bool take(struct endpoint *e, unsigned n, uint8_t *data, uint32_t len,
		 const struct sock_addr *from, uint32_t now)
{
	uint32_t at = 0;
	uint64_t session;
	struct tunnel *t;
	int peer, skip;

	/* A raw IPv4 socket delivers the IP header, too. */
	if (!e->conf.encap->udp_port && from->sa.sa_family == AF_INET && len)
		at = MIN(len, 4u * (data[0] & 15));
	skip = e->conf.encap->parse(data + at, len - at, &session);
	if (unlikely(skip < 0)) {
		count_drop(e, NULL, (enum drop_reason) - skip);
		return false;
	}
	t = find(e, session, from, now, &peer);
	if (unlikely(!t)) {
		count_drop(e, NULL, DROP_RX_SESSION);
		return false;
	}
	at += (unsigned)skip;
	data += at;
	len -= at;
	if (unlikely(len < ETH_HLEN || len > FRAME_MAX)) {
		count_drop(e, t, DROP_RX_BAD_FRAME);
		return false;
	}
	if (peer >= 0 && !mac_is_multicast(data + ETH_ALEN))
		peers_learn(&t->peers, mac_to_u64(data + ETH_ALEN),
			    (unsigned)peer, now);
	e->store.raw[n] = (struct iovec){ data, len };
	e->store.hdr[n] = (struct vnet_hdr){ 0 };
	e->from[n] = t;
	return true;
}

/* Takes the next datagram as entry @n. Returns whether it has a frame. */
static bool cut(struct endpoint *e, unsigned n, uint32_t now)
{
	struct mmsghdr *m = &e->in[e->cut];
	uint8_t *data = (uint8_t *)e->slot[e->cut].iov_base + e->cut_off;
	const struct sock_addr *from = &e->sender[e->cut];
	uint32_t len;

	if (!e->cut_off)
		e->message = look_at(&m->msg_hdr, m->msg_len);
	len = MIN(e->message.size, m->msg_len - e->cut_off);
	e->cut_off += len;
	if (e->cut_off == m->msg_len) {
		e->cut++;
		e->cut_off = 0;
	}
	if (unlikely(m->msg_hdr.msg_flags & MSG_TRUNC)) {
		count_drop(e, NULL, DROP_RX_BAD_FRAME);
		return false;
	}
	if (!take(e, n, data, len, from, now))
		return false;
	if (likely(!(e->message.ecn & ECN_ECT1)) ||
	    encap_take_ecn(&e->store.raw[n], e->message.ecn))
		return true;
	count_drop(e, e->from[n], DROP_RX_CONGESTED);
	return false;
}

/* Makes frame @n of the burst of the store's entry @i. */
static void make_frame(struct endpoint *e, unsigned i, struct burst *b,
		       unsigned n)
{
	struct tunnel *t = e->from[i];

	store_frame(&e->store, i, b, n, shm_load(&t->rx.snap));
	b->frame[n].from = &t->port;
}

/* Makes frames of entries that the last burst held. */
static unsigned again(struct endpoint *e, struct burst *b)
{
	struct store *s = &e->store;
	uint64_t skips = waiting_begin(&s->waiting);
	unsigned n = 0, i;

	for (i = 0; i < s->count && n < b->want; i++) {
		if (waiting_skips(skips, i))
			continue;
		if (e->from[i])
			make_frame(e, i, b, n++);
		else
			waiting_skip(&s->waiting, i);
	}
	s->looked = i;
	return n;
}

unsigned endpoint_rx_burst(struct rxq *rx, struct burst *b)
{
	struct endpoint *e = container_of(rx, struct endpoint, rx);
	unsigned n = 0;
	uint32_t now;

	if (unlikely(e->store.count))
		return again(e, b);
	waiting_begin(&e->store.waiting);
	if (e->cut == e->got && !e->is_dry)
		receive(e, b->want);
	now = peers_now();
	while (n < b->want && e->cut < e->got) {
		if (!cut(e, n, now))
			continue;
		make_frame(e, n, b, n);
		n++;
	}
	stage_mark(STAGE_SNAPSHOT);
	store_received(&e->store, n);
	return n;
}

/* The descriptor is the event, and is edge-triggered: an event comes for
 * datagrams that arrive after the call that found nothing. */
bool endpoint_rx_arm(struct rxq *rx)
{
	struct endpoint *e = container_of(rx, struct endpoint, rx);

	return e->is_dry && e->cut == e->got;
}

void endpoint_rx_disarm(struct rxq *rx)
{
	container_of(rx, struct endpoint, rx)->is_dry = false;
}

void endpoint_rx_done(struct rxq *rx, struct burst *b)
{
	struct endpoint *e = container_of(rx, struct endpoint, rx);
	unsigned before = e->store.count;

	store_done(&e->store, b);
	if (unlikely(e->store.count && e->store.count < before))
		memmove(e->from, e->from + (before - e->store.count),
			e->store.count * sizeof(struct tunnel *));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending side of a tunnel, see tunnel.h. Workers, with the queue's lock.
 *
 * Neighbours of a burst that leave by one socket, each to one peer, are a run:
 * one sendmmsg(). A large frame is cut into segments, which leave as one
 * datagram that the kernel cuts (UDP_SEGMENT) where it does that. A frame to an
 * unknown address or to several is sent to each remote, or to the group.
 */
#include <errno.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>

#include "cycles.h"
#include "key.h"
#include "offload.h"
#include "socket.h"
#include "tunnel.h"
#include "udp_gso.h"

/* Limits of one datagram that the kernel cuts. */
#define SEGMENTS_MAX BURST_MAX
#define UDP_MAX	     65507

/* How a frame leaves. */
struct route {
	int fd;
	uint8_t tos;
	const struct sock_addr *to; /* NULL: all listed remotes */
};

static struct route find_route(struct tunnel *t, struct frame *f, uint32_t now)
{
	struct route r;
	bool df = t->df == DF_SET, inner_df;
	const struct senders *s;
	uint8_t tos = encap_inner_tos(f, &inner_df);

	if (t->df == DF_INHERIT)
		df = inner_df;
	/* RFC 6040, clause 4.1: the outer packet has the inner one's ECN. */
	if (t->tos == TOS_INHERIT)
		r.tos = tos;
	else
		r.tos = (uint8_t)((t->tos & ~ECN_MASK) | (tos & ECN_MASK));
	s = &t->ep->senders[t->mode | (df ? SEND_DF : 0)];
	r.fd = s->fd[0];
	if (s->count > 1)
		r.fd = s->fd[(uint64_t)frame_flow_hash(f) * s->count >> 32];
	r.to = peers_lookup(&t->peers, mac_to_u64(frame_head_const(f)), now);
	if (!r.to && t->group.len)
		r.to = &t->group;
	return r;
}

/* Names the interface and our address, where options give them. */
static void put_source(const struct tunnel *t, struct msghdr *m)
{
	int ifindex = shm_load(&t->ifindex);

	if (!ifindex && !t->source.len)
		return;
	if (t->ep->conf.local.sa.sa_family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_ifindex = (unsigned)ifindex };

		if (t->source.len)
			info.ipi6_addr = t->source.in6.sin6_addr;
		sock_put_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info,
				 sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_ifindex = ifindex };

		if (t->source.len)
			info.ipi_spec_dst = t->source.in.sin_addr;
		sock_put_control(m, IPPROTO_IP, IP_PKTINFO, &info,
				 sizeof(info));
	}
}

/* Prepares message @i for @r and its first piece, the header of @f. @segment:
 * the kernel cuts datagrams of this size; 0: it does not. */
static void begin(struct tunnel *t, unsigned i, const struct route *r,
		  const struct sock_addr *to, uint16_t segment)
{
	bool is_v6 = t->ep->conf.local.sa.sa_family == AF_INET6;
	int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	struct msghdr *m = &t->out->msg[i].msg_hdr;
	int tos = r->tos;

	*m = (struct msghdr){ .msg_name = (void *)&to->sa,
			      .msg_namelen = to->len,
			      .msg_control = t->out->control[i] };
	put_source(t, m);
	if (unlikely(t->ttl))
		sock_put_control(m, level, is_v6 ? IPV6_HOPLIMIT : IP_TTL,
				 &t->ttl, sizeof(t->ttl));
	if (unlikely(tos))
		sock_put_control(m, level, is_v6 ? IPV6_TCLASS : IP_TOS, &tos,
				 sizeof(tos));
	if (segment)
		sock_put_control(m, SOL_UDP, UDP_SEGMENT, &segment,
				 sizeof(segment));
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

/* Sends messages [@first, @first + @count). Returns how many the kernel took;
 * on an error 0, with the reason about the first (DROP_COUNT: it shall wait) in
 * @reason. */
static unsigned send_messages(struct tunnel *t, int fd, unsigned first,
			      unsigned count, enum drop_reason *reason)
{
	int sent = sendmmsg(fd, t->out->msg + first, count,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	stage_mark(STAGE_SYSCALL);
	stat_inc(&t->tx.stats.calls);
	if (sent > 0) {
		stat_add(&t->tx.stats.copies, (unsigned)sent);
		return (unsigned)sent;
	}
	*reason = sock_drop_reason(errno);
	return 0;
}

/* Puts the header and the pieces of @f as message @i at iov[*used]. Returns
 * false when there is no room. */
static bool put_frame(struct tunnel *t, unsigned i, struct frame *f,
		      uint32_t seq, unsigned *used)
{
	struct tunnel_out *o = t->out;
	struct iovec *iov = &o->iov[*used];
	unsigned count;

	if (TUNNEL_IOV - *used < 2)
		return false;
	count = frame_to_iov(f, iov + 1, TUNNEL_IOV - *used - 1);
	if (!count)
		return false;
	if (f->hdr.flags & VNET_HDR_F_NEEDS_CSUM) {
		offload_fill_csum(f);
		stage_mark(STAGE_OFFLOAD);
	}
	t->encap->put(&t->conf, f, seq, o->hdr[i]);
	iov[0] = (struct iovec){ o->hdr[i], t->hdr_size };
	o->msg[i].msg_hdr.msg_iov = iov;
	o->msg[i].msg_hdr.msg_iovlen = 1 + count;
	*used += 1 + count;
	return true;
}

/* Sends the first frames that make a run, each by its @route. Returns how many
 * of them are finished; 0 when the first one makes none, or shall wait
 * (*@waits). */
static unsigned send_run(struct tunnel *t, struct frame *const *frames,
			 const struct route *route, unsigned n, bool *waits)
{
	enum drop_reason reason = DROP_COUNT;
	unsigned count = 0, used = 0, sent;

	for (; count < n && !frames[count]->hdr.gso_type; count++) {
		const struct route *r = &route[count];

		if (!r->to || r->fd != route->fd)
			break;
		begin(t, count, r, r->to, 0);
		if (!put_frame(t, count, frames[count], t->seq + count, &used))
			break;
	}
	if (!count)
		return 0;
	sent = send_messages(t, route->fd, 0, count, &reason);
	t->seq += sent;
	if (sent)
		return sent;
	*waits = reason == DROP_COUNT;
	if (*waits)
		return 0;
	txq_drop(&t->tx, reason, 1, frames[0]->len);
	return 1;
}

/* The datagrams of a large frame, or of one that goes to several. */
struct batch {
	unsigned count;
	uint16_t size;		 /* of each but the last */
	unsigned end[BURST_MAX]; /* end of each one's pieces in iov */
};

/* What became of the datagrams of a frame. */
struct outcome {
	unsigned sent, failed;
	enum drop_reason reason; /* of the first that failed */
};

static void note_failure(struct outcome *o, enum drop_reason reason, unsigned n)
{
	if (!o->failed)
		o->reason = reason;
	o->failed += n;
}

/* Makes the next datagrams of @it. Returns false when there are none, or when
 * one consists of more pieces than there is room for (@o notes that). */
static bool next_segments(struct tunnel *t, struct gso_iter *it,
			  struct batch *b, struct outcome *o)
{
	unsigned size = t->hdr_size + it->payload_off + it->step, used = 0;
	unsigned max = MIN(SEGMENTS_MAX, MAX(UDP_MAX / size, 1));
	int n = 0;

	b->size = (uint16_t)size;
	for (b->count = 0; b->count < max && TUNNEL_IOV - used > 2;) {
		struct frame *f = &t->out->segment[b->count];
		struct iovec *iov = &t->out->iov[used];

		n = gso_iter_next(it, f, iov + 2, TUNNEL_IOV - used - 2);
		if (n < 0)
			break;
		iov[0] = (struct iovec){ t->out->hdr[0], t->hdr_size };
		iov[1] = (struct iovec){ frame_head(f), f->head_len };
		used += 2 + (unsigned)n;
		b->end[b->count++] = used;
	}
	stage_mark(STAGE_OFFLOAD);
	if (n == -2 && !b->count)
		note_failure(o, DROP_TX_TOO_BIG, 1);
	return b->count;
}

/* Sends the batch as one datagram that the kernel cuts. Returns whether that is
 * the end of it; else the datagrams must be sent one by one. */
static bool send_cut(struct tunnel *t, const struct route *r,
		     const struct sock_addr *to, const struct batch *b,
		     struct outcome *o)
{
	struct msghdr *m = &t->out->msg[0].msg_hdr;
	enum drop_reason reason;

	begin(t, 0, r, to, b->size);
	m->msg_iov = t->out->iov;
	m->msg_iovlen = b->end[b->count - 1];
	if (send_messages(t, r->fd, 0, 1, &reason)) {
		o->sent += b->count;
		return true;
	}
	if (reason == DROP_COUNT || reason == DROP_TX_DOWN) {
		note_failure(o, reason, b->count);
		return true;
	}
	/* The interface has no checksum offload, which older kernels want.
	 * Other errors are about this size: alone, such datagrams may be cut
	 * into fragments. */
	if (errno == EIO)
		t->takes_gso = false;
	return false;
}

static void send_batch(struct tunnel *t, const struct route *r,
		       const struct sock_addr *to, const struct batch *b,
		       struct outcome *o)
{
	struct tunnel_out *out = t->out;
	unsigned done = 0;

	if (b->count > 1 && t->takes_gso && send_cut(t, r, to, b, o))
		return;
	for (unsigned i = 0, at = 0; i < b->count; at = b->end[i++]) {
		begin(t, i, r, to, 0);
		out->msg[i].msg_hdr.msg_iov = &out->iov[at];
		out->msg[i].msg_hdr.msg_iovlen = b->end[i] - at;
	}
	while (done < b->count) {
		enum drop_reason reason;
		unsigned sent =
			send_messages(t, r->fd, done, b->count - done, &reason);

		o->sent += sent;
		done += sent;
		if (sent)
			continue;
		if (reason == DROP_COUNT) {
			note_failure(o, reason, b->count - done);
			return;
		}
		/* what is too big leaves others of its size no hope */
		note_failure(o, reason,
			     reason == DROP_TX_TOO_BIG ? b->count - done : 1);
		done = reason == DROP_TX_TOO_BIG ? b->count : done + 1;
	}
}

static void send_to_all(struct tunnel *t, const struct route *r,
			const struct batch *b, struct outcome *o)
{
	if (r->to) {
		send_batch(t, r, r->to, b, o);
		return;
	}
	for (unsigned i = 0; i < t->peers.listed; i++)
		send_batch(t, r, &t->peers.peer[i].addr, b, o);
}

/* Sends a frame that makes no run. Returns false when it shall wait. */
static bool send_alone(struct tunnel *t, struct frame *f, const struct route *r)
{
	struct outcome o = { 0 };
	struct batch b = { .count = 1 };
	struct gso_iter it;

	if (f->hdr.gso_type) {
		t->encap->put(&t->conf, f, 0, t->out->hdr[0]);
		gso_iter_init(&it, f, 0);
		while (o.reason != DROP_COUNT && next_segments(t, &it, &b, &o))
			send_to_all(t, r, &b, &o);
	} else if (put_frame(t, 0, f, t->seq, &b.end[0])) {
		send_to_all(t, r, &b, &o);
		t->seq++;
	} else {
		note_failure(&o, DROP_TX_TOO_BIG, 1);
	}
	if (!o.failed)
		return true;
	if (o.reason == DROP_COUNT && !o.sent)
		return false;
	if (o.reason == DROP_COUNT)
		o.reason = DROP_TX_FULL;
	if (o.sent) /* it counts as sent */
		stat_inc(&t->tx.stats.drops[o.reason]);
	else
		txq_drop(&t->tx, o.reason, 1, f->len);
	return true;
}

unsigned tunnel_tx_burst(struct txq *tx, struct frame *const *frames,
			 unsigned n)
{
	struct tunnel *t = container_of(tx, struct tunnel, tx);
	struct route route[BURST_MAX];
	uint32_t now = peers_now();
	unsigned done = 0;
	bool waits = false;

	for (unsigned i = 0; i < n; i++)
		route[i] = find_route(t, frames[i], now);
	while (done < n && !waits) {
		unsigned some = send_run(t, frames + done, route + done,
					 n - done, &waits);

		if (!some && !waits)
			waits = !send_alone(t, frames[done], &route[done]);
		done += some ? some : !waits;
	}
	return done;
}

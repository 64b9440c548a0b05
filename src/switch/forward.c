/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a burst through the switch, see forward.h. Runs on workers, and
 * on the control thread for injected frames; calls the ports' operations, the
 * MAC table and deliver(). Allocates nothing, logs nothing.
 *
 * A burst is cut where a frame must be flooded. Between two cuts the frames are
 * grouped by destination queue; each group keeps its order and is sent with one
 * call. So the frames for one receiver leave in order. If a frame has to wait,
 * all frames behind the next cut wait, too.
 */
#include "forward.h"

#include "deliver.h"
#include "fd.h"
#include "flow.h"
#include "net.h"
#include "key.h"
#include "rcu.h"
#include "rss.h"

/* Destinations of a frame that are no single queue. */
static struct txq flood_mark, drop_mark;
#define TO_ALL	  (&flood_mark)
#define TO_NOBODY (&drop_mark)

static void count_drop(struct queue_stats *s, enum drop_reason r, unsigned n)
{
	stat_add(&s->drops[r], n);
}

/* Returns the queue of @set that the receiver's rule names for @f. */
static __attribute__((noinline)) struct txq *pick_by_rss(
	const struct txq_set *set, struct frame *f)
{
	struct txq *q = set->txq[rss_queue(set->rss, f)];

	if (likely(q))
		return q;
	shm_fetch_add(&set->port->down_drops, 1);
	return TO_NOBODY;
}

/* Returns the queue of @set for the flow of @f: the one that the receiver sends
 * the flow on, or one chosen by the hash or the receiver's rule. */
static struct txq *pick_txq(const struct txq_set *set, struct frame *f)
{
	uint32_t hash, queue;

	if (likely(set->count == 1))
		return set->txq[0];
	hash = frame_flow_hash(f);
	queue = flow_queue(set->port->flows, hash);
	if (queue < set->count && set->txq[queue]->idx == queue)
		return set->txq[queue];
	/* last, where it costs the flows that are known nothing */
	if (unlikely(!set->count))
		return pick_by_rss(set, f);
	return set->txq[(uint64_t)hash * set->count >> 32];
}

/* Sends frames[0..n) to the queues in to[0..n), none of them TO_ALL. With
 * @can_hold, marks frames that must wait as held; later frames for other
 * receivers are sent. */
static void send_groups(struct forward *fw, struct frame *const *frames,
			struct txq **to, unsigned n, bool can_hold)
{
	struct frame *group[BURST_MAX];

	for (unsigned i = 0; i < n; i++) {
		struct txq *q = to[i];
		unsigned count = 0;

		if (q == TO_NOBODY)
			continue;
		for (unsigned j = i; j < n; j++) {
			if (to[j] != q)
				continue;
			to[j] = TO_NOBODY;
			group[count++] = frames[j];
		}
		deliver(fw, q, group, count, can_hold);
	}
}

/* Sends frames to every port with a link, except the one they came from. */
static void flood(struct forward *fw, const struct topology *topo,
		  struct port *from, struct frame *const *frames, unsigned n,
		  struct queue_stats *rx)
{
	unsigned receivers = 0;

	for (unsigned slot = 0; slot < topo->count; slot++) {
		struct port *port = shm_load(&topo->port[slot]);
		const struct txq_set *set;
		struct txq *to[BURST_MAX];

		if (!port || port == from || !(set = rcu_read(port->txqs)))
			continue;
		for (unsigned i = 0; i < n; i++)
			to[i] = pick_txq(set, frames[i]);
		send_groups(fw, frames, to, n, false);
		receivers++;
	}
	if (!receivers)
		count_drop(rx, DROP_RX_ALONE, n);
}

#define NO_ADDRESS UINT64_MAX /* over 48 bits, so no address */

/* State that classify() keeps from frame to frame of a burst, because most
 * frames go the same way. */
struct recent {
	uint64_t version;  /* version of the MAC table */
	uint64_t src, dst; /* addresses of the last frame; NO_ADDRESS: none */
	uint16_t dst_slot;
	bool src_is_known;	   /* the table has src behind its port */
	const struct txq_set *set; /* queues for src to dst; NULL: unknown */
	const struct frame *end;   /* end of the burst; NULL: prefetched */
};

/* Prefetches the MAC table for the rest of a burst with several flows. With a
 * large table each frame would otherwise wait for its own entry. */
static void look_ahead(const struct fdb *fdb, const struct frame *f,
		       struct recent *recent)
{
	while (++f < recent->end) {
		const uint8_t *head = frame_head_const(f);

		fdb_prefetch(fdb, mac_to_u64(head));
		fdb_prefetch(fdb, mac_to_u64(head + ETH_ALEN));
	}
	recent->end = NULL;
}

static void ask_for_growth(struct forward *fw)
{
	if (!shm_exchange(fw->grow_wanted, true))
		fd_signal(fw->grow_fd);
}

/* The context of a burst for classify(). */
struct place {
	struct forward *fw;
	const struct net *net;
	const struct domain *domain;
	const struct topology *topo; /* topology of the domain */
	struct port *from;
};

static void tell_mac(const struct place *at, uint64_t mac, uint16_t old_slot)
{
	if (unlikely(mac_news_wanted(at->fw->mac_news)))
		mac_news_put(at->fw->mac_news, at->net, at->domain->vlan, mac,
			     (uint16_t)at->from->slot, old_slot);
}

/* Learns that @src is behind the port. Returns whether that was known. */
static bool learn(const struct place *at, uint64_t src, struct recent *recent)
{
	struct port *from = at->from;
	bool may_add = shm_load(&from->mac_count) < shm_load(&from->max_macs);
	struct fdb *fdb = at->domain->fdb;
	uint16_t old_slot;

	switch (fdb_learn(fdb, src, (uint16_t)from->slot, may_add, &old_slot)) {
	case FDB_KNOWN:
		return true;
	case FDB_MOVED:
		net_uncount_mac(at->net, old_slot);
		shm_fetch_add(&from->mac_count, 1);
		recent->version = fdb_version(fdb);
		recent->dst = NO_ADDRESS; /* dst may be this address */
		tell_mac(at, src, old_slot);
		return false;
	case FDB_ADDED:
		shm_fetch_add(&from->mac_count, 1);
		recent->dst = NO_ADDRESS;
		tell_mac(at, src, FDB_NO_SLOT);
		break;
	case FDB_FULL:
		break;
	}
	if (may_add && fdb_wants_growth(fdb))
		ask_for_growth(at->fw);
	return false;
}

/* Learns the source of @f and looks its destination up: sets recent->src,
 * ->dst, ->dst_slot. The slot of a multicast destination has no meaning. */
static void resolve(const struct place *at, const struct frame *f,
		    struct recent *recent, uint64_t src, uint64_t dst)
{
	const uint8_t *head = frame_head_const(f);
	struct forward *fw = at->fw;
	uint16_t slot = (uint16_t)at->from->slot;

	if (src && pairs_find(&fw->pairs, recent->version, src, slot, dst,
			      &recent->dst_slot)) {
		recent->src = src;
		recent->src_is_known = true;
		recent->dst = dst;
		return;
	}
	if (recent->end && recent->src != NO_ADDRESS)
		look_ahead(at->domain->fdb, f, recent);
	if (src != recent->src) {
		recent->src = src;
		/* 0 is not an address: it marks a free entry */
		recent->src_is_known = src &&
				       !mac_is_multicast(head + ETH_ALEN) &&
				       learn(at, src, recent);
	}
	if (mac_is_multicast(head))
		return;
	if (dst != recent->dst) {
		recent->dst = dst;
		recent->dst_slot = fdb_lookup(at->domain->fdb, dst);
	}
	if (recent->src_is_known && recent->dst_slot != FDB_NO_SLOT)
		pairs_add(&fw->pairs, recent->version, src, slot, dst,
			  recent->dst_slot);
}

/* Learns the source of @f and returns its destination. */
static struct txq *classify(const struct place *at, struct frame *f,
			    struct recent *recent, struct queue_stats *rx)
{
	const uint8_t *head = frame_head_const(f);
	uint64_t dst = mac_to_u64(head), src = mac_to_u64(head + ETH_ALEN);
	const struct topology *topo = at->topo;
	const struct txq_set *set;
	struct port *to;

	if (likely(recent->set && src == recent->src && dst == recent->dst))
		return pick_txq(recent->set, f);
	recent->set = NULL;
	if (src != recent->src || dst != recent->dst)
		resolve(at, f, recent, src, dst);
	if (mac_is_multicast(head))
		return TO_ALL;
	if (recent->dst_slot >= topo->count ||
	    !(to = shm_load(&topo->port[recent->dst_slot])))
		return TO_ALL;
	if (unlikely(to == at->from)) {
		count_drop(rx, DROP_RX_HAIRPIN, 1);
		return TO_NOBODY;
	}
	set = rcu_read(to->txqs);
	if (unlikely(!set)) {
		shm_fetch_add(&to->down_drops, 1);
		return TO_NOBODY;
	}
	recent->set = set;
	return pick_txq(set, f);
}

/* Holds the frames from @i on that have a receiver. Earlier frames wait, and
 * the frames for one receiver must keep their order. */
static void hold_rest(struct forward *fw, struct txq *const *to,
		      struct frame *const *f, unsigned i, unsigned n)
{
	for (; i < n; i++)
		if (to[i] != TO_NOBODY)
			forward_hold(fw, f[i]);
}

/* Forwards @n frames of @domain. */
static void forward_domain(struct forward *fw, const struct net *net,
			   const struct domain *domain, struct port *from,
			   struct frame *frames, unsigned n, bool can_hold,
			   struct queue_stats *rx)
{
	const struct place at = { fw, net, domain, rcu_read(domain->topology),
				  from };
	struct recent recent = { .src = NO_ADDRESS,
				 .dst = NO_ADDRESS,
				 .dst_slot = FDB_NO_SLOT,
				 .end = frames + n };
	struct frame *f[BURST_MAX];
	struct txq *to[BURST_MAX];
	unsigned start = 0;
	bool is_uniform = true;

	/* Read the version after the topology: if a slot has a new port, the
	 * addresses of its old port are gone in this version. */
	recent.version = fdb_version(domain->fdb);
	for (unsigned i = 0; i < n; i++) {
		f[i] = &frames[i];
		to[i] = classify(&at, f[i], &recent, rx);
		is_uniform &= to[i] == to[0];
	}
	/* a burst for one receiver needs no groups */
	if (likely(is_uniform && n && to[0] != TO_ALL && to[0] != TO_NOBODY)) {
		deliver(fw, to[0], f, n, can_hold);
		return;
	}
	while (start < n) {
		bool floods = to[start] == TO_ALL;
		unsigned end = start + 1;

		while (end < n && (to[end] == TO_ALL) == floods)
			end++;
		if (floods)
			flood(fw, at.topo, from, f + start, end - start, rx);
		else
			send_groups(fw, f + start, to + start, end - start,
				    can_hold);
		start = end;
		if (unlikely(fw->burst.held_mask)) {
			hold_rest(fw, to, f, start, n);
			break;
		}
	}
}

/* Returns the domain of a frame from a port with the rules @v, and sets f->tci
 * and f->tpid. NULL: the port is not in the frame's VLAN (IEEE 802.1Q, clause
 * 6.9). */
static const struct domain *domain_of(const struct net *net,
				      const struct vlans *vlans,
				      const struct port_vlan *v,
				      struct frame *f)
{
	const uint8_t *tag = frame_head_const(f) + 2 * ETH_ALEN;
	unsigned vlan = v->pvid;
	const struct domain *d;

	f->tpid = 0;
	f->tci = (uint16_t)vlan;
	if (get_be16(tag) == v->tpid) {
		/* too short for the tag and the ethertype behind it */
		if (f->head_len < ETH_HLEN + VLAN_HLEN)
			return NULL;
		f->tpid = v->tpid;
		f->tci = get_be16(tag + 2);
		if (f->tci & VLAN_VID_MASK)
			vlan = f->tci & VLAN_VID_MASK;
		else if (vlan != VLAN_NONE)
			f->tci |= (uint16_t)vlan; /* a priority tag */
	}
	if (vlan == VLAN_NONE || !port_vlan_has(v, vlan))
		return NULL;
	d = vlan ? &vlans->domain[vlan] : &net->base;
	/* While rules change, @v may be newer than @vlans: in VLANs that no
	 * port was in. */
	return likely(rcu_read(d->fdb) != NULL) ? d : NULL;
}

/* Forwards frames of a network with VLANs: neighbours of one domain together.
 * If one waits, all frames behind it wait: they may be of its flow. */
static __attribute__((noinline)) void forward_vlans(
	struct forward *fw, const struct net *net, const struct vlans *vlans,
	struct port *from, struct frame *frames, unsigned n, bool can_hold,
	struct queue_stats *rx)
{
	const struct port_vlan *v = rcu_read(from->vlan);
	const struct domain *domain[BURST_MAX];
	unsigned start, end;

	if (!v)
		v = &port_vlan_plain;
	for (unsigned i = 0; i < n; i++)
		domain[i] = domain_of(net, vlans, v, &frames[i]);
	for (start = 0; start < n && !fw->burst.held_mask; start = end) {
		end = start + 1;
		while (end < n && domain[end] == domain[start])
			end++;
		if (!domain[start])
			count_drop(rx, DROP_RX_VLAN, end - start);
		else
			forward_domain(fw, net, domain[start], from,
				       &frames[start], end - start, can_hold,
				       rx);
	}
	for (; unlikely(start < n); start++)
		if (domain[start])
			forward_hold(fw, &frames[start]);
		else
			count_drop(rx, DROP_RX_VLAN, 1);
}

/* Forwards frames of a hub. They never wait: a port that is full would stop all
 * others. */
static __attribute__((noinline)) void forward_hub(
	struct forward *fw, const struct net *net, struct port *from,
	struct frame *frames, unsigned n, struct queue_stats *rx)
{
	struct frame *f[BURST_MAX];

	for (unsigned i = 0; i < n; i++)
		f[i] = &frames[i];
	flood(fw, rcu_read(net->base.topology), from, f, n, rx);
}

void forward_frames(struct forward *fw, struct port *from, struct frame *frames,
		    unsigned n, bool can_hold, struct queue_stats *rx)
{
	struct net *net = rcu_read(from->net);
	const struct vlans *vlans;

	fw->burst.held_mask = 0;
	if (unlikely(!net)) {
		count_drop(rx, DROP_RX_ALONE, n);
		return;
	}
	vlans = rcu_read(net->vlans);
	fw->has_vlans = vlans;
	if (unlikely(net->kind == NET_HUB))
		forward_hub(fw, net, from, frames, n, rx);
	else if (likely(!vlans))
		forward_domain(fw, net, &net->base, from, frames, n, can_hold,
			       rx);
	else
		forward_vlans(fw, net, vlans, from, frames, n, can_hold, rx);
}

void forward_out(struct forward *fw, struct port *to,
		 const struct filter *behind, unsigned n, bool can_hold)
{
	const struct txq_set *set = rcu_read(to->txqs);
	struct frame *f[BURST_MAX];
	struct txq *q[BURST_MAX];

	fw->burst.held_mask = 0;
	if (!set) {
		shm_fetch_add(&to->down_drops, n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		f[i] = &fw->burst.frame[i];
		q[i] = pick_txq(set, f[i]);
	}
	fw->has_vlans = false; /* the frames have the port's tags */
	fw->behind = behind;
	send_groups(fw, f, q, n, can_hold);
	fw->behind = NULL;
}

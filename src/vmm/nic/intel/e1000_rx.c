/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive rings (3.2): frames of the switch into the driver's buffers. Workers,
 * with the txq's lock held.
 *
 * The checksum at the end of a frame (FCS) is four bytes of zero: the switch
 * has none. The 82540EM checks no checksums of headers for the driver (IXSM).
 */
#include "edit.h"
#include "e1000_filter.h"
#include "key.h"
#include "le.h"
#include "nic_frame.h"
#include "offload.h"

#define FRAME_MOST 1518 /* without RCTL.LPE; with a tag four more */
#define FCS_SIZE   4

/* The rings of a burst, and what happened in it. */
struct work {
	struct e1000_ring ring[E1000_QUEUES];
	uint32_t received[E1000_QUEUES]; /* frames */
	struct e1000_tally tally;
};

/* 3.2.3. An extended status has its errors in the upper byte. */
static void write_legacy(uint8_t *at, const struct e1000_mark *m,
			 const uint32_t length[E1000_BUFFERS])
{
	uint32_t status = (m->status & 0xff) | (m->status >> 16 & 0xff00);

	shm_store((le32 *)(at + 8), cpu_to_le32(length[0]));
	shm_store_release((le32 *)(at + 12),
			  cpu_to_le32(status | (uint32_t)m->tci << 16));
}

static const struct e1000_format legacy = { .size = E1000_DESC,
					    .buffers = 1,
					    .write_back = write_legacy };

static struct e1000_rules read_rules(const struct e1000 *e)
{
	struct e1000_rules r = { .rctl = e1000_get(e, E1000_RCTL),
				 .ctrl = e1000_get(e, E1000_CTRL),
				 .vet = (uint16_t)e1000_get(e, E1000_VET),
				 .format = &legacy,
				 .queues = 1 };
	unsigned shift = RCTL_BSIZE(r.rctl);

	r.buffer[0] = 2048u >> shift;
	/* 13.4.22: 00 with BSEX is not to be used. */
	if (r.rctl & RCTL_BSEX && shift)
		r.buffer[0] *= 16;
	r.fcs = r.rctl & RCTL_SECRC ? 0 : FCS_SIZE;
	if (e1000_model(e)->add_rules)
		e1000_model(e)->add_rules(e, &r);
	return r;
}

static bool is_too_big(const struct frame *f, const struct e1000_rules *r)
{
	uint32_t most = FRAME_MOST + (e1000_is_tagged(f, r) ? VLAN_HLEN : 0);

	/* 13.4.22: of a long frame at most 16384 bytes. */
	if (r->rctl & RCTL_LPE)
		most = 16384;
	return !(r->rctl & RCTL_SBP) && f->len + FCS_SIZE > most;
}

/* Returns how many bytes fit into a descriptor from buffer @first on. */
static uint32_t room_in(const struct e1000_rules *r, unsigned first)
{
	uint32_t sum = 0;

	for (unsigned i = first; i < r->format->buffers; i++)
		sum += r->buffer[i];
	return sum;
}

/* Returns how many descriptors @total bytes need, the first @header of which
 * are split off: then the first buffer of each has no others. 0: they do not
 * fit in any number. */
static uint32_t count_descs(const struct e1000_rules *r, uint32_t total,
			    uint32_t header)
{
	uint32_t room = room_in(r, header ? 1 : 0);

	return room ? MAX((total - header + room - 1) / room, 1u) : 0;
}

/* Writes bytes of @f from @off on into the buffers of the descriptor at @at,
 * and their numbers to @length. Returns the offset behind them. A buffer that
 * is no RAM gets nothing. */
static uint32_t fill_desc(const struct e1000 *e, const uint8_t *at,
			  const struct frame *f, uint32_t off, uint32_t total,
			  const struct e1000_rules *r, uint32_t header,
			  uint32_t length[E1000_BUFFERS])
{
	for (unsigned i = 0; i < r->format->buffers; i++) {
		uint64_t to = le64_to_cpu(shm_load((const le64 *)at + i));
		uint32_t size = MIN(r->buffer[i], total - off);
		uint8_t *host;

		if (header && !i)
			size = off ? 0 : header;
		length[i] = size;
		host = size ? gmem_translate(e->nic.ram, to, size) : NULL;
		if (host)
			nic_fill(f, off, host, size);
		off += size;
	}
	return off;
}

/* Writes @f to the buffers from the head of @ring on. */
static void put_frame(struct e1000 *e, struct e1000_ring *ring,
		      const struct frame *f, uint32_t total,
		      const struct e1000_rules *r, const struct e1000_mark *m,
		      uint32_t descs)
{
	struct e1000_mark part = { .status = RXD_DD };
	uint32_t length[E1000_BUFFERS] = { 0 }, off = 0;

	for (uint32_t i = 0; i < descs; i++) {
		uint8_t *at = ring->desc + (size_t)ring->head * r->format->size;
		bool is_last = i + 1 == descs;

		/* The driver may change a descriptor until it is done. */
		off = fill_desc(e, at, f, off, total, r, m->header, length);
		ring->head = (ring->head + 1) % ring->count;
		if (is_last) {
			part = *m;
			part.status |= RXD_DD | RXD_EOP;
		}
		part.header = i ? 0 : m->header;
		r->format->write_back(at, &part, length);
	}
}

static const struct e1000_stat_regs received_regs = {
	.good = E1000_GPRC,
	.total = E1000_TPR,
	.multicast = E1000_MPRC,
	.broadcast = E1000_BPRC,
	.size = E1000_PRC64,
	.good_bytes = E1000_GORCL,
	.total_bytes = E1000_TORL,
};

static uint32_t room_of(const struct e1000_ring *r)
{
	return r->desc ? (r->tail + r->count - r->head) % r->count : 0;
}

/* Gives the driver @f, which has no tag that it wants off, or drops one that
 * its ring cannot have. Returns false when it has not enough buffers. */
static bool deliver(struct e1000 *e, struct work *w, struct frame *f,
		    const struct e1000_rules *r, struct e1000_mark *m)
{
	bool is_asked = f->hdr.flags & VNET_HDR_F_NEEDS_CSUM;
	uint32_t total, descs;

	if (is_asked)
		offload_fill_csum(f);
	m->status |= RXD_IXSM;
	if (r->classify)
		r->classify(e, r, f, is_asked, m);
	total = MAX(f->len, NIC_FRAME_LEAST) + r->fcs;
	descs = count_descs(r, total, m->header);
	if (!w->ring[m->queue].desc || !descs ||
	    descs >= w->ring[m->queue].count) {
		txq_drop(&e->nic.in, DROP_TX_DOWN, 1, f->len);
		return true;
	}
	if (descs > room_of(&w->ring[m->queue]))
		return false;
	put_frame(e, &w->ring[m->queue], f, total, r, m, descs);
	w->received[m->queue]++;
	e1000_tally_frames(&w->tally, frame_head_const(f), 1,
			   f->len + FCS_SIZE);
	return true;
}

/* As deliver(), for a frame as it comes, which others may receive, too. */
static bool receive(struct e1000 *e, struct work *w, struct frame *f,
		    const struct e1000_rules *r)
{
	struct e1000_mark m = { 0 };
	struct frame own;

	if (r->ctrl & CTRL_VME && e1000_is_tagged(f, r)) {
		m.tci = get_be16(frame_head_const(f) + ETH_HLEN);
		m.status |= RXD_VP;
		edit_pop_tag(&own, f);
		f = &own;
	} else if (f->hdr.flags & VNET_HDR_F_NEEDS_CSUM) {
		own = *f;
		f = &own;
	}
	return deliver(e, w, f, r, &m);
}

/* Writes the heads, and tells the driver of frames. */
static void finish(struct e1000 *e, struct txq *q, const struct work *w,
		   const struct e1000_rules *rules)
{
	uint32_t shift = RCTL_RDMTS(rules->rctl), frames = 0, cause;

	for (unsigned i = 0; i < rules->queues; i++) {
		const struct e1000_ring *r = &w->ring[i];

		if (!w->received[i])
			continue;
		e1000_put(e, E1000_RDH + i * E1000_QUEUE_STRIDE,
			  r->head * (rules->format->size / E1000_DESC));
		frames += w->received[i];
		cause = INT_RXT0;
		if (shift < 3 && room_of(r) <= r->count >> (1 + shift))
			cause |= INT_RXDMT0;
		if (e1000_cause(e, i, cause))
			stat_inc(&q->stats.calls);
	}
	e1000_tally_put(e, &w->tally, &received_regs);
	stat_add(&q->stats.copies, frames);
}

/* A frame found no buffers, or did again. */
static void run_short(struct e1000 *e)
{
	e1000_count(e, E1000_RNBC, 1);
	if (!e->is_short)
		e1000_cause(e, 0, INT_RXO);
	e->is_short = true;
}

/* Drops the whole burst: the driver receives nothing now. */
static unsigned drop_all(struct txq *q, struct frame *const *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		txq_drop(q, DROP_TX_DOWN, 1, frames[i]->len);
	return n;
}

unsigned e1000_tx_burst(struct txq *q, struct frame *const *frames, unsigned n)
{
	struct e1000 *e = e1000_of(container_of(q, struct nic, in));
	struct e1000_rules rules = read_rules(e);
	struct work w = { 0 };
	unsigned i;

	for (i = 0; i < rules.queues; i++)
		w.ring[i] = e1000_ring(e, E1000_RDBAL, i, rules.format->size);
	if (!w.ring[0].desc || !(rules.rctl & RCTL_EN))
		return drop_all(q, frames, n);
	for (i = 0; i < n; i++) {
		struct frame *f = frames[i];

		if (!e1000_is_wanted(e, f, &rules)) {
			txq_drop(q, DROP_TX_UNWANTED, 1, f->len);
		} else if (is_too_big(f, &rules)) {
			txq_drop(q, DROP_TX_TOO_BIG, 1, f->len);
		} else if (receive(e, &w, f, &rules)) {
			e->is_short = false;
		} else {
			run_short(e);
			break;
		}
	}
	finish(e, q, &w, &rules);
	return i;
}

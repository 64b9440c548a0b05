/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transmit rings (3.3 to 3.5): descriptors become frames. Workers; a burst
 * holds the nic's out lock from e1000_rx_burst() to e1000_rx_done(), and is of
 * one ring. Several take turns.
 *
 * A frame is taken when the descriptor with its end (EOP) is there. Offloads
 * that the driver asks for become those of virtio, which the switch knows, so
 * they cost nothing before the receiver. The driver leaves lengths of a frame
 * with segmentation open; those of virtio agree with the frame.
 */
#include "e1000.h"
#include "key.h"
#include "le.h"
#include "nic_frame.h"
#include "offload.h"

/* The lower half of a descriptor's second word; of a legacy one only EOP to
 * DEXT are where those of others are. */
#define TXD_LENGTH(v)	     ((v)&0xfffff)
#define TXD_LEGACY_LENGTH(v) ((v)&0xffff)
#define TXD_LEGACY_CSO(v)    ((v) >> 16 & 0xff)
#define TXD_TYPE(v)	     ((v) >> 20 & 15)
#define TXD_EOP		     (1u << 24)
#define TXD_IC		     (1u << 26) /* legacy */
#define TXD_TSE		     (1u << 26)
#define TXD_RS		     (1u << 27)
#define TXD_DEXT	     (1u << 29)
#define TXD_VLE		     (1u << 30)
#define TXD_STATUS	     12 /* offset of the byte */
#define TXD_DD		     1
/* The upper half. */
#define TXD_POPTS(v)   ((v) >> 8 & 0xff)
#define TXD_CSS(v)     ((v) >> 8 & 0xff) /* legacy */
#define TXD_SPECIAL(v) ((v) >> 16)
#define POPTS_IXSM     1
#define POPTS_TXSM     2

/* A context's second word (3.3.6). */
#define CONTEXT_TCP (1u << 24)
#define CONTEXT_IP  (1u << 25)
#define CONTEXT_TSE (1u << 26)

/* A frame that is being read. */
struct packet {
	struct nic_pieces pieces;
	bool has_data; /* a data descriptor was seen */
	bool is_large; /* segmentation */
	bool is_legacy;
	uint32_t upper;		   /* of the first data descriptor */
	uint32_t last, last_upper; /* of the last one */
};

struct desc {
	uint64_t address;
	uint32_t lower, upper;
};

static struct desc read_desc(const struct e1000_ring *r, uint32_t i)
{
	const uint8_t *at = r->desc + (size_t)i * E1000_DESC;
	const le64 *address = (const le64 *)at;
	const le32 *half = (const le32 *)(at + 8);

	return (struct desc){ .address = le64_to_cpu(shm_load(address)),
			      .lower = le32_to_cpu(shm_load(&half[0])),
			      .upper = le32_to_cpu(shm_load(&half[1])) };
}

static void read_context(struct e1000_tx *tx, const struct desc *d)
{
	struct e1000_context c = {
		.ip_start = (uint8_t)d->address,
		.ip_field = (uint8_t)(d->address >> 8),
		.ip_end = (uint16_t)(d->address >> 16),
		.l4_start = (uint8_t)(d->address >> 32),
		.l4_field = (uint8_t)(d->address >> 40),
		.l4_end = (uint16_t)(d->address >> 48),
		.mss = (uint16_t)(d->upper >> 16),
		.header = (uint8_t)(d->upper >> 8),
		.is_v4 = d->lower & CONTEXT_IP,
		.is_tcp = d->lower & CONTEXT_TCP,
	};

	if (d->lower & CONTEXT_TSE)
		tx->large = c;
	else
		tx->plain = c;
}

/* Reads the descriptors of a frame from tx->next on. Returns how many they are;
 * 0 when its end is not there yet. */
static uint32_t read_packet(struct e1000 *e, struct e1000_tx *tx,
			    struct packet *p)
{
	const struct e1000_ring *r = &tx->ring;
	uint32_t n = 0;

	for (uint32_t i = tx->next; i != r->tail; i = (i + 1) % r->count) {
		struct desc d = read_desc(r, i);
		bool is_extended = d.lower & TXD_DEXT;

		n++;
		if (is_extended && TXD_TYPE(d.lower) == 0) {
			read_context(tx, &d);
			if (!p->has_data)
				return n; /* it is done without a frame */
			continue;
		}
		if (!p->has_data) {
			p->has_data = true;
			p->is_legacy = !is_extended;
			p->is_large = is_extended && d.lower & TXD_TSE;
			p->upper = d.upper;
		}
		nic_add_piece(&p->pieces, e->nic.ram, d.address,
			      is_extended ? TXD_LENGTH(d.lower)
					  : TXD_LEGACY_LENGTH(d.lower));
		p->last = d.lower;
		p->last_upper = d.upper;
		if (d.lower & TXD_EOP)
			return n;
	}
	return 0;
}

/* --- Offloads */

/* Asks for a checksum from @start on, whose field is at @field. */
static bool ask_csum(struct frame *f, uint32_t start, uint32_t field)
{
	if (field < start || field + 2 > f->len)
		return false;
	f->hdr.flags = VNET_HDR_F_NEEDS_CSUM;
	f->hdr.csum_start = (uint16_t)start;
	f->hdr.csum_offset = (uint16_t)(field - start);
	return true;
}

static bool fill_ip_csum(struct frame *f, const struct e1000_context *c)
{
	return nic_fill_ip_csum(f, c->ip_start, c->ip_end + 1u, c->ip_field);
}

/* Makes the lengths of the headers those of the whole frame. The checksum field
 * has the sum of the pseudo header without a length. */
static bool fill_lengths(struct frame *f, const struct e1000_context *c)
{
	uint32_t l4_len = f->len - c->l4_start;
	uint8_t *head = frame_head(f);
	uint16_t sum;

	if (c->l4_start + 8u > f->head_len || c->l4_field + 2u > f->head_len ||
	    c->ip_start + (c->is_v4 ? 20u : 40u) > c->l4_start)
		return false;
	if (c->is_v4)
		put_be16(head + c->ip_start + 2,
			 (uint16_t)(f->len - c->ip_start));
	else
		put_be16(head + c->ip_start + 4,
			 (uint16_t)(f->len - c->ip_start - 40));
	if (!c->is_tcp)
		put_be16(head + c->l4_start + 4, (uint16_t)l4_len);
	memcpy(&sum, head + c->l4_field, sizeof(sum));
	sum = (uint16_t)~csum_fold((uint64_t)sum + htobe16((uint16_t)l4_len));
	memcpy(head + c->l4_field, &sum, sizeof(sum));
	return true;
}

static bool set_large(struct frame *f, const struct packet *p,
		      const struct e1000_context *c)
{
	uint8_t type = c->is_v4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;

	if (!c->mss || !fill_lengths(f, c))
		return false;
	if (TXD_POPTS(p->upper) & POPTS_IXSM && !fill_ip_csum(f, c))
		return false;
	if (!ask_csum(f, c->l4_start, c->l4_field))
		return false;
	/* One that is a single segment is an ordinary frame. */
	if (f->len <= (uint32_t)c->header + c->mss)
		return true;
	f->hdr.gso_type = c->is_tcp ? type : VNET_GSO_UDP_L4;
	f->hdr.gso_size = c->mss;
	f->hdr.hdr_len = c->header;
	return true;
}

/* Gives @f the offloads that the driver asks for. Returns false when they make
 * no sense for it. */
static bool set_offloads(const struct e1000_tx *tx, struct frame *f,
			 const struct packet *p)
{
	const struct e1000_context *c = &tx->plain;
	unsigned options = TXD_POPTS(p->upper);

	if (p->is_large)
		return set_large(f, p, &tx->large);
	if (p->is_legacy) /* 3.3.3 */
		return !(p->last & TXD_IC) ||
		       ask_csum(f, TXD_CSS(p->last_upper),
				TXD_LEGACY_CSO(p->last));
	if (options & POPTS_IXSM && !fill_ip_csum(f, c))
		return false;
	if (!(options & POPTS_TXSM))
		return true;
	/* A sum that ends before the frame is one that virtio does not have. */
	return (!c->l4_end || c->l4_end + 1u == f->len) &&
	       ask_csum(f, c->l4_start, c->l4_field);
}

/* Makes @f of the pieces. Returns false for one that does not leave. */
static bool make_frame(struct e1000 *e, const struct e1000_tx *tx,
		       struct frame *f, const struct packet *p)
{
	bool has_offload = p->is_large || (p->is_legacy && p->last & TXD_IC) ||
			   (!p->is_legacy && TXD_POPTS(p->upper));

	if (!nic_begin_frame(&e->nic, f, &p->pieces, has_offload) ||
	    !nic_end_frame(&e->nic, f, !has_offload || set_offloads(tx, f, p)))
		return false;
	/* 9.2 */
	if (p->last & TXD_VLE && e1000_get(e, E1000_CTRL) & CTRL_VME)
		nic_push_tag(f, (uint16_t)e1000_get(e, E1000_VET),
			     (uint16_t)TXD_SPECIAL(p->last_upper));
	return true;
}

static const struct e1000_stat_regs sent_regs = {
	.good = E1000_GPTC,
	.total = E1000_TPT,
	.multicast = E1000_MPTC,
	.broadcast = E1000_BPTC,
	.size = E1000_PTC64,
	.good_bytes = E1000_GOTCL,
	.total_bytes = E1000_TOTL,
};

/* A frame with segmentation counts as those that it is on the wire. */
static void tally(struct e1000_tally *t, const struct frame *f)
{
	const uint8_t *to = frame_head_const(f);
	uint32_t mss = f->hdr.gso_size, full, last = f->len;

	if (mss) {
		full = (f->len - f->hdr.hdr_len - 1) / mss;
		last -= full * mss;
		e1000_tally_frames(t, to, full, f->hdr.hdr_len + mss);
		t->large++;
	}
	e1000_tally_frames(t, to, 1, last);
}

/* Gives the @n frames back to the driver. The card cuts none of them, and
 * segmentation with loopback is not to be used (82574, 7.2.13.2). */
static void loop_back(struct e1000 *e, struct frame *frame, unsigned n)
{
	struct frame *one[BURST_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!nic_end_frame(&e->nic, &frame[i], !frame[i].hdr.gso_type))
			continue;
		if (frame[i].hdr.flags & VNET_HDR_F_NEEDS_CSUM)
			offload_fill_csum(&frame[i]);
		one[count++] = &frame[i];
	}
	spin_lock(&e->nic.in.lock);
	if (count)
		e1000_tx_burst(&e->nic.in, one, count);
	spin_unlock(&e->nic.in.lock);
}

static bool is_enabled(const struct e1000 *e, unsigned q)
{
	const struct e1000_model *m = e1000_model(e);

	return e1000_get(e, E1000_TCTL) & TCTL_EN &&
	       (!m->has_queue || m->has_queue(e, q));
}

/* Reads frames of queue @q into the burst, as e1000_rx_burst(). */
static unsigned read_queue(struct e1000 *e, unsigned q, struct burst *b)
{
	struct iovec *iov = (void *)b->scratch;
	struct e1000_tx *tx = &e->tx[q];
	const struct e1000_ring *r = &tx->ring;
	struct e1000_tally sent = { 0 };
	unsigned left = NIC_SCRATCH, n = 0;
	uint32_t taken;

	tx->ring = e1000_ring(e, E1000_TDBAL, q, E1000_DESC);
	tx->next = r->head;
	if (!r->desc || !is_enabled(e, q))
		return 0;
	while (n < b->want && left >= NIC_PIECES_MAX) {
		struct packet p = { .pieces.iov = iov };

		taken = read_packet(e, tx, &p);
		if (!taken)
			break;
		tx->next = (tx->next + taken) % r->count;
		b->borrowed += taken;
		if (!p.has_data || !make_frame(e, tx, &b->frame[n], &p))
			continue;
		tally(&sent, &b->frame[n++]);
		iov += p.pieces.count;
		left -= p.pieces.count;
	}
	e1000_tally_put(e, &sent, &sent_regs);
	/* What is left is a part of a frame, or the next burst's. */
	tx->has_looked = !b->borrowed;
	tx->looked = r->tail;
	return n;
}

unsigned e1000_rx_burst(struct rxq *q, struct burst *b)
{
	struct e1000 *e = e1000_of(container_of(q, struct nic, out));
	unsigned queues = e1000_model(e)->queues, n = 0;

	nic_lock_out(&e->nic);
	b->borrowed = 0;
	for (unsigned i = 0; i < queues && !b->borrowed; i++) {
		e->turn = (e->turn + 1) % queues;
		n = read_queue(e, e->turn, b);
	}
	if (n && e1000_is_looped(e)) {
		loop_back(e, b->frame, n);
		return 0;
	}
	return n;
}

/* Writes back the status of descriptors that ask for it (3.3.3.2). */
static bool report(const struct e1000_ring *r, uint32_t from, uint32_t to)
{
	bool is_asked = false;

	for (uint32_t i = from; i != to; i = (i + 1) % r->count) {
		uint8_t *at = r->desc + (size_t)i * E1000_DESC;
		struct desc d = read_desc(r, i);

		if (!(d.lower & TXD_RS))
			continue;
		shm_store_release(at + TXD_STATUS,
				  (uint8_t)((d.upper & 0xf0) | TXD_DD));
		is_asked = true;
	}
	return is_asked;
}

void e1000_rx_done(struct rxq *q, struct burst *b)
{
	struct e1000 *e = e1000_of(container_of(q, struct nic, out));
	unsigned base = E1000_TDBAL + e->turn * E1000_QUEUE_STRIDE;
	const struct e1000_tx *tx = &e->tx[e->turn];
	uint32_t cause = 0;

	if (b->borrowed) {
		if (report(&tx->ring, tx->ring.head, tx->next))
			cause |= INT_TXDW;
		if (tx->next == e1000_get(e, base + E1000_TDT - E1000_TDBAL))
			cause |= INT_TXQE;
		e1000_put(e, base + E1000_TDH - E1000_TDBAL, tx->next);
		if (e1000_cause(e, e->turn, cause))
			stat_inc(&q->stats.calls);
	}
	nic_unlock_out(&e->nic);
}

static bool queue_has_work(const struct e1000 *e, unsigned q)
{
	struct e1000_ring r = e1000_ring(e, E1000_TDBAL, q, E1000_DESC);
	const struct e1000_tx *tx = &e->tx[q];

	return r.desc && is_enabled(e, q) && r.head != r.tail &&
	       !(tx->has_looked && tx->looked == r.tail);
}

bool e1000_has_work(struct nic *n)
{
	struct e1000 *e = e1000_of(n);
	bool has_work = false;

	nic_lock_out(n);
	for (unsigned i = 0; i < e1000_model(e)->queues; i++)
		has_work |= queue_has_work(e, i);
	nic_unlock_out(n);
	return has_work;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receive ring of the 82540EM (3.2): frames of the switch into the driver's
 * buffers. Workers, with the txq's lock held.
 *
 * The checksum at the end of a frame (FCS) is four bytes of zero: the switch
 * has none. Checksums of headers are not checked for the driver (IXSM).
 */
#include "e1000.h"
#include "edit.h"
#include "key.h"
#include "le.h"
#include "nic_frame.h"

/* Status of a descriptor (3.2.3.1). */
#define RXD_DD	   1u
#define RXD_EOP	   2u
#define RXD_IXSM   4u
#define RXD_VP	   8u

#define FRAME_MOST 1518 /* without RCTL.LPE; with a tag four more */
#define FCS_SIZE   4

/* What the registers say during a burst. */
struct rules {
	uint32_t rctl, ctrl;
	uint16_t vet;
	uint32_t buffer; /* bytes */
	uint32_t fcs;
};

static struct rules read_rules(const struct e1000 *e)
{
	struct rules r = { .rctl = e1000_get(e, E1000_RCTL),
			   .ctrl = e1000_get(e, E1000_CTRL),
			   .vet = (uint16_t)e1000_get(e, E1000_VET) };
	unsigned shift = RCTL_BSIZE(r.rctl);

	r.buffer = 2048u >> shift;
	/* 13.4.22: 00 with BSEX is not to be used. */
	if (r.rctl & RCTL_BSEX && shift)
		r.buffer *= 16;
	r.fcs = r.rctl & RCTL_SECRC ? 0 : FCS_SIZE;
	return r;
}

static bool is_tagged(const struct frame *f, const struct rules *r)
{
	return f->len >= ETH_HLEN + VLAN_HLEN &&
	       get_be16(frame_head_const(f) + 2 * ETH_ALEN) == r->vet;
}

/* --- Filters (3.2.1 and 13.5) */

static bool has_address(const struct e1000 *e, const uint8_t *to)
{
	for (unsigned i = 0; i < E1000_ADDRESSES; i++) {
		uint32_t high = e1000_get(e, E1000_RA + 8 * i + 4);
		uint64_t have = e1000_get(e, E1000_RA + 8 * i) |
				(uint64_t)(high & 0xffff) << 32;

		if (high & RAH_AV && have == mac_to_u64(to))
			return true;
	}
	return false;
}

/* The table has a bit for each value of 12 bits of the address (13.5.1). */
static bool is_in_table(const struct e1000 *e, const uint8_t *to, uint32_t rctl)
{
	static const uint8_t shift[] = { 4, 3, 2, 0 };
	unsigned bit =
		(unsigned)(to[4] | to[5] << 8) >> shift[RCTL_MO(rctl)] & 0xfff;

	return e1000_get(e, E1000_MTA + bit / 32 * 4) >> bit % 32 & 1;
}

static bool is_wanted(const struct e1000 *e, const struct frame *f,
		      const struct rules *r)
{
	const uint8_t *to = frame_head_const(f);

	if (r->rctl & RCTL_VFE && is_tagged(f, r)) {
		unsigned vid = get_be16(to + ETH_HLEN) & 0xfff;

		if (!(e1000_get(e, E1000_VFTA + vid / 32 * 4) >> vid % 32 & 1))
			return false;
	}
	if (has_address(e, to))
		return true;
	if (!mac_is_multicast(to))
		return r->rctl & RCTL_UPE;
	if (r->rctl & RCTL_MPE)
		return true;
	if (!memcmp(to, "\xff\xff\xff\xff\xff\xff", ETH_ALEN))
		return r->rctl & RCTL_BAM;
	return is_in_table(e, to, r->rctl);
}

static bool is_too_big(const struct frame *f, const struct rules *r)
{
	uint32_t most = FRAME_MOST + (is_tagged(f, r) ? VLAN_HLEN : 0);

	/* 13.4.22: of a long frame at most 16384 bytes. */
	if (r->rctl & RCTL_LPE)
		most = 16384;
	return !(r->rctl & RCTL_SBP) && f->len + FCS_SIZE > most;
}

/* --- Descriptors */

static void write_desc(uint8_t *at, uint32_t length, uint32_t status,
		       uint16_t tci)
{
	shm_store((le32 *)(at + 8), cpu_to_le32(length));
	shm_store_release((le32 *)(at + 12),
			  cpu_to_le32(status | (uint32_t)tci << 16));
}

/* Writes @f to the buffers from @*head on. A buffer that is no RAM gets
 * nothing. */
static void put_frame(struct e1000 *e, const struct e1000_ring *r,
		      uint32_t *head, const struct frame *f, uint32_t total,
		      const struct rules *rules, uint32_t status, uint16_t tci)
{
	for (uint32_t off = 0; off < total; off += rules->buffer) {
		uint8_t *at = r->desc + (size_t)*head * E1000_DESC;
		uint64_t address = le64_to_cpu(shm_load((const le64 *)at));
		uint32_t size = MIN(rules->buffer, total - off);
		uint8_t *to = gmem_translate(e->nic.ram, address, size);
		bool is_last = off + size == total;

		if (to)
			nic_fill(f, off, to, size);
		*head = (*head + 1) % r->count;
		write_desc(at, size, RXD_DD | (is_last ? status | RXD_EOP : 0),
			   is_last ? tci : 0);
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

/* Gives the driver @f. Returns false when it has not enough buffers. */
static bool receive(struct e1000 *e, struct e1000_ring *r, struct frame *f,
		    const struct rules *rules, struct e1000_tally *t)
{
	uint32_t room = (r->tail + r->count - r->head) % r->count;
	uint32_t status = RXD_IXSM, total;
	struct frame untagged;
	uint16_t tci = 0;

	if (rules->ctrl & CTRL_VME && is_tagged(f, rules)) {
		tci = get_be16(frame_head_const(f) + ETH_HLEN);
		status |= RXD_VP;
		edit_pop_tag(&untagged, f);
		f = &untagged;
	}
	total = MAX(f->len, NIC_FRAME_LEAST) + rules->fcs;
	if ((total + rules->buffer - 1) / rules->buffer > room)
		return false;
	put_frame(e, r, &r->head, f, total, rules, status, tci);
	e1000_tally_frames(t, frame_head_const(f), 1, f->len + FCS_SIZE);
	return true;
}

/* Returns the cause of an interrupt after frames, or for want of buffers. */
static uint32_t cause_of(const struct e1000_ring *r, const struct rules *rules,
			 bool has_received, bool is_full)
{
	uint32_t room = (r->tail + r->count - r->head) % r->count;
	uint32_t cause = has_received ? INT_RXT0 : 0;

	if (is_full)
		cause |= INT_RXO;
	if (RCTL_RDMTS(rules->rctl) < 3 &&
	    room <= r->count >> (1 + RCTL_RDMTS(rules->rctl)))
		cause |= INT_RXDMT0;
	return cause;
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
	struct e1000_ring r = e1000_ring(e, E1000_RDBAL);
	struct rules rules = read_rules(e);
	struct e1000_tally tally = { 0 };
	unsigned i;

	if (!r.desc || !(rules.rctl & RCTL_EN))
		return drop_all(q, frames, n);
	for (i = 0; i < n; i++) {
		struct frame *f = frames[i];

		if (!is_wanted(e, f, &rules)) {
			txq_drop(q, DROP_TX_UNWANTED, 1, f->len);
		} else if (is_too_big(f, &rules)) {
			txq_drop(q, DROP_TX_TOO_BIG, 1, f->len);
		} else if (!receive(e, &r, f, &rules, &tally)) {
			e1000_count(e, E1000_RNBC, 1);
			break;
		}
	}
	if (tally.frames)
		e1000_put(e, E1000_RDH, r.head);
	e1000_tally_put(e, &tally, &received_regs);
	stat_add(&q->stats.copies, tally.frames);
	if (nic_cause(&e->nic, cause_of(&r, &rules, tally.frames, i < n)))
		stat_inc(&q->stats.calls);
	return i;
}

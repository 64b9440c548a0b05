/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the driver of an RTL8139C+ sends: from four buffers in turn (5.3 of the
 * RTL8139C), or from a ring of descriptors (9.2.1 of the C+). Workers; a burst
 * holds the nic's out lock from rtl8139_rx_burst() to rtl8139_rx_done().
 */
#include "key.h"
#include "nic_frame.h"
#include "offload.h"
#include "rtl8139.h"

/* The first word of a transmit descriptor. */
#define TXD_LGSEN   (1u << 27)
#define TXD_MSS(v)  ((v) >> 16 & 0x7ff)
#define TXD_IPCS    (1u << 18)
#define TXD_UDPCS   (1u << 17)
#define TXD_TCPCS   (1u << 16)
#define TXD_SIZE(v) ((v)&0xffff)
/* The second one: a tag, its bytes in the order of the wire. */
#define TXD_TAGC (1u << 17)

#define IP_TCP	 6
#define IP_UDP	 17

uint8_t *rtl8139_read_desc(const struct rtl8139 *r, unsigned base, unsigned i,
			   struct rtl8139_desc *d)
{
	uint64_t ring = rtl_get64(r, base) & ~255ull;
	uint8_t *at = gmem_translate(r->nic.ram, ring + i * RTL_DESC, RTL_DESC);
	const le32 *word = (const le32 *)at;

	if (!at)
		return NULL;
	d->command = le32_to_cpu(shm_load_acquire(&word[0]));
	d->tag = le32_to_cpu(shm_load(&word[1]));
	d->address = le32_to_cpu(shm_load(&word[2])) |
		     (uint64_t)le32_to_cpu(shm_load(&word[3])) << 32;
	return at;
}

/* --- Offloads of a descriptor */

/* Puts the sum of the pseudo header into the field at offset @field of @f,
 * whose key is filled. */
static void put_pseudo(struct frame *f, unsigned field)
{
	const struct key *k = &f->key;
	uint32_t size = f->len - k->l4_off;
	uint64_t sum = csum_add(0, key_addresses(f), k->ip == 4 ? 8 : 32) +
		       htobe16(k->proto) + htobe16((uint16_t)size);
	uint16_t partial = (uint16_t)~csum_fold(sum);

	memcpy(frame_head(f) + field, &partial, sizeof(partial));
}

static bool fill_ip_csum(struct frame *f)
{
	unsigned at = f->key.l3_off;

	return f->key.ip == 4 &&
	       nic_fill_ip_csum(f, at, at + (frame_head(f)[at] & 15u) * 4,
				at + 10);
}

/* The card reads the headers itself. Returns false for a frame that has not
 * what the driver said. */
static bool set_offloads(struct frame *f, uint32_t command)
{
	const struct key *k = frame_key(f, KEY_L4);
	bool is_large = command & TXD_LGSEN;
	unsigned field = k->proto == IP_TCP ? 16 : 6;

	if (!is_large && command & TXD_IPCS && !fill_ip_csum(f))
		return false;
	if (!is_large && !(command & (TXD_TCPCS | TXD_UDPCS)))
		return true;
	if (!k->l4_off || (k->proto != IP_TCP && k->proto != IP_UDP) ||
	    k->l4_off + field + 2 > f->head_len)
		return false;
	put_pseudo(f, k->l4_off + field);
	f->hdr.flags = VNET_HDR_F_NEEDS_CSUM;
	f->hdr.csum_start = k->l4_off;
	f->hdr.csum_offset = (uint16_t)field;
	if (!is_large)
		return true;
	if (k->ip != 4 || k->proto != IP_TCP || !TXD_MSS(command) ||
	    !fill_ip_csum(f))
		return false;
	if (f->len <= k->payload_off + TXD_MSS(command))
		return true;
	f->hdr.gso_type = VNET_GSO_TCPV4;
	f->hdr.gso_size = (uint16_t)TXD_MSS(command);
	f->hdr.hdr_len = k->payload_off;
	return true;
}

/* --- Frames */

/* Makes @f of the pieces. Returns false for one that does not leave. */
static bool make_frame(struct rtl8139 *r, struct frame *f,
		       const struct nic_pieces *p, const struct rtl8139_desc *d)
{
	bool has_offload =
		d->command & (TXD_LGSEN | TXD_IPCS | TXD_UDPCS | TXD_TCPCS);

	if (!nic_begin_frame(&r->nic, f, p, has_offload) ||
	    !nic_end_frame(&r->nic, f,
			   !has_offload || set_offloads(f, d->command)))
		return false;
	if (d->tag & TXD_TAGC)
		nic_push_tag(f, ETHERTYPE_VLAN,
			     (uint16_t)((d->tag & 0xff) << 8 |
					(d->tag >> 8 & 0xff)));
	return true;
}

/* Takes the next of the four buffers. Returns false when the driver has it. */
static bool take_buffer(struct rtl8139 *r, struct nic_pieces *p)
{
	struct rtl8139_tx *tx = &r->tx;
	unsigned i = (tx->next + tx->taken) % TSD_COUNT;
	uint32_t tsd = shm_load_acquire(&tx->tsd[i]);

	if (tsd & TSD_OWN || tx->taken == TSD_COUNT)
		return false;
	nic_add_piece(p, r->nic.ram, rtl_get32(r, RTL_TSAD0 + 4 * i),
		      TSD_SIZE(tsd));
	tx->place[tx->taken++] = (uint8_t)i;
	return true;
}

/* Takes the descriptors of the next frame; *@first gets its first one. Returns
 * false when its end is not there. */
static bool take_descs(struct rtl8139 *r, struct nic_pieces *p,
		       struct rtl8139_desc *first)
{
	struct rtl8139_tx *tx = &r->tx;
	unsigned i = tx->next, taken = tx->taken;
	struct rtl8139_desc d;

	while (taken < RTL_RING && rtl8139_read_desc(r, RTL_TNPDS, i, &d) &&
	       d.command & RTL_OWN) {
		if (taken == tx->taken)
			*first = d;
		nic_add_piece(p, r->nic.ram, d.address, TXD_SIZE(d.command));
		tx->place[taken++] = (uint8_t)i;
		i = rtl8139_next(i, &d);
		if (!(d.command & RTL_LS))
			continue;
		tx->taken = taken;
		tx->next = i;
		return true;
	}
	return false;
}

unsigned rtl8139_rx_burst(struct rxq *q, struct burst *b)
{
	struct rtl8139 *r = rtl8139_of(container_of(q, struct nic, out));
	struct iovec *iov = (void *)b->scratch;
	unsigned left = NIC_SCRATCH, n = 0;
	struct rtl8139_tx *tx = &r->tx;

	nic_lock_out(&r->nic);
	tx->taken = 0;
	tx->is_ring = rtl_get16(r, RTL_CPCR) & CPCR_TX;
	if (!(r->reg[RTL_CR] & CR_TE))
		return 0;
	/* Before the look: what the driver adds after it is polled again. */
	if (tx->is_ring && !shm_exchange(&tx->is_polled, false))
		return 0;
	while (n < b->want && left >= NIC_PIECES_MAX) {
		struct rtl8139_desc d = { 0 };
		struct nic_pieces p = { .iov = iov };

		if (tx->is_ring ? !take_descs(r, &p, &d) : !take_buffer(r, &p))
			break;
		if (!make_frame(r, &b->frame[n], &p, &d))
			continue;
		n++;
		iov += p.count;
		left -= p.count;
	}
	b->borrowed = tx->taken;
	/* Perhaps there is more than the burst took. */
	if (tx->is_ring && tx->taken)
		shm_store(&tx->is_polled, true);
	return n;
}

static void give_back_desc(const struct rtl8139 *r, unsigned i)
{
	struct rtl8139_desc d;
	uint8_t *at = rtl8139_read_desc(r, RTL_TNPDS, i, &d);

	if (at)
		shm_store_release((le32 *)at,
				  cpu_to_le32(d.command & ~RTL_OWN));
}

/* Returns whether the driver has given the card another descriptor. */
static bool has_next(const struct rtl8139 *r)
{
	struct rtl8139_desc d;

	return rtl8139_read_desc(r, RTL_TNPDS, r->tx.next, &d) &&
	       d.command & RTL_OWN;
}

void rtl8139_rx_done(struct rxq *q, struct burst *b)
{
	struct rtl8139 *r = rtl8139_of(container_of(q, struct nic, out));
	struct rtl8139_tx *tx = &r->tx;
	uint32_t cause = RTL_TOK;

	(void)b;
	for (unsigned i = 0; i < tx->taken; i++) {
		uint32_t *tsd = &tx->tsd[tx->place[i] % TSD_COUNT];

		if (tx->is_ring)
			give_back_desc(r, tx->place[i]);
		else
			shm_store_release(tsd,
					  shm_load(tsd) | TSD_OWN | TSD_TOK);
	}
	if (!tx->is_ring)
		tx->next = (tx->next + tx->taken) % TSD_COUNT;
	else if (!has_next(r))
		cause |= RTL_TDU;
	if (tx->taken && nic_cause(&r->nic, cause))
		stat_inc(&q->stats.calls);
	nic_unlock_out(&r->nic);
}

bool rtl8139_has_work(struct nic *n)
{
	struct rtl8139 *r = rtl8139_of(n);
	bool has_work;

	nic_lock_out(n);
	if (rtl_get16(r, RTL_CPCR) & CPCR_TX)
		has_work = shm_load(&r->tx.is_polled);
	else
		has_work = !(shm_load(&r->tx.tsd[r->tx.next]) & TSD_OWN);
	has_work = has_work && r->reg[RTL_CR] & CR_TE;
	nic_unlock_out(n);
	return has_work;
}

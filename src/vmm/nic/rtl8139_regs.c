/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of the RTL8139C+ (6). A driver accesses them in pieces of 1, 2
 * or 4 bytes, also a part of one or several at once: so a row has the bytes of
 * a register, and an access goes through all rows that it touches. vCPU
 * threads, under the function's lock.
 */
#include "rtl8139.h"

/* TCR: the bits that say which card this is (a C+), and are read-only. */
#define TCR_VERSION 0x74800000u
#define TCR_FIXED   0x7cc00000u

enum { EE_DO = 1, EE_DI = 2, EE_SK = 4, EE_CS = 8 };
#define EE_MODE(v)	((v) >> 6 & 3)
#define EE_MODE_AUTO	1
#define EE_MODE_PROGRAM 2

#define MSR_LINK_DOWN	0x04

#define TPPOLL_SWINT	0x01
#define TPPOLL_NORMAL	0x40

#define BMCR_RESET	0x8000
#define BMCR_RESTART	0x0200
#define BMSR_LINK	0x0024u /* negotiated, and up */

struct reg_row {
	uint8_t first, size;
	uint32_t writable; /* bits; 0: read-only */
	bool is_shared;	   /* workers read it: it changes under their locks */
	uint32_t (*read)(struct rtl8139 *r, unsigned off);
	/* @value has the old bits where they are not writable or not written.
	 * NULL: it is remembered. */
	void (*write)(struct rtl8139 *r, unsigned off, uint32_t value);
};

static void remember(struct rtl8139 *r, const struct reg_row *row,
		     uint32_t value)
{
	for (unsigned i = 0; i < row->size; i++)
		r->reg[row->first + i] = (uint8_t)(value >> 8 * i);
}

static uint32_t read_tsd(struct rtl8139 *r, unsigned off)
{
	return shm_load(&r->tx.tsd[(off - RTL_TSD0) / 4]);
}

/* Giving a buffer to the card (OWN is 0) sends it. */
static void write_tsd(struct rtl8139 *r, unsigned off, uint32_t value)
{
	/* The upper bits are the card's. */
	shm_store_release(&r->tx.tsd[(off - RTL_TSD0) / 4], value & 0x3f3fff);
	nic_kick(&r->nic);
}

/* The four TSD: from bit 0 OWN, from bit 4 TABT, 8 TUN, 12 TOK. */
static uint32_t read_tsad(struct rtl8139 *r, unsigned off)
{
	uint32_t all = 0;

	(void)off;
	for (unsigned i = 0; i < TSD_COUNT; i++) {
		uint32_t v = shm_load(&r->tx.tsd[i]);

		all |= (v & TSD_OWN ? 1u : 0) << i |
		       (v & TSD_TABT ? 0x10u : 0) << i |
		       (v & TSD_TUN ? 0x100u : 0) << i |
		       (v & TSD_TOK ? 0x1000u : 0) << i;
	}
	return all;
}

static uint32_t read_cr(struct rtl8139 *r, unsigned off)
{
	uint32_t size = rtl_buffer_size(r);
	uint32_t read = (shm_load(&r->capr) + 16) % size;

	return r->reg[off] | (shm_load(&r->cbr) % size == read ? CR_BUFE : 0);
}

static void write_cr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	if (value & CR_RST)
		rtl8139_reset(r);
	else
		r->reg[off] = value & (CR_TE | CR_RE);
}

static uint32_t read_capr(struct rtl8139 *r, unsigned off)
{
	(void)off;
	return shm_load(&r->capr);
}

static void write_capr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	(void)off;
	shm_store_release(&r->capr, value);
}

static uint32_t read_cbr(struct rtl8139 *r, unsigned off)
{
	(void)off;
	return shm_load(&r->cbr);
}

static uint32_t read_imr(struct rtl8139 *r, unsigned off)
{
	(void)off;
	return shm_load(&r->nic.irq.mask);
}

static void write_imr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_set_mask(&r->nic, 0, value & RTL_CAUSES);
}

static uint32_t read_isr(struct rtl8139 *r, unsigned off)
{
	(void)off;
	return shm_load(&r->nic.irq.cause);
}

/* A written 1 clears; bits that are not written stay. */
static void write_isr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_take(&r->nic, value);
}

static uint32_t read_zero(struct rtl8139 *r, unsigned off)
{
	(void)r;
	(void)off;
	return 0;
}

static uint32_t read_missed(struct rtl8139 *r, unsigned off)
{
	(void)off;
	return shm_load(&r->missed) & 0xffffff;
}

static void write_missed(struct rtl8139 *r, unsigned off, uint32_t value)
{
	(void)off;
	(void)value;
	shm_store(&r->missed, 0);
}

static uint32_t read_tctr(struct rtl8139 *r, unsigned off)
{
	(void)off;
	return rtl8139_timer_read(r);
}

/* Any value: it counts from zero again. */
static void write_tctr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	(void)off;
	(void)value;
	rtl8139_timer_zero(r);
}

static uint32_t read_timerint(struct rtl8139 *r, unsigned off)
{
	(void)off;
	return (uint32_t)r->timer.due;
}

static void write_timerint(struct rtl8139 *r, unsigned off, uint32_t value)
{
	(void)off;
	rtl8139_timer_set(r, value);
}

static uint32_t read_tcr(struct rtl8139 *r, unsigned off)
{
	return (rtl_get32(r, off) & ~TCR_FIXED) | TCR_VERSION;
}

static uint32_t read_msr(struct rtl8139 *r, unsigned off)
{
	return r->reg[off] |
	       (shm_load(&r->nic.has_no_link) ? MSR_LINK_DOWN : 0);
}

static uint32_t read_bmsr(struct rtl8139 *r, unsigned off)
{
	return rtl_get16(r, off) &
	       (shm_load(&r->nic.has_no_link) ? ~BMSR_LINK : ~0u);
}

static uint32_t read_9346cr(struct rtl8139 *r, unsigned off)
{
	uint8_t v = r->reg[off];

	if (EE_MODE(v) != EE_MODE_PROGRAM)
		return v & 0xc0;
	return (v & ~EE_DO) | (microwire_out(&r->eeprom) ? EE_DO : 0);
}

static void load_address(struct rtl8139 *r)
{
	memcpy(&r->reg[RTL_IDR0], r->nic.mac, ETH_ALEN);
}

static void write_9346cr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	if (EE_MODE(value) == EE_MODE_AUTO) {
		load_address(r);
		value = 0;
	}
	microwire_drive(&r->eeprom,
			EE_MODE(value) == EE_MODE_PROGRAM && value & EE_CS,
			value & EE_SK, value & EE_DI);
	r->reg[off] = (uint8_t)value;
}

static void write_tppoll(struct rtl8139 *r, unsigned off, uint32_t value)
{
	(void)off;
	if (value & TPPOLL_SWINT) {
		nic_cause(&r->nic, RTL_SWINT);
		nic_irq_update(&r->nic);
	}
	if (value & TPPOLL_NORMAL) {
		shm_store_release(&r->tx.is_polled, true);
		nic_kick(&r->nic);
	}
}

static void write_tx_ring(struct rtl8139 *r, unsigned off, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		r->reg[off + i] = (uint8_t)(value >> 8 * i);
	if (rtl_get16(r, RTL_CPCR) & CPCR_TX)
		r->tx.next = 0;
}

static void write_rx_ring(struct rtl8139 *r, unsigned off, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		r->reg[off + i] = (uint8_t)(value >> 8 * i);
	r->rx.next = 0;
}

static void write_rbstart(struct rtl8139 *r, unsigned off, uint32_t value)
{
	write_rx_ring(r, off, value);
	r->rx.write = 0;
	shm_store(&r->cbr, 0);
	shm_store(&r->capr, 0xfff0);
}

static void write_cpcr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	r->reg[off] = (uint8_t)value;
	r->reg[off + 1] = (uint8_t)(value >> 8);
	r->tx.next = r->rx.next = 0;
}

/* Negotiation is over at once. */
static void write_bmcr(struct rtl8139 *r, unsigned off, uint32_t value)
{
	if (value & (BMCR_RESET | BMCR_RESTART))
		nic_cause(&r->nic, RTL_LINK);
	value &= ~(uint32_t)(BMCR_RESET | BMCR_RESTART);
	r->reg[off] = (uint8_t)value;
	r->reg[off + 1] = (uint8_t)(value >> 8);
}

#define ROW(off, bytes, bits, ...)            \
	{                                     \
		off, bytes, bits, __VA_ARGS__ \
	}

static const struct reg_row rows[] = {
	ROW(RTL_IDR0, 4, ~0u, true, NULL, NULL),
	ROW(RTL_IDR0 + 4, 2, 0xffff, true, NULL, NULL),
	ROW(RTL_MAR0, 4, ~0u, true, NULL, NULL),
	ROW(RTL_MAR0 + 4, 4, ~0u, true, NULL, NULL),
	ROW(RTL_TSD0, 4, ~0u, false, read_tsd, write_tsd),
	ROW(RTL_TSD0 + 4, 4, ~0u, false, read_tsd, write_tsd),
	ROW(RTL_TSD0 + 8, 4, ~0u, false, read_tsd, write_tsd),
	ROW(RTL_TSD0 + 12, 4, ~0u, false, read_tsd, write_tsd),
	ROW(RTL_TSAD0, 4, ~0u, true, NULL, write_tx_ring),
	ROW(RTL_TSAD0 + 4, 4, ~0u, true, NULL, write_tx_ring),
	ROW(RTL_TSAD0 + 8, 4, ~0u, true, NULL, NULL),
	ROW(RTL_TSAD0 + 12, 4, ~0u, true, NULL, NULL),
	ROW(RTL_RBSTART, 4, ~0u, true, NULL, write_rbstart),
	ROW(RTL_CR, 1, CR_TE | CR_RE | CR_RST, true, read_cr, write_cr),
	ROW(RTL_CAPR, 2, 0xffff, false, read_capr, write_capr),
	ROW(RTL_CBR, 2, 0, false, read_cbr, NULL),
	ROW(RTL_IMR, 2, 0xffff, false, read_imr, write_imr),
	ROW(RTL_ISR, 2, 0xffff, false, read_isr, write_isr),
	ROW(RTL_TCR, 4, ~TCR_FIXED, true, read_tcr, NULL),
	ROW(RTL_RCR, 4, ~0u, true, NULL, NULL),
	ROW(RTL_TCTR, 4, ~0u, false, read_tctr, write_tctr),
	ROW(RTL_MPC, 4, ~0u, false, read_missed, write_missed),
	ROW(RTL_9346CR, 1, 0xff, false, read_9346cr, write_9346cr),
	/* CONFIG0 to CONFIG4, without an effect; MSR. */
	ROW(0x51, 1, 0, false, NULL, NULL),
	ROW(0x52, 1, 0xff, false, NULL, NULL),
	ROW(RTL_TIMERINT, 4, ~0u, false, read_timerint, write_timerint),
	ROW(RTL_MSR, 1, 0xc0, false, read_msr, NULL),
	ROW(0x59, 1, 0xff, false, NULL, NULL),
	ROW(0x5a, 1, 0xff, false, NULL, NULL),
	ROW(0x5b, 1, 0xff, false, read_zero, NULL), /* HLTCLK */
	ROW(0x5c, 2, 0xffff, false, NULL, NULL),    /* MULINT */
	ROW(RTL_TSAD, 2, 0, false, read_tsad, NULL),
	ROW(RTL_BMCR, 2, 0xffff, false, NULL, write_bmcr),
	ROW(RTL_BMSR, 2, 0, false, read_bmsr, NULL),
	ROW(RTL_ANAR, 2, 0xffff, false, NULL, NULL),
	ROW(RTL_ANLPAR, 2, 0, false, NULL, NULL),
	ROW(RTL_ANER, 2, 0, false, NULL, NULL),
	ROW(0x70, 2, 0xffff, false, NULL, NULL), /* NWAYTR */
	ROW(0x74, 2, 0xffff, false, NULL, NULL), /* CSCR */
	ROW(0x78, 4, ~0u, false, NULL, NULL),	 /* PHY1_PARM */
	ROW(0x7c, 4, ~0u, false, NULL, NULL),	 /* TW_PARM */
	ROW(0x80, 1, 0xff, false, NULL, NULL),	 /* PHY2_PARM */
	ROW(0xd8, 1, 0xff, false, NULL, NULL),	 /* CONFIG5 */
	ROW(RTL_TPPOLL, 1, 0xff, false, read_zero, write_tppoll),
	ROW(RTL_CPCR, 2, 0xffff, true, NULL, write_cpcr),
	ROW(RTL_RDSAR, 4, ~0u, true, NULL, write_rx_ring),
	ROW(RTL_RDSAR + 4, 4, ~0u, true, NULL, write_rx_ring),
	ROW(0xec, 1, 0x3f, false, NULL, NULL), /* ETTHR */
};

static uint32_t read_row(struct rtl8139 *r, const struct reg_row *row)
{
	uint32_t value = 0;

	if (row->read)
		return row->read(r, row->first);
	for (unsigned i = 0; i < row->size; i++)
		value |= (uint32_t)r->reg[row->first + i] << 8 * i;
	return value;
}

uint32_t rtl8139_read(struct rtl8139 *r, unsigned off, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct reg_row *row = &rows[i];
		uint64_t part;

		if (row->first >= off + size || off >= row->first + row->size)
			continue;
		part = read_row(r, row);
		value |= row->first >= off ? part << 8 * (row->first - off)
					   : part >> 8 * (off - row->first);
	}
	return (uint32_t)(value & (UINT64_MAX >> (64 - 8 * size)));
}

static void write_row(struct rtl8139 *r, const struct reg_row *row,
		      uint32_t value)
{
	if (row->is_shared) {
		nic_lock_out(&r->nic);
		spin_lock(&r->nic.in.lock);
	}
	if (row->write)
		row->write(r, row->first, value);
	else
		remember(r, row, value);
	if (row->is_shared) {
		spin_unlock(&r->nic.in.lock);
		nic_unlock_out(&r->nic);
	}
}

void rtl8139_write(struct rtl8139 *r, unsigned off, unsigned size,
		   uint32_t value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct reg_row *row = &rows[i];
		uint64_t bits = UINT64_MAX >> (64 - 8 * size), v = value;
		uint32_t old;

		if (row->first >= off + size || off >= row->first + row->size)
			continue;
		if (row->first >= off) {
			bits >>= 8 * (row->first - off);
			v >>= 8 * (row->first - off);
		} else {
			bits <<= 8 * (off - row->first);
			v <<= 8 * (off - row->first);
		}
		bits &= row->writable;
		if (!bits)
			continue;
		/* A written 1 clears: what is not written must not. */
		old = row->first == RTL_ISR ? 0 : read_row(r, row);
		write_row(r, row,
			  (old & ~(uint32_t)bits) | (uint32_t)(v & bits));
	}
}

/* Under the locks of both queues. */
void rtl8139_reset(struct rtl8139 *r)
{
	r->reg[RTL_CR] = 0;
	memset(&r->reg[RTL_TSAD0], 0, 16);
	memset(&r->reg[RTL_TCR], 0, 8); /* and RCR */
	memset(&r->reg[RTL_CPCR], 0, 2);
	r->tx = (struct rtl8139_tx){ 0 };
	for (unsigned i = 0; i < TSD_COUNT; i++)
		shm_store(&r->tx.tsd[i], TSD_OWN);
	r->rx = (struct rtl8139_rx){ 0 };
	shm_store(&r->cbr, 0);
	shm_store(&r->capr, 0xfff0);
	shm_store(&r->missed, 0);
	r->timer.due = 0;
	rtl8139_timer_zero(r);
	nic_irq_reset(&r->nic);
}

static void put16(struct rtl8139 *r, unsigned off, uint16_t v)
{
	r->reg[off] = (uint8_t)v;
	r->reg[off + 1] = (uint8_t)(v >> 8);
}

void rtl8139_power_on(struct nic *n)
{
	struct rtl8139 *r = rtl8139_of(n);
	uint16_t *w = r->eeprom.word;

	r->eeprom = (struct microwire){ 0 };
	w[0] = 0x8129;
	w[1] = n->model->id->vendor;
	w[2] = n->model->id->device;
	for (unsigned i = 0; i < ETH_ALEN / 2; i++)
		w[7 + i] = (uint16_t)(n->mac[2 * i] | n->mac[2 * i + 1] << 8);
	memset(r->reg, 0, sizeof(r->reg));
	load_address(r);
	rtl8139_reset(r);
	r->reg[RTL_CONFIG1] = 0x0c;
	put16(r, RTL_BMCR, 0x3100); /* 100 Mbit/s, full duplex, negotiates */
	put16(r, RTL_BMSR, 0x782d); /* negotiated, the link is up */
	put16(r, RTL_ANAR, 0x05e1);
	put16(r, RTL_ANLPAR, 0x45e1); /* the partner can do all, too */
	put16(r, RTL_ANER, 1);
}

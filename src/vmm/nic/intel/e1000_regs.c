/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of the 82540EM (13): a table of those that do more than to
 * remember. vCPU threads, under the function's lock.
 */
#include "e1000.h"

struct reg_row {
	uint32_t first, last; /* offsets; one or more words */
	uint32_t writable;    /* bits that the driver can write */
	uint32_t (*read)(struct e1000 *e, unsigned off);
	/* @value has only writable bits. NULL: it is remembered. */
	void (*write)(struct e1000 *e, unsigned off, uint32_t value);
};

/* --- Interrupts (13.4.17 to 13.4.21) */

static uint32_t read_icr(struct e1000 *e, unsigned off)
{
	(void)off;
	return nic_irq_take(&e->nic, INT_ALL);
}

static void write_icr(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_take(&e->nic, value);
}

static void write_ics(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_cause(&e->nic, value);
	nic_irq_update(&e->nic);
}

static uint32_t read_mask(struct e1000 *e, unsigned off)
{
	(void)off;
	return shm_load(&e->nic.irq.mask);
}

static uint32_t read_zero(struct e1000 *e, unsigned off)
{
	(void)e;
	(void)off;
	return 0;
}

static void write_ims(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_set_mask(&e->nic, ~0u, value);
}

static void write_imc(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_set_mask(&e->nic, ~value, 0);
}

static void write_itr(struct e1000 *e, unsigned off, uint32_t value)
{
	e1000_put(e, off, value);
	nic_irq_set_interval(&e->nic, (uint64_t)value * ITR_UNIT_NS);
}

/* --- Rings (13.4.25 to 13.4.40) */

static void write_tx_locked(struct e1000 *e, unsigned off, uint32_t value)
{
	nic_lock_out(&e->nic);
	e1000_put(e, off, value);
	e->tx.has_looked = false;
	nic_unlock_out(&e->nic);
	nic_kick(&e->nic);
}

static void write_rx_locked(struct e1000 *e, unsigned off, uint32_t value)
{
	spin_lock(&e->nic.in.lock);
	e1000_put(e, off, value);
	spin_unlock(&e->nic.in.lock);
}

static void write_tdt(struct e1000 *e, unsigned off, uint32_t value)
{
	shm_store_release(&e->reg[off / 4], value);
	nic_kick(&e->nic);
}

static void write_rdt(struct e1000 *e, unsigned off, uint32_t value)
{
	shm_store_release(&e->reg[off / 4], value);
}

/* --- The rest */

static void write_ctrl(struct e1000 *e, unsigned off, uint32_t value)
{
	if (value & CTRL_RST) {
		e1000_reset(e);
		return;
	}
	if (value & CTRL_PHY_RST)
		e1000_phy_reset(e);
	e1000_put(e, off, value & ~CTRL_PHY_RST);
}

static uint32_t read_status(struct e1000 *e, unsigned off)
{
	(void)off;
	return STATUS_FD | STATUS_SPEED_1000 | STATUS_ASDV_1000 |
	       (shm_load(&e->nic.has_no_link) ? 0 : STATUS_LU);
}

static uint32_t read_eecd(struct e1000 *e, unsigned off)
{
	(void)off;
	return e1000_read_eecd(&e->nvm);
}

static void write_eecd(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	e1000_write_eecd(&e->nvm, value);
}

static void write_eerd(struct e1000 *e, unsigned off, uint32_t value)
{
	e1000_put(e, off, e1000_read_eeprom(&e->nvm, value));
}

static void write_mdic(struct e1000 *e, unsigned off, uint32_t value)
{
	e1000_put(e, off, e1000_mdic(e, value));
}

/* Statistics are cleared by a read (13.7); those of 64 bits by a read of the
 * upper half, which belongs to the lower half that was read before. */
static uint32_t read_stat(struct e1000 *e, unsigned off)
{
	struct e1000_wide *w = e1000_wide(e, off);
	uint64_t value;

	if (!w)
		return shm_exchange(&e->reg[off / 4], 0);
	if (!(off & 4)) {
		w->read = shm_load(&w->value);
		return (uint32_t)w->read;
	}
	value = w->read;
	shm_fetch_sub(&w->value, value);
	w->read = 0;
	return (uint32_t)(value >> 32);
}

/* Returns the offset of a register at another place for drivers of the first
 * cards (13.4, "alternate addresses"). */
static unsigned real_offset(unsigned off)
{
	static const struct {
		uint16_t old, now;
	} moved[] = {
		{ 0x0110, E1000_RDBAL }, { 0x0114, E1000_RDBAH },
		{ 0x0118, E1000_RDLEN }, { 0x0120, E1000_RDH },
		{ 0x0128, E1000_RDT },	 { 0x0420, E1000_TDBAL },
		{ 0x0424, E1000_TDBAH }, { 0x0428, E1000_TDLEN },
		{ 0x0430, E1000_TDH },	 { 0x0438, E1000_TDT },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(moved); i++)
		if (moved[i].old == off)
			return moved[i].now;
	if (off >= 0x0040 && off < 0x00c0)
		return E1000_RA + off - 0x0040;
	if (off >= 0x0200 && off < 0x0400)
		return E1000_MTA + off - 0x0200;
	if (off >= 0x0600 && off < 0x0800)
		return E1000_VFTA + off - 0x0600;
	return off;
}

#define ONE(off, bits, ...)                 \
	{                                   \
		off, off, bits, __VA_ARGS__ \
	}
#define SEVERAL(from, to, bits, ...)        \
	{                                   \
		from, to, bits, __VA_ARGS__ \
	}

/* The ones in use all the time come first. */
static const struct reg_row rows[] = {
	ONE(E1000_ICR, INT_ALL, read_icr, write_icr),
	ONE(E1000_TDT, 0xffff, NULL, write_tdt),
	ONE(E1000_RDT, 0xffff, NULL, write_rdt),
	ONE(E1000_IMS, INT_ALL, read_mask, write_ims),
	ONE(E1000_IMC, INT_ALL, read_zero, write_imc),
	ONE(E1000_ITR, 0xffff, NULL, write_itr),
	ONE(E1000_ICS, INT_ALL, read_zero, write_ics),
	ONE(E1000_CTRL, ~0u, NULL, write_ctrl),
	ONE(E1000_STATUS, 0, read_status, NULL),
	ONE(E1000_EECD, ~0u, read_eecd, write_eecd),
	ONE(E1000_EERD, 0xff01, NULL, write_eerd),
	ONE(E1000_MDIC, 0x2fffffff, NULL, write_mdic),
	ONE(E1000_RCTL, 0x07ffffff, NULL, write_rx_locked),
	ONE(E1000_RDBAL, ~15u, NULL, write_rx_locked),
	ONE(E1000_RDBAH, ~0u, NULL, write_rx_locked),
	ONE(E1000_RDLEN, 0xfff80, NULL, write_rx_locked),
	ONE(E1000_RDH, 0xffff, NULL, write_rx_locked),
	ONE(E1000_TCTL, 0x03ffffff, NULL, write_tx_locked),
	ONE(E1000_TDBAL, ~15u, NULL, write_tx_locked),
	ONE(E1000_TDBAH, ~0u, NULL, write_tx_locked),
	ONE(E1000_TDLEN, 0xfff80, NULL, write_tx_locked),
	ONE(E1000_TDH, 0xffff, NULL, write_tx_locked),
	SEVERAL(E1000_STATS, E1000_STATS_END - 4, 0, read_stat, NULL),
	SEVERAL(E1000_MTA, E1000_MTA + 127 * 4, ~0u, NULL, NULL),
	SEVERAL(E1000_RA, E1000_RA + (2 * E1000_ADDRESSES - 1) * 4, ~0u, NULL,
		NULL),
	SEVERAL(E1000_VFTA, E1000_VFTA + 127 * 4, ~0u, NULL, NULL),
	/* Remembered, without an effect: CTRL_EXT, flow control, delays of
	 * interrupts (the throttle is what there is), gaps, thresholds, LEDs,
	 * checksums, wake-up, management. */
	SEVERAL(E1000_CTRL_EXT, E1000_CTRL_EXT + 4, ~0u, NULL, NULL),
	SEVERAL(0x0028, E1000_VET, ~0u, NULL, NULL),
	SEVERAL(0x0170, 0x0180, ~0u, NULL, NULL),
	SEVERAL(0x0410, 0x0414, ~0u, NULL, NULL),
	ONE(0x0458, ~0u, NULL, NULL),
	ONE(0x0e00, ~0u, NULL, NULL),
	ONE(E1000_PBA, 0xffff, NULL, NULL),
	SEVERAL(0x2160, 0x2168, ~0u, NULL, NULL),
	SEVERAL(0x2820, 0x282c, ~0u, NULL, NULL),
	SEVERAL(0x3820, 0x3830, ~0u, NULL, NULL),
	ONE(E1000_RXCSUM, 0x7ff, NULL, NULL),
	SEVERAL(0x5800, 0x58fc, ~0u, NULL, NULL),
};

static const struct reg_row *find(unsigned off)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (off >= rows[i].first && off <= rows[i].last)
			return &rows[i];
	return NULL;
}

uint32_t e1000_read(struct e1000 *e, unsigned off)
{
	const struct reg_row *r;

	off = real_offset(off);
	r = find(off);
	if (!r)
		return 0;
	return r->read ? r->read(e, off) : e1000_get(e, off);
}

void e1000_write(struct e1000 *e, unsigned off, uint32_t value)
{
	const struct reg_row *r;

	off = real_offset(off);
	r = find(off);
	if (!r || !r->writable)
		return;
	if (r->write)
		r->write(e, off, value & r->writable);
	else
		e1000_put(e, off, value & r->writable);
}

static void set_address(struct e1000 *e)
{
	const uint8_t *m = e->nic.mac;

	e1000_put(e, E1000_RA,
		  m[0] | m[1] << 8 | m[2] << 16 | (uint32_t)m[3] << 24);
	e1000_put(e, E1000_RA + 4, m[4] | m[5] << 8 | RAH_AV);
}

void e1000_reset(struct e1000 *e)
{
	nic_lock_out(&e->nic);
	spin_lock(&e->nic.in.lock);
	for (unsigned i = 0; i < ARRAY_SIZE(e->reg); i++)
		shm_store(&e->reg[i], 0);
	e->tx = (struct e1000_tx){ 0 };
	e1000_put(e, E1000_CTRL, 1); /* full duplex */
	e1000_put(e, E1000_PBA, 0x00100030);
	set_address(e);
	spin_unlock(&e->nic.in.lock);
	nic_unlock_out(&e->nic);
	nic_irq_reset(&e->nic);
}

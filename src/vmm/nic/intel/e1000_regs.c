/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers (13) that Intel's cards share: a table of those that do more
 * than to remember, looked at behind the model's own. vCPU threads, under the
 * function's lock.
 */
#include "e1000_rows.h"

/* --- Interrupts (13.4.17 to 13.4.21) */

bool e1000_cause(struct e1000 *e, unsigned q, uint32_t bits)
{
	if (msix_is_on(&e->nic.pci)) {
		if (bits & (INT_RXT0 | INT_RXDMT0))
			bits |= INT_RXQ(q);
		if (bits & INT_TXDW)
			bits |= INT_TXQ(q);
		if (bits & INT_OF_OTHER)
			bits |= INT_OTHER;
		/* They are those of the queues. */
		bits &= ~(INT_RXT0 | INT_RXDMT0 | INT_TXDW | INT_TXQE);
	}
	return nic_cause(&e->nic, bits);
}

void e1000_link_changed(struct nic *n)
{
	e1000_cause(e1000_of(n), 0, INT_LSC);
}

void e1000_write_ics(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_cause(&e->nic, value);
	nic_irq_update(&e->nic);
}

uint32_t e1000_read_mask(struct e1000 *e, unsigned off)
{
	(void)off;
	return shm_load(&e->nic.irq.mask);
}

uint32_t e1000_read_zero(struct e1000 *e, unsigned off)
{
	(void)e;
	(void)off;
	return 0;
}

void e1000_write_ims(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_set_mask(&e->nic, ~0u, value);
}

void e1000_write_imc(struct e1000 *e, unsigned off, uint32_t value)
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

struct e1000_ring e1000_ring(const struct e1000 *e, unsigned base, unsigned q,
			     unsigned size)
{
	const uint32_t *reg = &e->reg[(base + q * E1000_QUEUE_STRIDE) / 4];
	uint64_t at = shm_load(&reg[0]) | (uint64_t)shm_load(&reg[1]) << 32;
	uint32_t bytes = shm_load(&reg[2]), unit = size / E1000_DESC;
	struct e1000_ring r = { .count = bytes / size,
				.head = shm_load(&reg[4]) / unit,
				.tail = shm_load_acquire(&reg[6]) / unit };

	if (r.count && r.head < r.count && r.tail < r.count)
		r.desc = gmem_translate(e->nic.ram, at, bytes);
	return r;
}

void e1000_write_tx(struct e1000 *e, unsigned off, uint32_t value)
{
	nic_lock_out(&e->nic);
	e1000_put(e, off, value);
	for (unsigned i = 0; i < E1000_QUEUES; i++)
		e->tx[i].has_looked = false;
	nic_unlock_out(&e->nic);
	nic_kick(&e->nic);
}

void e1000_write_rx(struct e1000 *e, unsigned off, uint32_t value)
{
	spin_lock(&e->nic.in.lock);
	e1000_put(e, off, value);
	spin_unlock(&e->nic.in.lock);
}

void e1000_write_tdt(struct e1000 *e, unsigned off, uint32_t value)
{
	shm_store_release(&e->reg[off / 4], value);
	nic_kick(&e->nic);
}

void e1000_write_rdt(struct e1000 *e, unsigned off, uint32_t value)
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

uint32_t e1000_read_status(struct e1000 *e, unsigned off)
{
	(void)off;
	return STATUS_FD | STATUS_SPEED_1000 | STATUS_ASDV_1000 |
	       (shm_load(&e->nic.has_no_link) ? 0 : STATUS_LU);
}

static void write_mdic(struct e1000 *e, unsigned off, uint32_t value)
{
	e1000_put(e, off, e1000_mdic(e, value));
}

/* The upper half of an address has no more bits (13.5.2). */
static void write_address(struct e1000 *e, unsigned off, uint32_t value)
{
	e1000_put(e, off, off & 4 ? value & (RAH_AV | 0x3ffff) : value);
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

#define ONE	E1000_ONE
#define SEVERAL E1000_SEVERAL

/* The ones in use all the time come first. */
static const struct e1000_reg rows[] = {
	ONE(E1000_TDT, 0xffff, NULL, e1000_write_tdt),
	ONE(E1000_RDT, 0xffff, NULL, e1000_write_rdt),
	ONE(E1000_ITR, 0xffff, NULL, write_itr),
	ONE(E1000_CTRL, ~0u, NULL, write_ctrl),
	ONE(E1000_STATUS, 0, e1000_read_status, NULL),
	ONE(E1000_MDIC, 0x2fffffff, NULL, write_mdic),
	ONE(E1000_RCTL, 0x07ffffff, NULL, e1000_write_rx),
	ONE(E1000_RDBAL, ~15u, NULL, e1000_write_rx),
	ONE(E1000_RDBAH, ~0u, NULL, e1000_write_rx),
	ONE(E1000_RDLEN, 0xfff80, NULL, e1000_write_rx),
	ONE(E1000_RDH, 0xffff, NULL, e1000_write_rx),
	ONE(E1000_TCTL, 0x1fffffff, NULL, e1000_write_tx),
	ONE(E1000_TDBAL, ~15u, NULL, e1000_write_tx),
	ONE(E1000_TDBAH, ~0u, NULL, e1000_write_tx),
	ONE(E1000_TDLEN, 0xfff80, NULL, e1000_write_tx),
	ONE(E1000_TDH, 0xffff, NULL, e1000_write_tx),
	SEVERAL(E1000_STATS, E1000_STATS_END - 4, 0, read_stat, NULL),
	SEVERAL(E1000_MTA, E1000_MTA + 127 * 4, ~0u, NULL, NULL),
	SEVERAL(E1000_RA, E1000_RA + (2 * E1000_ADDRESSES - 1) * 4, ~0u, NULL,
		write_address),
	SEVERAL(E1000_VFTA, E1000_VFTA + 127 * 4, ~0u, NULL, NULL),
	/* Remembered, without an effect: CTRL_EXT, flow control, delays of
	 * interrupts (the throttle is what there is), gaps, thresholds, LEDs,
	 * checksums, wake-up, management. */
	SEVERAL(E1000_CTRL_EXT, E1000_CTRL_EXT + 4, ~0u, NULL, NULL),
	ONE(E1000_FCAL, ~0u, NULL, NULL),
	SEVERAL(E1000_FCAL + 4, E1000_FCT, 0xffff, NULL, NULL),
	ONE(E1000_FCT + 4, ~0u, NULL, NULL),
	ONE(E1000_VET, 0xffff, NULL, NULL),
	ONE(E1000_FCTTV, 0xffff, NULL, NULL),
	SEVERAL(0x0178, 0x0180, ~0u, NULL, NULL),
	ONE(E1000_TIPG, 0x3fffffff, NULL, NULL),
	ONE(0x0458, ~0u, NULL, NULL),
	ONE(0x0e00, ~0u, NULL, NULL),
	ONE(E1000_PBA, 0xffff, NULL, NULL),
	ONE(E1000_FCRTL, 0x8000fff8, NULL, NULL),
	ONE(E1000_FCRTH, 0x0000fff8, NULL, NULL),
	SEVERAL(E1000_RDTR, E1000_RDTR + 4, 0xffff, NULL, NULL),
	ONE(E1000_RXDCTL, ~0u, NULL, NULL),
	ONE(E1000_RADV, 0xffff, NULL, NULL),
	ONE(E1000_TIDV, 0xffff, NULL, NULL),
	SEVERAL(E1000_TIDV + 4, 0x3830, ~0u, NULL, NULL),
	ONE(E1000_RXCSUM, 0x7ff, NULL, NULL),
	SEVERAL(0x5800, 0x58fc, ~0u, NULL, NULL),
	E1000_END,
};

static const struct e1000_reg *look_up(const struct e1000_reg *r, unsigned off)
{
	for (; r->first <= r->last; r++)
		if (off >= r->first && off <= r->last)
			return r;
	return NULL;
}

static const struct e1000_reg *find(const struct e1000 *e, unsigned off)
{
	const struct e1000_reg *r = look_up(e1000_model(e)->own, off);

	return r ? r : look_up(rows, off);
}

uint32_t e1000_read(struct e1000 *e, unsigned off)
{
	const struct e1000_reg *r;

	off = real_offset(off);
	r = find(e, off);
	if (!r)
		return 0;
	return r->read ? r->read(e, off) : e1000_get(e, off);
}

void e1000_write(struct e1000 *e, unsigned off, uint32_t value)
{
	const struct e1000_reg *r;

	off = real_offset(off);
	r = find(e, off);
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
	memset(e->tx, 0, sizeof(e->tx));
	e->is_short = false;
	e1000_put(e, E1000_CTRL, 1); /* full duplex */
	set_address(e);
	e1000_model(e)->reset(e);
	spin_unlock(&e->nic.in.lock);
	nic_unlock_out(&e->nic);
	nic_irq_reset(&e->nic);
}

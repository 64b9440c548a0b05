/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of the 82574 (10.2) that the 82540EM does not have, or has
 * otherwise. vCPU threads, under the function's lock.
 */
#include "e1000e.h"

/* --- Interrupts (7.4 and 10.2.4) */

/* Lets messages clear and mask causes as the registers say. With EIAME a
 * message masks its causes; without it an access to ICR does. */
static void update_auto(struct e1000 *e)
{
	bool by_message = e1000_get(e, E1000_CTRL_EXT) & CTRL_EXT_EIAME;

	nic_irq_set_auto(&e->nic, e1000_get(e, E1000E_EIAC),
			 by_message ? e1000_get(e, E1000E_IAM) : 0);
}

static void write_auto(struct e1000 *e, unsigned off, uint32_t value)
{
	e1000_put(e, off, value);
	update_auto(e);
}

/* What an access to ICR does to the mask. */
static void mask_by_access(struct e1000 *e)
{
	uint32_t ext = e1000_get(e, E1000_CTRL_EXT);

	if (!(ext & CTRL_EXT_IAME) ||
	    (ext & CTRL_EXT_EIAME && msix_is_on(&e->nic.pci)))
		return;
	nic_irq_set_mask(&e->nic, ~e1000_get(e, E1000E_IAM), 0);
}

/* 10.2.4.1: a read clears the causes if all are masked or one interrupts, and
 * has no effect if those that are set are masked. */
static uint32_t read_icr(struct e1000 *e, unsigned off)
{
	uint32_t mask = shm_load(&e->nic.irq.mask);
	uint32_t cause = shm_load(&e->nic.irq.cause);
	bool is_asserted = cause & mask;

	(void)off;
	if (!mask || is_asserted)
		cause = nic_irq_take(&e->nic, INT_ALL_82574);
	if (is_asserted)
		mask_by_access(e);
	return cause | (is_asserted ? INT_ASSERTED : 0);
}

static void write_icr(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_take(&e->nic, value);
	mask_by_access(e);
}

/* 10.2.4.9: four bits for each cause, the vector and whether it is valid. */
static void write_ivar(struct e1000 *e, unsigned off, uint32_t value)
{
	static const uint32_t cause[] = { INT_RXQ(0), INT_RXQ(1), INT_TXQ(0),
					  INT_TXQ(1), INT_OTHER };
	uint32_t vector[NIC_VECTORS] = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(cause); i++) {
		unsigned entry = value >> 4 * i & 15, at = entry & 7;

		if (entry & 8 && at < NIC_VECTORS)
			vector[at] |= cause[i];
	}
	e1000_put(e, off, value);
	nic_irq_set_vectors(&e->nic, vector);
}

static void write_eitr(struct e1000 *e, unsigned off, uint32_t value)
{
	e1000_put(e, off, value);
	nic_irq_set_vector_interval(&e->nic, (off - E1000E_EITR) / 4,
				    (uint64_t)value * ITR_UNIT_NS);
}

/* --- Control */

static uint32_t read_status(struct e1000 *e, unsigned off)
{
	bool is_off = e1000_get(e, E1000_CTRL) & CTRL_GIO_DISABLE;

	return e1000_read_status(e, off) | (is_off ? 0 : STATUS_GIO_ENABLE);
}

static void write_ctrl_ext(struct e1000 *e, unsigned off, uint32_t value)
{
	write_auto(e, off, value & ~CTRL_EXT_EE_RST); /* at once */
}

#define SWSM_SMBI  1u
#define EEMNG_DONE (3u << 18) /* the ports' configuration is loaded */

/* Who reads 0 has the semaphore (10.2.10.12). */
static uint32_t read_swsm(struct e1000 *e, unsigned off)
{
	uint32_t value = e1000_get(e, off);

	e1000_put(e, off, value | SWSM_SMBI);
	return value;
}

static uint32_t read_eemngctl(struct e1000 *e, unsigned off)
{
	return e1000_get(e, off) | EEMNG_DONE;
}

/* --- Queues */

bool e1000e_has_queue(const struct e1000 *e, unsigned q)
{
	return e1000_get(e, E1000E_TARC + q * E1000_QUEUE_STRIDE) & TARC_ENABLE;
}

static void write_rss(struct e1000 *e, unsigned off, uint32_t value)
{
	spin_lock(&e->nic.in.lock);
	e1000_put(e, off, value);
	e1000e_build_rss(e1000e_of(e));
	spin_unlock(&e->nic.in.lock);
}

void e1000e_reset(struct e1000 *e)
{
	e1000_put(e, E1000_PBA, 0x00140014);
	e1000_put(e, E1000_RXCSUM, RXCSUM_IPOFLD | RXCSUM_TUOFLD);
	for (unsigned i = 0; i < E1000_QUEUES; i++)
		e1000_put(e, E1000E_TARC + i * E1000_QUEUE_STRIDE,
			  TARC_ENABLE | 3);
	e1000e_build_rss(e1000e_of(e));
	e1000e_of(e)->clock = (struct e1000e_clock){ 0 };
}

#define ONE	  E1000_ONE
#define SEVERAL	  E1000_SEVERAL
#define NEXT(off) ((off) + E1000_QUEUE_STRIDE)

/* The ones in use all the time come first. */
const struct e1000_reg e1000e_rows[] = {
	ONE(E1000_IMS, INT_ALL_82574, e1000_read_mask, e1000_write_ims),
	ONE(E1000_ICR, INT_ALL_82574, read_icr, write_icr),
	ONE(E1000_ICS, INT_ALL_82574, e1000_read_zero, e1000_write_ics),
	ONE(E1000_IMC, INT_ALL_82574, e1000_read_zero, e1000_write_imc),
	SEVERAL(E1000E_EITR, E1000E_EITR + 4 * (NIC_VECTORS - 1), 0xffff, NULL,
		write_eitr),
	ONE(E1000E_EIAC, EIAC_BITS, NULL, write_auto),
	ONE(E1000E_IAM, INT_ALL_82574, NULL, write_auto),
	ONE(E1000E_IVAR, 0x800fffff, NULL, write_ivar),
	ONE(E1000_STATUS, 0, read_status, NULL),
	ONE(E1000_CTRL_EXT, ~0u, NULL, write_ctrl_ext),
	ONE(E1000_EECD, ~0u, e1000e_read_eecd, e1000e_write_eecd),
	ONE(E1000_EERD, 0xfffd, NULL, e1000e_write_eerd),
	ONE(E1000E_EEWR, 0xfffffffd, NULL, e1000e_write_eewr),
	/* Semaphores: no firmware has them. */
	ONE(E1000E_SWSM, 0xf, read_swsm, NULL),
	ONE(E1000E_FWSM, 0, e1000_read_zero, NULL), /* no management */
	ONE(E1000E_FACTPS, 0, e1000_read_zero, NULL),
	ONE(E1000E_SWSM2, 0xf, NULL, NULL),
	ONE(E1000E_EXTCNF_CTRL, 0x0fff00bf, NULL, NULL),
	ONE(E1000E_EEMNGCTL, 0x0003ffff, read_eemngctl, NULL),
	/* Queues and what is received. */
	ONE(E1000_RCTL, 0x7fffffff, NULL, e1000_write_rx),
	ONE(E1000E_PSRCTL, 0x3f3f3f7f, NULL, e1000_write_rx),
	ONE(E1000E_RFCTL, 0x0003ffff, NULL, e1000_write_rx),
	ONE(E1000_RXCSUM, 0x3bff, NULL, e1000_write_rx),
	ONE(E1000E_MRQC, 0x001f0007, NULL, write_rss),
	SEVERAL(E1000E_RETA, E1000E_RETA + 4 * (E1000E_RETA_WORDS - 1), ~0u,
		NULL, e1000_write_rx),
	SEVERAL(E1000E_RSSRK, E1000E_RSSRK + 4 * (E1000E_RSSRK_WORDS - 1), ~0u,
		NULL, write_rss),
	ONE(NEXT(E1000_RDT), 0xffff, NULL, e1000_write_rdt),
	ONE(NEXT(E1000_TDT), 0xffff, NULL, e1000_write_tdt),
	ONE(NEXT(E1000_RDBAL), ~15u, NULL, e1000_write_rx),
	ONE(NEXT(E1000_RDBAH), ~0u, NULL, e1000_write_rx),
	ONE(NEXT(E1000_RDLEN), 0xfff80, NULL, e1000_write_rx),
	ONE(NEXT(E1000_RDH), 0xffff, NULL, e1000_write_rx),
	ONE(NEXT(E1000_TDBAL), ~15u, NULL, e1000_write_tx),
	ONE(NEXT(E1000_TDBAH), ~0u, NULL, e1000_write_tx),
	ONE(NEXT(E1000_TDLEN), 0xfff80, NULL, e1000_write_tx),
	ONE(NEXT(E1000_TDH), 0xffff, NULL, e1000_write_tx),
	ONE(E1000E_TARC, ~0u, NULL, e1000_write_tx),
	ONE(NEXT(E1000E_TARC), ~0u, NULL, e1000_write_tx),
	/* The clock. */
	SEVERAL(E1000E_SYSTIML, E1000E_RXUDP, ~0u, e1000e_read_clock,
		e1000e_write_clock),
	/* Remembered, without an effect: flash, PHY power, buffers, thresholds,
	 * PCI Express, RSS interrupts. */
	ONE(E1000E_FLA, ~0u, NULL, NULL),
	ONE(E1000E_EXTCNF_SIZE, ~0u, NULL, NULL),
	ONE(E1000E_PHY_CTRL, ~0u, NULL, NULL),
	SEVERAL(E1000E_PBS, E1000E_PBECCSTS, ~0u, NULL, NULL),
	ONE(E1000E_FLOP, 0xffff, NULL, NULL),
	ONE(NEXT(E1000_RXDCTL), ~0u, NULL, NULL),
	ONE(NEXT(E1000E_TXDCTL), ~0u, NULL, NULL),
	ONE(E1000E_RSSIM, ~0u, NULL, NULL),
	ONE(E1000E_RSSIR, ~0u, NULL, NULL),
	SEVERAL(E1000E_GCR, E1000E_GCR + 0x1c, ~0u, NULL, NULL),
	E1000_END,
};

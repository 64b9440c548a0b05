/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PHY, which is reached through MDIC (13.4.7): it has a link of 1000
 * Mbit/s, full duplex. vCPU threads, under the function's lock.
 */
#include "e1000_phy.h"

#include "e1000.h"

#define PHY_CONTROL_RESET    0x8000
#define PHY_CONTROL_LOOPBACK 0x4000
#define PHY_CONTROL_RESTART  0x0200
#define PHY_STATUS_LINK	     0x0024 /* negotiated, and up */
#define PHY_PAGED	     16	    /* first register that has pages */

#define MDIC_DATA(v)	     ((v)&0xffff)
#define MDIC_REG(v)	     ((v) >> 16 & 31)
#define MDIC_PHY(v)	     ((v) >> 21 & 31)
#define MDIC_OP(v)	     ((v) >> 26 & 3)
#define MDIC_READY	     (1u << 28)
#define MDIC_INT	     (1u << 29)
#define MDIC_ERROR	     (1u << 30)
enum { MDIC_OP_WRITE = 1, MDIC_OP_READ = 2 };
#define MDIC_PHY_ADDRESS 1

void e1000_phy_reset(struct e1000 *e)
{
	memset(&e->phy, 0, sizeof(e->phy));
	for (unsigned i = 0; i < ARRAY_SIZE(e->phy.reg); i++)
		shm_store(&e->phy.reg[i], e1000_model(e)->phy[i]);
}

bool e1000_is_looped(const struct e1000 *e)
{
	return RCTL_LBM(e1000_get(e, E1000_RCTL)) == 1 ||
	       shm_load(&e->phy.reg[PHY_CONTROL]) & PHY_CONTROL_LOOPBACK;
}

/* Returns the page that @reg is in, or one that does not exist. */
static unsigned page_of(const struct e1000 *e, unsigned reg)
{
	if (e1000_model(e)->phy_pages == 1 || reg < PHY_PAGED ||
	    reg == PHY_PAGE)
		return 0;
	return e->phy.reg[PHY_PAGE];
}

/* Without a link the bits that tell of it are 0. */
static uint16_t read_first(const struct e1000 *e, unsigned reg)
{
	uint16_t value = e->phy.reg[reg];

	if (!shm_load(&e->nic.has_no_link))
		return value;
	switch (reg) {
	case PHY_STATUS:
		return value & ~PHY_STATUS_LINK;
	case PHY_PARTNER:
	case PHY_1000_STATUS:
	case PHY_SPECIFIC_STATUS:
		return 0;
	default:
		return value;
	}
}

static uint16_t read_phy(const struct e1000 *e, unsigned reg)
{
	unsigned page = page_of(e, reg);

	if (!page)
		return read_first(e, reg);
	return page < e1000_model(e)->phy_pages
		       ? e->phy.paged[page - 1][reg - PHY_PAGED]
		       : 0;
}

static void write_control(struct e1000 *e, uint16_t value)
{
	if (value & PHY_CONTROL_RESET)
		e1000_phy_reset(e);
	else
		shm_store(&e->phy.reg[PHY_CONTROL],
			  (uint16_t)(value & ~PHY_CONTROL_RESTART));
	/* Negotiation is over at once. */
	if (value & (PHY_CONTROL_RESET | PHY_CONTROL_RESTART))
		e1000_cause(e, 0, INT_LSC);
}

static void write_first(struct e1000 *e, unsigned reg, uint16_t value)
{
	switch (reg) {
	case PHY_STATUS:
	case PHY_ID1:
	case PHY_ID2:
	case PHY_PARTNER:
	case PHY_EXPANSION:
	case PHY_1000_STATUS:
	case PHY_EXT_STATUS:
	case PHY_SPECIFIC_STATUS:
		return; /* read-only */
	case PHY_CONTROL:
		write_control(e, value);
		return;
	default:
		e->phy.reg[reg] = value;
	}
}

static void write_phy(struct e1000 *e, unsigned reg, uint16_t value)
{
	unsigned page = page_of(e, reg);

	if (!page)
		write_first(e, reg, value);
	else if (page < e1000_model(e)->phy_pages)
		e->phy.paged[page - 1][reg - PHY_PAGED] = value;
}

uint32_t e1000_mdic(struct e1000 *e, uint32_t value)
{
	unsigned reg = MDIC_REG(value);

	value &= ~(MDIC_READY | MDIC_ERROR);
	if (MDIC_PHY(value) == MDIC_PHY_ADDRESS &&
	    MDIC_OP(value) == MDIC_OP_READ)
		value = (value & ~0xffffu) | read_phy(e, reg);
	else if (MDIC_PHY(value) == MDIC_PHY_ADDRESS &&
		 MDIC_OP(value) == MDIC_OP_WRITE)
		write_phy(e, reg, (uint16_t)MDIC_DATA(value));
	else
		value |= MDIC_ERROR;
	if (value & MDIC_INT)
		e1000_cause(e, 0, INT_MDAC);
	return value | MDIC_READY;
}

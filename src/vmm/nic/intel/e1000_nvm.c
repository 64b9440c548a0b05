/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EEPROM and PHY of the 82540EM. The EEPROM is a 93C46 on Microwire: 64 words,
 * read bit by bit through EECD (13.4.3) or at once through EERD (13.4.4). The
 * PHY is reached through MDIC (13.4.7); it has a link of 1000 Mbit/s, full
 * duplex. vCPU threads, under the function's lock.
 */
#include "e1000.h"

enum { EECD_SK = 1, EECD_CS = 2, EECD_DI = 4, EECD_DO = 8 };
#define EECD_FWE   0x30u
#define EECD_REQ   0x40u
#define EECD_GNT   0x80u
#define EECD_PRES  0x100u

#define EERD_START 1u
#define EERD_DONE  0x10u

/* Words (table 5-2). */
enum {
	WORD_INIT1 = 0x0a,
	WORD_SUBSYSTEM = 0x0b,
	WORD_SUBVENDOR = 0x0c,
	WORD_DEVICE = 0x0d,
	WORD_VENDOR = 0x0e,
	WORD_INIT2 = 0x0f,
	WORD_SUM = 0x3f,
};
#define EEPROM_SUM 0xbaba /* of all words (5.6.35) */

/* Registers of the PHY (IEEE 802.3, clause 22, and Marvell's 88E1011). */
enum {
	PHY_CONTROL = 0,
	PHY_STATUS = 1,
	PHY_ID1 = 2,
	PHY_ID2 = 3,
	PHY_ADVERTISED = 4,
	PHY_PARTNER = 5,
	PHY_EXPANSION = 6,
	PHY_1000_CONTROL = 9,
	PHY_1000_STATUS = 10,
	PHY_EXT_STATUS = 15,
	PHY_SPECIFIC_CONTROL = 16,
	PHY_SPECIFIC_STATUS = 17,
	PHY_EXT_CONTROL = 20,
};
#define PHY_CONTROL_RESET   0x8000
#define PHY_CONTROL_RESTART 0x0200
#define PHY_STATUS_LINK	    0x0024 /* negotiated, and up */

#define MDIC_DATA(v)	    ((v)&0xffff)
#define MDIC_REG(v)	    ((v) >> 16 & 31)
#define MDIC_PHY(v)	    ((v) >> 21 & 31)
#define MDIC_OP(v)	    ((v) >> 26 & 3)
#define MDIC_READY	    (1u << 28)
#define MDIC_INT	    (1u << 29)
#define MDIC_ERROR	    (1u << 30)
enum { MDIC_OP_WRITE = 1, MDIC_OP_READ = 2 };
#define MDIC_PHY_ADDRESS 1

void e1000_nvm_init(struct e1000 *e)
{
	const struct pci_id *id = e->nic.model->id;
	const uint8_t *mac = e->nic.mac;
	uint16_t *w = e->nvm.eeprom.word, sum = 0;

	e->nvm = (struct e1000_nvm){ 0 };
	for (unsigned i = 0; i < ETH_ALEN / 2; i++)
		w[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
	w[WORD_INIT1] = 0x4408; /* signature; reset values otherwise */
	w[WORD_SUBSYSTEM] = id->subdevice;
	w[WORD_SUBVENDOR] = id->subvendor;
	w[WORD_DEVICE] = id->device;
	w[WORD_VENDOR] = id->vendor;
	w[WORD_INIT2] = 0xb040; /* the PHY negotiates; full duplex */
	for (unsigned i = 0; i < WORD_SUM; i++)
		sum = (uint16_t)(sum + w[i]);
	w[WORD_SUM] = (uint16_t)(EEPROM_SUM - sum);
	e1000_phy_reset(e);
}

uint32_t e1000_read_eecd(const struct e1000_nvm *n)
{
	return n->eecd | EECD_PRES | (n->eecd & EECD_REQ ? EECD_GNT : 0) |
	       (microwire_out(&n->eeprom) ? EECD_DO : 0);
}

void e1000_write_eecd(struct e1000_nvm *n, uint32_t value)
{
	n->eecd = value & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ);
	microwire_drive(&n->eeprom, value & EECD_CS, value & EECD_SK,
			value & EECD_DI);
}

uint32_t e1000_read_eeprom(const struct e1000_nvm *n, uint32_t eerd)
{
	unsigned address = eerd >> 8 & 0xff;

	if (!(eerd & EERD_START))
		return eerd & ~(0xffff0000u | EERD_DONE);
	return (eerd & 0xff00) | EERD_DONE |
	       (address < MICROWIRE_WORDS
			? (uint32_t)n->eeprom.word[address] << 16
			: 0);
}

void e1000_phy_reset(struct e1000 *e)
{
	static const uint16_t start[32] = {
		[PHY_CONTROL] = 0x1140, /* 1000 Mbit/s, full duplex,
					 * negotiates */
		[PHY_STATUS] = 0x796d,	/* negotiated, the link is up */
		[PHY_ID1] = 0x0141,	/* Marvell 88E1011 */
		[PHY_ID2] = 0x0c20,
		[PHY_ADVERTISED] = 0x0de1,
		[PHY_PARTNER] = 0x4de1, /* the same, acknowledged */
		[PHY_EXPANSION] = 0x0001,
		[PHY_1000_CONTROL] = 0x0300,
		[PHY_1000_STATUS] = 0x3c00,
		[PHY_EXT_STATUS] = 0x3000,
		[PHY_SPECIFIC_CONTROL] = 0x0360,
		[PHY_SPECIFIC_STATUS] = 0xac00, /* 1000, full duplex, up */
		[PHY_EXT_CONTROL] = 0x0d60,
	};

	memcpy(e->nvm.phy, start, sizeof(start));
}

/* Without a link the bits that tell of it are 0. */
static uint16_t read_phy(const struct e1000 *e, unsigned reg)
{
	uint16_t value = e->nvm.phy[reg];

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

static void write_phy(struct e1000 *e, unsigned reg, uint16_t value)
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
		if (value & PHY_CONTROL_RESET)
			e1000_phy_reset(e);
		else
			e->nvm.phy[reg] = value & ~PHY_CONTROL_RESTART;
		/* Negotiation is over at once. */
		if (value & (PHY_CONTROL_RESET | PHY_CONTROL_RESTART))
			nic_cause(&e->nic, INT_LSC);
		return;
	default:
		e->nvm.phy[reg] = value;
	}
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
		nic_cause(&e->nic, INT_MDAC);
	return value | MDIC_READY;
}

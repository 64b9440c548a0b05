/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EEPROM of the 82540EM is a 93C46 on Microwire: 64 words, read bit by bit
 * through EECD (13.4.3) or at once through EERD (13.4.4). What its words say is
 * here for all cards. vCPU threads, under the function's lock.
 */
#include "e1000_rows.h"

enum { EECD_SK = 1, EECD_CS = 2, EECD_DI = 4, EECD_DO = 8 };
#define EECD_FWE   0x30u
#define EECD_REQ   0x40u
#define EECD_GNT   0x80u
#define EECD_PRES  0x100u

#define EERD_START 1u
#define EERD_DONE  0x10u

/* Words (table 5-2; 82574, 6.1). */
enum {
	WORD_SUBSYSTEM = 0x0b,
	WORD_SUBVENDOR = 0x0c,
	WORD_DEVICE = 0x0d,
	WORD_VENDOR = 0x0e,
	WORD_SUM = 0x3f,
};
#define EEPROM_SUM 0xbaba /* of all words (5.6.35) */

void e1000_fill_words(const struct e1000 *e, uint16_t *w)
{
	const struct pci_id *id = e->nic.model->id;
	const uint8_t *mac = e->nic.mac;
	uint16_t sum = 0;

	for (unsigned i = 0; i < ETH_ALEN / 2; i++)
		w[i] = (uint16_t)(mac[2 * i] | mac[2 * i + 1] << 8);
	w[WORD_SUBSYSTEM] = id->subdevice;
	w[WORD_SUBVENDOR] = id->subvendor;
	w[WORD_DEVICE] = id->device;
	w[WORD_VENDOR] = id->vendor;
	for (unsigned i = 0; i < WORD_SUM; i++)
		sum = (uint16_t)(sum + w[i]);
	w[WORD_SUM] = (uint16_t)(EEPROM_SUM - sum);
}

uint32_t e1000_read_eecd(struct e1000 *e, unsigned off)
{
	(void)off;
	return e->eecd | EECD_PRES | (e->eecd & EECD_REQ ? EECD_GNT : 0) |
	       (microwire_out(&e->eeprom) ? EECD_DO : 0);
}

void e1000_write_eecd(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	e->eecd = value & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ);
	microwire_drive(&e->eeprom, value & EECD_CS, value & EECD_SK,
			value & EECD_DI);
}

void e1000_write_eerd(struct e1000 *e, unsigned off, uint32_t value)
{
	unsigned address = value >> 8 & 0xff;

	if (value & EERD_START)
		value = (value & 0xff00) | EERD_DONE |
			(address < MICROWIRE_WORDS
				 ? (uint32_t)e->eeprom.word[address] << 16
				 : 0);
	e1000_put(e, off, value);
}

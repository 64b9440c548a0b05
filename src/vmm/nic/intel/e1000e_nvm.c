/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NVM of the 82574 (3.3): an SPI EEPROM of 64 words, with addresses of one
 * byte. A driver reads words through EERD (10.2.2.4) and writes them through
 * EEWR (10.2.2.11), until the machine ends or is reset; through EECD
 * (10.2.2.3), bit by bit, it can read. vCPU threads, under the function's lock.
 */
#include "e1000e.h"

enum { EECD_SK = 1, EECD_CS = 2, EECD_DI = 4, EECD_DO = 8 };
#define EECD_DRIVEN   0x77u /* wires, FWE and REQ */
#define EECD_REQ      0x40u
#define EECD_GNT      0x80u
#define EECD_PRES     0x100u
#define EECD_AUTO_RD  0x200u
#define EECD_ONE_BYTE (1u << 15) /* NVADDS: bytes of an address */

#define RW_START      1u
#define RW_DONE	      2u
#define RW_WORD(v)    ((v) >> 2 & 0x3fff)

/* Words (6.1). */
enum {
	WORD_COMPAT = 0x03,
	WORD_LED = 0x04,
	WORD_INIT1 = 0x0a,
	WORD_INIT2 = 0x0f,
	WORD_SIZES = 0x12,
	WORD_LED_DEFAULT = 0x1c,
};

enum { SPI_READ = 3, SPI_READ_STATUS = 5 };

void e1000e_nvm_init(struct e1000e *x)
{
	uint16_t *w = x->e.eeprom.word;

	x->e.eecd = EECD_CS; /* not selected */
	x->spi = (struct e1000e_spi){ 0 };
	x->e.eeprom = (struct microwire){ 0 };
	w[WORD_COMPAT] = 0x0420;
	w[WORD_LED] = 0xf746;
	w[WORD_INIT1] = 0x4c2f; /* signature; reset values otherwise */
	w[WORD_INIT2] = 0x0000;
	w[WORD_SIZES] = 0x0002;
	w[WORD_LED_DEFAULT] = 0x0602;
	e1000_fill_words(&x->e, w);
}

/* --- The wires. A byte leaves with its highest bit first, and of a word the
 * lower byte does. */

/* A bit came in: a command and its address may be whole. */
static void take_command(struct e1000e_spi *s)
{
	if (s->in_count == 8 && (s->in & 0xff) == SPI_READ_STATUS) {
		s->is_status = true; /* not busy: zeros */
	} else if (s->in_count == 16 && s->in >> 8 == SPI_READ) {
		s->is_reading = true;
		s->out_bit = (s->in & 0xff) * 8;
	}
}

static void clock_bit(struct e1000e *x, bool bit)
{
	struct e1000e_spi *s = &x->spi;
	unsigned byte = s->out_bit / 8 % (2 * MICROWIRE_WORDS);

	if (s->is_status) {
		s->out = false;
	} else if (s->is_reading) {
		s->out = x->e.eeprom.word[byte / 2] >>
				 (8 * (byte & 1) + 7 - s->out_bit % 8) &
			 1;
		s->out_bit++;
	} else if (s->in_count < 16) {
		s->in = s->in << 1 | bit;
		s->in_count++;
		take_command(s);
	}
}

uint32_t e1000e_read_eecd(struct e1000 *e, unsigned off)
{
	const struct e1000e_spi *s = &e1000e_of(e)->spi;
	bool out = !(s->is_reading || s->is_status) || s->out;

	(void)off;
	return e->eecd | EECD_PRES | EECD_AUTO_RD | EECD_ONE_BYTE |
	       (e->eecd & EECD_REQ ? EECD_GNT : 0) | (out ? EECD_DO : 0);
}

void e1000e_write_eecd(struct e1000 *e, unsigned off, uint32_t value)
{
	struct e1000e *x = e1000e_of(e);
	bool has_risen = value & EECD_SK && !x->spi.clock;

	(void)off;
	e->eecd = value & EECD_DRIVEN;
	if (value & EECD_CS) /* active when low */
		x->spi = (struct e1000e_spi){ 0 };
	else if (has_risen)
		clock_bit(x, value & EECD_DI);
	x->spi.clock = value & EECD_SK;
}

/* --- Words */

void e1000e_write_eerd(struct e1000 *e, unsigned off, uint32_t value)
{
	unsigned at = RW_WORD(value);

	if (value & RW_START)
		value = (value & 0xfffc) | RW_DONE |
			(at < MICROWIRE_WORDS
				 ? (uint32_t)e->eeprom.word[at] << 16
				 : 0);
	e1000_put(e, off, value);
}

void e1000e_write_eewr(struct e1000 *e, unsigned off, uint32_t value)
{
	unsigned at = RW_WORD(value);

	if (value & RW_START && at < MICROWIRE_WORDS)
		e->eeprom.word[at] = (uint16_t)(value >> 16);
	e1000_put(e, off, (value & ~RW_START) | RW_DONE);
}

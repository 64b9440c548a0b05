/* SPDX-License-Identifier: Apache-2.0 */
/* The EEPROM, see microwire.h. vCPU threads, under the card's lock. */
#include "microwire.h"

/* A start bit, two of the command, six of the address. */
#define COMMAND_BITS 9
#define COMMAND_READ 6 /* with the start bit */

/* The clock rose: the EEPROM takes a bit, or gives the next one. */
static void clock_bit(struct microwire *m, bool bit)
{
	if (m->is_reading) {
		/* Words follow each other, behind the last one the first. */
		m->out = m->word[m->address] >> (15 - m->out_count) & 1;
		m->out_count = (m->out_count + 1) % 16;
		if (!m->out_count)
			m->address = (m->address + 1) % MICROWIRE_WORDS;
		return;
	}
	if (!m->in_count && !bit)
		return; /* before the start bit */
	if (m->in_count == COMMAND_BITS)
		return; /* a command that is no read: it has no effect */
	m->in = m->in << 1 | bit;
	if (++m->in_count < COMMAND_BITS)
		return;
	m->is_reading = m->in >> 6 == COMMAND_READ;
	m->address = m->in & (MICROWIRE_WORDS - 1);
	m->out_count = 0;
	m->out = false; /* a zero before the word */
}

void microwire_drive(struct microwire *m, bool select, bool clock, bool in)
{
	bool has_risen = clock && !m->clock;

	m->clock = clock;
	if (!select || !m->is_selected) {
		m->in = m->in_count = 0;
		m->is_reading = false;
	}
	m->is_selected = select;
	if (select && has_risen)
		clock_bit(m, in);
}

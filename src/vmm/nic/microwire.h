/* SPDX-License-Identifier: Apache-2.0 */
/* A 93C46 EEPROM of 64 words on Microwire, as network cards have: commands come
 * in bit by bit, and words go out so. Writing is not possible. */
#ifndef RW_VMM_MICROWIRE_H
#define RW_VMM_MICROWIRE_H

#include <stdbool.h>
#include <stdint.h>

#define MICROWIRE_WORDS 64

struct microwire {
	uint16_t word[MICROWIRE_WORDS];
	bool is_selected, clock; /* as driven last */
	uint32_t in;		 /* bits shifted in, with the start bit */
	unsigned in_count, out_count;
	unsigned address;
	bool is_reading;
	bool out; /* the line that the EEPROM drives */
};

/* The lines are driven so from now on. */
void microwire_drive(struct microwire *m, bool select, bool clock, bool in);

/* Returns the line out of the EEPROM, which floats high while it is silent. */
static inline bool microwire_out(const struct microwire *m)
{
	return !m->is_reading || m->out;
}

#endif

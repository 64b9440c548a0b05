/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of registers, for nic/intel/: those that do more than to remember.
 * vCPU threads, under the function's lock. */
#ifndef RW_VMM_E1000_ROWS_H
#define RW_VMM_E1000_ROWS_H

#include "e1000.h"

struct e1000_reg {
	uint32_t first, last; /* offsets; one or more words */
	uint32_t writable;    /* bits that the driver can write */
	uint32_t (*read)(struct e1000 *e, unsigned off);
	/* @value has only writable bits. NULL: it is remembered. */
	void (*write)(struct e1000 *e, unsigned off, uint32_t value);
};

#define E1000_ONE(off, bits, ...)           \
	{                                   \
		off, off, bits, __VA_ARGS__ \
	}
#define E1000_SEVERAL(from, to, bits, ...)  \
	{                                   \
		from, to, bits, __VA_ARGS__ \
	}

/* Behind the last row. */
#define E1000_END    \
	{            \
		1, 0 \
	}

uint32_t e1000_read(struct e1000 *e, unsigned off);
void e1000_write(struct e1000 *e, unsigned off, uint32_t value);

/* --- Handlers for rows of several models. */
uint32_t e1000_read_zero(struct e1000 *e, unsigned off);
uint32_t e1000_read_mask(struct e1000 *e, unsigned off);
void e1000_write_ics(struct e1000 *e, unsigned off, uint32_t value);
void e1000_write_ims(struct e1000 *e, unsigned off, uint32_t value);
void e1000_write_imc(struct e1000 *e, unsigned off, uint32_t value);
uint32_t e1000_read_status(struct e1000 *e, unsigned off);
/* Registers that a worker reads during a burst, and tails. */
void e1000_write_tx(struct e1000 *e, unsigned off, uint32_t value);
void e1000_write_rx(struct e1000 *e, unsigned off, uint32_t value);
void e1000_write_tdt(struct e1000 *e, unsigned off, uint32_t value);
void e1000_write_rdt(struct e1000 *e, unsigned off, uint32_t value);

/* --- e1000_nvm.c: EECD and EERD of the 82540EM */
uint32_t e1000_read_eecd(struct e1000 *e, unsigned off);
void e1000_write_eecd(struct e1000 *e, unsigned off, uint32_t value);
void e1000_write_eerd(struct e1000 *e, unsigned off, uint32_t value);

#endif

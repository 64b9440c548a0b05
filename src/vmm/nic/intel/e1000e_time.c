/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of the 82574 (7.7): SYSTIM grows by an increment each so many ticks
 * of 25 MHz. Frames get no stamps of it: the valid bits of TSYNCTXCTL and
 * TSYNCRXCTL stay 0. vCPU threads, under the function's lock.
 */
#include "e1000e.h"

#define TICK_NS	     40
#define INCREMENT(v) ((v)&0xffffff)
#define PERIOD(v)    ((v) >> 24)
#define VALID	     1u /* of TSYNCTXCTL and TSYNCRXCTL */

static uint64_t value_of(const struct e1000e_clock *c)
{
	uint64_t ticks = (nic_now_ns() - c->at_ns) / TICK_NS;
	unsigned period = PERIOD(c->increment);

	return c->value +
	       (period ? ticks / period * INCREMENT(c->increment) : 0);
}

/* It is @value now. */
static void set(struct e1000e_clock *c, uint64_t value)
{
	c->value = value;
	c->at_ns = nic_now_ns();
}

uint32_t e1000e_read_clock(struct e1000 *e, unsigned off)
{
	struct e1000e_clock *c = &e1000e_of(e)->clock;
	uint64_t value;

	switch (off) {
	case E1000E_SYSTIML:
		value = value_of(c);
		c->high = (uint32_t)(value >> 32);
		return (uint32_t)value;
	case E1000E_SYSTIMH:
		return c->high;
	case E1000E_TIMINCA:
		return c->increment;
	default:
		return c->other[(off - E1000E_TIMADJL) / 4];
	}
}

void e1000e_write_clock(struct e1000 *e, unsigned off, uint32_t value)
{
	struct e1000e_clock *c = &e1000e_of(e)->clock;
	uint64_t now = value_of(c);

	switch (off) {
	case E1000E_SYSTIML:
		set(c, (now & ~0xffffffffull) | value);
		break;
	case E1000E_SYSTIMH:
		set(c, (now & 0xffffffff) | (uint64_t)value << 32);
		break;
	case E1000E_TIMINCA:
		set(c, now);
		c->increment = value;
		break;
	case E1000E_TIMADJH: /* bit 31: the adjustment is taken off */
		set(c,
		    now + (value >> 31 ? -(uint64_t)c->other[0] : c->other[0]));
		break;
	case E1000E_TSYNCTXCTL:
	case E1000E_TSYNCRXCTL:
		value &= ~VALID;
		/* fall through */
	default:
		c->other[(off - E1000E_TIMADJL) / 4] = value;
	}
}

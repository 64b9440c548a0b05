/* SPDX-License-Identifier: Apache-2.0 */
/* An I/O APIC's registers, see ioapic_regs.h. Clauses are of the 82093AA's data
 * sheet. */
#include "ioapic_regs.h"

#include <string.h>

enum {
	/* Memory-mapped registers (3.1) */
	AT_SELECT = 0x00,
	AT_WINDOW = 0x10,
	AT_EOI = IOAPIC_EOI,

	/* What the window shows (3.2) */
	REG_ID = 0,
	REG_VERSION = 1,
	REG_ARBITRATION = 2,
	REG_TABLE = 0x10,

	VERSION = 0x20,
	ID_SHIFT = 24,
	ID_MASK = 0xf,

	/* A redirection entry (3.2.4) */
	VECTOR = 0xff,
	MODE_SHIFT = 8, /* of the delivery mode */
	MODE_MASK = 7,
	MODE_EXTINT = 7,
	LOGICAL = 1 << 11,
	DELIVERY_STATUS = 1 << 12,
	REMOTE_IRR = 1 << 14,
	LEVEL = 1 << 15,
	MASKED = 1 << 16,
	READ_ONLY = DELIVERY_STATUS | REMOTE_IRR,
	DEFINED = 0x1ffff,
	DESTINATION_SHIFT = 56,
};

#define DESTINATION (0xffull << DESTINATION_SHIFT)

/* Messages of interrupts: Intel's manual, volume 3, "Message Signalled
 * Interrupts" */
#define MSI_BASE	      0xfee00000u
#define MSI_DESTINATION_SHIFT 12
#define MSI_LOGICAL	      (1u << 2)

static uint64_t address_of(uint64_t entry)
{
	return MSI_BASE |
	       (entry >> DESTINATION_SHIFT) << MSI_DESTINATION_SHIFT |
	       (entry & LOGICAL ? MSI_LOGICAL : 0);
}

/* Vector, mode and trigger are at the same bits in both. */
static uint32_t data_of(uint64_t entry)
{
	return (uint32_t)entry & (VECTOR | MODE_MASK << MODE_SHIFT | LEVEL);
}

static void send(struct ioapic_regs *r, unsigned pin)
{
	uint64_t e = r->entry[pin];

	/* There is no 8259 to ask for a vector. */
	if ((e >> MODE_SHIFT & MODE_MASK) == MODE_EXTINT)
		return;
	r->send(r, address_of(e), data_of(e));
}

/* Sends the interrupt of a level that is there and was not sent yet. */
static void serve_level(struct ioapic_regs *r, unsigned pin)
{
	uint64_t e = r->entry[pin];

	if (!(e & LEVEL) || e & (MASKED | REMOTE_IRR) || !(r->lines >> pin & 1))
		return;
	r->entry[pin] |= REMOTE_IRR;
	send(r, pin);
}

void ioapic_regs_set_line(struct ioapic_regs *r, unsigned pin, bool level)
{
	uint32_t bit = 1u << pin, before = r->lines;

	r->lines = level ? before | bit : before & ~bit;
	if (r->entry[pin] & LEVEL)
		serve_level(r, pin);
	/* An edge on a masked pin is ignored (3.2.4, interrupt mask). */
	else if (level && !(before & bit) && !(r->entry[pin] & MASKED))
		send(r, pin);
}

void ioapic_regs_eoi(struct ioapic_regs *r, uint8_t vector)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t e = r->entry[pin];

		if (!(e & REMOTE_IRR) || (e & VECTOR) != vector)
			continue;
		r->entry[pin] &= ~(uint64_t)REMOTE_IRR;
		serve_level(r, pin);
	}
}

static void write_entry(struct ioapic_regs *r, unsigned pin, uint64_t v)
{
	uint64_t e = r->entry[pin] & READ_ONLY;

	e |= v & (DESTINATION | DEFINED) & ~(uint64_t)READ_ONLY;
	/* Remote IRR means nothing for an edge (3.2.4). Linux ends a level that
	 * hangs by making it an edge for a moment. */
	if (!(e & LEVEL))
		e &= ~(uint64_t)REMOTE_IRR;
	r->entry[pin] = e;
	if (e & MASKED)
		return;
	r->route(r, pin, address_of(e), data_of(e));
	serve_level(r, pin);
}

static void write_window(struct ioapic_regs *r, uint32_t v)
{
	unsigned n = r->select - REG_TABLE, pin = n / 2;
	uint64_t e;

	if (r->select == REG_ID) {
		r->id = v >> ID_SHIFT & ID_MASK;
		return;
	}
	if (r->select < REG_TABLE || pin >= IOAPIC_PINS)
		return;
	e = r->entry[pin];
	e = n & 1 ? (uint32_t)e | (uint64_t)v << 32 : e >> 32 << 32 | v;
	write_entry(r, pin, e);
}

static uint32_t read_window(const struct ioapic_regs *r)
{
	unsigned n = r->select - REG_TABLE, pin = n / 2;

	switch (r->select) {
	case REG_ID:
	case REG_ARBITRATION: /* follows the ID when that is written (3.2.3) */
		return (uint32_t)r->id << ID_SHIFT;
	case REG_VERSION:
		return VERSION | (IOAPIC_PINS - 1) << 16;
	default:
		break;
	}
	if (r->select < REG_TABLE || pin >= IOAPIC_PINS)
		return 0;
	return (uint32_t)(n & 1 ? r->entry[pin] >> 32 : r->entry[pin]);
}

uint32_t ioapic_regs_read(const struct ioapic_regs *r, unsigned off)
{
	switch (off) {
	case AT_SELECT:
		return r->select;
	case AT_WINDOW:
		return read_window(r);
	default:
		return 0;
	}
}

void ioapic_regs_write(struct ioapic_regs *r, unsigned off, uint32_t v)
{
	switch (off) {
	case AT_SELECT:
		r->select = (uint8_t)v;
		break;
	case AT_WINDOW:
		write_window(r, v);
		break;
	case AT_EOI:
		ioapic_regs_eoi(r, (uint8_t)v);
		break;
	default:
		break;
	}
}

void ioapic_regs_reset(struct ioapic_regs *r)
{
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		r->entry[i] = MASKED;
	r->lines = 0;
	r->select = r->id = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of an I/O APIC with 24 pins: Intel's 82093AA data sheet,
 * clause 3, with the EOI register of its successors (version 0x20; ICH data
 * sheets, "EOI - EOI Register"). KVM's local APICs, without KVM's I/O APIC,
 * offer to keep EOIs to themselves, and then that register is the only way to
 * end a level. Pure: no locks, no KVM.
 */
#ifndef RW_VMM_IOAPIC_REGS_H
#define RW_VMM_IOAPIC_REGS_H

#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_PINS 24
#define IOAPIC_EOI  0x40 /* offset of the EOI register */

struct ioapic_regs {
	/* Set by the owner. A message: what interrupts the processors. */
	void (*send)(struct ioapic_regs *r, uint64_t address, uint32_t data);
	/* The message of @pin from now on, before the first is sent. KVM finds
	 * out by it which vectors' EOIs to tell of. Never for a masked pin. */
	void (*route)(struct ioapic_regs *r, unsigned pin, uint64_t address,
		      uint32_t data);
	uint64_t entry[IOAPIC_PINS]; /* redirection table */
	uint32_t lines;		     /* bit n: pin n is asserted */
	uint8_t select;		     /* IOREGSEL */
	uint8_t id;
};

/* Sets all registers as after a reset: each pin is masked. The calls stay. */
void ioapic_regs_reset(struct ioapic_regs *r);

/* An access of 32 bits at byte @off: IOREGSEL 0, IOWIN 0x10, EOI. What is
 * no register reads as 0. */
uint32_t ioapic_regs_read(const struct ioapic_regs *r, unsigned off);
void ioapic_regs_write(struct ioapic_regs *r, unsigned off, uint32_t v);

/* Asserts @pin, or not. Its polarity does not matter: @level says what a device
 * means. */
void ioapic_regs_set_line(struct ioapic_regs *r, unsigned pin, bool level);

/* A processor ended the interrupt @vector. */
void ioapic_regs_eoi(struct ioapic_regs *r, uint8_t vector);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The DSDT, see dsdt.h. Addresses and interrupt lines come from layout.h, where
 * the devices have them from, too. */
#include "dsdt.h"

#include "layout.h"

/* What a guest writes as SLP_TYP to switch itself off */
#define SLEEP_TYPE_S5 5
#define SLOTS	      32
#define PINS	      4

/* Which line of the IOAPIC the INTA to INTD of each slot is (_PRT). */
static void add_routes(struct aml *a)
{
	aml_name(a, "_PRT");
	aml_open_package(a, SLOTS * PINS);
	for (unsigned i = 0; i < SLOTS * PINS; i++) {
		unsigned slot = i / PINS, pin = i % PINS;

		aml_open_package(a, 4);
		aml_int(a, slot << 16 | 0xffff); /* all functions */
		aml_int(a, pin);
		aml_int(a, 0); /* a GSI, not a link device */
		aml_int(a, IRQ_PCI_FIRST + (slot + pin) % IRQ_PCI_COUNT);
		aml_close(a);
	}
	aml_close(a);
}

static void add_pci(struct aml *a, uint64_t mmio64)
{
	aml_open_device(a, "PCI0");
	aml_name_eisa_id(a, "_HID", "PNP0A08"); /* PCI Express */
	aml_name_eisa_id(a, "_CID", "PNP0A03");
	aml_name_int(a, "_UID", 0);
	aml_name_int(a, "_SEG", 0);
	aml_name_int(a, "_BBN", 0);
	aml_name(a, "_CRS");
	aml_open_resources(a);
	aml_window(a, AML_BUS, 0, 256);
	aml_io(a, PORT_PCI, 8);
	aml_window(a, AML_IO, PCI_IO_BASE, PCI_IO_SIZE);
	aml_window(a, AML_MEMORY, PCI_MMIO_BASE, PCI_MMIO_SIZE);
	aml_window(a, AML_MEMORY, PCI_HIGH_BASE, PCI_HIGH_SIZE);
	aml_window(a, AML_MEMORY, mmio64, PCI_MMIO64_SIZE);
	aml_close_resources(a);
	add_routes(a);
	dsdt_add_slots(a);
	aml_close(a);
}

/* A device with @ports ports from @port on and an interrupt line. */
static void add_isa(struct aml *a, const char *name, const char *id,
		    uint16_t port, uint8_t ports, unsigned irq)
{
	aml_open_device(a, name);
	aml_name_eisa_id(a, "_HID", id);
	aml_name_int(a, "_UID", 1);
	aml_name(a, "_CRS");
	aml_open_resources(a);
	aml_io(a, port, ports);
	aml_irq(a, irq);
	aml_close_resources(a);
	aml_close(a);
}

/* Linux uses ECAM only if a device of the board has its addresses. */
static void add_board(struct aml *a)
{
	aml_open_device(a, "MBRD");
	aml_name_eisa_id(a, "_HID", "PNP0C02");
	aml_name_int(a, "_UID", 1);
	aml_name(a, "_CRS");
	aml_open_resources(a);
	aml_memory32(a, ECAM_BASE, ECAM_SIZE);
	aml_close_resources(a);
	aml_close(a);
}

void dsdt_write(struct aml *a, uint64_t mmio64)
{
	aml_name(a, "\\_S5");
	aml_open_package(a, 4);
	aml_int(a, SLEEP_TYPE_S5);
	aml_int(a, SLEEP_TYPE_S5);
	aml_int(a, 0);
	aml_int(a, 0);
	aml_close(a);
	aml_open_scope(a, "\\_SB");
	add_pci(a, mmio64);
	add_board(a);
	add_isa(a, "COM1", "PNP0501", PORT_COM1, 8, IRQ_COM1);
	add_isa(a, "RTC", "PNP0B00", PORT_RTC, 2, IRQ_RTC);
	aml_close(a);
	dsdt_add_plug_event(a);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hot plug in the DSDT (ACPI 6.5, clause 6.3): the slots of the PCI bus as
 * devices that can be ejected, and the event by which the guest learns that one
 * is to be looked at, or let go. chip/hotplug.c has the registers. Pure.
 */
#include <stdio.h>

#include "dsdt.h"
#include "layout.h"

#define SLOTS 32
/* Values of Notify() (5.6.6) */
#define DEVICE_CHECK  1
#define EJECT_REQUEST 3

/* "S1F" and so on */
static const char *name_of(unsigned slot, char name[4])
{
	snprintf(name, 4, "S%02X", slot & 0xff);
	return name;
}

static void add_slot(struct aml *a, unsigned slot)
{
	char name[4];

	aml_open_device(a, name_of(slot, name));
	aml_name_int(a, "_ADR", slot << 16);
	aml_name_int(a, "_SUN", slot);
	aml_open_method(a, "_EJ0", 1);
	aml_store(a, 1u << slot, "EJCT");
	aml_close(a);
	aml_close(a);
}

/* Slot 0 has the host bridge, which stays. */
void dsdt_add_slots(struct aml *a)
{
	char name[4];

	aml_region(a, "PLUG", PORT_PLUG, 12);
	aml_open_fields(a, "PLUG");
	aml_field32(a, "LOOK");
	aml_field32(a, "ASK");
	aml_field32(a, "EJCT");
	aml_close(a);
	for (unsigned i = 1; i < SLOTS; i++)
		add_slot(a, i);
	/* Tells the slots of Arg0 what Arg1 says. */
	aml_open_method(a, "TELL", 2);
	for (unsigned i = 1; i < SLOTS; i++) {
		aml_open_if_bits(a, 0, 1u << i);
		aml_notify(a, name_of(i, name), 1);
		aml_close(a);
	}
	aml_close(a);
	aml_open_method(a, "EVNT", 0);
	aml_use(a, "TELL");
	aml_use(a, "LOOK");
	aml_int(a, DEVICE_CHECK);
	aml_use(a, "TELL");
	aml_use(a, "ASK");
	aml_int(a, EJECT_REQUEST);
	aml_close(a);
}

/* The method's name has the number of the event, which is an edge: a new one
 * may come while the method runs. */
void dsdt_add_plug_event(struct aml *a)
{
	char name[5];

	aml_open_scope(a, "\\_GPE");
	snprintf(name, sizeof(name), "_E%02X", GPE_PLUG);
	aml_open_method(a, name, 0);
	aml_use(a, "\\_SB.PCI0.EVNT");
	aml_close(a);
	aml_close(a);
}

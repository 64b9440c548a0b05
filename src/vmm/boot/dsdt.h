/* SPDX-License-Identifier: Apache-2.0 */
/* The devices that only ACPI tells of, as AML: the body of the DSDT. Pure. */
#ifndef RW_VMM_DSDT_H
#define RW_VMM_DSDT_H

#include "aml.h"

/* @mmio64: where the window of 64-bit BARs begins. */
void dsdt_write(struct aml *a, uint64_t mmio64);

/* dsdt_plug.c: inside of the host bridge PCI0; and in the root */
void dsdt_add_slots(struct aml *a);
void dsdt_add_plug_event(struct aml *a);

#endif

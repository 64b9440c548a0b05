/* SPDX-License-Identifier: Apache-2.0 */
/* Expansion ROMs of functions, see pci_rom.c. Control thread. */
#ifndef RW_VMM_PCI_ROM_H
#define RW_VMM_PCI_ROM_H

#include "pci.h"

/* A program for firmware, which a function has in its expansion ROM. */
struct pci_rom {
	uint8_t *bytes;	 /* heap */
	uint32_t size;	 /* power of two; what the program leaves is ff */
	bool is_for_any; /* pci_add() gives it the id of its function */
};

/* How a function is plugged into a bus. */
struct pci_plug {
	int slot;	     /* -1: the first free one */
	bool is_hot;	     /* the guest runs; it is to be told */
	struct pci_rom *rom; /* NULL: none; borrowed */
};

/* Makes a ROM for a program of @size bytes, which the caller copies to bytes.
 * Returns 0, or -EINVAL with @err for a size that no ROM has, or -ENOMEM. */
int pci_rom_create(uint64_t size, struct pci_rom **out, struct err *err);
/* The function is removed. NULL is fine. */
void pci_rom_destroy(struct pci_rom *r);
/* Returns whether firmware would find a program in @r. */
bool pci_rom_is_valid(const struct pci_rom *r);

#endif

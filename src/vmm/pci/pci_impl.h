/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the PCI bus. Private to pci/.
 *
 * Locks, the outer ones first: a function's lock (pci_lock()), then the bus's
 * line_lock. The bus's lock is held alone.
 */
#ifndef RW_VMM_PCI_IMPL_H
#define RW_VMM_PCI_IMPL_H

#include <linux/pci_regs.h>
/* A register of bridges, which we have none of; layout.h has the name, too. */
#undef PCI_IO_BASE

#include "layout.h"
#include "pci.h"

struct pci_bus {
	struct vm *vm;
	struct pci_dev bridge; /* slot 0 */
	struct bus_range ports, ecam;
	pthread_mutex_t lock; /* for the members up to the next lock */
	struct pci_dev *slot[PCI_SLOTS];
	uint32_t address; /* register CF8 */
	uint8_t reset;	  /* register CF9 */
	pthread_mutex_t line_lock;
	uint32_t line[IRQ_PCI_COUNT]; /* slots that hold the line up */
	/* [ctl] first free addresses for BARs */
	uint64_t next_io, next_mem, next_mem64, end_mem64;
};

/* --- pci_config.c: accesses of 1 to 8 bytes inside the configuration space */
uint64_t pci_config_read(struct pci_dev *d, unsigned off, unsigned size);
void pci_config_write(struct pci_dev *d, unsigned off, unsigned size,
		      uint64_t value);
/* Puts identity and header into the configuration space. */
void pci_config_init(struct pci_dev *d, const struct pci_id *id);

/* --- pci_bar.c */
/* Gives BAR @i of @d, whose kind and size are set, its register and an address.
 * Returns 0, or -ENOSPC with @err when the window is full. */
int pci_bar_init(struct pci_dev *d, unsigned i, struct err *err);
/* Maps and unmaps BARs as the configuration space says. Returns whether one
 * left its place, which others may wait for. Under the lock. */
bool pci_bars_update(struct pci_dev *d);
void pci_bars_unmap(struct pci_dev *d);
/* Maps BARs that wait for a place, if it is free now. Without a lock. */
void pci_bars_retry(struct pci_bus *b);

/* --- pci_rom.c: sets up bar[PCI_ROM] of @d, which has a ROM. */
void pci_rom_init(struct pci_dev *d, const struct pci_id *id);

/* --- pci.c */
/* Returns the function that @bdf (bus, device, function) names and the guest
 * may find, or NULL. It stays while the vCPU is in the handler that asks. */
struct pci_dev *pci_find(struct pci_bus *b, unsigned bdf);
/* Lets the line follow the command register and MSI-X. Under the lock. */
void pci_update_intx(struct pci_dev *d);

/* --- msix.c */
/* The guest wrote to the configuration space. Under the lock. */
void msix_config_written(struct pci_dev *d, unsigned off, unsigned size);
/* --- msi.c: the same, and it is about to read. */
void msi_config_written(struct pci_dev *d, unsigned off, unsigned size);
void msi_config_reading(struct pci_dev *d, unsigned off, unsigned size);

#endif

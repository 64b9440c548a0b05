/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A card as VFIO shows it, without VFIO: an Intel 82574L (e1000e) with a few
 * capabilities more. It checks that nobody maps or reaches registers that do
 * not answer.
 */
#ifndef VFIO_RIG_H
#define VFIO_RIG_H

#include "vfio_impl.h"
#include "vmm_rig.h"

enum {
	CARD_SLOT = 3,
	CARD_OWN = 0x50, /* a register of the card's own */
	CARD_MSIX = 0xa0,
	CARD_HIDDEN = 0xb0, /* Enhanced Allocation */
	CARD_POWER = 0xc8,
	CARD_MSI = 0xd0,
	CARD_EXP = 0xe0,
	CARD_SERIAL = 0x140, /* behind it SR-IOV, and what a vendor has */
	CARD_SRIOV = 0x160,
	CARD_VENDOR = 0x1a0,
	CARD_VECTORS = 20,
	CARD_TABLE_BAR = 3,
	CARD_PBA = 0x2000,
	CARD_BAR_SIZE = 0x20000,
};

struct card_irq {
	unsigned count; /* vectors that VFIO has; 0: off */
	int fd[32];
	unsigned changes;
};

struct vfio_rig {
	struct vmm_rig vmm;
	struct pci_bus *bus;
	struct vfio_dev *dev;
	uint8_t config[4096], before[4096];
	uint8_t bar[PCI_BARS][CARD_BAR_SIZE];
	struct card_irq irq[VFIO_PCI_NUM_IRQS];
	unsigned unmasked; /* INTx */
	unsigned host_max; /* vectors that the host gives; 0: all */
	bool refuses_unmask;
	bool can_grow, is_split, is_gone;
	unsigned asked;
	unsigned writes; /* to the configuration space */
};

/* Makes the card with @r's can_grow and is_split, after @change (NULL: none) of
 * its configuration space. */
void vfio_rig_init(struct vfio_rig *r, bool can_grow, bool is_split,
		   void (*change)(struct vfio_rig *r));
void vfio_rig_fini(struct vfio_rig *r);

uint64_t card_cfg(struct vfio_rig *r, unsigned off, unsigned size);
void card_put(struct vfio_rig *r, unsigned off, unsigned size, uint64_t value);
/* Returns how many bytes of BAR @bar the guest has mapped. */
uint64_t card_mapped(struct vfio_rig *r, unsigned bar);
/* Sends an interrupt as VFIO does. */
void card_interrupt(struct vfio_rig *r, unsigned index, unsigned vector);

#endif

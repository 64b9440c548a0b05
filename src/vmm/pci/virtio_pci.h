/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio over PCI (virtio 1.2, clause 4.1); see virtio_dev.h. */
#ifndef RW_VMM_VIRTIO_PCI_H
#define RW_VMM_VIRTIO_PCI_H

#include "pci.h"
#include "virtio_dev.h"

/* Which registers a device has (virtio 1.2, clause 1.3.1). */
enum virtio_pci_kind {
	VIRTIO_PCI_MODERN,
	VIRTIO_PCI_TRANSITIONAL, /* both */
	VIRTIO_PCI_LEGACY,
};

struct virtio_pci_conf {
	enum virtio_pci_kind kind;
	int slot;	     /* -1: the first free one */
	int vectors;	     /* MSI-X vectors; 0: INTx only; -1: one a ring, and
			      * one for the configuration */
	bool is_hot;	     /* the guest runs; it is to be told */
	struct pci_rom *rom; /* NULL: none; borrowed */
};

struct virtio_pci;

/* Plugs @d into @bus. @d stays the caller's until virtio_pci_destroy(), which
 * stops its rings and calls its destroy(). Returns 0 or -errno with @err
 * (-EINVAL for legacy registers of a type that has none); then @d is still the
 * caller's.
 */
int virtio_pci_create(struct pci_bus *bus, struct virtio_dev *d,
		      const struct virtio_pci_conf *c, struct virtio_pci **out,
		      struct err *err);
/* No vCPU is in a handler of it: either none runs, or all left since
 * virtio_pci_hide(). */
void virtio_pci_destroy(struct virtio_pci *v);

/* Takes it off the guest's bus, as pci_hide(). Its rings go on. */
void virtio_pci_hide(struct virtio_pci *v);
/* Returns the slot that it is in. */
unsigned virtio_pci_slot(const struct virtio_pci *v);

void virtio_pci_show(struct virtio_pci *v, struct show *s);

#endif

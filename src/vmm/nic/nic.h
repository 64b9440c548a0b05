/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emulated network cards, for guests without virtio drivers: each is a port of
 * the switch with one queue pair, and a PCI function that is plugged into a
 * machine. The port outlives machines, as that of a virtio card does. Control
 * thread.
 */
#ifndef RW_VMM_NIC_H
#define RW_VMM_NIC_H

#include "gmem.h"
#include "netcard_conf.h"
#include "pci_rom.h"
#include "port.h"

/* Cards, whose options are struct netcard_conf, by the name of -device, a list
 * that ends with NULL. Not in the table of port types: only a machine has them.
 */
extern const struct port_type *const nic_types[];

/* Returns whether @type is one of them. */
bool nic_is(const struct port_type *type);

/* Plugs the card, a port of one of nic_types, into @bus; its frames are in
 * @ram. Returns 0, or -errno with @err and nothing plugged. */
int nic_plug(struct port *p, struct pci_bus *bus, struct gmem *ram,
	     const struct pci_plug *how, struct err *err);
/* Unplugs it: no vCPU is in a handler of it, either because none runs, or
 * because all left since nic_hide(). No memory of the guest is touched after
 * the return. Does nothing for a card that is not plugged. */
void nic_unplug(struct port *p);

/* Takes it off the guest's bus, as pci_hide(). */
void nic_hide(struct port *p);
/* Returns the slot that it is in. */
unsigned nic_slot(const struct port *p);

/* Returns the file of iPXE's for the card, or NULL: there is none. */
const char *nic_rom(const struct port *p);

/* Tells the driver whether the card has a link; initially it has. */
void nic_set_link(struct port *p, bool is_up);

/* Shows the device, as virtio_pci_show() does others. */
void nic_show_device(struct port *p, struct show *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration space of a function: registers, write masks, capabilities.
 * vCPU threads; at start the control thread. */
#include <assert.h>

#include "pci_impl.h"
#include "shm.h"

/* The same bits for every function: those that it has no use for do nothing. */
#define COMMAND_WRITABLE                                            \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | \
	 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define STATUS_W1C                                                   \
	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |           \
	 PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT | \
	 PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY)
#define CAPS_END 256

void pci_config_init(struct pci_dev *d, const struct pci_id *id)
{
	uint8_t *c = d->config;

	pci_put(c, PCI_VENDOR_ID, 2, id->vendor);
	pci_put(c, PCI_DEVICE_ID, 2, id->device);
	pci_put(c, PCI_CLASS_REVISION, 4, id->class << 8 | id->revision);
	pci_put(c, PCI_SUBSYSTEM_VENDOR_ID, 2, id->subvendor);
	pci_put(c, PCI_SUBSYSTEM_ID, 2, id->subdevice);
	pci_put(d->writable, PCI_COMMAND, 2, COMMAND_WRITABLE);
	pci_put(d->w1c, PCI_STATUS, 2, STATUS_W1C);
	d->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	d->writable[PCI_LATENCY_TIMER] = 0xff;
	d->writable[PCI_INTERRUPT_LINE] = 0xff;
	d->caps_end = PCI_STD_HEADER_SIZEOF;
}

unsigned pci_add_cap(struct pci_dev *d, uint8_t id, unsigned size)
{
	unsigned at = d->caps_end, last = PCI_CAPABILITY_LIST;

	assert(size >= 2 && at + size <= CAPS_END);
	while (d->config[last])
		last = d->config[last] + PCI_CAP_LIST_NEXT;
	d->config[last] = (uint8_t)at;
	d->config[at + PCI_CAP_LIST_ID] = id;
	d->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	d->caps_end = at + (unsigned)align_up(size, 4);
	return at;
}

uint64_t pci_config_read(struct pci_dev *d, unsigned off, unsigned size)
{
	uint64_t value = 0;

	pci_lock(d);
	/* The level of INTA before the disable bit. */
	d->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (shm_load(&d->intx_wanted) && !msix_is_on(d) && !msi_count(d))
		d->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	if (d->msi)
		msi_config_reading(d, off, size);
	if (d->config_reading)
		d->config_reading(d, off, size);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)d->config[off + i] << (8 * i);
	pci_unlock(d);
	return value;
}

static void put_byte(struct pci_dev *d, unsigned off, uint8_t value)
{
	uint8_t mask = d->writable[off], old = d->config[off];

	d->config[off] = (uint8_t)(((old & ~mask) | (value & mask)) &
				   ~(value & d->w1c[off]));
}

void pci_config_write(struct pci_dev *d, unsigned off, unsigned size,
		      uint64_t value)
{
	bool has_left = false;

	pci_lock(d);
	for (unsigned i = 0; i < size; i++)
		put_byte(d, off + i, (uint8_t)(value >> (8 * i)));
	if (pci_touches(off, size, PCI_COMMAND, 2) ||
	    pci_touches(off, size, PCI_BASE_ADDRESS_0, 4 * PCI_BARS) ||
	    pci_touches(off, size, PCI_ROM_ADDRESS, 4))
		has_left = pci_bars_update(d);
	if (d->msix)
		msix_config_written(d, off, size);
	if (d->msi)
		msi_config_written(d, off, size);
	pci_update_intx(d);
	if (d->config_written)
		d->config_written(d, off, size);
	pci_unlock(d);
	if (has_left)
		pci_bars_retry(d->bus);
	if (d->config_after)
		d->config_after(d, off, size);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration space of a card. A bit is ours (BARs, command register,
 * interrupts, the chains of capabilities), or the card's: then the guest reads
 * and writes it there, and the kernel's VFIO keeps it from what would harm the
 * host. vCPU threads, under the lock. Calls the card's file.
 */
#include <errno.h>
#include <string.h>

#include "vfio_impl.h"

#define POWER_STATE 3u /* bits of the power register; 0 is D0 */

int vfio_config_get(const struct vfio_dev *d, unsigned off, unsigned size,
		    void *data)
{
	ssize_t n = d->ops->read(d->fd, data, size, d->config.at + off);

	return n == (ssize_t)size ? 0 : n < 0 ? (int)n : -EIO;
}

int vfio_config_put(const struct vfio_dev *d, unsigned off, unsigned size,
		    const void *data)
{
	ssize_t n = d->ops->write(d->fd, data, size, d->config.at + off);

	return n == (ssize_t)size ? 0 : n < 0 ? (int)n : -EIO;
}

static bool is_direct(const struct vfio_dev *d, unsigned off, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		if (d->direct[off + i])
			return true;
	return false;
}

/* Puts the card's bits into ours. */
static void merge(struct vfio_dev *d, unsigned off, unsigned size,
		  const uint8_t *card)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t mask = d->direct[off + i], *c = &d->pci.config[off + i];

		*c = (uint8_t)((*c & ~mask) | (card[i] & mask));
	}
}

void vfio_config_reading(struct pci_dev *p, unsigned off, unsigned size)
{
	struct vfio_dev *d = vfio_of(p);
	uint8_t card[8];

	if (!is_direct(d, off, size))
		return;
	if (vfio_config_get(d, off, size, card))
		memset(card, 0xff, size); /* it does not answer */
	merge(d, off, size, card);
}

/* Gives the card the bits that are its own, as the guest wrote them. Others
 * stay as they are there: a byte that is in part the card's is read first. */
static void write_direct(struct vfio_dev *d, unsigned off, unsigned size)
{
	const uint8_t *ours = d->pci.config + off;
	uint8_t value[8] = { 0 };
	bool is_whole = true;

	for (unsigned i = 0; i < size; i++)
		is_whole &= d->direct[off + i] == 0xff;
	if (!is_whole && vfio_config_get(d, off, size, value))
		return;
	for (unsigned i = 0; i < size; i++) {
		uint8_t mask = is_whole ? 0xff : d->direct[off + i];

		value[i] = (uint8_t)((value[i] & ~mask) | (ours[i] & mask));
	}
	vfio_config_put(d, off, size, value);
}

static void write_command(struct vfio_dev *d)
{
	uint16_t command = pci_get16(&d->pci, PCI_COMMAND);

	/* pci_bars_update() has taken away what goes; what comes may be mapped
	 * only when the card decodes. */
	if (!(command & PCI_COMMAND_MEMORY)) {
		d->is_decoding = false;
		vfio_bars_update(d);
	}
	if (vfio_config_put(d, PCI_COMMAND, 2, &command))
		return;
	d->is_decoding = command & PCI_COMMAND_MEMORY;
	vfio_bars_update(d);
}

static void write_power(struct vfio_dev *d, unsigned off, unsigned size)
{
	bool is_asleep = d->pci.config[d->power] & POWER_STATE;

	if (is_asleep) {
		d->is_asleep = true;
		vfio_bars_update(d);
	}
	write_direct(d, off, size);
	d->is_asleep = is_asleep;
	vfio_bars_update(d);
}

void vfio_config_written(struct pci_dev *p, unsigned off, unsigned size)
{
	struct vfio_dev *d = vfio_of(p);

	if (pci_touches(off, size, PCI_COMMAND, 2))
		write_command(d);
	if (d->power && pci_touches(off, size, d->power, 1))
		write_power(d, off, size);
	else if (is_direct(d, off, size))
		write_direct(d, off, size);
	vfio_irq_update(d);
}

int vfio_config_read_id(struct vfio_dev *d, struct pci_id *id, struct err *err)
{
	uint8_t raw[PCI_STD_HEADER_SIZEOF];
	int rc = vfio_config_get(d, 0, sizeof(raw), raw);

	if (rc)
		return err_set(err, rc,
			       "%s: its configuration space cannot be read: %s",
			       d->address, strerror(-rc));
	if ((raw[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return err_set(err, -EINVAL,
			       "%s is a bridge, which no guest can have",
			       d->address);
	*id = (struct pci_id){
		.vendor = (uint16_t)(raw[0] | raw[1] << 8),
		.device = (uint16_t)(raw[2] | raw[3] << 8),
		.revision = raw[PCI_REVISION_ID],
		.class = raw[9] | (uint32_t)raw[10] << 8 |
			 (uint32_t)raw[11] << 16,
		.subvendor = (uint16_t)(raw[0x2c] | raw[0x2d] << 8),
		.subdevice = (uint16_t)(raw[0x2e] | raw[0x2f] << 8),
	};
	return 0;
}

/* The header, beyond what pci_add() made. An INTB to INTD of the card is the
 * slot's INTA. */
static void init_header(struct vfio_dev *d, const uint8_t *raw)
{
	uint8_t *c = d->pci.config;

	memcpy(c + PCI_CARDBUS_CIS, raw + PCI_CARDBUS_CIS, 4);
	c[PCI_MIN_GNT] = raw[PCI_MIN_GNT];
	c[PCI_MAX_LAT] = raw[PCI_MAX_LAT];
	if (!raw[PCI_INTERRUPT_PIN]) {
		c[PCI_INTERRUPT_PIN] = 0;
		c[PCI_INTERRUPT_LINE] = 0;
	}
	vfio_caps_direct(d, PCI_STATUS, 2);
	memset(d->pci.w1c + PCI_STATUS, 0, 2);
	/* Our chain of capabilities, not the card's. */
	d->direct[PCI_STATUS] &= (uint8_t)~PCI_STATUS_CAP_LIST;
	d->pci.writable[PCI_STATUS] &= (uint8_t)~PCI_STATUS_CAP_LIST;
}

int vfio_config_init(struct vfio_dev *d, struct err *err)
{
	unsigned size = d->config.size < 4096 ? PCI_CFG_SPACE_SIZE : 4096;
	static const uint16_t none;
	uint8_t raw[4096] = { 0 };
	int rc = vfio_config_get(d, 0, size, raw);

	if (!rc)
		rc = vfio_config_put(d, PCI_COMMAND, 2, &none);
	if (rc)
		return err_set(err, rc,
			       "%s: its configuration space cannot be used: %s",
			       d->address, strerror(-rc));
	init_header(d, raw);
	vfio_caps_direct(d, PCI_STD_HEADER_SIZEOF,
			 PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF);
	return vfio_caps_init(d, raw, err);
}

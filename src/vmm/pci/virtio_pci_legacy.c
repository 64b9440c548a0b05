/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The legacy registers of virtio over PCI, in ports (virtio 1.2, clauses
 * 2.7.2, 4.1.4.10 and 4.1.5.1.3). vCPU threads. Calls the model for its
 * configuration only.
 *
 * They are in the guest's byte order, which is that of modern devices on x86.
 * An access counts for the register where it begins, whatever its length.
 */
#include "shm.h"
#include "virtio.h"
#include "virtio_pci_impl.h"

enum {
	DEVICE_FEATURES = 0,
	DRIVER_FEATURES = 4,
	QUEUE_PFN = 8,
	QUEUE_SIZE = 12,
	QUEUE_SELECT = 14,
	QUEUE_NOTIFY = VPCI_LEGACY_NOTIFY,
	STATUS = 18,
	ISR = 19,
	/* With MSI-X only; else the device's own configuration is here. */
	CONFIG_VECTOR = 20,
	QUEUE_VECTOR = 22,
};

/* A ring is in contiguous pages, whose number the driver gives; its used ring
 * begins in a page of its own. */
#define PAGE	   4096u
#define PAGE_SHIFT 12

/* Clause 6.2: a device offers ANY_LAYOUT to legacy drivers. */
uint64_t vpci_legacy_features(const struct virtio_pci *v)
{
	return (v->dev->features | feat_bit(VIRTIO_F_ANY_LAYOUT)) & UINT32_MAX;
}

/* Returns where the device's own configuration begins. */
static unsigned header_size(const struct virtio_pci *v)
{
	return msix_is_on(&v->pci) ? VPCI_LEGACY_SIZE : CONFIG_VECTOR;
}

static struct virtio_pci *of_range(struct bus_range *r)
{
	return container_of(r, struct virtio_pci,
			    pci.bar[VPCI_BAR_LEGACY].range);
}

static void fill(struct virtio_pci *v, uint8_t *image)
{
	const struct vpci_ring *r = vpci_selected(v);

	pci_put(image, DEVICE_FEATURES, 4, vpci_legacy_features(v));
	pci_put(image, DRIVER_FEATURES, 4, v->driver_features);
	if (r && r->is_enabled)
		pci_put(image, QUEUE_PFN, 4, r->desc >> PAGE_SHIFT);
	if (r)
		pci_put(image, QUEUE_SIZE, 2, r->size);
	pci_put(image, QUEUE_SELECT, 2, v->queue_select);
	pci_put(image, STATUS, 1, shm_load_acquire(&v->status));
	pci_put(image, CONFIG_VECTOR, 2, v->config_vector);
	pci_put(image, QUEUE_VECTOR, 2, r ? r->vector : VPCI_NO_VECTOR);
}

static uint64_t read_locked(struct virtio_pci *v, unsigned off, unsigned size)
{
	uint8_t image[VPCI_LEGACY_SIZE] = { 0 };
	unsigned end = header_size(v);
	uint64_t value = 0;

	if (off >= end)
		return vpci_read_config(v, off - end, size);
	if (off == ISR)
		return vpci_read_isr(v);
	fill(v, image);
	for (unsigned i = 0; i < MIN(size, end - off); i++)
		value |= (uint64_t)image[off + i] << (8 * i);
	return value;
}

static uint64_t read_bar(struct bus_range *r, uint64_t off, unsigned size)
{
	struct virtio_pci *v = of_range(r);
	uint64_t value;

	pci_lock(&v->pci);
	value = read_locked(v, (unsigned)off, size);
	pci_unlock(&v->pci);
	return value;
}

/* Page 0 takes the ring away. */
static enum vpci_verb write_pfn(struct virtio_pci *v, uint32_t pfn)
{
	struct vpci_ring *r = vpci_selected(v);

	if (!r || r->is_enabled == (pfn != 0))
		return VPCI_NOTHING;
	if (!pfn)
		return VPCI_LEGACY_REMOVE;
	r->desc = (uint64_t)pfn << PAGE_SHIFT;
	r->driver = r->desc + 16ull * r->size;
	r->device = align_up(r->driver + 2 * (3ull + r->size), PAGE);
	return VPCI_ENABLE_RING;
}

/* Old drivers use the rings before they set DRIVER_OK (clause 3.1.2). */
static enum vpci_verb notify(struct virtio_pci *v, uint16_t idx)
{
	if (idx >= v->dev->ring_count)
		return VPCI_NOTHING;
	if (v->ring[idx].is_enabled && !v->is_live &&
	    shm_load(&v->status) & VIRTIO_STATUS_DRIVER)
		return VPCI_LEGACY_START;
	vpci_ring_kick(&v->ring[idx]);
	return VPCI_NOTHING;
}

static struct vpci_change write_locked(struct virtio_pci *v, unsigned off,
				       uint32_t value)
{
	struct vpci_change c = { VPCI_NOTHING, v->queue_select,
				 (uint8_t)value };

	switch (off) {
	case DRIVER_FEATURES:
		if (!v->is_live &&
		    !(shm_load(&v->status) & VIRTIO_STATUS_FEATURES_OK))
			v->driver_features = value;
		break;
	case QUEUE_PFN:
		c.verb = write_pfn(v, value);
		break;
	case QUEUE_SELECT:
		v->queue_select = (uint16_t)value;
		break;
	case QUEUE_NOTIFY:
		c.verb = notify(v, (uint16_t)value);
		break;
	case STATUS:
		c.verb = VPCI_LEGACY_STATUS;
		break;
	case CONFIG_VECTOR:
		vpci_write_config_vector(v, (uint16_t)value);
		break;
	case QUEUE_VECTOR:
		return vpci_write_ring_vector(v, (uint16_t)value);
	}
	return c;
}

static void write_bar(struct bus_range *range, uint64_t off, unsigned size,
		      uint64_t value)
{
	struct virtio_pci *v = of_range(range);
	struct vpci_change c = { VPCI_NOTHING, 0, 0 };
	unsigned end;

	pci_lock(&v->pci);
	end = header_size(v);
	if (off < end)
		c = write_locked(v, (unsigned)off, (uint32_t)value);
	else
		vpci_write_config(v, (unsigned)off - end, size, value);
	pci_unlock(&v->pci);
	vpci_change(v, &c);
}

void vpci_legacy_init(struct virtio_pci *v)
{
	struct pci_bar bar = { .kind = PCI_BAR_IO,
			       .size = 32,
			       .range = { .read = read_bar,
					  .write = write_bar } };

	while (bar.size < VPCI_LEGACY_SIZE + v->dev->config_size)
		bar.size *= 2;
	v->pci.bar[VPCI_BAR_LEGACY] = bar;
}

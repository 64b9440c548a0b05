/* SPDX-License-Identifier: Apache-2.0 */
/* The BARs of a card: what of them the guest has mapped, and its accesses to
 * the rest. vCPU threads. Calls the card's file. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "log.h"
#include "vfio_impl.h"

static struct vfio_dev *of_range(struct bus_range *r, unsigned *index)
{
	struct pci_bar *b = container_of(r, struct pci_bar, range);

	*index = (unsigned)(b - b->dev->bar);
	return vfio_of(b->dev);
}

/* Returns whether an access is to @p, and makes its offset one in there. */
static bool is_in(const struct vfio_place *p, unsigned bar, uint64_t *off)
{
	if (bar != p->bar || *off < p->off || *off - p->off >= p->size)
		return false;
	*off -= p->off;
	return true;
}

/* A card that does not answer reads as all ones. */
static uint64_t read_bar(struct bus_range *r, uint64_t off, unsigned size)
{
	uint64_t value = 0;
	unsigned bar;
	struct vfio_dev *d = of_range(r, &bar);

	if (is_in(&d->table, bar, &off))
		return msix_table_read(&d->pci, off, size);
	if (is_in(&d->bits, bar, &off))
		return msix_pending_read(&d->pci, off, size);
	if (d->ops->read(d->fd, &value, size, d->bar[bar].at + off) !=
	    (ssize_t)size)
		return ~0ull;
	return value;
}

static void write_bar(struct bus_range *r, uint64_t off, unsigned size,
		      uint64_t value)
{
	unsigned bar;
	struct vfio_dev *d = of_range(r, &bar);

	if (is_in(&d->table, bar, &off))
		msix_table_write(&d->pci, off, size, value);
	else if (!is_in(&d->bits, bar, &off))
		d->ops->write(d->fd, &value, size, d->bar[bar].at + off);
}

/* Returns what the card's register says of BAR @i. */
static enum pci_bar_kind kind_of(const struct vfio_dev *d, unsigned i,
				 bool *is_prefetchable)
{
	uint32_t reg = 0;

	*is_prefetchable = false;
	if (!d->bar[i].size ||
	    vfio_config_get(d, PCI_BASE_ADDRESS_0 + 4 * i, 4, &reg))
		return PCI_BAR_NONE;
	if (reg & PCI_BASE_ADDRESS_SPACE_IO)
		return PCI_BAR_IO;
	*is_prefetchable = reg & PCI_BASE_ADDRESS_MEM_PREFETCH;
	return (reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
			       PCI_BASE_ADDRESS_MEM_TYPE_64
		       ? PCI_BAR_MEM64
		       : PCI_BAR_MEM32;
}

/* Sizes are those that a BAR can have (PCI 3.0, clause 6.2.5.1). */
static bool is_possible(enum pci_bar_kind kind, uint64_t size, unsigned i)
{
	if (!is_power_of_two(size))
		return false;
	if (kind == PCI_BAR_IO)
		return size >= 4 && size <= 256;
	if (kind == PCI_BAR_MEM64)
		return size >= 16 && i + 1 < PCI_BARS;
	return size >= 16 && size < 1ull << 32;
}

void vfio_bars_init(struct vfio_dev *d)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		bool is_prefetchable;
		enum pci_bar_kind kind = kind_of(d, i, &is_prefetchable);

		if (kind == PCI_BAR_NONE)
			continue;
		if (!is_possible(kind, d->bar[i].size, i)) {
			log_warn("device=%s: BAR %u of 0x%" PRIx64
				 " bytes is left away: no guest can use it",
				 d->name, i, d->bar[i].size);
			continue;
		}
		d->pci.bar[i] = (struct pci_bar){
			.kind = kind,
			.size = d->bar[i].size,
			.is_prefetchable = is_prefetchable,
			.range = { .read = read_bar, .write = write_bar },
		};
	}
}

static void map_area(struct vfio_dev *d, const struct pci_bar *b,
		     struct vfio_area *a)
{
	int n = vm_map(d->vm, b->range.base + a->off, a->host, a->size);

	if (n < 0)
		log_limited(&d->log, LOG_LEVEL_WARN,
			    "device=%s: registers at 0x%" PRIx64
			    " are not mapped, each access is slow: %s",
			    d->name, b->range.base + a->off, strerror(-n));
	else
		a->mapping = n;
}

static void unmap_area(struct vfio_dev *d, struct vfio_area *a)
{
	if (a->mapping >= 0)
		vm_unmap(d->vm, a->mapping);
	a->mapping = -1;
}

void vfio_bars_update(struct vfio_dev *d)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &d->pci.bar[i];
		bool is_on = b->is_mapped && d->is_decoding && !d->is_asleep;

		for (unsigned k = 0; k < d->bar[i].count; k++) {
			struct vfio_area *a = &d->bar[i].area[k];

			if (!is_on)
				unmap_area(d, a);
			else if (a->mapping < 0)
				map_area(d, b, a);
		}
	}
}

/* A BAR that moves leaves the bus first, so a mapping is never at an old
 * address. */
void vfio_bar_changed(struct pci_dev *p, unsigned bar)
{
	(void)bar;
	vfio_bars_update(vfio_of(p));
}

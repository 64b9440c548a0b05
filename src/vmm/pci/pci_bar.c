/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BARs: their registers, their addresses, their place on the buses. vCPU
 * threads, under the function's lock; at start the control thread. Calls the
 * bus.
 *
 * A BAR is on a bus while the command register enables decoding and its address
 * is one that it can have. A guest may give an address that something else has:
 * then the BAR is on no bus, and waits until that leaves.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "log.h"
#include "pci_impl.h"
#include "shm.h"

/* A page of its own: a monitor in the guest may pass a BAR on. */
#define MEM_ALIGN 4096ull
#define PORTS	  0x10000u

static unsigned register_of(unsigned i)
{
	return i == PCI_ROM ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * i;
}

/* Returns the first free address of a window, which ends at @end, and takes it
 * away; or 0. */
static uint64_t take(uint64_t *next, uint64_t end, uint64_t size,
		     uint64_t align)
{
	uint64_t at = align_up(*next, MAX(size, align));

	if (at < *next || !range_is_inside(at, size, end))
		return 0;
	*next = at + size;
	return at;
}

static uint64_t assign(struct pci_bus *b, const struct pci_bar *bar)
{
	switch (bar->kind) {
	case PCI_BAR_NONE:
		break;
	case PCI_BAR_IO:
		return take(&b->next_io, PCI_IO_BASE + PCI_IO_SIZE, bar->size,
			    1);
	case PCI_BAR_MEM32:
	case PCI_BAR_ROM:
		return take(&b->next_mem, PCI_MMIO_BASE + PCI_MMIO_SIZE,
			    bar->size, MEM_ALIGN);
	case PCI_BAR_MEM64:
		return take(&b->next_mem64, b->end_mem64, bar->size, MEM_ALIGN);
	}
	return 0;
}

int pci_bar_init(struct pci_dev *d, unsigned i, struct err *err)
{
	struct pci_bar *bar = &d->bar[i];
	uint64_t mask = ~(bar->size - 1);
	uint64_t at = d->is_hot ? 0 : assign(d->bus, bar);
	unsigned reg = register_of(i);

	assert(is_power_of_two(bar->size));
	if (!at && !d->is_hot)
		return err_set(err, -ENOSPC,
			       "no addresses are left for BAR %u of 0x%" PRIx64
			       " bytes",
			       i, bar->size);
	bar->dev = d;
	bar->range.name = d->name;
	bar->range.base = at;
	bar->range.size = bar->size;
	switch (bar->kind) {
	case PCI_BAR_NONE:
		break;
	case PCI_BAR_IO:
		assert(bar->size >= 4 && bar->size <= 256);
		/* Ports have 16 bits. The register has more: SeaBIOS takes it
		 * for one of 4 GiB otherwise, which clause 6.2.5.1 of PCI 3.0
		 * tells it not to. */
		pci_put(d->writable, reg, 4, mask);
		pci_put(d->config, reg, 4, at | PCI_BASE_ADDRESS_SPACE_IO);
		break;
	case PCI_BAR_MEM32:
		assert(bar->size >= 16 && bar->size < 1ull << 32);
		pci_put(d->writable, reg, 4, mask);
		pci_put(d->config, reg, 4, at);
		break;
	case PCI_BAR_MEM64:
		assert(bar->size >= 16 && i + 1 < PCI_BARS &&
		       d->bar[i + 1].kind == PCI_BAR_NONE);
		pci_put(d->writable, reg, 8, mask);
		pci_put(d->config, reg, 8, at | PCI_BASE_ADDRESS_MEM_TYPE_64);
		break;
	case PCI_BAR_ROM:
		/* Clause 6.2.5.2 of PCI 3.0: an address and a bit that enables
		 * it, which is clear. */
		pci_put(d->writable, reg, 4, mask | PCI_ROM_ADDRESS_ENABLE);
		pci_put(d->config, reg, 4, at);
		break;
	}
	if (bar->is_prefetchable)
		d->config[reg] |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	return 0;
}

/* Returns the address that the guest gave to BAR @i, or 0 while it is not to be
 * on the bus. Address 0 is what a BAR without an address has. */
static uint64_t wanted_base(const struct pci_dev *d, unsigned i)
{
	const struct pci_bar *bar = &d->bar[i];
	uint16_t command = pci_get16(d, PCI_COMMAND);
	bool is_io = bar->kind == PCI_BAR_IO;
	uint64_t base;

	if (bar->kind == PCI_BAR_NONE ||
	    !(command & (is_io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
		return 0;
	base = pci_get32(d, register_of(i));
	if (bar->kind == PCI_BAR_ROM && !(base & PCI_ROM_ADDRESS_ENABLE))
		return 0;
	if (bar->kind == PCI_BAR_MEM64)
		base |= (uint64_t)pci_get32(d, register_of(i + 1)) << 32;
	base &= ~(bar->size - 1);
	/* The last byte of the address space is in no BAR: sizing writes all
	 * ones. */
	if (bar->kind != PCI_BAR_MEM64 && base + bar->size > UINT32_MAX)
		return 0;
	if (is_io && base + bar->size > PORTS)
		return 0;
	return base + bar->size < base ? 0 : base;
}

static struct bus *bus_of(struct pci_dev *d, const struct pci_bar *bar)
{
	struct vm *vm = d->bus->vm;

	return bar->kind == PCI_BAR_IO ? &vm->ports : &vm->memory;
}

static void unmap(struct pci_dev *d, unsigned i)
{
	struct pci_bar *bar = &d->bar[i];

	bus_remove(bus_of(d, bar), &bar->range);
	bar->is_mapped = false;
	if (d->bar_changed)
		d->bar_changed(d, i);
}

static void map(struct pci_dev *d, unsigned i, uint64_t base)
{
	struct pci_bar *bar = &d->bar[i];
	struct err err;

	bar->range.base = base;
	bar->is_waiting = bus_add(bus_of(d, bar), &bar->range, &err) != 0;
	if (bar->is_waiting) {
		if (!bar->was_refused)
			log_warn("device=%s: the guest's address for BAR %u "
				 "cannot be used: %s",
				 d->name, i, err.msg);
		bar->was_refused = true;
		return;
	}
	bar->is_mapped = true;
	if (d->bar_changed)
		d->bar_changed(d, i);
}

/* First all that go, then all that come: BARs may change places. */
bool pci_bars_update(struct pci_dev *d)
{
	uint64_t base[PCI_BARS + 1];
	bool has_left = false;

	if (shm_load(&d->is_hidden))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(d->bar); i++) {
		base[i] = wanted_base(d, i);
		d->bar[i].is_waiting = false;
		if (d->bar[i].is_mapped && base[i] != d->bar[i].range.base) {
			unmap(d, i);
			has_left = true;
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(d->bar); i++)
		if (base[i] && !d->bar[i].is_mapped)
			map(d, i, base[i]);
	return has_left;
}

static bool is_waiting(const struct pci_dev *d)
{
	for (unsigned i = 0; i < ARRAY_SIZE(d->bar); i++)
		if (d->bar[i].is_waiting)
			return true;
	return false;
}

void pci_bars_retry(struct pci_bus *b)
{
	for (unsigned i = 0; i < PCI_SLOTS; i++) {
		struct pci_dev *d = pci_find(b, i << 3);

		if (!d)
			continue;
		pci_lock(d);
		if (is_waiting(d))
			pci_bars_update(d);
		pci_unlock(d);
	}
}

void pci_bars_unmap(struct pci_dev *d)
{
	for (unsigned i = 0; i < ARRAY_SIZE(d->bar); i++)
		if (d->bar[i].is_mapped)
			unmap(d, i);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expansion ROMs (clauses 6.2.5.2 and 6.3 of PCI 3.0): a program of a function
 * for firmware, which copies it out of the memory that the function shows.
 * Control thread; vCPU threads read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pci_impl.h"
#include "pci_rom.h"

#define SIZE_LEAST 2048u
#define SIZE_MOST  (16u << 20)

/* Offsets in an image, whose numbers are little-endian. */
enum {
	IMAGE_SUM = 6,	   /* iPXE makes the sum of all bytes zero with it */
	IMAGE_DATA = 0x18, /* offset of the data structure, 16 bits */
	IMAGE_HEADER = 0x1a,
};

/* And in the data structure. */
enum { DATA_VENDOR = 4, DATA_DEVICE = 6, DATA_SIZE = 0x18 };

int pci_rom_create(uint64_t size, struct pci_rom **out, struct err *err)
{
	struct pci_rom *r;
	uint32_t whole = SIZE_LEAST;

	if (!size || size > SIZE_MOST)
		return err_set(err, -EINVAL,
			       "is no expansion ROM: its size is %llu bytes, "
			       "and should be 1 byte to 16 MiB",
			       (unsigned long long)size);
	while (whole < size)
		whole *= 2;
	r = calloc(1, sizeof(*r));
	if (r)
		r->bytes = malloc(whole);
	if (!r || !r->bytes) {
		free(r);
		return err_set(err, -ENOMEM, "out of memory");
	}
	r->size = whole;
	memset(r->bytes, 0xff, whole);
	*out = r;
	return 0;
}

void pci_rom_destroy(struct pci_rom *r)
{
	if (!r)
		return;
	free(r->bytes);
	free(r);
}

static unsigned get16(const struct pci_rom *r, unsigned off)
{
	return r->bytes[off] | (unsigned)r->bytes[off + 1] << 8;
}

/* Returns the offset of the first image's data structure, or 0. */
static unsigned find_data(const struct pci_rom *r)
{
	unsigned at = get16(r, IMAGE_DATA);

	return get16(r, 0) == 0xaa55 && at >= IMAGE_HEADER &&
			       at + DATA_SIZE <= r->size &&
			       !memcmp(r->bytes + at, "PCIR", 4)
		       ? at
		       : 0;
}

bool pci_rom_is_valid(const struct pci_rom *r)
{
	return find_data(r) != 0;
}

static uint64_t read_rom(struct bus_range *range, uint64_t off, unsigned size)
{
	const struct pci_bar *bar = container_of(range, struct pci_bar, range);
	const uint8_t *at = bar->dev->rom->bytes + off;
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static void write_nothing(struct bus_range *range, uint64_t off, unsigned size,
			  uint64_t value)
{
	(void)range;
	(void)off;
	(void)size;
	(void)value;
}

/* Changes 16 bits at @off, and the sum with them. */
static void set16(struct pci_rom *r, unsigned off, unsigned value)
{
	for (unsigned i = 0; i < 2; i++, value >>= 8) {
		uint8_t *at = &r->bytes[off + i];

		r->bytes[IMAGE_SUM] += (uint8_t)(*at - (uint8_t)value);
		*at = (uint8_t)value;
	}
}

void pci_rom_init(struct pci_dev *d, const struct pci_id *id)
{
	unsigned data = find_data(d->rom);

	if (d->rom->is_for_any && data) {
		set16(d->rom, data + DATA_VENDOR, id->vendor);
		set16(d->rom, data + DATA_DEVICE, id->device);
	}
	d->bar[PCI_ROM] =
		(struct pci_bar){ .kind = PCI_BAR_ROM,
				  .size = d->rom->size,
				  .range = { .read = read_rom,
					     .write = write_nothing } };
}

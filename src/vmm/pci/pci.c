/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI bus: its slots, the ways to the configuration space, the interrupt
 * lines. vCPU threads; the control thread adds and removes functions. Calls the
 * buses of the machine and the interrupts.
 *
 * The host bridge has the identity of QEMU's generic one (gpex). No kernel has
 * a quirk for it; chipsets of PCs have some. With firmware it has that of the
 * 440FX (8086:1237): SeaBIOS sets up memory types of the processor for a bridge
 * that it knows, and nonsense for another one, which Linux complains about.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pci_impl.h"
#include "shm.h"

#define CF8_ENABLE	  0x80000000u
#define RESET_REGISTER	  1 /* port CF9 */
#define RESET_CPU	  4
#define DATA		  4 /* port CFC */

#define CLASS_HOST_BRIDGE 0x060000

struct pci_dev *pci_find(struct pci_bus *b, unsigned bdf)
{
	struct pci_dev *d = NULL;

	if (bdf >= PCI_SLOTS << 3 || bdf & 7)
		return NULL;
	pthread_mutex_lock(&b->lock);
	d = b->slot[bdf >> 3];
	if (d && shm_load(&d->is_hidden))
		d = NULL;
	pthread_mutex_unlock(&b->lock);
	return d;
}

/* --- ECAM: every function has 4 KiB */

static uint64_t read_ecam(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pci_bus *b = container_of(r, struct pci_bus, ecam);
	struct pci_dev *d = pci_find(b, (unsigned)(off >> 12));

	if (!d || off & (size - 1))
		return ~0ull;
	return pci_config_read(d, off & 0xfff, size);
}

static void write_ecam(struct bus_range *r, uint64_t off, unsigned size,
		       uint64_t value)
{
	struct pci_bus *b = container_of(r, struct pci_bus, ecam);
	struct pci_dev *d = pci_find(b, (unsigned)(off >> 12));

	if (d && !(off & (size - 1)))
		pci_config_write(d, off & 0xfff, size, value);
}

/* --- Ports: an address at CF8, of 32 bits at once, and its data at CFC. Other
 * accesses to CF8 to CFB are not for the bridge, but for the reset register. */

static struct pci_dev *find_data(struct pci_bus *b, uint64_t off, unsigned size,
				 unsigned *reg)
{
	uint32_t address;

	if (off < DATA || off & (size - 1) || size > 4)
		return NULL;
	pthread_mutex_lock(&b->lock);
	address = b->address;
	pthread_mutex_unlock(&b->lock);
	*reg = (address & 0xfc) + (unsigned)(off - DATA);
	return address & CF8_ENABLE ? pci_find(b, address >> 8 & 0xffff) : NULL;
}

static uint64_t read_ports(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pci_bus *b = container_of(r, struct pci_bus, ports);
	uint64_t value = ~0ull;
	struct pci_dev *d;
	unsigned reg;

	if (off >= DATA) {
		d = find_data(b, off, size, &reg);
		return d ? pci_config_read(d, reg, size) : value;
	}
	pthread_mutex_lock(&b->lock);
	if (off == 0 && size == 4)
		value = b->address;
	else if (off == RESET_REGISTER && size == 1)
		value = b->reset;
	pthread_mutex_unlock(&b->lock);
	return value;
}

static void write_ports(struct bus_range *r, uint64_t off, unsigned size,
			uint64_t value)
{
	struct pci_bus *b = container_of(r, struct pci_bus, ports);
	struct pci_dev *d;
	unsigned reg;

	if (off >= DATA) {
		d = find_data(b, off, size, &reg);
		if (d)
			pci_config_write(d, reg, size, value);
		return;
	}
	pthread_mutex_lock(&b->lock);
	if (off == 0 && size == 4)
		b->address = (uint32_t)value;
	else if (off == RESET_REGISTER && size == 1)
		b->reset = (uint8_t)value & ~RESET_CPU;
	pthread_mutex_unlock(&b->lock);
	if (off == RESET_REGISTER && size == 1 && value & RESET_CPU)
		vm_end(b->vm, VM_END_RESET);
}

/* --- Interrupt lines: several slots share one */

/* INTA of each slot; the lines of ACPI's _PRT. */
static unsigned line_of(const struct pci_dev *d)
{
	return d->slot & (IRQ_PCI_COUNT - 1);
}

unsigned pci_intx_gsi(const struct pci_dev *d)
{
	return IRQ_PCI_FIRST + line_of(d);
}

static void update_line(struct pci_dev *d)
{
	struct pci_bus *b = d->bus;
	uint32_t *line = &b->line[line_of(d)], old = *line;

	*line &= ~(1u << d->slot);
	if (d->intx_wanted && !d->intx_off)
		*line |= 1u << d->slot;
	if (!old != !*line)
		irqs_set_line(&b->vm->irqs, pci_intx_gsi(d), *line);
}

void pci_set_intx(struct pci_dev *d, bool level)
{
	pthread_mutex_lock(&d->bus->line_lock);
	shm_store(&d->intx_wanted, level);
	update_line(d);
	pthread_mutex_unlock(&d->bus->line_lock);
}

void pci_update_intx(struct pci_dev *d)
{
	bool is_off = pci_get16(d, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE ||
		      msix_is_on(d) || msi_count(d);

	pthread_mutex_lock(&d->bus->line_lock);
	d->intx_off = is_off;
	update_line(d);
	pthread_mutex_unlock(&d->bus->line_lock);
}

/* --- Slots */

/* Takes @slot for @d. */
static int take_slot(struct pci_bus *b, struct pci_dev *d, int slot,
		     struct err *err)
{
	unsigned at = slot < 0 ? 0 : (unsigned)slot;

	while (slot < 0 && at < PCI_SLOTS && b->slot[at])
		at++;
	if (slot < 0 && at == PCI_SLOTS)
		return err_set(err, -ENOSPC, "no PCI slot is free");
	if (at >= PCI_SLOTS)
		return err_set(err, -EINVAL, "there is no PCI slot %d: 1 to %d",
			       slot, PCI_SLOTS - 1);
	if (b->slot[at])
		return err_set(err, -EEXIST, "PCI slot %u is taken by %s", at,
			       b->slot[at]->name);
	d->slot = at;
	return 0;
}

int pci_add(struct pci_bus *b, struct pci_dev *d, const struct pci_id *id,
	    int slot, struct err *err)
{
	int rc = take_slot(b, d, slot, err);

	if (rc)
		return rc;
	d->bus = b;
	pci_config_init(d, id);
	if (d->rom)
		pci_rom_init(d, id);
	for (unsigned i = 0; !rc && i < ARRAY_SIZE(d->bar); i++)
		if (d->bar[i].kind != PCI_BAR_NONE)
			rc = pci_bar_init(d, i, err);
	if (rc) {
		d->bus = NULL;
		return rc;
	}
	if (id->class != CLASS_HOST_BRIDGE) {
		d->config[PCI_INTERRUPT_PIN] = 1; /* INTA */
		d->config[PCI_INTERRUPT_LINE] = (uint8_t)pci_intx_gsi(d);
	}
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_lock(&b->lock);
	b->slot[d->slot] = d;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

void pci_remove(struct pci_dev *d)
{
	struct pci_bus *b = d->bus;

	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->slot[d->slot] = NULL;
	pthread_mutex_unlock(&b->lock);
	pci_lock(d);
	pci_bars_unmap(d);
	pci_unlock(d);
	pci_bars_retry(b);
	pci_set_intx(d, false);
	pthread_mutex_destroy(&d->lock);
	d->bus = NULL;
}

void pci_show(struct pci_dev *d)
{
	pthread_mutex_lock(&d->bus->lock);
	shm_store(&d->is_hidden, false);
	pthread_mutex_unlock(&d->bus->lock);
}

/* A handler that found @d before may map a BAR until we have the function's
 * lock, and sees is_hidden after that. */
void pci_hide(struct pci_dev *d)
{
	pthread_mutex_lock(&d->bus->lock);
	shm_store(&d->is_hidden, true);
	pthread_mutex_unlock(&d->bus->lock);
	pci_lock(d);
	pci_bars_unmap(d);
	pci_unlock(d);
	pci_bars_retry(d->bus);
}

/* --- The bus */

/* The windows of ACPI's _CRS; that of 64 bits begins behind the RAM. */
static void init_windows(struct pci_bus *b)
{
	const struct gmem *ram = b->vm->ram;
	const struct gmem_region *last = &ram->region[ram->count - 1];
	uint64_t ram_end = MAX(last->gpa + last->size, 1ull << 32);

	b->next_io = PCI_IO_BASE;
	b->next_mem = PCI_MMIO_BASE;
	b->next_mem64 = align_up(ram_end, PCI_MMIO64_SIZE);
	b->end_mem64 = b->next_mem64 + PCI_MMIO64_SIZE;
}

static int add_ranges(struct pci_bus *b, struct err *err)
{
	int rc;

	b->ports = (struct bus_range){ .name = "PCI",
				       .base = PORT_PCI,
				       .size = 8,
				       .read = read_ports,
				       .write = write_ports };
	b->ecam = (struct bus_range){ .name = "PCI",
				      .base = ECAM_BASE,
				      .size = ECAM_SIZE,
				      .read = read_ecam,
				      .write = write_ecam };
	rc = bus_add(&b->vm->ports, &b->ports, err);
	return rc ? rc : bus_add(&b->vm->memory, &b->ecam, err);
}

int pci_bus_create(struct vm *vm, struct pci_bus **out, struct err *err)
{
	static const struct pci_id bridge = { .vendor = 0x1b36,
					      .device = 0x0008,
					      .subvendor = 0x1af4,
					      .subdevice = 0x1100,
					      .class = CLASS_HOST_BRIDGE };
	struct pci_bus *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	b->vm = vm;
	pthread_mutex_init(&b->lock, NULL);
	pthread_mutex_init(&b->line_lock, NULL);
	init_windows(b);
	b->bridge.name = "host bridge";
	rc = pci_add(b, &b->bridge, &bridge, 0, err);
	if (!rc)
		rc = add_ranges(b, err);
	if (rc) {
		pci_bus_destroy(b);
		return rc;
	}
	*out = b;
	return 0;
}

/* Of the 440FX's registers those are here that say what is below 1 MiB (PAM,
 * clause 3.2.17 of Intel's 290549): RAM, which can be read and written. */
void pci_bus_be_440fx(struct pci_bus *b)
{
	enum { PAM = 0x59, PAMS = 7, READ_WRITE = 0x33 };

	pci_put(b->bridge.config, PCI_VENDOR_ID, 2, 0x8086);
	pci_put(b->bridge.config, PCI_DEVICE_ID, 2, 0x1237);
	memset(b->bridge.config + PAM, READ_WRITE, PAMS);
}

void pci_bus_destroy(struct pci_bus *b)
{
	if (!b)
		return;
	bus_remove(&b->vm->ports, &b->ports);
	bus_remove(&b->vm->memory, &b->ecam);
	pci_remove(&b->bridge);
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->line_lock);
	free(b);
}

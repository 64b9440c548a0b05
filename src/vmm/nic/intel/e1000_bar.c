/* SPDX-License-Identifier: Apache-2.0 */
/* BARs of Intel's cards: registers, and a window of ports to them. vCPU
 * threads. Calls the registers. */
#include "e1000_rows.h"

#define BAR_REGS      0
#define BAR_REGS_SIZE 0x20000u

/* The BAR of ports (13.3.2): an address, and the register that it names. */
enum { PORT_ADDRESS = 0, PORT_DATA = 4 };

static struct e1000 *of_range(struct bus_range *r)
{
	struct pci_bar *b = container_of(r, struct pci_bar, range);

	return e1000_of(container_of(b->dev, struct nic, pci));
}

/* Registers have 32 bits. A driver may read a part of one, and two at once. */
static uint64_t read_regs(struct bus_range *r, uint64_t off, unsigned size)
{
	struct e1000 *e = of_range(r);
	unsigned at = (unsigned)off & ~3u, shift = 8 * ((unsigned)off & 3);
	uint64_t value;

	pci_lock(&e->nic.pci);
	value = (uint64_t)e1000_read(e, at) >> shift;
	if (size == 8)
		value |= (uint64_t)e1000_read(e, at + 4) << 32;
	pci_unlock(&e->nic.pci);
	return value;
}

static void write_regs(struct bus_range *r, uint64_t off, unsigned size,
		       uint64_t value)
{
	struct e1000 *e = of_range(r);

	if (size < 4 || off & 3)
		return;
	pci_lock(&e->nic.pci);
	e1000_write(e, (unsigned)off, (uint32_t)value);
	if (size == 8)
		e1000_write(e, (unsigned)off + 4, (uint32_t)(value >> 32));
	pci_unlock(&e->nic.pci);
}

static uint64_t read_ports(struct bus_range *r, uint64_t off, unsigned size)
{
	struct e1000 *e = of_range(r);
	uint64_t value = ~0ull;

	if (size != 4)
		return value;
	pci_lock(&e->nic.pci);
	if (off == PORT_ADDRESS)
		value = e->io_address;
	else if (off == PORT_DATA)
		value = e1000_read(e, e->io_address);
	pci_unlock(&e->nic.pci);
	return value;
}

static void write_ports(struct bus_range *r, uint64_t off, unsigned size,
			uint64_t value)
{
	struct e1000 *e = of_range(r);

	if (size != 4)
		return;
	pci_lock(&e->nic.pci);
	if (off == PORT_ADDRESS)
		e->io_address = (uint32_t)value & (BAR_REGS_SIZE - 4);
	else if (off == PORT_DATA)
		e1000_write(e, e->io_address, (uint32_t)value);
	pci_unlock(&e->nic.pci);
}

void e1000_set_bars(struct nic *n, unsigned ports, unsigned size)
{
	n->pci.bar[BAR_REGS] =
		(struct pci_bar){ .kind = PCI_BAR_MEM32,
				  .size = BAR_REGS_SIZE,
				  .range = { .read = read_regs,
					     .write = write_regs } };
	n->pci.bar[ports] =
		(struct pci_bar){ .kind = PCI_BAR_IO,
				  .size = size,
				  .range = { .read = read_ports,
					     .write = write_ports } };
}

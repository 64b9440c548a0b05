/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/pci: whatever a guest writes to configuration space, BARs, MSI-X tables
 * and rings of a virtio device, modern or legacy, nothing breaks, KVM refuses
 * nothing, and a reset makes the device as it was. The first byte of the input
 * chooses the device; the others are operations with their arguments.
 */
#include "test.h"

#include <linux/pci_regs.h>
#include <string.h>
#undef PCI_IO_BASE

#include "echo_dev.h"
#include "fuzz.h"
#include "log.h"
#include "virtio_pci.h"
#include "vmm_rig.h"

#define SLOT  5
#define RINGS 0x4000ull /* where a driver that means well puts its rings */

struct guest {
	struct vmm_rig rig;
	struct pci_bus *bus;
	struct virtio_pci *v;
	struct echo_dev model;
	const uint8_t *data;
	size_t left;
};

/* Takes a number of @size bytes from the input; behind its end there are zeros.
 */
static uint64_t take(struct guest *g, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size && g->left; i++, g->data++, g->left--)
		value |= (uint64_t)*g->data << (8 * i);
	return value;
}

/* Accesses @off of BAR @bar, which is where the guest put it last. */
static void write_bar(struct guest *g, unsigned bar, unsigned off,
		      unsigned size, uint64_t value)
{
	uint64_t at = rig_bar(&g->rig, SLOT, bar) + off;

	if (bar)
		rig_write(&g->rig, at, size, value);
	else
		rig_out(&g->rig, (uint16_t)at, MIN(size, 4), value);
}

static uint64_t read_bar(struct guest *g, unsigned bar, unsigned off,
			 unsigned size)
{
	uint64_t at = rig_bar(&g->rig, SLOT, bar) + off;

	return bar ? rig_read(&g->rig, at, size)
		   : rig_in(&g->rig, (uint16_t)at, MIN(size, 4));
}

static void enable(struct guest *g)
{
	rig_config_write(&g->rig, SLOT, PCI_BASE_ADDRESS_0, 4, 0x4000);
	rig_config_write(&g->rig, SLOT, PCI_BASE_ADDRESS_1, 4, 0xd0000000);
	rig_config_write(&g->rig, SLOT, PCI_BASE_ADDRESS_4, 4, 0xd0100000);
	rig_config_write(&g->rig, SLOT, PCI_COMMAND, 2,
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}

static void start_modern(struct guest *g)
{
	unsigned idx = (unsigned)take(g, 1);
	uint64_t features = take(g, 4) | take(g, 1) << 32 | 1ull << 32;

	write_bar(g, 4, 20, 1, 0);
	for (unsigned i = 0; i < 2; i++) {
		write_bar(g, 4, 8, 4, i);
		write_bar(g, 4, 12, 4, features >> (32 * i) & UINT32_MAX);
	}
	write_bar(g, 4, 20, 1, 11);
	write_bar(g, 4, 16, 2, 1);
	write_bar(g, 4, 22, 2, idx);
	write_bar(g, 4, 24, 2, 16);
	write_bar(g, 4, 26, 2, idx);
	write_bar(g, 4, 32, 8, RINGS);
	write_bar(g, 4, 40, 8, RINGS + 256ull);
	write_bar(g, 4, 48, 8, RINGS + 512ull);
	write_bar(g, 4, 28, 2, 1);
	write_bar(g, 4, 20, 1, 15);
}

static void start_legacy(struct guest *g)
{
	unsigned idx = (unsigned)take(g, 1);
	uint64_t features = take(g, 4);

	write_bar(g, 0, 18, 1, 0);
	write_bar(g, 0, 18, 1, 3);
	write_bar(g, 0, 4, 4, features);
	write_bar(g, 0, 14, 2, idx);
	write_bar(g, 0, 8, 4, RINGS / 4096);
	write_bar(g, 0, 20, 4, idx << 16 | idx);
	write_bar(g, 0, 18, 1, 7);
}

static void set_msix(struct guest *g, bool is_on)
{
	unsigned cap = rig_find_cap(&g->rig, SLOT, PCI_CAP_ID_MSIX, 0);

	if (!cap)
		return;
	rig_config_write(&g->rig, SLOT, cap + PCI_MSIX_FLAGS, 2,
			 is_on ? PCI_MSIX_FLAGS_ENABLE : 0);
	for (unsigned i = 0; i <= ECHO_RINGS; i++)
		write_bar(g, 1, 16 * i + 12, 4, 0);
}

/* Fills guest memory with bytes of the input. */
static void poke(struct guest *g)
{
	uint64_t at = take(g, 2);
	unsigned n = (unsigned)take(g, 1);

	while (n-- && g->left)
		g->rig.ram[at++] = (uint8_t)take(g, 1);
}

/* An access through the window of the configuration space. */
static void use_window(struct guest *g)
{
	unsigned cap = rig_find_cap(&g->rig, SLOT, PCI_CAP_ID_VNDR, 4);
	unsigned size;

	if (!cap)
		return;
	rig_config_write(&g->rig, SLOT, cap + 4, 1, take(g, 1));
	rig_config_write(&g->rig, SLOT, cap + 8, 4, take(g, 4));
	size = 1u << (take(g, 1) & 3);
	rig_config_write(&g->rig, SLOT, cap + 12, 4, size);
	rig_config_write(&g->rig, SLOT, cap + 16, MIN(size, 4), take(g, 4));
	rig_config_read(&g->rig, SLOT, cap + 16, 4);
}

/* The way to configuration space by ports CF8 and CFC. */
static void use_ports(struct guest *g)
{
	unsigned how = (unsigned)take(g, 1);
	uint16_t port = (uint16_t)(0xcf8 + (how & 7));
	unsigned size = 1u << (how >> 3 & 3) % 3;

	rig_out(&g->rig, 0xcf8, 4, 0x80000000 | SLOT << 11 | take(g, 1));
	rig_out(&g->rig, port, size, take(g, 4));
	rig_in(&g->rig, port, size);
}

static void change_config(struct guest *g)
{
	unsigned at = (unsigned)take(g, 1) % ECHO_CONFIG;

	g->model.config[at] = (uint8_t)take(g, 1);
	g->model.dev.transport->config_changed(&g->model.dev);
}

static void step(struct guest *g)
{
	static const uint8_t bars[] = { 0, 4, 1, 4 };
	unsigned op = (unsigned)take(g, 1) % 14, how, off, size;

	switch (op) {
	case 0:
	case 1:
		off = (unsigned)take(g, 1);
		size = 1u << (take(g, 1) & 3);
		if (op == 0)
			rig_config_write(&g->rig, SLOT, off, size, take(g, 4));
		else
			rig_config_read(&g->rig, SLOT, off, size);
		break;
	case 2:
	case 3:
		how = (unsigned)take(g, 1); /* BAR and size */
		off = (unsigned)take(g, 2);
		size = 1u << (how >> 4 & 3);
		if (op == 2)
			write_bar(g, bars[how & 3], off, size, take(g, 4));
		else
			read_bar(g, bars[how & 3], off, size);
		break;
	case 4:
		poke(g);
		break;
	case 5:
		start_modern(g);
		break;
	case 6:
		start_legacy(g);
		break;
	case 7:
		for (unsigned i = 0; i < ECHO_RINGS; i++)
			echo_dev_serve(&g->model, i);
		break;
	case 8:
		change_config(g);
		break;
	case 9:
		set_msix(g, take(g, 1) & 1);
		break;
	case 10:
		rig_settle(&g->rig);
		break;
	case 11:
		use_window(g);
		break;
	case 12:
		enable(g);
		break;
	case 13:
		use_ports(g);
		break;
	}
}

/* The device is as new after a reset. */
static void check_reset(struct guest *g, enum virtio_pci_kind kind)
{
	bool is_legacy = kind == VIRTIO_PCI_LEGACY;

	enable(g);
	write_bar(g, is_legacy ? 0 : 4, is_legacy ? 18 : 20, 1, 0);
	must(!read_bar(g, is_legacy ? 0 : 4, is_legacy ? 18 : 20, 1));
	for (unsigned i = 0; i < ECHO_RINGS; i++)
		must(!g->model.is_running[i]);
	must(!g->model.dev.driver_features);
	must(!g->rig.faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest g;
	struct virtio_pci_conf c = { .slot = SLOT };
	struct err err;

	log_level = LOG_LEVEL_ERR;
	g = (struct guest){ .data = data, .left = size };
	c.kind = (enum virtio_pci_kind)((take(&g, 1) & 3) % 3);
	c.vectors = size && data[0] & 4 ? 0 : -1;
	vmm_rig_init(&g.rig);
	echo_dev_init(&g.model);
	must(!pci_bus_create(&g.rig.vm, &g.bus, &err));
	must(!virtio_pci_create(g.bus, &g.model.dev, &c, &g.v, &err));
	enable(&g);
	while (g.left)
		step(&g);
	check_reset(&g, c.kind);
	virtio_pci_destroy(g.v);
	pci_bus_destroy(g.bus);
	vmm_rig_fini(&g.rig);
	return 0;
}

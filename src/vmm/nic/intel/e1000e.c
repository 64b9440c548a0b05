/* SPDX-License-Identifier: Apache-2.0 */
/* The 82574L as a PCI function and a port. Control and vCPU threads. Calls what
 * Intel's cards share. */
#include "e1000e.h"

#include <linux/pci_regs.h>

#include "e1000_phy.h"

#define BAR_PORTS      2
#define BAR_PORTS_SIZE 32
#define BAR_MSIX       3
#define MSI_SIZE       14 /* bytes, with addresses of 64 bits */

static const struct pci_id id = { .vendor = 0x8086,
				  .device = 0x10d3,
				  .subvendor = 0x8086,
				  .subdevice = 0xa01f,
				  .class = 0x020000 };

/* 10.1.1 of the PHY's registers. */
static const uint16_t phy[32] = {
	[PHY_CONTROL] = 0x1140, /* 1000 Mbit/s, full duplex, negotiates */
	[PHY_STATUS] = 0x796d,	/* negotiated, the link is up */
	[PHY_ID1] = 0x0141,	/* Marvell 88E1149, as Intel has it */
	[PHY_ID2] = 0x0cb1,
	[PHY_ADVERTISED] = 0x0de1,
	[PHY_PARTNER] = 0x4de1, /* the same, acknowledged */
	[PHY_EXPANSION] = 0x000d,
	[PHY_NEXT_PAGE] = 0x2001,
	[PHY_1000_CONTROL] = 0x0300,
	[PHY_1000_STATUS] = 0x3c00,
	[PHY_EXT_STATUS] = 0x3000,
	[PHY_SPECIFIC_CONTROL] = 0x0078,
	[PHY_SPECIFIC_STATUS] = 0xac00, /* 1000, full duplex, up */
};

/* The card is on the root bus, where an endpoint is an integrated one: it has
 * no link (PCI Express 1.1, 7.8). */
static void add_express(struct pci_dev *d)
{
	unsigned at =
		pci_add_cap(d, PCI_CAP_ID_EXP, PCI_CAP_EXP_ENDPOINT_SIZEOF_V1);

	pci_put(d->config, at + PCI_EXP_FLAGS, 2, 1 | PCI_EXP_TYPE_RC_END << 4);
	pci_put(d->config, at + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER | 1);
	pci_put(d->config, at + PCI_EXP_DEVCTL, 2,
		PCI_EXP_DEVCTL_READRQ_512B | PCI_EXP_DEVCTL_NOSNOOP_EN |
			PCI_EXP_DEVCTL_RELAX_EN);
	pci_put(d->writable, at + PCI_EXP_DEVCTL, 2, 0x7fff);
	pci_put(d->w1c, at + PCI_EXP_DEVSTA, 2, 0xf);
}

/* 9.7.2: the address with 0xffff in its middle. */
static void add_serial(struct pci_dev *d, const uint8_t *mac)
{
	enum { AT = PCI_CFG_SPACE_SIZE };

	pci_put(d->config, AT, 4, PCI_EXT_CAP_ID_DSN | 1u << 16);
	pci_put(d->config, AT + 4, 4,
		mac[5] | mac[4] << 8 | mac[3] << 16 | 0xffu << 24);
	pci_put(d->config, AT + 8, 4,
		0xff | mac[2] << 8 | mac[1] << 16 | (uint32_t)mac[0] << 24);
}

/* 9.1.2: one message, for the causes of the line. */
static int add_msi(struct e1000e *x, struct err *err)
{
	struct pci_dev *d = &x->e.nic.pci;

	x->msi = pci_add_cap(d, PCI_CAP_ID_MSI, MSI_SIZE);
	pci_put(d->config, x->msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT);
	return msi_create(d, x->msi, err);
}

static int add_caps(struct nic *n, struct err *err)
{
	int rc = add_msi(e1000e_of(e1000_of(n)), err);

	add_express(&n->pci);
	add_serial(&n->pci, n->mac);
	return rc ? rc : msix_create(&n->pci, NIC_VECTORS, BAR_MSIX, err);
}

/* Causes that are there become messages or a level. */
static void config_written(struct pci_dev *d, unsigned off, unsigned size)
{
	struct nic *n = container_of(d, struct nic, pci);

	if (pci_touches(off, size, e1000e_of(e1000_of(n))->msi, MSI_SIZE))
		nic_irq_repeat(n);
	else
		nic_irq_update(n);
}

static void set_bars(struct nic *n)
{
	n->pci.config_written = config_written;
	e1000_set_bars(n, BAR_PORTS, BAR_PORTS_SIZE);
}

static void power_on(struct nic *n)
{
	struct e1000 *e = e1000_of(n);
	struct e1000e *x = e1000e_of(e);

	e->io_address = 0;
	memset(e->wide, 0, sizeof(e->wide));
	e1000e_nvm_init(x);
	e1000_phy_reset(e);
	e1000_reset(e);
}

static const struct e1000_model model = {
	.nic = { .id = &id,
		 .set_bars = set_bars,
		 .power_on = power_on,
		 .link_changed = e1000_link_changed,
		 .has_work = e1000_has_work,
		 .add_caps = add_caps,
		 .size = sizeof(struct e1000e),
		 .tx_offloads = OFFLOAD_CSUM,
		 .rom = "pxe-e1000e.rom" },
	.own = e1000e_rows,
	.phy = phy,
	.phy_pages = E1000_PHY_PAGES,
	.queues = 2,
	.reset = e1000e_reset,
	.has_queue = e1000e_has_queue,
	.add_rules = e1000e_add_rules,
};

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	return nic_create(env, common, conf, &port_e1000e_type, &model.nic,
			  &e1000_ops, out, err);
}

const struct port_type port_e1000e_type = {
	.name = "e1000e",
	.help = "a network card of the guest: Intel 82574L",
	.option = "device",
	.rows = nic_rows,
	.conf_size = sizeof(struct netcard_conf),
	.create = create,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The 82540EM as a PCI function and a port. Control and vCPU threads. Calls
 * what Intel's cards share. */
#include "e1000_phy.h"
#include "e1000_rows.h"

#define BAR_PORTS      1
#define BAR_PORTS_SIZE 64

static const struct pci_id id = { .vendor = 0x8086,
				  .device = 0x100e,
				  .subvendor = 0x8086,
				  .subdevice = 0x001e,
				  .revision = 3,
				  .class = 0x020000 };

static const uint16_t phy[32] = {
	[PHY_CONTROL] = 0x1140, /* 1000 Mbit/s, full duplex, negotiates */
	[PHY_STATUS] = 0x796d,	/* negotiated, the link is up */
	[PHY_ID1] = 0x0141,	/* Marvell 88E1011 */
	[PHY_ID2] = 0x0c20,
	[PHY_ADVERTISED] = 0x0de1,
	[PHY_PARTNER] = 0x4de1, /* the same, acknowledged */
	[PHY_EXPANSION] = 0x0001,
	[PHY_1000_CONTROL] = 0x0300,
	[PHY_1000_STATUS] = 0x3c00,
	[PHY_EXT_STATUS] = 0x3000,
	[PHY_SPECIFIC_CONTROL] = 0x0360,
	[PHY_SPECIFIC_STATUS] = 0xac00, /* 1000, full duplex, up */
	[PHY_EXT_CONTROL] = 0x0d60,
};

/* Words of the EEPROM (table 5-2). */
enum { WORD_INIT1 = 0x0a, WORD_INIT2 = 0x0f };

static uint32_t read_icr(struct e1000 *e, unsigned off)
{
	(void)off;
	return nic_irq_take(&e->nic, INT_ALL);
}

static void write_icr(struct e1000 *e, unsigned off, uint32_t value)
{
	(void)off;
	nic_irq_take(&e->nic, value);
}

static const struct e1000_reg own[] = {
	E1000_ONE(E1000_ICR, INT_ALL, read_icr, write_icr),
	E1000_ONE(E1000_IMS, INT_ALL, e1000_read_mask, e1000_write_ims),
	E1000_ONE(E1000_IMC, INT_ALL, e1000_read_zero, e1000_write_imc),
	E1000_ONE(E1000_ICS, INT_ALL, e1000_read_zero, e1000_write_ics),
	E1000_ONE(E1000_EECD, ~0u, e1000_read_eecd, e1000_write_eecd),
	E1000_ONE(E1000_EERD, 0xff01, NULL, e1000_write_eerd),
	E1000_END,
};

static void set_bars(struct nic *n)
{
	e1000_set_bars(n, BAR_PORTS, BAR_PORTS_SIZE);
}

static void power_on(struct nic *n)
{
	struct e1000 *e = e1000_of(n);
	uint16_t *w = e->eeprom.word;

	e->io_address = e->eecd = 0;
	memset(e->wide, 0, sizeof(e->wide));
	e->eeprom = (struct microwire){ 0 };
	w[WORD_INIT1] = 0x4408; /* signature; reset values otherwise */
	w[WORD_INIT2] = 0xb040; /* the PHY negotiates; full duplex */
	e1000_fill_words(e, w);
	e1000_phy_reset(e);
	e1000_reset(e);
}

static void reset(struct e1000 *e)
{
	e1000_put(e, E1000_PBA, 0x00100030);
}

static const struct e1000_model model = {
	.nic = { .id = &id,
		 .set_bars = set_bars,
		 .power_on = power_on,
		 .link_changed = e1000_link_changed,
		 .has_work = e1000_has_work,
		 .size = sizeof(struct e1000),
		 .rom = "pxe-e1000.rom" },
	.own = own,
	.phy = phy,
	.phy_pages = 1,
	.queues = 1,
	.reset = reset,
};

const struct port_ops e1000_ops = {
	.rx_burst = e1000_rx_burst,
	.rx_done = e1000_rx_done,
	.rx_arm = nic_rx_arm,
	.rx_disarm = nic_rx_disarm,
	.tx_burst = e1000_tx_burst,
	.destroy = nic_destroy,
	.show = nic_show,
};

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	return nic_create(env, common, conf, &port_e1000_type, &model.nic,
			  &e1000_ops, out, err);
}

const struct port_type port_e1000_type = {
	.name = "e1000",
	.help = "a network card of the guest: Intel 82540EM",
	.option = "device",
	.rows = nic_rows,
	.conf_size = sizeof(struct netcard_conf),
	.create = create,
};

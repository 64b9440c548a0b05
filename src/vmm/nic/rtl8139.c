/* SPDX-License-Identifier: Apache-2.0 */
/* The RTL8139C+ as a PCI function and a port. vCPUs call the handlers of the
 * BARs. Calls the registers. */
#include <string.h>

#include "rtl8139.h"

#define BAR_PORTS  0
#define BAR_MEMORY 1

static const struct pci_id rtl8139_id = { .vendor = 0x10ec,
					  .device = 0x8139,
					  .subvendor = 0x10ec,
					  .subdevice = 0x8139,
					  .revision = 0x20,
					  .class = 0x020000 };

static struct rtl8139 *of_range(struct bus_range *r)
{
	struct pci_bar *b = container_of(r, struct pci_bar, range);
	unsigned bar = b->kind == PCI_BAR_IO ? BAR_PORTS : BAR_MEMORY;

	return rtl8139_of(container_of(b - bar, struct nic, pci.bar[0]));
}

/* Both BARs are the same registers. */
static uint64_t read_bar(struct bus_range *range, uint64_t off, unsigned size)
{
	struct rtl8139 *r = of_range(range);
	uint64_t value;

	if (size > 4 || off & (size - 1))
		return ~0ull;
	pci_lock(&r->nic.pci);
	value = rtl8139_read(r, (unsigned)off, size);
	pci_unlock(&r->nic.pci);
	return value;
}

static void write_bar(struct bus_range *range, uint64_t off, unsigned size,
		      uint64_t value)
{
	struct rtl8139 *r = of_range(range);

	if (size > 4 || off & (size - 1))
		return;
	pci_lock(&r->nic.pci);
	rtl8139_write(r, (unsigned)off, size, (uint32_t)value);
	pci_unlock(&r->nic.pci);
}

static void set_bars(struct nic *n)
{
	const struct bus_range range = { .read = read_bar, .write = write_bar };

	n->pci.bar[BAR_PORTS] = (struct pci_bar){ .kind = PCI_BAR_IO,
						  .size = RTL_REGS,
						  .range = range };
	n->pci.bar[BAR_MEMORY] = (struct pci_bar){ .kind = PCI_BAR_MEM32,
						   .size = RTL_REGS,
						   .range = range };
}

static void link_changed(struct nic *n)
{
	nic_cause(n, RTL_LINK);
}

static const struct nic_model model = {
	.id = &rtl8139_id,
	.set_bars = set_bars,
	.power_on = rtl8139_power_on,
	.link_changed = link_changed,
	.has_work = rtl8139_has_work,
	.size = sizeof(struct rtl8139),
	.rom = "pxe-rtl8139.rom",
};

static void destroy(struct port *p)
{
	nic_unplug(p);
	rtl8139_timer_fini(rtl8139_of(nic_of(p)));
	nic_destroy(p);
}

static const struct port_ops ops = {
	.rx_burst = rtl8139_rx_burst,
	.rx_done = rtl8139_rx_done,
	.rx_arm = nic_rx_arm,
	.rx_disarm = nic_rx_disarm,
	.tx_burst = rtl8139_tx_burst,
	.destroy = destroy,
	.show = nic_show,
};

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	int rc = nic_create(env, common, conf, &port_rtl8139_type, &model, &ops,
			    out, err);

	if (rc)
		return rc;
	rc = rtl8139_timer_init(rtl8139_of(nic_of(*out)));
	if (!rc)
		return 0;
	destroy(*out);
	return err_set(err, rc, "%s", strerror(-rc));
}

const struct port_type port_rtl8139_type = {
	.name = "rtl8139",
	.help = "a network card of the guest: Realtek RTL8139C+",
	.option = "device",
	.rows = nic_rows,
	.conf_size = sizeof(struct netcard_conf),
	.create = create,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The 82540EM as a PCI function and a port, and its counters. vCPUs call the
 * handlers of the BARs, workers the counters. Calls the registers. */
#include "e1000.h"
#include "key.h"

#define BAR_REGS      0
#define BAR_PORTS     1
#define BAR_REGS_SIZE 0x20000u

/* The BAR of ports (13.3.2): an address, and the register that it names. */
enum { PORT_ADDRESS = 0, PORT_DATA = 4, BAR_PORTS_SIZE = 64 };

static const struct pci_id e1000_id = { .vendor = 0x8086,
					.device = 0x100e,
					.subvendor = 0x8086,
					.subdevice = 0x001e,
					.revision = 3,
					.class = 0x020000 };

static struct e1000 *of_range(struct bus_range *r, unsigned bar)
{
	struct pci_bar *b = container_of(r, struct pci_bar, range);

	return e1000_of(container_of(b - bar, struct nic, pci.bar[0]));
}

/* Registers have 32 bits. A driver may read a part of one, and two at once. */
static uint64_t read_regs(struct bus_range *r, uint64_t off, unsigned size)
{
	struct e1000 *e = of_range(r, BAR_REGS);
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
	struct e1000 *e = of_range(r, BAR_REGS);

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
	struct e1000 *e = of_range(r, BAR_PORTS);
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
	struct e1000 *e = of_range(r, BAR_PORTS);

	if (size != 4)
		return;
	pci_lock(&e->nic.pci);
	if (off == PORT_ADDRESS)
		e->io_address = (uint32_t)value & (BAR_REGS_SIZE - 4);
	else if (off == PORT_DATA)
		e1000_write(e, e->io_address, (uint32_t)value);
	pci_unlock(&e->nic.pci);
}

static void set_bars(struct nic *n)
{
	n->pci.bar[BAR_REGS] =
		(struct pci_bar){ .kind = PCI_BAR_MEM32,
				  .size = BAR_REGS_SIZE,
				  .range = { .read = read_regs,
					     .write = write_regs } };
	n->pci.bar[BAR_PORTS] =
		(struct pci_bar){ .kind = PCI_BAR_IO,
				  .size = BAR_PORTS_SIZE,
				  .range = { .read = read_ports,
					     .write = write_ports } };
}

static void power_on(struct nic *n)
{
	struct e1000 *e = e1000_of(n);

	e->io_address = 0;
	memset(e->wide, 0, sizeof(e->wide));
	e1000_nvm_init(e);
	e1000_reset(e);
}

static void link_changed(struct nic *n)
{
	nic_cause(n, INT_LSC);
}

struct e1000_wide *e1000_wide(struct e1000 *e, unsigned off)
{
	static const uint16_t low[] = { E1000_GORCL, E1000_GOTCL, E1000_TORL,
					E1000_TOTL };

	for (unsigned i = 0; i < ARRAY_SIZE(low); i++)
		if ((off & ~4u) == low[i])
			return &e->wide[i];
	return NULL;
}

void e1000_count(struct e1000 *e, unsigned off, uint32_t n)
{
	uint32_t *reg = &e->reg[off / 4];

	if (shm_load(reg) > UINT32_MAX - n)
		shm_store(reg, UINT32_MAX);
	else
		shm_fetch_add(reg, n);
}

void e1000_tally_frames(struct e1000_tally *t, const uint8_t *to, uint32_t n,
			uint32_t len)
{
	static const uint16_t most[] = { 64, 127, 255, 511, 1023 };
	unsigned i = 0;

	while (i < ARRAY_SIZE(most) && len > most[i])
		i++;
	t->frames += n;
	t->bytes += (uint64_t)n * len;
	t->size[i] += n;
	if (to[0] == 0xff)
		t->broadcast += n;
	else if (mac_is_multicast(to))
		t->multicast += n;
}

static void count_bytes(struct e1000 *e, unsigned off, uint64_t n)
{
	shm_fetch_add(&e1000_wide(e, off)->value, n);
}

void e1000_tally_put(struct e1000 *e, const struct e1000_tally *t,
		     const struct e1000_stat_regs *regs)
{
	if (!t->frames)
		return;
	e1000_count(e, regs->good, t->frames);
	e1000_count(e, regs->total, t->frames);
	count_bytes(e, regs->good_bytes, t->bytes);
	count_bytes(e, regs->total_bytes, t->bytes);
	for (unsigned i = 0; i < ARRAY_SIZE(t->size); i++)
		if (t->size[i])
			e1000_count(e, regs->size + 4 * i, t->size[i]);
	if (t->multicast)
		e1000_count(e, regs->multicast, t->multicast);
	if (t->broadcast)
		e1000_count(e, regs->broadcast, t->broadcast);
}

struct e1000_ring e1000_ring(const struct e1000 *e, unsigned base)
{
	uint64_t at = e1000_get(e, base) | (uint64_t)e1000_get(e, base + 4)
						   << 32;
	uint32_t size = e1000_get(e, base + 8);
	struct e1000_ring r = {
		.count = size / E1000_DESC,
		.head = e1000_get(e, base + 16),
		.tail = shm_load_acquire(&e->reg[(base + 24) / 4]),
	};

	if (size && r.head < r.count && r.tail < r.count)
		r.desc = gmem_translate(e->nic.ram, at, size);
	return r;
}

static const struct nic_model model = {
	.id = &e1000_id,
	.set_bars = set_bars,
	.power_on = power_on,
	.link_changed = link_changed,
	.has_work = e1000_has_work,
	.size = sizeof(struct e1000),
};

static const struct port_ops ops = {
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
	return nic_create(env, common, conf, &port_e1000_type, &model, &ops,
			  out, err);
}

const struct port_type port_e1000_type = {
	.name = "e1000",
	.help = "a network card of the guest: Intel 82540EM",
	.option = "device",
	.rows = nic_rows,
	.conf_size = sizeof(struct netcard_conf),
	.create = create,
};

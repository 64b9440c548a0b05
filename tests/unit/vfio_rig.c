/* SPDX-License-Identifier: Apache-2.0 */
/* See vfio_rig.h. */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "vfio_rig.h"

#define CONFIG_AT (1ull << 40) /* in the card's file; BAR n is at n << 32 */

static struct vfio_rig *card; /* the operations have no argument of their own */

static const uint64_t sizes[PCI_BARS] = { 0x20000, 0x20000, 32, 0x4000 };

static bool is_awake(void)
{
	return card->config[PCI_COMMAND] & PCI_COMMAND_MEMORY &&
	       !(card->config[CARD_POWER + PCI_PM_CTRL] & 3);
}

/* The guest gets registers only while they answer. */
static void mapped(struct vmm_rig *r, uint64_t gpa, uint64_t size)
{
	(void)gpa;
	(void)r;
	if (size)
		assert_true(is_awake());
}

static int get_region(struct vfio_region_info *i)
{
	struct vfio_region_info_cap_sparse_mmap *sparse = (void *)(i + 1);
	unsigned flags =
		VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	i->flags = flags;
	if (i->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		i->size = 4096;
		i->offset = CONFIG_AT;
		return 0;
	}
	assert_in_range(i->index, 0, PCI_BARS - 1);
	i->size = sizes[i->index];
	i->offset = (uint64_t)i->index << 32;
	if (i->size >= 4096)
		i->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (i->index != 1)
		return 0;
	/* BAR 1 is mapped in parts. */
	i->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (i->argsz >= sizeof(*i) + sizeof(*sparse) + 32) {
		i->cap_offset = sizeof(*i);
		memset(sparse, 0, sizeof(*sparse) + 32);
		sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
		sparse->nr_areas = 2;
		sparse->areas[0].size = 0x1000;
		sparse->areas[1].offset = 0x8000;
		sparse->areas[1].size = 0x2000;
	}
	i->argsz = sizeof(*i) + sizeof(*sparse) + 32;
	return 0;
}

static int set_irqs(const struct vfio_irq_set *s)
{
	struct card_irq *q = &card->irq[s->index];
	unsigned max = s->index == VFIO_PCI_MSIX_IRQ_INDEX  ? CARD_VECTORS
		       : s->index == VFIO_PCI_MSI_IRQ_INDEX ? 4
							    : 1;

	assert_in_range(s->index, 0, VFIO_PCI_NUM_IRQS - 1);
	if (s->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		if (card->refuses_unmask)
			return -EINVAL;
		card->unmasked++;
		return 0;
	}
	q->changes++;
	if (s->flags & VFIO_IRQ_SET_DATA_NONE) {
		assert_int_equal(s->count, 0);
		q->count = 0;
		return 0;
	}
	assert_true(s->start + s->count <= max);
	/* One kind at a time, as in VFIO. */
	for (unsigned i = 0; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		if (i != s->index && s->index <= VFIO_PCI_MSIX_IRQ_INDEX)
			assert_int_equal(card->irq[i].count, 0);
	if (card->host_max && s->start + s->count > card->host_max)
		return s->start ? -ENOSPC : (int)card->host_max;
	if (s->start + s->count > q->count) {
		assert_true(!q->count || card->can_grow);
		q->count = s->start + s->count;
	}
	memcpy(&q->fd[s->start], s->data, s->count * sizeof(int));
	return 0;
}

static int request(int fd, unsigned long what, void *arg)
{
	struct vfio_irq_info *irq = arg;
	struct vfio_device_info *device = arg;

	assert_int_equal(fd, card->dev->fd);
	switch (what) {
	case VFIO_DEVICE_GET_INFO:
		device->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		irq->count = 1;
		irq->flags = card->can_grow ? 0 : VFIO_IRQ_INFO_NORESIZE;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(arg);
	default:
		return -ENOTTY;
	}
}

static uint8_t *at(uint64_t off, size_t size)
{
	if (off >= CONFIG_AT) {
		assert_true(off - CONFIG_AT + size <= 4096);
		return card->config + (off - CONFIG_AT);
	}
	assert_true((uint32_t)off + size <= sizes[off >> 32]);
	return card->bar[off >> 32] + (uint32_t)off;
}

static ssize_t read_at(int fd, void *data, size_t size, uint64_t off)
{
	(void)fd;
	if (card->is_gone)
		return -EIO;
	memcpy(data, at(off, size), size);
	return (ssize_t)size;
}

static ssize_t write_at(int fd, const void *data, size_t size, uint64_t off)
{
	(void)fd;
	card->writes += off >= CONFIG_AT;
	memcpy(at(off, size), data, size);
	return (ssize_t)size;
}

/* Pages of a file, since they are unmapped one day. */
static void *map_at(int fd, uint64_t size, uint64_t off)
{
	assert_true((uint32_t)off + size <= sizes[off >> 32]);
	return vfio_kernel.map(fd, size, 0);
}

static const struct vfio_ops ops = {
	.request = request, .read = read_at, .write = write_at, .map = map_at
};

static void put16(uint8_t *c, unsigned off, unsigned value)
{
	pci_put(c, off, 2, value);
}

static void fill(struct vfio_rig *r)
{
	uint8_t *c = r->config;

	pci_put(c, 0, 4, 0x10d38086);
	put16(c, PCI_STATUS, PCI_STATUS_CAP_LIST);
	pci_put(c, PCI_CLASS_REVISION, 4, 0x02000003);
	pci_put(c, PCI_BASE_ADDRESS_0, 4, 0xfe000008);
	pci_put(c, PCI_BASE_ADDRESS_2, 4, 1);
	c[PCI_CAPABILITY_LIST] = CARD_POWER;
	c[PCI_INTERRUPT_PIN] = 2;
	memset(c + 0x40, 0x77, 0x60);
	put16(c, CARD_POWER, PCI_CAP_ID_PM | CARD_MSI << 8);
	put16(c, CARD_MSI, PCI_CAP_ID_MSI | CARD_EXP << 8);
	put16(c, CARD_MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT);
	put16(c, CARD_EXP, PCI_CAP_ID_EXP | CARD_HIDDEN << 8);
	put16(c, CARD_EXP + PCI_EXP_FLAGS, 1 | PCI_EXP_TYPE_ENDPOINT << 4);
	pci_put(c, CARD_EXP + PCI_EXP_LNKCAP, 4, 0x11);
	put16(c, CARD_HIDDEN, PCI_CAP_ID_EA | CARD_MSIX << 8);
	put16(c, CARD_MSIX, PCI_CAP_ID_MSIX);
	put16(c, CARD_MSIX + PCI_MSIX_FLAGS, CARD_VECTORS - 1);
	pci_put(c, CARD_MSIX + PCI_MSIX_TABLE, 4, CARD_TABLE_BAR);
	pci_put(c, CARD_MSIX + PCI_MSIX_PBA, 4, CARD_PBA | CARD_TABLE_BAR);
	pci_put(c, 0x100, 4, PCI_EXT_CAP_ID_ERR | 2 << 16 | CARD_SERIAL << 20);
	pci_put(c, CARD_SERIAL, 4,
		PCI_EXT_CAP_ID_DSN | 1 << 16 | CARD_SRIOV << 20);
	memset(c + CARD_SERIAL + 4, 0x5e, 8);
	pci_put(c, CARD_SRIOV, 4,
		PCI_EXT_CAP_ID_SRIOV | 1 << 16 | CARD_VENDOR << 20);
	memset(c + CARD_SRIOV + 4, 0xff, 0x3c);
	pci_put(c, CARD_VENDOR, 4, PCI_EXT_CAP_ID_VNDR | 1 << 16);
	memset(c + CARD_VENDOR + 4, 0xab, 12);
}

static void asked(void *arg)
{
	((struct vfio_rig *)arg)->asked++;
}

void vfio_rig_init(struct vfio_rig *r, bool can_grow, bool is_split,
		   void (*change)(struct vfio_rig *r))
{
	static const struct vfio_lease lease = { .address = "0000:01:00.0" };
	struct vfio_plug plug = {
		.lease = &lease,
		.how.slot = CARD_SLOT,
		.asked = asked,
		.arg = r,
	};
	struct err err;

	memset(r, 0, sizeof(*r));
	card = r;
	vmm_rig_init(&r->vmm);
	r->vmm.vm.irqs.is_split = is_split;
	r->vmm.mapped = mapped;
	r->can_grow = can_grow;
	fill(r);
	if (change)
		change(r);
	memcpy(r->before, r->config, sizeof(r->before));
	assert_int_equal(pci_bus_create(&r->vmm.vm, &r->bus, &err), 0);
	plug.bus = r->bus;
	r->dev = vfio_alloc(&ops, &r->vmm.vm, "card", &plug);
	assert_non_null(r->dev);
	r->dev->fd = dup(r->vmm.memfd);
	assert_int_equal(vfio_start(r->dev, &plug, &err), 0);
}

void vfio_rig_fini(struct vfio_rig *r)
{
	vfio_destroy(r->dev);
	pci_bus_destroy(r->bus);
	vmm_rig_fini(&r->vmm);
}

uint64_t card_cfg(struct vfio_rig *r, unsigned off, unsigned size)
{
	return rig_config_read(&r->vmm, CARD_SLOT, off, size);
}

void card_put(struct vfio_rig *r, unsigned off, unsigned size, uint64_t value)
{
	rig_config_write(&r->vmm, CARD_SLOT, off, size, value);
}

uint64_t card_mapped(struct vfio_rig *r, unsigned bar)
{
	uint64_t base = rig_bar(&r->vmm, CARD_SLOT, bar), n = 0;

	for (unsigned i = 0; i < RIG_MAX; i++)
		if (r->vmm.map[i].gpa >= base &&
		    r->vmm.map[i].gpa < base + sizes[bar])
			n += r->vmm.map[i].size;
	return n;
}

void card_interrupt(struct vfio_rig *r, unsigned index, unsigned vector)
{
	assert_in_range(vector, 0, r->irq[index].count - 1);
	fd_signal(r->irq[index].fd[vector]);
	rig_settle(&r->vmm);
}

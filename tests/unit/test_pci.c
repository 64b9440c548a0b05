/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI bus: configuration space by both ways, BARs, lines, MSI-X. */
#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#undef PCI_IO_BASE

#include "fd.h"
#include "layout.h"
#include "pci.h"
#include "vmm_rig.h"

#define SLOT	   3
#define BAR_REG(i) (PCI_BASE_ADDRESS_0 + 4 * (i))

/* A function with one BAR of each kind: each is a bit of memory. */
struct toy {
	struct pci_dev pci;
	uint64_t value[PCI_BARS];
	unsigned after; /* calls of config_after() */
	unsigned moves; /* calls of bar_changed() */
};

struct state {
	struct vmm_rig rig;
	struct pci_bus *bus;
	struct toy toy;
};

static uint64_t *value_of(struct bus_range *r)
{
	struct pci_bar *bar = container_of(r, struct pci_bar, range);
	struct toy *t = container_of(bar->dev, struct toy, pci);

	return &t->value[bar - t->pci.bar];
}

static uint64_t toy_read(struct bus_range *r, uint64_t off, unsigned size)
{
	(void)size;
	return *value_of(r) + off;
}

static void toy_write(struct bus_range *r, uint64_t off, unsigned size,
		      uint64_t value)
{
	(void)size;
	*value_of(r) = value - off;
}

static void toy_after(struct pci_dev *d, unsigned off, unsigned size)
{
	(void)off;
	(void)size;
	pci_lock(d); /* is free */
	container_of(d, struct toy, pci)->after++;
	pci_unlock(d);
}

static void toy_moved(struct pci_dev *d, unsigned bar)
{
	(void)bar;
	container_of(d, struct toy, pci)->moves++;
}

static const struct pci_id toy_id = { .vendor = 0x1234,
				      .device = 0x5678,
				      .subvendor = 0x9abc,
				      .subdevice = 0xdef0,
				      .revision = 7,
				      .class = 0x020000 };

static void init_toy(struct toy *t, const char *name)
{
	static const struct pci_bar bar[PCI_BARS] = {
		[0] = { .kind = PCI_BAR_MEM32, .size = 0x2000 },
		[2] = { .kind = PCI_BAR_MEM64, .size = 1ull << 33 },
		[4] = { .kind = PCI_BAR_IO, .size = 32 },
	};

	memset(t, 0, sizeof(*t));
	t->pci.name = name;
	t->pci.config_after = toy_after;
	t->pci.bar_changed = toy_moved;
	for (unsigned i = 0; i < PCI_BARS; i++) {
		t->pci.bar[i] = bar[i];
		t->pci.bar[i].range.read = toy_read;
		t->pci.bar[i].range.write = toy_write;
		t->value[i] = 0x1000 * i;
	}
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct err err;

	vmm_rig_init(&s->rig);
	assert_int_equal(pci_bus_create(&s->rig.vm, &s->bus, &err), 0);
	init_toy(&s->toy, "toy");
	assert_int_equal(pci_add(s->bus, &s->toy.pci, &toy_id, SLOT, &err), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	msix_destroy(&s->toy.pci);
	pci_remove(&s->toy.pci);
	pci_bus_destroy(s->bus);
	vmm_rig_fini(&s->rig);
	free(s);
	return 0;
}

static uint64_t cfg(struct state *s, unsigned off, unsigned size)
{
	return rig_config_read(&s->rig, SLOT, off, size);
}

static void put(struct state *s, unsigned off, unsigned size, uint64_t value)
{
	rig_config_write(&s->rig, SLOT, off, size, value);
}

static void command(struct state *s, unsigned value)
{
	put(s, PCI_COMMAND, 2, value);
}

static void test_scan(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	/* Linux's check of ports CF8 */
	rig_out(r, 0xcfb, 1, 1);
	rig_out(r, 0xcf8, 4, 0x80000000);
	assert_int_equal(rig_in(r, 0xcf8, 4), 0x80000000);
	assert_int_equal(rig_in(r, 0xcfc, 4), 0x00081b36);
	rig_out(r, 0xcf8, 4, 0x80000000 | PCI_CLASS_REVISION);
	assert_int_equal(rig_in(r, 0xcfe, 2), 0x0600);
	rig_out(r, 0xcf8, 4, 0x80000000 | SLOT << 11);
	assert_int_equal(rig_in(r, 0xcfc, 2), 0x1234);
	assert_int_equal(rig_in(r, 0xcfe, 2), 0x5678);
	assert_int_equal(rig_in(r, 0xcff, 1), 0x56);
	rig_out(r, 0xcf8, 4, SLOT << 11); /* without the enable bit */
	assert_int_equal(rig_in(r, 0xcfc, 4), 0xffffffff);
	assert_int_equal(cfg(s, 0, 4), 0x56781234);
	assert_int_equal(cfg(s, 0, 8), 0x56781234);
	assert_int_equal(cfg(s, PCI_CLASS_REVISION, 4), 0x02000007);
	assert_int_equal(cfg(s, PCI_SUBSYSTEM_VENDOR_ID, 4), 0xdef09abc);
	assert_int_equal(cfg(s, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(cfg(s, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(cfg(s, PCI_INTERRUPT_LINE, 1), 16 + SLOT);
	/* nobody: another slot, function, bus */
	assert_int_equal(cfg(s, 1 << 15, 4), 0xffffffff);
	assert_int_equal(cfg(s, 1 << 12, 4), 0xffffffff);
	assert_int_equal(cfg(s, 1 << 20, 4), 0xffffffff);
	assert_int_equal(rig_read(r, ECAM_BASE + ECAM_SIZE - 4, 4), 0xffffffff);
	rig_out(r, 0xcf8, 4, 0x80010000 | SLOT << 11);
	assert_int_equal(rig_in(r, 0xcfc, 4), 0xffffffff);
	rig_out(r, 0xcf8, 4, 0x80000100 | SLOT << 11);
	assert_int_equal(rig_in(r, 0xcfc, 4), 0xffffffff);
}

/* What SeaBIOS reads and writes to have RAM below 1 MiB. */
static void test_440fx(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	assert_int_equal(rig_config_read(r, 0, 0, 4), 0x00081b36);
	pci_bus_be_440fx(s->bus);
	assert_int_equal(rig_config_read(r, 0, 0, 4), 0x12378086);
	assert_int_equal(rig_config_read(r, 0, 0x2c, 4), 0x11001af4);
	rig_config_write(r, 0, 0x58, 4, 0x11111000);
	rig_config_write(r, 0, 0x5c, 4, 0x11111111);
	assert_int_equal(rig_config_read(r, 0, 0x58, 4), 0x33333300);
	assert_int_equal(rig_config_read(r, 0, 0x5c, 4), 0x33333333);
}

static void test_masks(void **state)
{
	struct state *s = *state;

	for (unsigned i = 0; i < 4096; i += 4)
		put(s, i, 4, 0xffffffff);
	assert_int_equal(cfg(s, 0, 4), 0x56781234);
	assert_int_equal(cfg(s, PCI_COMMAND, 2), 0x0547);
	assert_int_equal(cfg(s, PCI_CLASS_REVISION, 4), 0x02000007);
	assert_int_equal(cfg(s, PCI_INTERRUPT_LINE, 2), 0x01ff);
	assert_int_equal(cfg(s, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(cfg(s, BAR_REG(1), 4), 0);
	assert_int_equal(cfg(s, 0x100, 4), 0);
	put(s, PCI_INTERRUPT_LINE, 1, 5);
	assert_int_equal(cfg(s, PCI_INTERRUPT_LINE, 1), 5);
	assert_true(s->toy.after >= 1025);
	/* a bit that a written 1 clears, and no other */
	s->toy.pci.config[PCI_STATUS + 1] = 0x60;
	put(s, PCI_STATUS, 2, 0x2000);
	assert_int_equal(cfg(s, PCI_STATUS, 2) & 0xff00, 0x4000);
	/* not in one piece with what follows */
	assert_int_equal(rig_read(&s->rig, ECAM_BASE + (SLOT << 15) + 1, 4),
			 0xffffffff);
}

static void test_bars(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	uint64_t mem = rig_bar(r, SLOT, 0), big = rig_bar(r, SLOT, 2);
	uint64_t io = rig_bar(r, SLOT, 4);

	assert_int_equal(mem, PCI_MMIO_BASE);
	assert_int_equal(big, PCI_MMIO64_SIZE);
	assert_int_equal(io, PCI_IO_BASE);
	assert_int_equal(rig_read(r, mem, 4), 0xffffffff);
	command(s, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_read(r, mem + 8, 4), 8);
	assert_int_equal(rig_read(r, big + (1ull << 33) - 8, 8),
			 0x2000 + (1ull << 33) - 8);
	assert_int_equal(rig_in(r, (uint16_t)io, 4), 0xffffffff);
	command(s, PCI_COMMAND_IO);
	assert_int_equal(rig_read(r, mem, 4), 0xffffffff);
	assert_int_equal(rig_in(r, (uint16_t)io + 4, 4), 0x4004);
	rig_out(r, (uint16_t)io, 2, 0x77);
	assert_int_equal(s->toy.value[4], 0x77);
	/* sizing */
	command(s, 0);
	for (unsigned i = 0; i < PCI_BARS; i++)
		put(s, BAR_REG(i), 4, 0xffffffff);
	assert_int_equal(cfg(s, BAR_REG(0), 4), 0xffffe000);
	assert_int_equal(cfg(s, BAR_REG(1), 4), 0);
	assert_int_equal(cfg(s, BAR_REG(2), 8), 0xfffffffe00000004);
	assert_int_equal(cfg(s, BAR_REG(4), 4), 0xffffffe1);
	/* with decoding on, as some drivers do it: on no bus then */
	command(s, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	assert_false(s->toy.pci.bar[0].is_mapped);
	assert_false(s->toy.pci.bar[2].is_mapped);
	put(s, BAR_REG(0), 4, 0);
	assert_false(s->toy.pci.bar[0].is_mapped);
	put(s, BAR_REG(0), 4, 0xc8002000);
	put(s, BAR_REG(2), 4, 0);
	put(s, BAR_REG(3), 4, 0x20);
	assert_int_equal(rig_read(r, 0xc8002000, 4), 0);
	assert_int_equal(rig_read(r, mem, 4), 0xffffffff);
	assert_int_equal(rig_read(r, 0x2000000000, 4), 0x2000);
	put(s, BAR_REG(0), 4, 0xc8004000);
	assert_int_equal(rig_read(r, 0xc8002000, 4), 0xffffffff);
	assert_int_equal(rig_read(r, 0xc8004000, 4), 0);
	assert_true(s->toy.moves > 4);
}

static void test_overlap(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	struct toy other;
	struct err err;

	init_toy(&other, "other");
	assert_int_equal(pci_add(s->bus, &other.pci, &toy_id, SLOT, &err),
			 -EEXIST);
	assert_non_null(strstr(err.msg, "taken by toy"));
	pci_remove(&other.pci); /* was not added */
	assert_int_equal(pci_add(s->bus, &other.pci, &toy_id, 32, &err),
			 -EINVAL);
	assert_int_equal(pci_add(s->bus, &other.pci, &toy_id, -1, &err), 0);
	assert_int_equal(other.pci.slot, 1);
	assert_int_not_equal(rig_bar(r, 1, 0), rig_bar(r, SLOT, 0));
	other.value[0] = 0x55;
	rig_config_write(r, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	command(s, PCI_COMMAND_MEMORY);
	/* onto the other's, onto ECAM, onto the end of everything */
	put(s, BAR_REG(0), 4, rig_bar(r, 1, 0));
	assert_int_equal(rig_read(r, rig_bar(r, 1, 0), 4), 0x55);
	assert_true(s->toy.pci.bar[0].was_refused);
	put(s, BAR_REG(0), 4, ECAM_BASE);
	assert_int_equal(cfg(s, 0, 4), 0x56781234);
	put(s, BAR_REG(0), 4, 0xffffe000);
	assert_false(s->toy.pci.bar[0].is_mapped);
	put(s, BAR_REG(0), 4, 0xd0000000);
	assert_int_equal(rig_read(r, 0xd0000000, 4), 0);
	pci_remove(&other.pci);
	assert_int_equal(rig_config_read(r, 1, 0, 4), 0xffffffff);
}

/* A BAR that was put where another one is comes when that goes: it moves, its
 * decoding ends, its function is hidden or ends. */
static void test_waiting(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	struct pci_bar *bar = &s->toy.pci.bar[0];
	struct toy other;
	struct err err;
	uint64_t at;

	for (unsigned way = 0; way < 4; way++) {
		init_toy(&other, "other");
		assert_int_equal(pci_add(s->bus, &other.pci, &toy_id, 1, &err),
				 0);
		rig_config_write(r, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		command(s, PCI_COMMAND_MEMORY);
		at = rig_bar(r, 1, 0);
		put(s, BAR_REG(0), 4, at);
		assert_false(bar->is_mapped);
		assert_true(bar->is_waiting);
		if (way == 0)
			rig_config_write(r, 1, BAR_REG(0), 4, 0xd4000000);
		else if (way == 1)
			rig_config_write(r, 1, PCI_COMMAND, 2, 0);
		else if (way == 2)
			pci_hide(&other.pci);
		else
			pci_remove(&other.pci);
		assert_true(bar->is_mapped);
		assert_false(bar->is_waiting);
		s->toy.value[0] = 0x77;
		assert_int_equal(rig_read(r, at, 4), 0x77);
		/* one that gave up does not come */
		put(s, BAR_REG(0), 4, 0xd8000000);
		if (way == 3)
			break;
		rig_config_write(r, 1, BAR_REG(0), 4, at);
		rig_config_write(r, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		put(s, BAR_REG(0), 4, at);
		command(s, 0);
		rig_config_write(r, 1, PCI_COMMAND, 2, 0);
		assert_false(bar->is_mapped);
		pci_remove(&other.pci);
	}
}

static void test_full(void **state)
{
	struct state *s = *state;
	struct toy *many = calloc(PCI_SLOTS, sizeof(*many));
	struct err err;
	unsigned n = 0;

	for (int rc = 0; !rc; n++) {
		init_toy(&many[n], "many");
		if (n > 5) /* 64-bit addresses would be used up */
			many[n].pci.bar[2].kind = PCI_BAR_NONE;
		rc = pci_add(s->bus, &many[n].pci, &toy_id, -1, &err);
		if (rc)
			assert_int_equal(rc, -ENOSPC);
	}
	assert_int_equal(n, PCI_SLOTS - 2 + 1);
	while (n--)
		pci_remove(&many[n].pci);
	/* too large for what is left */
	init_toy(&many[0], "huge");
	many[0].pci.bar[0].size = 1ull << 29;
	assert_int_equal(pci_add(s->bus, &many[0].pci, &toy_id, -1, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.msg, "BAR 0"));
	pci_remove(&many[0].pci);
	free(many);
}

static void test_lines(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	bool *level = &r->level[IRQ_PCI_FIRST + SLOT];
	struct toy other;
	struct err err;

	init_toy(&other, "other");
	assert_int_equal(pci_add(s->bus, &other.pci, &toy_id, SLOT + 8, &err),
			 0);
	pci_set_intx(&s->toy.pci, true);
	pci_set_intx(&other.pci, true);
	assert_true(*level);
	assert_int_equal(r->line_changes, 1);
	pci_set_intx(&s->toy.pci, false);
	assert_true(*level);
	assert_false(cfg(s, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	assert_true(rig_config_read(r, SLOT + 8, PCI_STATUS, 2) &
		    PCI_STATUS_INTERRUPT);
	rig_config_write(r, SLOT + 8, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	assert_false(*level);
	assert_true(rig_config_read(r, SLOT + 8, PCI_STATUS, 2) &
		    PCI_STATUS_INTERRUPT);
	rig_config_write(r, SLOT + 8, PCI_COMMAND, 2, 0);
	assert_true(*level);
	pci_remove(&other.pci);
	assert_false(*level);
}

static void test_reset(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	rig_out(r, 0xcf8, 4, 0x80000604); /* an address, not a reset */
	assert_int_equal(r->vm.end, VM_END_NONE);
	rig_out(r, 0xcf9, 1, 2);
	assert_int_equal(rig_in(r, 0xcf9, 1), 2);
	assert_int_equal(rig_in(r, 0xcf8, 4), 0x80000604);
	assert_int_equal(rig_in(r, 0xcf8, 2), 0xffff);
	assert_int_equal(r->vm.end, VM_END_NONE);
	rig_out(r, 0xcf9, 1, 6);
	assert_int_equal(r->vm.end, VM_END_RESET);
}

/* --- MSI-X, in BAR 1 */

#define VECTORS 5
#define MSG(i)	(0xfee00000u + ((i) << 12))

static unsigned flags_of(struct state *s)
{
	return rig_find_cap(&s->rig, SLOT, PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS;
}

static uint64_t entry(struct state *s, unsigned i, unsigned off)
{
	return rig_bar(&s->rig, SLOT, 1) + i * 16 + off;
}

static void mask(struct state *s, unsigned i, bool is_masked)
{
	rig_write(&s->rig, entry(s, i, 12), 4, is_masked);
}

static uint64_t pending(struct state *s)
{
	return rig_read(&s->rig, rig_bar(&s->rig, SLOT, 1) + 0x1000, 8);
}

static void add_msix(struct state *s)
{
	struct err err;
	unsigned cap;

	assert_int_equal(msix_create(&s->toy.pci, VECTORS, 1, &err), 0);
	command(s, PCI_COMMAND_MEMORY);
	cap = rig_find_cap(&s->rig, SLOT, PCI_CAP_ID_MSIX, 0);
	assert_int_not_equal(cap, 0);
	assert_int_equal(cfg(s, cap + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	assert_int_equal(cfg(s, cap + PCI_MSIX_TABLE, 4), 1);
	assert_int_equal(cfg(s, cap + PCI_MSIX_PBA, 4), 0x1001);
	for (unsigned i = 0; i < VECTORS; i++) {
		assert_int_equal(rig_read(&s->rig, entry(s, i, 12), 4), 1);
		rig_write(&s->rig, entry(s, i, 0), 4, MSG(i) | 3);
		rig_write(&s->rig, entry(s, i, 8), 4, 0x40 + i);
		assert_int_equal(rig_read(&s->rig, entry(s, i, 0), 8), MSG(i));
	}
}

static void signal_vector(struct state *s, unsigned i)
{
	fd_signal(msix_fd(&s->toy.pci, i));
	rig_settle(&s->rig);
}

static unsigned count(struct state *s, unsigned i)
{
	return rig_interrupts(&s->rig, MSG(i), 0x40 + i);
}

static void test_msix(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	add_msix(s);
	pci_set_intx(&s->toy.pci, true);
	assert_true(r->level[IRQ_PCI_FIRST + SLOT]);
	mask(s, 1, false);
	assert_int_equal(r->irqfd_count, 0); /* MSI-X is off */
	assert_int_equal(r->vm.irqs.count, 0);
	put(s, flags_of(s), 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_false(r->level[IRQ_PCI_FIRST + SLOT]);
	assert_int_equal(r->irqfd_count, 0);
	mask(s, 0, false);
	assert_int_equal(r->commits, 0);
	put(s, flags_of(s), 2, PCI_MSIX_FLAGS_ENABLE);
	/* two vectors, at once; no GSI for the others */
	assert_int_equal(r->commits, 1);
	assert_int_equal(r->irqfd_count, 2);
	assert_int_equal(r->vm.irqs.count, 2);
	signal_vector(s, 0);
	signal_vector(s, 1);
	signal_vector(s, 1);
	assert_int_equal(count(s, 0), 1);
	assert_int_equal(count(s, 1), 2);
	/* another address while it is unmasked */
	rig_write(r, entry(s, 1, 0), 4, MSG(9));
	signal_vector(s, 1);
	assert_int_equal(rig_interrupts(r, MSG(9), 0x41), 3);
	assert_int_equal(r->irqfd_count, 2);
	put(s, flags_of(s), 2, 0);
	assert_int_equal(r->irqfd_count, 0);
	assert_true(r->level[IRQ_PCI_FIRST + SLOT]);
	assert_int_equal(r->faults, 0);
}

static void test_msix_pending(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	add_msix(s);
	put(s, flags_of(s), 2, PCI_MSIX_FLAGS_ENABLE);
	mask(s, 2, false);
	signal_vector(s, 2);
	signal_vector(s, 4);
	assert_int_equal(count(s, 2), 1);
	assert_int_equal(pending(s), 1 << 4);
	mask(s, 2, true);
	assert_int_equal(pending(s), 1 << 4); /* not the one before */
	signal_vector(s, 2);
	signal_vector(s, 2);
	assert_int_equal(count(s, 2), 1);
	assert_int_equal(pending(s), 1 << 4 | 1 << 2);
	mask(s, 2, false);
	rig_settle(r);
	assert_int_equal(count(s, 2), 2);
	assert_int_equal(pending(s), 1 << 4);
	mask(s, 2, true);
	assert_int_equal(pending(s), 1 << 4);
	mask(s, 4, false);
	assert_int_equal(count(s, 4), 1);
	/* the whole function */
	put(s, flags_of(s), 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	signal_vector(s, 4);
	assert_int_equal(count(s, 4), 1);
	assert_int_equal(pending(s), 1 << 4);
	put(s, flags_of(s), 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(count(s, 4), 2);
	assert_int_equal(pending(s), 0);
}

static void test_msix_refused(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	add_msix(s);
	put(s, flags_of(s), 2, PCI_MSIX_FLAGS_ENABLE);
	r->fail_routes = -EINVAL;
	mask(s, 0, false);
	assert_int_equal(r->irqfd_count, 0);
	r->fail_routes = 0;
	r->fail_irqfd = -EBUSY;
	mask(s, 1, false);
	assert_int_equal(r->irqfd_count, 0);
	r->fail_irqfd = 0;
	signal_vector(s, 1);
	mask(s, 1, false); /* again */
	mask(s, 0, false);
	assert_int_equal(r->irqfd_count, 2);
	assert_int_equal(count(s, 1), 1);
	assert_int_equal(msix_fd(&s->toy.pci, VECTORS), -1);
	assert_int_equal(msix_count(&s->toy.pci), VECTORS);
}

/* Every access, anywhere, with any value: nothing breaks, and the function
 * still answers. */
static void test_fuzz(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	struct rng rng = rng_start();
	struct toy other;
	struct err err;

	init_toy(&other, "other");
	add_msix(s);
	assert_int_equal(pci_add(s->bus, &other.pci, &toy_id, -1, &err), 0);
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t n = rng_next(&rng), value = rng_next(&rng);
		unsigned size = 1u << (n >> 8 & 3), slot = n >> 12 & 1 ? 1 : 3;
		unsigned reg = n >> 16 & (n >> 11 & 1 ? 0x7f : 0xfff);
		uint64_t bar = rig_bar(r, slot, n >> 13 & 1);

		if (n >> 14 & 1) /* a likely address */
			value = (value & 0xf000) |
				(n >> 15 & 1 ? PCI_MMIO_BASE : ECAM_BASE);
		switch (n & 7) {
		case 0:
			rig_out(r, 0xcf8 + (n >> 16 & 7), size, value);
			break;
		case 1:
			rig_in(r, 0xcf8 + (n >> 16 & 7), size);
			break;
		case 2:
		case 3:
			rig_config_write(r, slot, reg, size, value);
			break;
		case 4:
			rig_write(r, bar + (n >> 16 & 0x1fff), size, value);
			break;
		case 5:
			rig_read(r, bar + (n >> 16 & 0x1fff), size);
			break;
		case 6:
			rig_config_read(r, slot, reg, size);
			break;
		case 7:
			fd_signal(msix_fd(&s->toy.pci, n >> 16 & 3));
			pci_set_intx(&other.pci, n >> 18 & 1);
			break;
		}
	}
	rig_settle(r);
	assert_int_equal(cfg(s, 0, 4), 0x56781234);
	assert_int_equal(cfg(s, flags_of(s), 2) & 0x7ff, VECTORS - 1);
	assert_int_equal(r->faults, 0);
	pci_remove(&other.pci);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_scan),	 TEST(test_440fx),
		TEST(test_masks),	 TEST(test_bars),
		TEST(test_overlap),	 TEST(test_full),
		TEST(test_waiting),	 TEST(test_lines),
		TEST(test_reset),	 TEST(test_msix),
		TEST(test_msix_pending), TEST(test_msix_refused),
		TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

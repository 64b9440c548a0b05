/* SPDX-License-Identifier: Apache-2.0 */
/* A card of the host in a machine: which of its configuration space the guest
 * sees and reaches, when its registers are mapped, its interrupts. */
#include "test.h"

#include <string.h>

#include "vfio_rig.h"

#define MSG_ADDRESS 0xfee00000ull

static int setup(void **state)
{
	struct vfio_rig *r = calloc(1, sizeof(*r));

	vfio_rig_init(r, false, false, NULL);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	vfio_rig_fini(*state);
	free(*state);
	return 0;
}

static void test_identity(void **state)
{
	struct vfio_rig *r = *state;

	assert_int_equal(card_cfg(r, 0, 4), 0x10d38086);
	assert_int_equal(card_cfg(r, PCI_CLASS_REVISION, 4), 0x02000003);
	assert_int_equal(card_cfg(r, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(card_cfg(r, PCI_COMMAND, 2), 0);
	assert_int_equal(card_cfg(r, PCI_BASE_ADDRESS_0, 1) & 0xf,
			 PCI_BASE_ADDRESS_MEM_PREFETCH);
	assert_int_equal(card_cfg(r, PCI_BASE_ADDRESS_2, 1) & 3,
			 PCI_BASE_ADDRESS_SPACE_IO);
	assert_int_equal(card_cfg(r, PCI_ROM_ADDRESS, 4), 0);
}

/* Capabilities stay where they are; what is the host's is not in the chain. */
static void test_capabilities(void **state)
{
	struct vfio_rig *r = *state;

	assert_int_equal(rig_find_cap(&r->vmm, CARD_SLOT, PCI_CAP_ID_PM, 0),
			 CARD_POWER);
	assert_int_equal(rig_find_cap(&r->vmm, CARD_SLOT, PCI_CAP_ID_MSIX, 0),
			 CARD_MSIX);
	assert_int_equal(rig_find_cap(&r->vmm, CARD_SLOT, PCI_CAP_ID_EA, 0), 0);
	/* An integrated endpoint has no link. */
	assert_int_equal(card_cfg(r, CARD_EXP + PCI_EXP_FLAGS, 2),
			 1 | PCI_EXP_TYPE_RC_END << 4);
	assert_int_equal(card_cfg(r, CARD_EXP + PCI_EXP_LNKCAP, 4), 0);
	assert_int_equal(card_cfg(r, 0x100, 4) >> 20, CARD_SERIAL);
	assert_int_equal(card_cfg(r, CARD_SERIAL, 4) >> 20, CARD_VENDOR);
	assert_int_equal(card_cfg(r, CARD_SERIAL + 4, 4), 0x5e5e5e5e);
	assert_int_equal(card_cfg(r, CARD_VENDOR, 4),
			 PCI_EXT_CAP_ID_VNDR | 1 << 16);
	/* SR-IOV is not there, and cannot be written. */
	assert_int_equal(card_cfg(r, CARD_SRIOV, 4), 0);
	assert_int_equal(card_cfg(r, CARD_SRIOV + 8, 4), 0);
	card_put(r, CARD_SRIOV + 8, 4, 0);
	assert_int_equal(r->config[CARD_SRIOV + 8], 0xff);
}

static void begin_with_sriov(struct vfio_rig *r)
{
	pci_put(r->config, 0x100, 4,
		PCI_EXT_CAP_ID_SRIOV | 1 << 16 | CARD_SERIAL << 20);
}

static void loop_chains(struct vfio_rig *r)
{
	r->config[CARD_MSIX + 1] = CARD_POWER;
	pci_put(r->config, CARD_VENDOR, 4,
		PCI_EXT_CAP_ID_VNDR | 1 << 16 | 0x100u << 20);
}

static void test_first_is_hidden(void **state)
{
	struct vfio_rig *r = calloc(1, sizeof(*r));

	(void)state;
	vfio_rig_init(r, false, false, begin_with_sriov);
	assert_int_equal(card_cfg(r, 0x100, 4), (uint32_t)CARD_SERIAL << 20);
	vfio_rig_fini(r);
	vfio_rig_init(r, false, false, loop_chains);
	assert_int_equal(card_cfg(r, CARD_MSIX + 1, 1), 0);
	assert_int_equal(card_cfg(r, CARD_VENDOR, 4) >> 20, 0);
	vfio_rig_fini(r);
	free(r);
}

/* What is the card's goes there, and comes from there. */
static void test_direct(void **state)
{
	struct vfio_rig *r = *state;

	assert_int_equal(card_cfg(r, CARD_OWN, 4), 0x77777777);
	card_put(r, CARD_OWN + 2, 2, 0x1234);
	assert_int_equal(r->config[CARD_OWN + 2], 0x34);
	r->config[CARD_OWN] = 9;
	assert_int_equal(card_cfg(r, CARD_OWN, 4), 0x12347709);
	/* Status: bits that a 1 clears are cleared by the card. */
	card_put(r, PCI_STATUS, 2, 0xf900);
	assert_int_equal(r->config[PCI_STATUS + 1], 0xf9);
	assert_int_equal(card_cfg(r, PCI_STATUS, 1), PCI_STATUS_CAP_LIST);
	/* Ours: the card does not hear of it. */
	r->writes = 0;
	card_put(r, PCI_CAPABILITY_LIST, 1, 0);
	card_put(r, CARD_POWER, 2, 0);
	card_put(r, PCI_BASE_ADDRESS_0, 4, 0xc0100000);
	card_put(r, CARD_EXP + PCI_EXP_FLAGS, 2, 0);
	assert_int_equal(r->writes, 0);
	assert_int_equal(card_cfg(r, CARD_POWER, 1), PCI_CAP_ID_PM);
	assert_memory_equal(r->config, r->before, 4);
	/* A card that is gone reads as all ones. */
	r->is_gone = true;
	assert_int_equal(card_cfg(r, CARD_OWN, 4), 0xffffffff);
}

/* Registers are the guest's memory while they answer (the rig looks). */
static void test_mapping(void **state)
{
	struct vfio_rig *r = *state;
	uint64_t base = rig_bar(&r->vmm, CARD_SLOT, CARD_TABLE_BAR);

	assert_int_equal(card_mapped(r, 0), 0);
	card_put(r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	assert_int_equal(r->config[PCI_COMMAND],
			 PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	assert_int_equal(card_mapped(r, 0), 0x20000);
	assert_int_equal(card_mapped(r, 1), 0x3000);
	/* without the pages of the MSI-X table and its pending bits */
	assert_int_equal(card_mapped(r, CARD_TABLE_BAR), 0x2000);
	for (unsigned i = 0; i < RIG_MAX; i++)
		assert_true(r->vmm.map[i].gpa != base &&
			    r->vmm.map[i].gpa != base + CARD_PBA);
	/* What is not mapped is read and written there. */
	rig_write(&r->vmm, base + 0x800, 4, 0x11223344);
	assert_int_equal(r->bar[CARD_TABLE_BAR][0x800], 0x44);
	assert_int_equal(rig_read(&r->vmm, base + 0x801, 1), 0x33);
	rig_out(&r->vmm, (uint16_t)rig_bar(&r->vmm, CARD_SLOT, 2) + 4, 2, 77);
	assert_int_equal(r->bar[2][4], 77);
	/* but for the table */
	rig_write(&r->vmm, base, 4, 0xfee00000);
	assert_int_equal(rig_read(&r->vmm, base, 4), 0xfee00000);
	assert_int_equal(r->bar[CARD_TABLE_BAR][3], 0);

	card_put(r, CARD_POWER + PCI_PM_CTRL, 2, 3); /* D3 */
	assert_int_equal(card_mapped(r, 0), 0);
	card_put(r, CARD_POWER + PCI_PM_CTRL, 2, 0);
	assert_int_equal(card_mapped(r, 0), 0x20000);
	card_put(r, PCI_BASE_ADDRESS_0, 4, 0xd0000000);
	assert_int_equal(card_mapped(r, 0), 0x20000);
	card_put(r, PCI_COMMAND, 2, 0);
	assert_int_equal(card_mapped(r, 0), 0);
	assert_int_equal(r->config[PCI_COMMAND], 0);
}

static void write_vector(struct vfio_rig *r, unsigned i, bool is_masked)
{
	uint64_t at = rig_bar(&r->vmm, CARD_SLOT, CARD_TABLE_BAR) + 16 * i;

	rig_write(&r->vmm, at, 4, MSG_ADDRESS);
	rig_write(&r->vmm, at + 8, 4, 0x40 + i);
	rig_write(&r->vmm, at + 12, 4, is_masked);
}

static void test_msix(void **state)
{
	struct vfio_rig *r = *state;
	const struct card_irq *q = &r->irq[VFIO_PCI_MSIX_IRQ_INDEX];
	unsigned before;

	assert_int_equal(r->irq[VFIO_PCI_INTX_IRQ_INDEX].count, 1);
	card_put(r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	card_put(r, CARD_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(r->irq[VFIO_PCI_INTX_IRQ_INDEX].count, 0);
	assert_int_equal(q->count, 0);
	write_vector(r, 0, false);
	assert_int_equal(q->count, 8);
	write_vector(r, 5, false);
	assert_int_equal(q->changes, 1);
	card_interrupt(r, VFIO_PCI_MSIX_IRQ_INDEX, 5);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x45), 1);
	/* masked: pending, then one */
	write_vector(r, 5, true);
	card_interrupt(r, VFIO_PCI_MSIX_IRQ_INDEX, 5);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x45), 1);
	assert_int_equal(
		rig_read(&r->vmm,
			 rig_bar(&r->vmm, CARD_SLOT, CARD_TABLE_BAR) + CARD_PBA,
			 8),
		1 << 5);
	write_vector(r, 5, false);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x45), 2);
	/* more than VFIO has: all again, and each gets one */
	before = rig_interrupts(&r->vmm, MSG_ADDRESS, 0x40);
	write_vector(r, 12, false);
	rig_settle(&r->vmm);
	assert_int_equal(q->count, 16);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x40),
			 before + 1);
	write_vector(r, 19, false);
	assert_int_equal(q->count, CARD_VECTORS);
	card_put(r, CARD_MSIX + PCI_MSIX_FLAGS, 2, 0);
	assert_int_equal(q->count, 0);
	assert_int_equal(r->irq[VFIO_PCI_INTX_IRQ_INDEX].count, 1);
}

static void test_msix_grows(void **state)
{
	struct vfio_rig *r = calloc(1, sizeof(*r));
	const struct card_irq *q = &r->irq[VFIO_PCI_MSIX_IRQ_INDEX];

	(void)state;
	vfio_rig_init(r, true, false, NULL);
	card_put(r, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	write_vector(r, 1, false);
	write_vector(r, 9, false);
	card_put(r, CARD_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(q->count, 10);
	write_vector(r, 15, false);
	assert_int_equal(q->count, 16);
	card_interrupt(r, VFIO_PCI_MSIX_IRQ_INDEX, 15);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x4f), 1);
	vfio_rig_fini(r);
	free(r);
}

static void test_msi(void **state)
{
	struct vfio_rig *r = *state;

	card_put(r, CARD_MSI + PCI_MSI_ADDRESS_LO, 4, MSG_ADDRESS);
	card_put(r, CARD_MSI + PCI_MSI_DATA_64, 2, 0x61);
	assert_int_equal(r->irq[VFIO_PCI_MSI_IRQ_INDEX].count, 0);
	card_put(r, CARD_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 0x70);
	assert_int_equal(r->irq[VFIO_PCI_MSI_IRQ_INDEX].count, 1);
	assert_int_equal(r->irq[VFIO_PCI_INTX_IRQ_INDEX].count, 0);
	card_interrupt(r, VFIO_PCI_MSI_IRQ_INDEX, 0);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x61), 1);
	card_put(r, CARD_MSI + PCI_MSI_DATA_64, 2, 0x62);
	card_interrupt(r, VFIO_PCI_MSI_IRQ_INDEX, 0);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x61), 0);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x62), 2);
	card_put(r, CARD_MSI + PCI_MSI_FLAGS, 2, 0);
	assert_int_equal(r->irq[VFIO_PCI_INTX_IRQ_INDEX].count, 1);
}

/* A capability behind that of MSI stays whole, also one that comes before it in
 * the chain: without masks it is shorter. */
static void chain_upwards(struct vfio_rig *r)
{
	r->config[CARD_POWER + 1] = CARD_EXP;
	r->config[CARD_EXP + 1] = CARD_MSI;
	r->config[CARD_MSI + 1] = CARD_MSIX;
}

static void test_behind_msi(void **state)
{
	struct vfio_rig *r = calloc(1, sizeof(*r));

	(void)state;
	vfio_rig_init(r, false, false, chain_upwards);
	assert_int_equal(rig_find_cap(&r->vmm, CARD_SLOT, PCI_CAP_ID_EXP, 0),
			 CARD_EXP);
	assert_int_equal(rig_find_cap(&r->vmm, CARD_SLOT, PCI_CAP_ID_MSIX, 0),
			 CARD_MSIX);
	vfio_rig_fini(r);
	free(r);
}

static void have_four(struct vfio_rig *r)
{
	/* The masks take the place of the PCI Express capability. */
	r->config[CARD_MSI + 1] = CARD_MSIX;
	pci_put(r->config, CARD_MSI + PCI_MSI_FLAGS, 2,
		PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1);
}

static void test_msi_several(void **state)
{
	struct vfio_rig *r = calloc(1, sizeof(*r));
	const struct card_irq *q = &r->irq[VFIO_PCI_MSI_IRQ_INDEX];

	(void)state;
	vfio_rig_init(r, false, false, have_four);
	card_put(r, CARD_MSI + PCI_MSI_ADDRESS_LO, 4, MSG_ADDRESS);
	card_put(r, CARD_MSI + PCI_MSI_DATA_64, 2, 0x60);
	card_put(r, CARD_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 2 << 4);
	assert_int_equal(q->count, 4);
	/* masked: pending, then one */
	card_put(r, CARD_MSI + PCI_MSI_MASK_64, 4, 1 << 3);
	card_interrupt(r, VFIO_PCI_MSI_IRQ_INDEX, 3);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x63), 0);
	assert_int_equal(card_cfg(r, CARD_MSI + PCI_MSI_PENDING_64, 4), 1 << 3);
	card_put(r, CARD_MSI + PCI_MSI_MASK_64, 4, 0);
	assert_int_equal(card_cfg(r, CARD_MSI + PCI_MSI_PENDING_64, 4), 0);
	assert_int_equal(rig_interrupts(&r->vmm, MSG_ADDRESS, 0x63), 1);
	vfio_rig_fini(r);
	free(r);
}

/* A host with fewer interrupts than the guest enabled. */
static void test_msi_fewer(void **state)
{
	struct vfio_rig *r = calloc(1, sizeof(*r));
	const struct card_irq *q = &r->irq[VFIO_PCI_MSI_IRQ_INDEX];
	unsigned changes;

	(void)state;
	vfio_rig_init(r, false, false, have_four);
	r->host_max = 1;
	card_put(r, CARD_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 2 << 4);
	assert_int_equal(q->count, 1);
	/* They stay as they are, whatever else the guest writes. */
	changes = q->changes;
	card_put(r, PCI_LATENCY_TIMER, 1, 32);
	card_put(r, CARD_MSI + PCI_MSI_ADDRESS_LO, 4, MSG_ADDRESS);
	assert_int_equal(q->changes, changes);
	assert_int_equal(q->count, 1);
	vfio_rig_fini(r);
	free(r);
}

/* VFIO has one kind at a time: a line that came to be in part is in no other
 * kind's way. The rig looks. */
static void test_line_fails(void **state)
{
	struct vfio_rig *r = *state;

	card_put(r, CARD_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	r->refuses_unmask = true;
	card_put(r, CARD_MSI + PCI_MSI_FLAGS, 2, 0);
	assert_int_equal(r->irq[VFIO_PCI_INTX_IRQ_INDEX].count, 0);
	card_put(r, CARD_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	assert_int_equal(r->irq[VFIO_PCI_MSI_IRQ_INDEX].count, 1);
}

/* With a split chip: the line is up until a processor ends it. */
struct chip {
	struct irqs_chip chip;
	unsigned raised, lowered;
};

static void set_line(struct irqs_chip *c, unsigned gsi, bool level)
{
	struct chip *k = container_of(c, struct chip, chip);

	assert_int_equal(gsi, 16 + CARD_SLOT);
	if (level)
		k->raised++;
	else
		k->lowered++;
}

static void end(struct irqs_chip *c, uint8_t vector)
{
	(void)c;
	(void)vector;
}

static void test_line(void **state)
{
	struct vfio_rig *r = calloc(1, sizeof(*r));
	struct chip k = { .chip = { .set_line = set_line, .eoi = end } };
	struct irqs *q = &r->vmm.vm.irqs;

	(void)state;
	vfio_rig_init(r, false, true, NULL);
	q->chip = &k.chip;
	irqs_set_msi(q, 16 + CARD_SLOT, MSG_ADDRESS, 0x51);
	card_interrupt(r, VFIO_PCI_INTX_IRQ_INDEX, 0);
	assert_int_equal(k.raised, 1);
	irqs_eoi(q, 0x52); /* somebody else's */
	assert_int_equal(k.lowered, 0);
	irqs_eoi(q, 0x51);
	assert_int_equal(k.lowered, 1);
	assert_int_equal(r->unmasked, 1);
	irqs_eoi(q, 0x51);
	assert_int_equal(r->unmasked, 1);
	vfio_rig_fini(r);
	free(r);
}

static void test_news(void **state)
{
	struct vfio_rig *r = *state;

	card_interrupt(r, VFIO_PCI_REQ_IRQ_INDEX, 0);
	assert_int_equal(r->asked, 1);
	card_interrupt(r, VFIO_PCI_ERR_IRQ_INDEX, 0);
	assert_int_equal(r->asked, 2);
	assert_true(r->dev->has_failed);
}

/* Nothing that a guest writes does harm: the rig looks at what is mapped when,
 * and at each access to the card. */
static void test_nonsense(void **state)
{
	struct vfio_rig *r = *state;
	struct rng rng = rng_start();

	for (unsigned i = 0; i < 30000; i++) {
		unsigned size = 1u << rng_below(&rng, 4);
		unsigned off = rng_below(&rng, 3) ? rng_below(&rng, 256)
						  : rng_below(&rng, 4096);
		uint64_t bar = rig_bar(&r->vmm, CARD_SLOT, rng_below(&rng, 4));
		uint64_t value = rng_below(&rng, 3) ? rng_next(&rng)
						    : rng_below(&rng, 8);

		off &= ~(size - 1);
		switch (rng_below(&rng, 4)) {
		case 0:
			card_cfg(r, off, size);
			break;
		case 1:
			card_put(r, off, size, value);
			break;
		case 2:
			rig_write(&r->vmm, bar + rng_below(&rng, 0x4000), size,
				  value);
			break;
		default:
			rig_read(&r->vmm, bar + rng_below(&rng, 0x4000), size);
			break;
		}
	}
	assert_memory_equal(r->config, r->before, 4);
	assert_memory_equal(r->config + CARD_SRIOV, r->before + CARD_SRIOV,
			    0x40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capabilities, setup,
						teardown),
		cmocka_unit_test(test_first_is_hidden),
		cmocka_unit_test_setup_teardown(test_direct, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mapping, setup, teardown),
		cmocka_unit_test_setup_teardown(test_msix, setup, teardown),
		cmocka_unit_test(test_msix_grows),
		cmocka_unit_test_setup_teardown(test_msi, setup, teardown),
		cmocka_unit_test(test_behind_msi),
		cmocka_unit_test(test_msi_several),
		cmocka_unit_test(test_msi_fewer),
		cmocka_unit_test_setup_teardown(test_line_fails, setup,
						teardown),
		cmocka_unit_test(test_line),
		cmocka_unit_test_setup_teardown(test_news, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

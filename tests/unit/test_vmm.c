/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/bus, vmm/irqs: which device answers an access, and what KVM is told about
 * interrupts (recorded by a request function of the test). */
#include "test.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "bus.h"
#include "irqs.h"

/* --- bus --- */

struct device {
	struct bus_range range;
	struct bus *bus;
	uint8_t reg[16];
	unsigned last_size;
};

static uint64_t dev_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct device *d = container_of(r, struct device, range);
	uint64_t v = 0;

	d->last_size = size;
	memcpy(&v, &d->reg[off], size);
	/* A device that says more than was asked for. */
	return size < 8 ? v | 0xabull << 56 : v;
}

static void dev_write(struct bus_range *r, uint64_t off, unsigned size,
		      uint64_t value)
{
	struct device *d = container_of(r, struct device, range);

	d->last_size = size;
	memcpy(&d->reg[off], &value, size);
}

static struct device make(const char *name, uint64_t base, uint64_t size)
{
	return (struct device){ .range = { .name = name,
					   .base = base,
					   .size = size,
					   .read = dev_read,
					   .write = dev_write } };
}

static void test_dispatch(void **state)
{
	struct device a = make("a", 0x100, 16), b = make("b", 0x110, 8),
		      c = make("c", 0xfffffffffffffff0ull, 16);
	struct bus bus;

	(void)state;
	bus_init(&bus);
	assert_int_equal(bus_add(&bus, &b.range, NULL), 0);
	assert_int_equal(bus_add(&bus, &c.range, NULL), 0);
	assert_int_equal(bus_add(&bus, &a.range, NULL), 0);
	for (unsigned size = 1; size <= 8; size *= 2) {
		bus_write(&bus, 0x104, size, 0x8877665544332211ull);
		assert_int_equal(a.last_size, size);
		assert_int_equal(bus_read(&bus, 0x104, size),
				 size == 8 ? 0x8877665544332211ull
					   : 0x8877665544332211ull &
						     ((1ull << 8 * size) - 1));
		assert_int_equal(a.last_size, size);
	}
	bus_write(&bus, 0xfffffffffffffff8ull, 8, 7);
	assert_int_equal(bus_read(&bus, 0xfffffffffffffff8ull, 8), 7);
	assert_int_equal(bus.strays, 0);
	/* Where nobody is. */
	assert_int_equal(bus_read(&bus, 0x118, 1), 0xff);
	assert_int_equal(bus_read(&bus, 0xff, 2), 0xffff);
	assert_int_equal(bus_read(&bus, 0, 8), UINT64_MAX);
	bus_write(&bus, 0x118, 4, 1);
	assert_int_equal(bus.strays, 4);
	bus_remove(&bus, &a.range);
	bus_remove(&bus, &a.range);
	assert_int_equal(bus_read(&bus, 0x104, 1), 0xff);
	assert_int_equal(bus_read(&bus, 0x110, 1), b.reg[0]);
	bus_fini(&bus);
}

/* An access that goes beyond its range is done byte by byte: the next device
 * gets its bytes, and none gets an offset outside its own range. */
static void test_across(void **state)
{
	struct device a = make("a", 0x100, 6), b = make("b", 0x106, 1);
	struct bus bus;

	(void)state;
	bus_init(&bus);
	assert_int_equal(bus_add(&bus, &a.range, NULL), 0);
	assert_int_equal(bus_add(&bus, &b.range, NULL), 0);
	bus_write(&bus, 0x104, 4, 0x44332211);
	assert_int_equal(a.reg[4], 0x11);
	assert_int_equal(a.reg[5], 0x22);
	assert_int_equal(a.reg[6], 0);
	assert_int_equal(b.reg[0], 0x33);
	assert_int_equal(a.last_size, 1);
	assert_int_equal(bus_read(&bus, 0x104, 4), 0xff332211);
	bus_fini(&bus);
}

static void test_overlap(void **state)
{
	static const struct {
		uint64_t base, size;
		int rc;
	} tries[] = {
		{ 0x100, 16, -EEXIST },	    { 0xff, 2, -EEXIST },
		{ 0x10f, 1, -EEXIST },	    { 0x0, 0x1000, -EEXIST },
		{ 0x104, 1, -EEXIST },	    { 0xf0, 16, 0 },
		{ 0x110, 16, 0 },	    { 0x2000, 0, -EINVAL },
		{ UINT64_MAX, 2, -EINVAL },
	};
	struct device a = make("first", 0x100, 16), b;
	struct err err;
	struct bus bus;

	(void)state;
	bus_init(&bus);
	assert_int_equal(bus_add(&bus, &a.range, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
		b = make("second", tries[i].base, tries[i].size);
		assert_int_equal(bus_add(&bus, &b.range, &err), tries[i].rc);
		if (tries[i].rc == -EEXIST) {
			assert_non_null(strstr(err.msg, "second"));
			assert_non_null(strstr(err.msg, "first"));
		}
		bus_remove(&bus, &b.range);
	}
	assert_int_equal(bus.count, 1);
	bus_fini(&bus);
}

static void move_itself(struct bus_range *r, uint64_t off, unsigned size,
			uint64_t value)
{
	struct device *d = container_of(r, struct device, range);

	(void)off;
	(void)size;
	bus_remove(d->bus, r);
	r->base = value;
	bus_add(d->bus, r, NULL);
}

/* The guest moves a BAR by a write to the device itself. */
static void test_moves_in_handler(void **state)
{
	struct device a = make("a", 0x100, 16);
	struct bus bus;

	(void)state;
	bus_init(&bus);
	a.bus = &bus;
	a.range.write = move_itself;
	a.reg[3] = 9;
	assert_int_equal(bus_add(&bus, &a.range, NULL), 0);
	bus_write(&bus, 0x100, 4, 0x5000);
	assert_int_equal(bus_read(&bus, 0x103, 1), 0xff);
	assert_int_equal(bus_read(&bus, 0x5003, 1), 9);
	bus_fini(&bus);
}

/* --- irqs --- */

static struct {
	unsigned routings, lines;
	struct kvm_irq_routing_entry entry[4096];
	unsigned count;
	struct kvm_irqfd irqfd;
	struct kvm_irq_level level;
	struct kvm_msi msi;
	int answer;
} kvm;

static int record(int fd, unsigned long request, void *arg)
{
	const struct kvm_irq_routing *t = arg;

	assert_int_equal(fd, 77);
	switch (request) {
	case KVM_SET_GSI_ROUTING:
		kvm.routings++;
		kvm.count = t->nr;
		memcpy(kvm.entry, t->entries, t->nr * sizeof(t->entries[0]));
		return kvm.answer;
	case KVM_IRQFD:
		kvm.irqfd = *(struct kvm_irqfd *)arg;
		return kvm.answer;
	case KVM_IRQ_LINE:
		kvm.level = *(struct kvm_irq_level *)arg;
		return kvm.answer;
	case KVM_SIGNAL_MSI:
		kvm.msi = *(struct kvm_msi *)arg;
		return 1;
	default:
		fail();
	}
	return -ENOTTY;
}

static const struct kvm_irq_routing_entry *route(unsigned gsi, unsigned type,
						 unsigned chip)
{
	for (unsigned i = 0; i < kvm.count; i++)
		if (kvm.entry[i].gsi == gsi && kvm.entry[i].type == type &&
		    (type == KVM_IRQ_ROUTING_MSI ||
		     kvm.entry[i].u.irqchip.irqchip == chip))
			return &kvm.entry[i];
	return NULL;
}

static int begin(void **state)
{
	(void)state;
	memset(&kvm, 0, sizeof(kvm));
	return 0;
}

/* Line n is pin n of the chips, but for the timer, which the MADT moves. */
static void test_lines(void **state)
{
	const struct kvm_irq_routing_entry *e;
	struct irqs q;

	(void)state;
	irqs_init(&q, 77, record);
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.routings, 1);
	for (unsigned gsi = 0; gsi < IRQS_LINES; gsi++) {
		e = route(gsi, KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQCHIP_IOAPIC);
		if (gsi == 2) {
			assert_null(e);
			continue;
		}
		assert_non_null(e);
		assert_int_equal(e->u.irqchip.pin, gsi ? gsi : 2);
		e = route(gsi, KVM_IRQ_ROUTING_IRQCHIP,
			  gsi < 8 ? KVM_IRQCHIP_PIC_MASTER
				  : KVM_IRQCHIP_PIC_SLAVE);
		if (gsi < 16) {
			assert_non_null(e);
			assert_int_equal(e->u.irqchip.pin, gsi % 8);
		} else {
			assert_null(e);
		}
	}
	irqs_set_line(&q, 9, true);
	assert_int_equal(kvm.level.irq, 9);
	assert_int_equal(kvm.level.level, 1);
	irqs_fini(&q);
}

struct chip {
	struct irqs_chip chip;
	unsigned line, vector;
};

static void chip_line(struct irqs_chip *c, unsigned gsi, bool level)
{
	container_of(c, struct chip, chip)->line = gsi << 1 | level;
}

static void chip_eoi(struct irqs_chip *c, uint8_t vector)
{
	container_of(c, struct chip, chip)->vector = vector;
}

/* Without chips in KVM a line has the route that the chip of ours gave it. */
static void test_split(void **state)
{
	struct chip c = { .chip = { chip_line, chip_eoi } };
	const struct kvm_irq_routing_entry *e;
	struct irqs q;
	unsigned gsi;

	(void)state;
	irqs_init(&q, 77, record);
	q.is_split = true;
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.count, 0);
	irqs_set_line(&q, 4, true); /* there is no chip yet */
	irqs_eoi(&q, 0x33);
	q.chip = &c.chip;
	irqs_set_line(&q, 4, true);
	assert_int_equal(c.line, 4 << 1 | 1);
	irqs_eoi(&q, 0x33);
	assert_int_equal(c.vector, 0x33);
	irqs_set_msi(&q, 23, 0xfee01000, 0x8055);
	assert_int_equal(irqs_alloc(&q, &gsi), 0);
	assert_int_equal(gsi, IRQS_LINES);
	irqs_set_msi(&q, gsi, 0xfee00000, 0x41);
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.count, 2);
	e = route(23, KVM_IRQ_ROUTING_MSI, 0);
	assert_non_null(e);
	assert_int_equal(e->u.msi.address_lo, 0xfee01000);
	assert_int_equal(e->u.msi.data, 0x8055);
	irqs_set_msi(&q, 23, 0xfee01000, 0x8055);
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.routings, 2);
	irqs_send_msi(&q, 0x2fee01000ull, 0x31);
	assert_int_equal(kvm.msi.address_lo, 0xfee01000);
	assert_int_equal(kvm.msi.address_hi, 2);
	assert_int_equal(kvm.msi.data, 0x31);
	irqs_fini(&q);
}

static void test_messages(void **state)
{
	const struct kvm_irq_routing_entry *e;
	unsigned gsi[3];
	struct irqs q;

	(void)state;
	irqs_init(&q, 77, record);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(irqs_alloc(&q, &gsi[i]), 0);
		assert_true(gsi[i] >= IRQS_LINES);
		assert_true(!i || gsi[i] != gsi[i - 1]);
	}
	irqs_set_msi(&q, gsi[0], 0xfee00000, 0x41);
	irqs_set_msi(&q, gsi[2], 0x1fee01000ull, 0x42);
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.routings, 1);
	/* One without a message has no route. */
	assert_null(route(gsi[1], KVM_IRQ_ROUTING_MSI, 0));
	e = route(gsi[2], KVM_IRQ_ROUTING_MSI, 0);
	assert_non_null(e);
	assert_int_equal(e->u.msi.address_lo, 0xfee01000);
	assert_int_equal(e->u.msi.address_hi, 1);
	assert_int_equal(e->u.msi.data, 0x42);
	/* Nothing new: KVM is not asked. */
	irqs_set_msi(&q, gsi[0], 0xfee00000, 0x41);
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.routings, 1);
	irqs_free(&q, gsi[0]);
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.routings, 2);
	assert_null(route(gsi[0], KVM_IRQ_ROUTING_MSI, 0));
	assert_non_null(route(gsi[2], KVM_IRQ_ROUTING_MSI, 0));
	/* The number is free again, and has no message. */
	assert_int_equal(irqs_alloc(&q, &gsi[1]), 0);
	assert_int_equal(gsi[1], gsi[0]);
	irqs_fini(&q);
}

/* What KVM refused is tried again by the next commit. */
static void test_refused(void **state)
{
	struct irqs q;

	(void)state;
	irqs_init(&q, 77, record);
	kvm.answer = -ENOMEM;
	assert_int_equal(irqs_commit(&q), -ENOMEM);
	kvm.answer = 0;
	assert_int_equal(irqs_commit(&q), 0);
	assert_int_equal(kvm.routings, 2);
	irqs_fini(&q);
}

static void test_limit(void **state)
{
	unsigned gsi, n = 0;
	struct irqs q;
	int rc;

	(void)state;
	irqs_init(&q, 77, record);
	while (!(rc = irqs_alloc(&q, &gsi))) {
		irqs_set_msi(&q, gsi, 0xfee00000, n);
		n++;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(irqs_commit(&q), 0);
	assert_true(kvm.count <= 4096);
	assert_true(n > 4000);
	irqs_fini(&q);
}

static void test_irqfd(void **state)
{
	struct irqs q;

	(void)state;
	irqs_init(&q, 77, record);
	assert_int_equal(irqs_attach(&q, 30, 5), 0);
	assert_int_equal(kvm.irqfd.gsi, 30);
	assert_int_equal(kvm.irqfd.fd, 5);
	assert_int_equal(kvm.irqfd.flags, 0);
	assert_int_equal(irqs_detach(&q, 30, 5), 0);
	assert_int_equal(kvm.irqfd.flags, KVM_IRQFD_FLAG_DEASSIGN);
	irqs_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dispatch),
		cmocka_unit_test(test_across),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_moves_in_handler),
		cmocka_unit_test_setup(test_lines, begin),
		cmocka_unit_test_setup(test_split, begin),
		cmocka_unit_test_setup(test_messages, begin),
		cmocka_unit_test_setup(test_refused, begin),
		cmocka_unit_test_setup(test_limit, begin),
		cmocka_unit_test_setup(test_irqfd, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

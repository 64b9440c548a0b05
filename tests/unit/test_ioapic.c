/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of the I/O APIC, after Intel's data sheet of the 82093AA: what
 * is read back, which messages go out, and when. */
#include "test.h"

#include <string.h>

#include "ioapic_regs.h"
#include "util.h"

#define MASKED	   (1u << 16)
#define LEVEL	   (1u << 15)
#define REMOTE_IRR (1u << 14)
#define ACTIVE_LOW (1u << 13)
#define LOGICAL	   (1u << 11)

struct chip {
	struct ioapic_regs r;
	unsigned sent, routed;
	uint64_t address, route_address;
	uint32_t data, route_data;
	unsigned pin;
};

static void send(struct ioapic_regs *r, uint64_t address, uint32_t data)
{
	struct chip *c = container_of(r, struct chip, r);

	c->sent++;
	c->address = address;
	c->data = data;
}

static void route(struct ioapic_regs *r, unsigned pin, uint64_t address,
		  uint32_t data)
{
	struct chip *c = container_of(r, struct chip, r);

	c->routed++;
	c->pin = pin;
	c->route_address = address;
	c->route_data = data;
}

static struct chip new_chip(void)
{
	struct chip c = { .r = { .send = send, .route = route } };

	ioapic_regs_reset(&c.r);
	return c;
}

static uint32_t rd(struct chip *c, unsigned reg)
{
	ioapic_regs_write(&c->r, 0, reg);
	return ioapic_regs_read(&c->r, 0x10);
}

static void wr(struct chip *c, unsigned reg, uint32_t v)
{
	ioapic_regs_write(&c->r, 0, reg);
	ioapic_regs_write(&c->r, 0x10, v);
}

static void set_entry(struct chip *c, unsigned pin, uint32_t low, uint8_t dest)
{
	wr(c, 0x11 + 2 * pin, (uint32_t)dest << 24);
	wr(c, 0x10 + 2 * pin, low);
}

static void set_line(struct chip *c, unsigned pin, bool level)
{
	ioapic_regs_set_line(&c->r, pin, level);
}

static void test_registers(void **state)
{
	struct chip c = new_chip();

	(void)state;
	assert_int_equal(rd(&c, 1), 0x170020);
	assert_int_equal(rd(&c, 0), 0);
	wr(&c, 0, 0xffffffff);
	assert_int_equal(rd(&c, 0), 0x0f000000);
	assert_int_equal(rd(&c, 2), 0x0f000000);
	wr(&c, 1, 0xffffffff); /* read-only */
	assert_int_equal(rd(&c, 1), 0x170020);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		assert_int_equal(rd(&c, 0x10 + 2 * pin), MASKED);
		assert_int_equal(rd(&c, 0x11 + 2 * pin), 0);
		/* Delivery status and remote IRR are read-only. */
		set_entry(&c, pin, 0xffffffff, 0xa5);
		assert_int_equal(rd(&c, 0x10 + 2 * pin), 0x1afff);
		assert_int_equal(rd(&c, 0x11 + 2 * pin), 0xa5000000);
	}
	assert_int_equal(c.sent + c.routed, 0);
	/* The index reads back; beyond the table there is nothing. */
	for (unsigned reg = 3; reg < 256; reg++) {
		if (reg >= 0x10 && reg < 0x10 + 2 * IOAPIC_PINS)
			continue;
		wr(&c, reg, 0xffffffff);
		assert_int_equal(rd(&c, reg), 0);
		assert_int_equal(ioapic_regs_read(&c.r, 0), reg);
	}
	assert_int_equal(ioapic_regs_read(&c.r, 0x20), 0);
	assert_int_equal(ioapic_regs_read(&c.r, 0x40), 0);
	ioapic_regs_write(&c.r, 0x20, 1);
	ioapic_regs_write(&c.r, 0xffc, 1);
	ioapic_regs_reset(&c.r);
	assert_int_equal(rd(&c, 0x10), MASKED);
}

static void test_edge(void **state)
{
	struct chip c = new_chip();

	(void)state;
	set_entry(&c, 4, 0x31 | LOGICAL | 1 << 8, 3);
	/* The route is there before the first interrupt. */
	assert_int_equal(c.routed, 1);
	assert_int_equal(c.pin, 4);
	assert_int_equal(c.route_address, 0xfee03004);
	assert_int_equal(c.route_data, 0x131);
	assert_int_equal(c.sent, 0);
	set_line(&c, 4, true);
	assert_int_equal(c.sent, 1);
	assert_int_equal(c.address, 0xfee03004);
	assert_int_equal(c.data, 0x131);
	/* A level that stays is no edge; nor is its end. */
	set_line(&c, 4, true);
	set_line(&c, 4, false);
	assert_int_equal(c.sent, 1);
	assert_int_equal(rd(&c, 0x18), 0x931);
	set_line(&c, 4, true);
	assert_int_equal(c.sent, 2);
	/* What comes while it is masked is ignored, also afterwards. */
	set_line(&c, 4, false);
	set_entry(&c, 4, 0x31 | MASKED, 3);
	set_line(&c, 4, true);
	set_entry(&c, 4, 0x31, 3);
	assert_int_equal(c.sent, 2);
	/* An EOI is nothing to an edge. */
	ioapic_regs_eoi(&c.r, 0x31);
	assert_int_equal(c.sent, 2);
}

static void test_level(void **state)
{
	struct chip c = new_chip();

	(void)state;
	/* Active low or high: a device says what it means. */
	set_entry(&c, 23, 0x55 | LEVEL | ACTIVE_LOW, 1);
	assert_int_equal(c.route_data, 0x8055);
	set_line(&c, 23, true);
	assert_int_equal(c.sent, 1);
	assert_int_equal(c.data, 0x8055);
	assert_int_equal(c.address, 0xfee01000);
	assert_int_equal(rd(&c, 0x10 + 46),
			 0x55 | LEVEL | ACTIVE_LOW | REMOTE_IRR);
	/* Not again before the EOI, whatever the line does. */
	set_line(&c, 23, false);
	set_line(&c, 23, true);
	set_line(&c, 23, true);
	assert_int_equal(c.sent, 1);
	/* Of another vector: not ours. */
	ioapic_regs_eoi(&c.r, 0x54);
	assert_int_equal(c.sent, 1);
	/* The line is still up: once more. */
	ioapic_regs_eoi(&c.r, 0x55);
	assert_int_equal(c.sent, 2);
	set_line(&c, 23, false);
	ioapic_regs_eoi(&c.r, 0x55);
	assert_int_equal(c.sent, 2);
	assert_int_equal(rd(&c, 0x10 + 46), 0x55 | LEVEL | ACTIVE_LOW);
	set_line(&c, 23, true);
	assert_int_equal(c.sent, 3);
	/* By the register, for a processor that keeps EOIs to itself. */
	ioapic_regs_write(&c.r, 0x40, 0x55);
	assert_int_equal(c.sent, 4);
}

/* A level that comes while the pin is masked waits. */
static void test_masked_level(void **state)
{
	struct chip c = new_chip();

	(void)state;
	set_entry(&c, 16, 0x66 | LEVEL | MASKED, 0);
	set_line(&c, 16, true);
	assert_int_equal(c.sent + c.routed, 0);
	set_entry(&c, 16, 0x66 | LEVEL, 0);
	assert_int_equal(c.sent, 1);
	/* Masked in its handler, as drivers do that thread it; the EOI comes
	 * meanwhile. */
	set_entry(&c, 16, 0x66 | LEVEL | MASKED, 0);
	assert_true(rd(&c, 0x30) & REMOTE_IRR);
	ioapic_regs_eoi(&c.r, 0x66);
	assert_int_equal(c.sent, 1);
	assert_false(rd(&c, 0x30) & REMOTE_IRR);
	set_entry(&c, 16, 0x66 | LEVEL, 0);
	assert_int_equal(c.sent, 2);
	set_line(&c, 16, false);
	ioapic_regs_eoi(&c.r, 0x66);
	assert_int_equal(c.sent, 2);
}

/* Linux ends a level that hangs by making it an edge for a moment. */
static void test_edge_clears_remote_irr(void **state)
{
	struct chip c = new_chip();

	(void)state;
	set_entry(&c, 16, 0x66 | LEVEL, 0);
	set_line(&c, 16, true);
	set_entry(&c, 16, 0x66 | MASKED, 0);
	assert_int_equal(rd(&c, 0x30), 0x66 | MASKED);
	assert_int_equal(c.sent, 1);
	set_entry(&c, 16, 0x66 | LEVEL, 0);
	assert_int_equal(c.sent, 2);
}

/* Two pins with one vector: an EOI is for both. */
static void test_shared_vector(void **state)
{
	struct chip c = new_chip();

	(void)state;
	set_entry(&c, 16, 0x70 | LEVEL, 0);
	set_entry(&c, 17, 0x70 | LEVEL, 0);
	set_line(&c, 16, true);
	set_line(&c, 17, true);
	assert_int_equal(c.sent, 2);
	set_line(&c, 17, false);
	ioapic_regs_eoi(&c.r, 0x70);
	assert_int_equal(c.sent, 3);
	assert_true(rd(&c, 0x30) & REMOTE_IRR);
	assert_false(rd(&c, 0x32) & REMOTE_IRR);
}

/* Nobody answers the cycle that asks for an 8259's vector. */
static void test_extint(void **state)
{
	struct chip c = new_chip();

	(void)state;
	set_entry(&c, 0, 7 << 8 | 0x20, 0);
	set_line(&c, 0, true);
	assert_int_equal(c.sent, 0);
}

/* A write of one half leaves the other as it is, and moves the interrupt. */
static void test_destination(void **state)
{
	struct chip c = new_chip();

	(void)state;
	set_entry(&c, 5, 0x44, 1);
	wr(&c, 0x1b, 0xff000000);
	assert_int_equal(rd(&c, 0x1a), 0x44);
	assert_int_equal(c.route_address, 0xfeeff000);
	set_line(&c, 5, true);
	assert_int_equal(c.address, 0xfeeff000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_edge),
		cmocka_unit_test(test_level),
		cmocka_unit_test(test_masked_level),
		cmocka_unit_test(test_edge_clears_remote_irr),
		cmocka_unit_test(test_shared_vector),
		cmocka_unit_test(test_extint),
		cmocka_unit_test(test_destination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

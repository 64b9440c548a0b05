/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/boot/: AML byte by byte, and the ACPI tables as a kernel finds them. */
#include "boot_rig.h"

#include <errno.h>
#include <string.h>

#include "aml.h"
#include "layout.h"

#define assert_bytes(a, text)                                           \
	do {                                                            \
		assert_int_equal((a)->size, sizeof(text) - 1);          \
		assert_memory_equal((a)->data, text, sizeof(text) - 1); \
		(a)->size = 0;                                          \
	} while (0)

/* What iasl makes of the same ASL */
static void test_aml(void **state)
{
	uint8_t b[256];
	struct aml a;

	(void)state;
	aml_init(&a, b, sizeof(b));
	aml_int(&a, 0);
	aml_int(&a, 1);
	aml_int(&a, 2);
	aml_int(&a, 0xff);
	aml_int(&a, 0x100);
	aml_int(&a, 0x10000);
	aml_int(&a, 0x100000000);
	assert_bytes(&a, "\x00\x01\x0a\x02\x0a\xff\x0b\x00\x01"
			 "\x0c\x00\x00\x01\x00\x0e\0\0\0\0\x01\0\0\0");
	aml_name_eisa_id(&a, "_HID", "PNP0A08");
	assert_bytes(&a, "\x08_HID\x0c\x41\xd0\x0a\x08");
	aml_name(&a, "\\_S5");
	aml_open_package(&a, 2);
	aml_int(&a, 5);
	aml_int(&a, 0);
	aml_close(&a);
	assert_bytes(&a, "\x08\\_S5_\x12\x05\x02\x0a\x05\x00");
	aml_open_scope(&a, "\\_SB");
	aml_open_device(&a, "RTC");
	aml_close(&a);
	aml_close(&a);
	assert_bytes(&a, "\x10\x0d\\_SB_\x5b\x82\x05RTC_");
	aml_open_resources(&a);
	aml_io(&a, 0x3f8, 8);
	aml_irq(&a, 4);
	aml_close_resources(&a);
	assert_bytes(&a, "\x11\x10\x0a\x0d\x47\x01\xf8\x03\xf8\x03\x01\x08"
			 "\x22\x10\x00\x79\x00");
	aml_memory32(&a, 0xe0000000, 0x10000000);
	assert_bytes(&a, "\x86\x09\x00\x01\x00\x00\x00\xe0\x00\x00\x00\x10");
	aml_region(&a, "PLUG", 0x620, 12);
	assert_bytes(&a, "\x5b\x80PLUG\x01\x0b\x20\x06\x0a\x0c");
	aml_open_fields(&a, "PLUG");
	aml_field32(&a, "ASK");
	aml_close(&a);
	assert_bytes(&a, "\x5b\x81\x0bPLUG\x43"
			 "ASK_\x20");
	aml_open_method(&a, "TELL", 2);
	aml_open_if_bits(&a, 0, 2);
	aml_notify(&a, "S01", 1);
	aml_close(&a);
	aml_store(&a, 4, "EJCT");
	aml_use(&a, "A.B");
	aml_use(&a, "\\_SB.PCI0.EVNT");
	aml_close(&a);
	assert_bytes(&a, "\x14\x32TELL\x02\xa0\x0c\x7b\x68\x0a\x02\x00\x86"
			 "S01_\x69\x70\x0a\x04"
			 "EJCT\x2e"
			 "A___B___"
			 "\\\x2f\x03_SB_PCI0EVNT");
	aml_window(&a, AML_IO, 0x1000, 0xe000);
	assert_bytes(&a, "\x88\x0d\x00\x01\x0c\x03\x00\x00\x00\x10\xff\xef"
			 "\x00\x00\x00\xe0");
}

/* The number of bytes of a length changes where the length counts itself. */
static void test_lengths(void **state)
{
	static const struct {
		unsigned body;
		unsigned head;
		uint8_t bytes[3];
	} cases[] = {
		{ 62, 1, { 63 } },
		{ 63, 2, { 0x41, 0x04 } },
		{ 4093, 2, { 0x4f, 0xff } },
		{ 4094, 3, { 0x81, 0x00, 0x01 } },
	};
	uint8_t b[8192];
	struct aml a;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		aml_init(&a, b, sizeof(b));
		aml_open_package(&a, 0); /* its count is of the body, too */
		for (unsigned n = 1; n < cases[i].body; n++)
			aml_int(&a, 1);
		aml_close(&a);
		assert_int_equal(a.size, 1 + cases[i].head + cases[i].body);
		assert_memory_equal(b + 1, cases[i].bytes, cases[i].head);
		assert_int_equal(b[a.size - 1], 1);
	}
}

static void test_full(void **state)
{
	uint8_t b[16] = { 0 };

	(void)state;
	for (unsigned room = 0; room < 12; room++) {
		struct aml a;

		aml_init(&a, b, room);
		aml_open_scope(&a, "\\_SB");
		aml_open_package(&a, 1);
		aml_int(&a, 0x100000000);
		aml_close(&a);
		aml_close(&a);
		assert_true(a.is_full && a.size <= room && !b[room]);
		memset(b, 0, sizeof(b));
	}
}

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	while (size--)
		v = v << 8 | p[size];
	return v;
}

static uint8_t sum(const uint8_t *p, size_t size)
{
	uint8_t s = 0;

	while (size--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* Returns the table at @gpa after a check of its frame. */
static const uint8_t *table(const struct gmem *ram, uint64_t gpa,
			    const char *signature)
{
	const uint8_t *p = rig_at(ram, gpa, 36);

	assert_memory_equal(p, signature, 4);
	assert_int_equal(gpa & 15, 0);
	assert_true(gpa >= ACPI_RSDP + 36 &&
		    gpa + get(p + 4, 4) <= ACPI_RSDP + ACPI_SIZE);
	assert_int_equal(sum(p, get(p + 4, 4)), 0);
	return p;
}

/* Returns the table @idx of the XSDT. */
static const uint8_t *listed(const struct gmem *ram, unsigned idx,
			     const char *signature)
{
	const uint8_t *rsdp = rig_at(ram, ACPI_RSDP, 36);
	const uint8_t *xsdt = table(ram, get(rsdp + 24, 8), "XSDT");

	assert_int_equal(get(xsdt + 4, 4), 36 + 3 * 8);
	return table(ram, get(xsdt + 36 + idx * 8, 8), signature);
}

static int write_tables(const struct gmem *ram, unsigned cpus, bool has_pic)
{
	const struct cpu_topology t = { 1, cpus, 1 };

	return boot_acpi(ram, ACPI_RSDP, &t, has_pic);
}

static void test_rsdp(void **state)
{
	struct gmem *ram = rig_ram(64);
	const uint8_t *p = rig_at(ram, ACPI_RSDP, 36);

	(void)state;
	assert_int_equal(write_tables(ram, 2, true), 0);
	assert_memory_equal(p, "RSD PTR ", 8);
	assert_int_equal(p[15], 2);
	assert_int_equal(sum(p, 20), 0);
	assert_int_equal(sum(p, 36), 0);
	gmem_put(ram);
}

static void test_fadt(void **state)
{
	struct gmem *ram = rig_ram(64);
	const uint8_t *p;

	(void)state;
	assert_int_equal(write_tables(ram, 1, true), 0);
	p = listed(ram, 0, "FACP");
	assert_int_equal(get(p + 4, 4), 276);
	assert_memory_equal(rig_at(ram, get(p + 36, 4), 64), "FACS", 4);
	table(ram, get(p + 40, 4), "DSDT");
	assert_int_equal(get(p + 140, 8), get(p + 40, 4));
	assert_int_equal(get(p + 46, 2), IRQ_SCI);
	assert_int_equal(get(p + 48, 4), 0); /* always in ACPI mode */
	assert_int_equal(get(p + 56, 4), 0x600);
	assert_int_equal(get(p + 64, 4), 0x604);
	assert_int_equal(get(p + 76, 4), 0x608);
	assert_int_equal(p[88], 4);
	assert_int_equal(p[89], 2);
	assert_int_equal(p[91], 4);
	/* not reduced hardware; reset register; timer of 32 bits; the power
	 * button is a fixed one */
	assert_int_equal(get(p + 112, 4) &
				 (1 << 20 | 1 << 10 | 1 << 8 | 1 << 4),
			 1 << 10 | 1 << 8);
	assert_memory_equal(p + 116, "\1\x08\0\1\xf9\x0c\0\0\0\0\0\0\6", 13);
	assert_memory_equal(p + 148, "\1\x20\0\3\x00\x06\0\0\0\0\0\0", 12);
	assert_memory_equal(p + 172, "\1\x10\0\2\x04\x06\0\0\0\0\0\0", 12);
	assert_memory_equal(p + 208, "\1\x20\0\3\x08\x06\0\0\0\0\0\0", 12);
	assert_int_equal(get(p + 80, 4), 0x60c);
	assert_int_equal(p[92], 2);
	assert_memory_equal(p + 220, "\1\x10\0\2\x0c\x06\0\0\0\0\0\0", 12);
	gmem_put(ram);
}

static void test_madt(void **state)
{
	static const unsigned counts[] = { 1, 2, 64, 255 };
	struct gmem *ram = rig_ram(64);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		unsigned kinds[5] = { 0 };
		const uint8_t *p, *end;

		assert_int_equal(write_tables(ram, counts[i], true), 0);
		p = listed(ram, 1, "APIC");
		end = p + get(p + 4, 4);
		assert_int_equal(get(p + 36, 4), LAPIC_BASE);
		for (p += 44; p < end; p += p[1]) {
			assert_true(p[0] < ARRAY_SIZE(kinds) && p[1]);
			if (p[0] == 0)
				assert_true(p[3] == kinds[0] && p[4] == 1);
			if (p[0] == 1)
				assert_int_equal(get(p + 4, 4), IOAPIC_BASE);
			if (p[0] == 2 && p[3] == 0)
				assert_true(p[4] == 2 && !get(p + 8, 2));
			if (p[0] == 2 && p[3] == IRQ_SCI)
				assert_true(p[4] == IRQ_SCI &&
					    get(p + 8, 2) == 0xd);
			kinds[p[0]]++;
		}
		assert_ptr_equal(p, end);
		assert_int_equal(kinds[0], counts[i]);
		assert_int_equal(kinds[1], 1);
		assert_int_equal(kinds[2], 2);
	}
	assert_int_equal(write_tables(ram, 256, true), -ENOSPC);
	gmem_put(ram);
}

/* A core of three threads leaves out every fourth number. */
static void test_madt_of_topology(void **state)
{
	const struct cpu_topology t = { 2, 2, 3 };
	struct gmem *ram = rig_ram(64);
	const uint8_t *p;

	(void)state;
	assert_int_equal(boot_acpi(ram, ACPI_RSDP, &t, true), 0);
	p = listed(ram, 1, "APIC") + 44;
	for (unsigned i = 0; i < 12; i++, p += 8) {
		assert_int_equal(p[0], 0);
		assert_int_equal(p[2], i);
		assert_int_equal(p[3], i / 6 * 8 + i % 6 / 3 * 4 + i % 3);
	}
	assert_int_equal(p[0], 1);
	gmem_put(ram);
}

/* Without 8259s: no flag of theirs, and their timer is not moved. */
static void test_madt_without_pic(void **state)
{
	struct gmem *ram = rig_ram(64);
	const uint8_t *p, *end;
	unsigned overrides = 0;

	(void)state;
	assert_int_equal(write_tables(ram, 3, false), 0);
	p = listed(ram, 1, "APIC");
	end = p + get(p + 4, 4);
	assert_int_equal(get(p + 40, 4), 0);
	for (p += 44; p < end; p += p[1])
		if (p[0] == 2) {
			assert_int_equal(p[3], IRQ_SCI);
			overrides++;
		}
	assert_ptr_equal(p, end);
	assert_int_equal(overrides, 1);
	gmem_put(ram);
}

static void test_mcfg(void **state)
{
	struct gmem *ram = rig_ram(64);
	const uint8_t *p;

	(void)state;
	assert_int_equal(write_tables(ram, 1, true), 0);
	p = listed(ram, 2, "MCFG");
	assert_int_equal(get(p + 4, 4), 60);
	assert_true(get(p + 44, 8) == ECAM_BASE);
	assert_int_equal(get(p + 52, 2), 0);
	assert_int_equal(p[54], 0);
	assert_int_equal(p[55], 255);
	gmem_put(ram);
}

/* Finds where the 64-bit window is said to be. */
static uint64_t window64(const struct gmem *ram)
{
	const uint8_t *p = listed(ram, 0, "FACP");
	const uint8_t *dsdt = table(ram, get(p + 40, 4), "DSDT");
	const uint8_t *q =
		memmem(dsdt, get(dsdt + 4, 4), "\x8a\x2b\x00\x00\x0c\x01", 6);

	assert_non_null(q);
	assert_true(get(q + 38, 8) == PCI_MMIO64_SIZE);
	assert_true(get(q + 22, 8) == get(q + 14, 8) + PCI_MMIO64_SIZE - 1);
	return get(q + 14, 8);
}

static void test_window64(void **state)
{
	static const struct {
		unsigned mib;
		uint64_t base;
	} cases[] = {
		{ 64, 0x1000000000 },
		{ 63 << 10, 0x1000000000 }, /* ends at 64 GiB */
		{ (63 << 10) + 2, 0x2000000000 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct gmem *ram = rig_ram(cases[i].mib);

		assert_int_equal(write_tables(ram, 1, true), 0);
		assert_true(window64(ram) == cases[i].base);
		gmem_put(ram);
	}
}

/* The interrupt of each slot and pin is the one of layout.h. */
static void test_routes(void **state)
{
	struct gmem *ram = rig_ram(64);
	const uint8_t *p, *q, *dsdt;

	(void)state;
	assert_int_equal(write_tables(ram, 1, true), 0);
	p = listed(ram, 0, "FACP");
	dsdt = table(ram, get(p + 40, 4), "DSDT");
	q = memmem(dsdt, get(dsdt + 4, 4), "_PRT\x12", 5);
	assert_non_null(q);
	q += 5 + 1 + (q[5] >> 6); /* the length */
	assert_int_equal(*q++, 128);
	for (unsigned i = 0; i < 128; i++) {
		unsigned slot = i / 4, pin = i % 4, gsi = 16 + (slot + pin) % 8;
		uint8_t b[32];
		struct aml a;

		aml_init(&a, b, sizeof(b));
		aml_open_package(&a, 4);
		aml_int(&a, slot << 16 | 0xffff);
		aml_int(&a, pin);
		aml_int(&a, 0);
		aml_int(&a, gsi);
		aml_close(&a);
		assert_memory_equal(q, b, a.size);
		q += a.size;
	}
	gmem_put(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aml),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_rsdp),
		cmocka_unit_test(test_fadt),
		cmocka_unit_test(test_madt),
		cmocka_unit_test(test_madt_of_topology),
		cmocka_unit_test(test_madt_without_pic),
		cmocka_unit_test(test_mcfg),
		cmocka_unit_test(test_window64),
		cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

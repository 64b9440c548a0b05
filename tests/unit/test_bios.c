/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/boot/bios: where firmware comes to lie, what it is told, and files that
 * are none. */
#include "boot_rig.h"

#include <errno.h>
#include <string.h>

#include "bios.h"
#include "layout.h"

#define KIB 1024u

static const struct cpu_topology one = { 1, 1, 1 };

/* Writes a file of @size bytes, of which the last ones tell their place. */
static uint8_t *write_rom(struct rig_file *f, size_t size)
{
	uint8_t *rom = malloc(size + 1);

	assert_non_null(rom);
	for (size_t i = 0; i < size; i++)
		rom[i] = (uint8_t)((i >> 12) + 7 * i);
	rig_write(f, rom, size);
	return rom;
}

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

/* The end of the file is below 1 MiB, as much as a PC has there. */
static void test_places(void **state)
{
	static const unsigned sizes[] = { 64, 128, 256, 320, 4096 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i] * KIB, low = MIN(size, 256u * KIB);
		struct gmem *ram = rig_ram(64);
		struct rig_file f;
		struct bios b;
		struct err err;
		uint8_t *rom = write_rom(&f, size), *at;

		at = rig_at(ram, 0xc0000 - 1, 1);
		*at = 0xaa;
		assert_int_equal(bios_load(f.path, ram, &one, &b, &err), 0);
		assert_int_equal(b.rom_size, size);
		assert_memory_equal(b.rom, rom, size);
		assert_memory_equal(rig_at(ram, 0x100000 - low, low),
				    rom + size - low, low);
		assert_int_equal(*at, 0xaa);
		bios_free(&b);
		bios_free(&b);
		free(rom);
		rig_remove(&f);
		gmem_put(ram);
	}
}

/* Checks "etc/e820" for @mib MiB of RAM. */
static void check_map(const struct bios *b, const struct gmem *ram,
		      uint64_t mib)
{
	uint64_t low = MIN(mib << 20, GAP_BASE), usable = 0, tables = 0;

	assert_int_equal(b->e820_size % 20, 0);
	for (size_t i = 0; i < b->e820_size; i += 20) {
		uint64_t base = get(b->e820 + i, 8);
		uint64_t size = get(b->e820 + i + 8, 8);

		if (get(b->e820 + i + 16, 4) == 1) {
			assert_non_null(gmem_translate(ram, base, size));
			usable += size;
		} else if (base < GAP_BASE) {
			assert_true(base + size == low);
			tables += size;
		}
	}
	assert_int_equal(tables, ACPI_SIZE);
	assert_true(usable == (mib << 20) - ACPI_SIZE);
}

static void test_what_it_is_told(void **state)
{
	static const unsigned sizes[] = { 16, 64, 3072, 5000 };
	struct rig_file f;
	uint8_t *rom = write_rom(&f, 64 * KIB);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct gmem *ram = rig_ram(sizes[i]);
		const uint8_t *xsdt;
		struct bios b;
		struct err err;
		uint8_t sum = 0;

		assert_int_equal(bios_load(f.path, ram, &one, &b, &err), 0);
		check_map(&b, ram, sizes[i]);
		assert_memory_equal(b.rsdp, "RSD PTR ", 8);
		for (unsigned k = 0; k < sizeof(b.rsdp); k++)
			sum = (uint8_t)(sum + b.rsdp[k]);
		assert_int_equal(sum, 0);
		xsdt = rig_at(ram, get(b.rsdp + 24, 8), 36);
		assert_memory_equal(xsdt, "XSDT", 4);
		assert_memory_equal(b.loader, "\1\0\0\0etc/acpi/rsdp\0", 18);
		assert_int_equal(get(b.loader + 60, 4), 16);
		assert_int_equal(b.loader[64], 2);
		assert_true(get(b.bars64, 8) == boot_mmio64(ram));
		bios_free(&b);
		gmem_put(ram);
	}
	free(rom);
	rig_remove(&f);
}

static void refuse(const char *path, unsigned mib, int rc, const char *words)
{
	struct gmem *ram = rig_ram(mib);
	struct bios b;
	struct err err;

	assert_int_equal(bios_load(path, ram, &one, &b, &err), rc);
	if (!strstr(err.msg, words))
		fail_msg("%s: no '%s'", err.msg, words);
	bios_free(&b);
	gmem_put(ram);
}

static void test_refusals(void **state)
{
	static const size_t sizes[] = { 0, 1, 64 * KIB - 1, 64 * KIB + 1,
					4160 * KIB };
	struct rig_file f;
	uint8_t *rom;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		rom = write_rom(&f, sizes[i]);
		refuse(f.path, 64, -EINVAL, "is no firmware: its size");
		rig_remove(&f);
		free(rom);
	}
	refuse("/nowhere/bios.bin", 64, -ENOENT,
	       "bios /nowhere/bios.bin: there is no such file: Debian's "
	       "package seabios");
	refuse("no-such-bios.bin", 64, -ENOENT, "package seabios");
	refuse("/tmp", 64, -EINVAL, "is a directory");
	rom = write_rom(&f, 64 * KIB);
	refuse(f.path, 8, -ENOMEM, "firmware does not fit into 8 MiB");
	rig_remove(&f);
	free(rom);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_what_it_is_told),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Expansion ROMs on the PCI bus (clause 6.2.5.2 of PCI 3.0). */
#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#undef PCI_IO_BASE

#include "layout.h"
#include "pci_rom.h"
#include "vmm_rig.h"

#define SLOT 4
#define SIZE 3000u /* the program; its ROM has 4096 bytes */
#define DATA 0x40u

struct state {
	struct vmm_rig rig;
	struct pci_bus *bus;
	struct pci_dev dev;
	struct pci_rom *rom;
};

static const struct pci_id id = { .vendor = 0x1234, .device = 0x5678 };

static struct pci_rom *make_rom(void)
{
	struct pci_rom *r;
	struct err err;
	uint8_t sum = 0;

	assert_int_equal(pci_rom_create(SIZE, &r, &err), 0);
	assert_int_equal(r->size, 4096);
	assert_false(pci_rom_is_valid(r));
	for (unsigned i = 0; i < SIZE; i++)
		r->bytes[i] = (uint8_t)(i * 5);
	memcpy(r->bytes, "\x55\xaa\6", 3);
	memcpy(r->bytes + 0x18, "\x40\0", 2);
	memcpy(r->bytes + DATA, "PCIR\x99\x88\x77\x66", 8);
	for (unsigned i = 0; i < SIZE; i++)
		sum += r->bytes[i];
	r->bytes[6] = (uint8_t)(r->bytes[6] - sum);
	assert_true(pci_rom_is_valid(r));
	return r;
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct err err;

	vmm_rig_init(&s->rig);
	assert_int_equal(pci_bus_create(&s->rig.vm, &s->bus, &err), 0);
	s->rom = make_rom();
	s->dev.name = "dev";
	s->dev.rom = s->rom;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	pci_remove(&s->dev);
	pci_rom_destroy(s->rom);
	pci_bus_destroy(s->bus);
	vmm_rig_fini(&s->rig);
	free(s);
	return 0;
}

static void add(struct state *s)
{
	struct err err;

	assert_int_equal(pci_add(s->bus, &s->dev, &id, SLOT, &err), 0);
}

static uint32_t cfg(struct state *s)
{
	return (uint32_t)rig_config_read(&s->rig, SLOT, PCI_ROM_ADDRESS, 4);
}

static void put(struct state *s, uint32_t value)
{
	rig_config_write(&s->rig, SLOT, PCI_ROM_ADDRESS, 4, value);
}

static void command(struct state *s, uint16_t value)
{
	rig_config_write(&s->rig, SLOT, PCI_COMMAND, 2, value);
}

static void test_place(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	uint32_t at;

	add(s);
	at = cfg(s);
	assert_true(at >= PCI_MMIO_BASE && !(at & 4095));
	/* needs both the command register and its own bit */
	command(s, PCI_COMMAND_MEMORY);
	assert_int_equal(rig_read(r, at, 4), 0xffffffff);
	put(s, at | PCI_ROM_ADDRESS_ENABLE);
	assert_int_equal(rig_read(r, at, 2), 0xaa55);
	assert_int_equal(rig_read(r, at + 100, 8), 0x17120d0803fef9f4);
	assert_int_equal(rig_read(r, at + SIZE, 8), UINT64_MAX);
	assert_int_equal(rig_read(r, at + 4095, 1), 0xff);
	command(s, 0);
	assert_int_equal(rig_read(r, at, 2), 0xffff);
	/* sizing, with decoding on, too */
	put(s, 0xfffffffe);
	assert_int_equal(cfg(s), 0xfffff000);
	command(s, PCI_COMMAND_MEMORY);
	put(s, 0xffffffff);
	assert_int_equal(cfg(s), 0xfffff001);
	assert_false(s->dev.bar[PCI_ROM].is_mapped);
	/* it moves, and nobody writes to it */
	put(s, 0xc9000001);
	rig_write(r, 0xc9000000, 4, 0);
	assert_int_equal(rig_read(r, 0xc9000000, 2), 0xaa55);
	assert_int_equal(rig_read(r, at, 2), 0xffff);
	put(s, 0xc9000000);
	assert_int_equal(rig_read(r, 0xc9000000, 2), 0xffff);
	put(s, 0xc9000001);
	pci_hide(&s->dev);
	assert_int_equal(rig_read(r, 0xc9000000, 2), 0xffff);
}

/* Without a ROM the register is zero and stays it. */
static void test_none(void **state)
{
	struct state *s = *state;

	s->dev.rom = NULL;
	add(s);
	put(s, 0xffffffff);
	assert_int_equal(cfg(s), 0);
}

/* Firmware looks for the id of the function, and that the sum is zero. */
static void test_id(void **state)
{
	struct state *s = *state;
	uint8_t sum = 0;

	s->rom->is_for_any = true;
	add(s);
	assert_memory_equal(s->rom->bytes + DATA + 4, "\x34\x12\x78\x56", 4);
	for (unsigned i = 0; i < SIZE; i++)
		sum += s->rom->bytes[i];
	assert_int_equal(sum, 0);
}

static void test_own_id(void **state)
{
	struct state *s = *state;

	add(s);
	assert_memory_equal(s->rom->bytes + DATA + 4, "\x99\x88\x77\x66", 4);
}

static void test_bad(void **state)
{
	struct state *s = *state;
	struct pci_rom *r;
	struct err err;

	assert_int_equal(pci_rom_create(0, &r, &err), -EINVAL);
	assert_int_equal(pci_rom_create((16u << 20) + 1, &r, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "1 byte to 16 MiB"));
	/* the data structure must be inside */
	memcpy(s->rom->bytes + 0x18, "\xf0\x0f", 2);
	assert_false(pci_rom_is_valid(s->rom));
	memcpy(s->rom->bytes + 0x18, "\xff\xff", 2);
	assert_false(pci_rom_is_valid(s->rom));
	s->rom->is_for_any = true;
	add(s); /* as it is */
	assert_int_equal(pci_rom_create(1, &r, &err), 0);
	assert_int_equal(r->size, 2048);
	pci_rom_destroy(r);
	pci_rom_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_place),  TEST(test_none), TEST(test_id),
		TEST(test_own_id), TEST(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

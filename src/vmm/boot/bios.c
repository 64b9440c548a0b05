/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware of a PC, see bios.h. Control thread; calls acpi.c and boot_info.c.
 *
 * ACPI tables come without commands to link them, since their place is ours to
 * choose; only the RSDP must be where systems look for it, which SeaBIOS
 * decides.
 */
#include "bios.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot_kernel.h"
#include "layout.h"
#include "le.h"

#define KIB	 1024u
#define ROM_UNIT (64 * KIB)
#define ROM_MAX	 (4096 * KIB)
/* Of the image, what a PC has below 1 MiB; SeaBIOS of 256 KiB uses it all. */
#define LOW_MAX (256 * KIB)
/* SeaBIOS, its stacks and buffers, and a boot loader */
#define RAM_MIN (16u << 20)

/* An entry of "etc/e820" */
struct e820_row {
	le64 base, size;
	le32 type;
} __attribute__((packed));

/* A command of "etc/table-loader": copy a file of fw_cfg into memory */
struct loader_command {
	le32 command;
	char file[56];
	le32 align;
	uint8_t zone;
	uint8_t padding[63];
} __attribute__((packed));

enum { LOADER_ALLOCATE = 1, ZONE_F_SEGMENT = 2 };

static int open_image(const char *path, struct boot_image *i, struct err *err)
{
	static const char *const folders[] = { "/usr/share/seabios",
					       "/usr/share/qemu", NULL };
	int rc = boot_image_find(path, folders, i, err);

	if (rc == -ENOENT)
		err_set(err, rc,
			"there is no such file: Debian's package seabios has "
			"%s",
			BIOS_DEFAULT);
	return rc;
}

static int read_rom(const struct boot_image *i, struct bios *b, struct err *err)
{
	int rc;

	if (!i->size || i->size % ROM_UNIT || i->size > ROM_MAX)
		return err_set(err, -EINVAL,
			       "is no firmware: its size is %llu bytes, and "
			       "should be a multiple of 64 KiB up to 4 MiB",
			       (unsigned long long)i->size);
	b->rom = mmap(NULL, i->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->rom == MAP_FAILED) {
		b->rom = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	b->rom_size = i->size;
	rc = boot_image_read(i, 0, b->rom, b->rom_size);
	return rc ? err_set(err, rc, "cannot be read: %s", strerror(-rc)) : 0;
}

static int load_rom(const char *path, struct bios *b, struct err *err)
{
	struct boot_image i;
	int rc = open_image(path, &i, err);

	if (rc)
		return rc;
	rc = read_rom(&i, b, err);
	boot_image_close(&i);
	return rc;
}

static void fill_e820(struct bios *b, const struct gmem *ram)
{
	struct boot_map m;

	boot_map_firmware(&m, ram);
	for (unsigned i = 0; i < m.count; i++) {
		struct e820_row row = { cpu_to_le64(m.row[i].base),
					cpu_to_le64(m.row[i].size),
					cpu_to_le32(m.row[i].type) };

		memcpy(b->e820 + i * sizeof(row), &row, sizeof(row));
	}
	b->e820_size = m.count * sizeof(struct e820_row);
}

/* The RSDP goes where systems look for it. */
static void fill_loader(struct bios *b)
{
	struct loader_command c = { .command = cpu_to_le32(LOADER_ALLOCATE),
				    .file = "etc/acpi/rsdp",
				    .align = cpu_to_le32(16),
				    .zone = ZONE_F_SEGMENT };

	_Static_assert(sizeof(c) == sizeof(b->loader), "of the interface");
	memcpy(b->loader, &c, sizeof(c));
}

int bios_load(const char *path, const struct gmem *ram,
	      const struct cpu_topology *cpus, struct bios *b, struct err *err)
{
	uint64_t low = boot_low_ram(ram);
	le64 bars64 = cpu_to_le64(boot_mmio64(ram));
	size_t copied;
	int rc;

	*b = (struct bios){ 0 };
	rc = load_rom(path, b, err);
	if (rc)
		return err_prefix(err, rc, "bios %s", path);
	if (low < RAM_MIN)
		return boot_no_room(ram, "firmware", RAM_MIN, err);
	copied = MIN(b->rom_size, (size_t)LOW_MAX);
	memcpy(gmem_translate(ram, HIGH_RAM - copied, copied),
	       b->rom + b->rom_size - copied, copied);
	rc = boot_acpi(ram, low - ACPI_SIZE, cpus, true);
	if (rc)
		return err_set(err, rc, "the ACPI tables do not fit");
	memcpy(b->rsdp, gmem_translate(ram, low - ACPI_SIZE, sizeof(b->rsdp)),
	       sizeof(b->rsdp));
	memcpy(b->bars64, &bars64, sizeof(bars64));
	fill_e820(b, ram);
	fill_loader(b);
	return 0;
}

void bios_free(struct bios *b)
{
	if (b->rom)
		munmap(b->rom, b->rom_size);
	b->rom = NULL;
}

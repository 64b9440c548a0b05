/* SPDX-License-Identifier: Apache-2.0 */
/* What a loader leaves for the kernel in memory, see boot_kernel.h: the memory
 * map and where everything is. */
#include <errno.h>
#include <string.h>

#include "boot_kernel.h"
#include "layout.h"

/* Types of a memory map, the same in all protocols */
enum { MAP_RAM = 1, MAP_RESERVED = 2 };

static void add(struct boot_map *m, uint64_t base, uint64_t end, uint32_t type)
{
	if (base < end && m->count < ARRAY_SIZE(m->row))
		m->row[m->count++] =
			(struct boot_map_row){ base, end - base, type };
}

/* What is not low RAM */
static void add_rest(struct boot_map *m, const struct gmem *ram)
{
	/* Linux uses ECAM only where the memory map or ACPI reserves it. */
	add(m, ECAM_BASE, ECAM_BASE + ECAM_SIZE, MAP_RESERVED);
	for (unsigned i = 0; i < ram->count; i++)
		if (ram->region[i].gpa >= 1ull << 32)
			add(m, ram->region[i].gpa,
			    ram->region[i].gpa + ram->region[i].size, MAP_RAM);
}

static void make_map(struct boot_map *m, const struct gmem *ram)
{
	m->count = 0;
	add(m, 0, EBDA_BASE, MAP_RAM);
	add(m, ACPI_RSDP, ACPI_RSDP + ACPI_SIZE, MAP_RESERVED);
	add(m, HIGH_RAM, boot_low_ram(ram), MAP_RAM);
	add_rest(m, ram);
}

void boot_map_firmware(struct boot_map *m, const struct gmem *ram)
{
	uint64_t low = boot_low_ram(ram);

	m->count = 0;
	add(m, 0, low - ACPI_SIZE, MAP_RAM);
	add(m, low - ACPI_SIZE, low, MAP_RESERVED);
	add_rest(m, ram);
}

/* Xen's arch-x86/hvm/start_info.h, version 1 */
struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t map; /* since version 1 */
	uint32_t map_count;
	uint32_t reserved;
};

struct start_info_module {
	uint64_t gpa, size, cmdline, reserved;
};

struct start_info_map {
	uint64_t base, size;
	uint32_t type, reserved;
};

/* The page at BOOT_INFO */
struct pvh_page {
	struct start_info info;
	struct start_info_module module;
	struct start_info_map map[32];
};

int boot_info_pvh(const struct gmem *ram, const struct boot_initrd *initrd,
		  struct err *err)
{
	struct pvh_page *p = gmem_translate(ram, BOOT_INFO, sizeof(*p));
	struct boot_map m;

	if (!p)
		return boot_no_room(ram, "the start info", HIGH_RAM, err);
	make_map(&m, ram);
	memset(p, 0, sizeof(*p));
	p->info = (struct start_info){
		.magic = 0x336ec578,
		.version = 1,
		.module_count = initrd->size ? 1 : 0,
		.modules = BOOT_INFO + offsetof(struct pvh_page, module),
		.cmdline = BOOT_CMDLINE,
		.rsdp = ACPI_RSDP,
		.map = BOOT_INFO + offsetof(struct pvh_page, map),
		.map_count = m.count,
	};
	p->module.gpa = initrd->gpa;
	p->module.size = initrd->size;
	for (unsigned i = 0; i < m.count; i++)
		p->map[i] =
			(struct start_info_map){ m.row[i].base, m.row[i].size,
						 m.row[i].type, 0 };
	return 0;
}

/* Flat segments at the selectors that the boot protocol names: code 0x10, data
 * 0x18. */
static int write_gdt(const struct gmem *ram)
{
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff,
					0x00cf93000000ffff };
	void *to = gmem_translate(ram, BOOT_GDT, sizeof(gdt));

	if (!to)
		return -ENOMEM;
	memcpy(to, gdt, sizeof(gdt));
	return 0;
}

/* Maps the first 4 GiB to themselves, in pages of 2 MiB: one table of level 4,
 * one of level 3, four of level 2. */
static int write_page_tables(const struct gmem *ram)
{
	enum { TABLE = 512, PRESENT_RW = 3, LARGE = 0x80 };
	uint64_t *t = gmem_translate(ram, BOOT_PAGES, 6 * TABLE * sizeof(*t));

	if (!t)
		return -ENOMEM;
	memset(t, 0, 2 * TABLE * sizeof(*t));
	t[0] = (BOOT_PAGES + 0x1000) | PRESENT_RW;
	for (uint64_t i = 0; i < 4; i++)
		t[TABLE + i] = (BOOT_PAGES + 0x2000 + i * 0x1000) | PRESENT_RW;
	for (uint64_t i = 0; i < 4 * TABLE; i++)
		t[2 * TABLE + i] = i << 21 | LARGE | PRESENT_RW;
	return 0;
}

int boot_info_linux64(const struct gmem *ram, const struct boot_kernel *k,
		      const struct boot_initrd *initrd, struct err *err)
{
	struct boot_params *p = gmem_translate(ram, BOOT_ZERO_PAGE, sizeof(*p));
	struct boot_map m;

	if (!p || write_gdt(ram) || write_page_tables(ram))
		return boot_no_room(ram, "the page tables", HIGH_RAM, err);
	make_map(&m, ram);
	memset(p, 0, sizeof(*p));
	p->hdr = k->header;
	p->hdr.cmd_line_ptr = BOOT_CMDLINE;
	p->hdr.ramdisk_image = (uint32_t)initrd->gpa;
	p->hdr.ramdisk_size = (uint32_t)initrd->size;
	p->acpi_rsdp_addr = ACPI_RSDP;
	p->e820_entries = (uint8_t)m.count;
	for (unsigned i = 0; i < m.count; i++)
		p->e820_table[i] =
			(struct boot_e820_entry){ m.row[i].base, m.row[i].size,
						  m.row[i].type };
	return 0;
}

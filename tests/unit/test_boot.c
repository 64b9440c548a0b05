/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/boot/: kernels of each kind come to their places, and find what a boot
 * loader leaves for them. RINGWAY_TEST_KERNELS: real ones, too, by commas. */
#include "boot_rig.h"

#include <asm/bootparam.h>
#include <stdio.h>
#include <string.h>

#include "boot_cpu.h"
#include "layout.h"
#include "vmlinux.h"

/* Like Linux: the last two parts are nearer to each other than in the file. */
static const struct rig_kernel linux_like = {
	.part = {
		{ 0x1000, 0x1000000, 0x3100, 0x3100 },
		{ 0x5000, 0x1004000, 0x2000, 0x2000 },
		{ 0x8000, 0x1006000, 0x1000, 0x1000 },
		{ 0xa000, 0x1007000, 0x5000, 0x9000 },
	},
	.parts = 4,
	.pvh = 0x1000a30,
	.entry = 0x1000b53,
};

static void load(const struct gmem *ram, const struct boot_conf *c,
		 struct boot_entry *e)
{
	struct err err = { "" };

	if (boot_load(c, ram, e, &err))
		fail_msg("%s", err.msg);
}

static void load_bytes(const struct gmem *ram, const uint8_t *data, size_t size,
		       struct boot_entry *e)
{
	struct rig_file f;
	struct boot_conf c = { .kernel = f.path };

	rig_write(&f, data, size);
	load(ram, &c, e);
	rig_remove(&f);
}

/* Fills where @k will be, so that nothing is right by chance. */
static void soil(const struct gmem *ram, const struct rig_kernel *k)
{
	for (unsigned i = 0; i < k->parts; i++)
		memset(rig_at(ram, k->part[i].gpa, k->part[i].size), 0xee,
		       k->part[i].size);
}

/* @f: the file that rig_vmlinux() made of @k */
static void assert_loaded(const struct gmem *ram, const struct rig_kernel *k,
			  const uint8_t *f)
{
	for (unsigned i = 0; i < k->parts; i++) {
		const struct rig_part *p = &k->part[i];
		const uint8_t *m = rig_at(ram, p->gpa, p->size);

		assert_memory_equal(m, f + p->offset, p->file_size);
		for (uint64_t n = p->file_size; n < p->size; n++)
			assert_int_equal(m[n], 0);
	}
}

static void test_vmlinux(void **state)
{
	struct rig_kernel k = linux_like;
	struct gmem *ram = rig_ram(64);

	(void)state;
	for (k.note_align = 4; k.note_align <= 8; k.note_align += 4) {
		struct boot_entry e;
		size_t size;
		uint8_t *f = rig_vmlinux(&k, &size);

		soil(ram, &k);
		load_bytes(ram, f, size, &e);
		assert_int_equal(e.mode, BOOT_PVH);
		assert_int_equal(e.rip, 0x1000a30);
		assert_int_equal(e.info, BOOT_INFO);
		assert_loaded(ram, &k, f);
		free(f);
	}
	gmem_put(ram);
}

static void test_vmlinux_without_pvh(void **state)
{
	struct rig_kernel k = linux_like;
	struct gmem *ram = rig_ram(64);
	const struct boot_params *p = rig_at(ram, BOOT_ZERO_PAGE, sizeof(*p));
	struct boot_entry e;
	size_t size;
	uint8_t *f;

	(void)state;
	k.pvh = 0;
	f = rig_vmlinux(&k, &size);
	load_bytes(ram, f, size, &e);
	assert_int_equal(e.mode, BOOT_LINUX64);
	assert_int_equal(e.rip, 0x1000b53);
	assert_int_equal(e.info, BOOT_ZERO_PAGE);
	assert_loaded(ram, &k, f);
	assert_int_equal(p->hdr.header, 0x53726448);
	assert_int_equal(p->hdr.type_of_loader, 0xff);
	free(f);
	gmem_put(ram);
}

/* Packs @f and loads it. Returns false if the build cannot unpack @how. */
static bool load_packed(const struct gmem *ram, enum rig_pack how,
			const uint8_t *f, size_t size, struct boot_entry *e)
{
	size_t packed_size, image_size;
	uint8_t *packed = rig_pack(how, f, size, &packed_size), *image;

	if (!packed)
		return false;
	image = rig_bzimage(packed, packed_size, &image_size);
	load_bytes(ram, image, image_size, e);
	free(image);
	free(packed);
	return true;
}

static void test_bzimage(void **state)
{
	struct rig_kernel k = linux_like;
	struct gmem *ram = rig_ram(64);
	struct boot_entry e;
	size_t size;
	uint8_t *f;

	(void)state;
	k.size = 17 << 20; /* three blocks of lz4 */
	f = rig_vmlinux(&k, &size);
	for (enum rig_pack how = 0; how < RIG_PACKS; how++) {
		soil(ram, &k);
		if (!load_packed(ram, how, f, size, &e))
			continue;
		assert_int_equal(e.mode, BOOT_PVH);
		assert_int_equal(e.rip, 0x1000a30);
		assert_loaded(ram, &k, f);
	}
	free(f);
	gmem_put(ram);
}

/* Makes parts in random places, in another order in the file. */
static struct rig_kernel random_kernel(struct rng *r)
{
	struct rig_kernel k = { .parts = 1 + rng_below(r, 4) };
	uint64_t gpa = HIGH_RAM + rng_below(r, 2) * 0x20000;
	uint64_t offset = 0x1000;

	for (unsigned i = 0; i < k.parts; i++) {
		struct rig_part *p = &k.part[i];

		p->file_size = 1 + rng_below(r, 0x4000);
		p->size = p->file_size + rng_below(r, 2) * 0x1800;
		p->gpa = gpa + rng_below(r, 3) * 0x800;
		gpa = p->gpa + p->size;
	}
	for (unsigned i = 0; i < 4; i++) {
		/* The order is turned around in one of four kernels. */
		unsigned at = i ^ (gpa & 3 ? 0 : 3);

		if (at < k.parts) {
			k.part[at].offset = offset + rng_below(r, 3) * 0x800;
			offset = k.part[at].offset + k.part[at].file_size;
		}
	}
	k.pvh = (uint32_t)k.part[0].gpa;
	k.entry = k.part[0].gpa;
	return k;
}

/* However the parts lie, unpacking in the guest's RAM gives what copying from
 * the file gives. */
static void test_places(void **state)
{
	struct rng r = rng_start();
	struct gmem *ram = rig_ram(16);
	unsigned windows = 0, n = 400;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		struct rig_kernel k = random_kernel(&r);
		struct boot_image image = { .fd = -1 };
		struct boot_entry e;
		struct vmlinux v;
		size_t size;
		uint8_t *f = rig_vmlinux(&k, &size);
		uint64_t gpa;

		image.mem = f;
		image.size = size;
		assert_int_equal(vmlinux_parse(&image, &v, NULL), 0);
		windows += vmlinux_window(&v, size, &gpa);
		soil(ram, &k);
		load_bytes(ram, f, size, &e);
		assert_loaded(ram, &k, f);
		soil(ram, &k);
		if (load_packed(ram, i % RIG_PACKS, f, size, &e))
			assert_loaded(ram, &k, f);
		free(f);
	}
	assert_in_range(windows, n / 10, n - n / 10); /* both ways */
	gmem_put(ram);
}

/* Compressions that we do not know, and kernels without PVH */
static void test_unpacks_itself(void **state)
{
	static const char other[] =
		"BZh91AY&SY and so on, as bzip2 does\0\0\1\0";
	struct rig_kernel k = linux_like;
	struct gmem *ram = rig_ram(64);
	const struct boot_params *p = rig_at(ram, BOOT_ZERO_PAGE, sizeof(*p));
	struct boot_entry e;
	size_t size;
	uint8_t *f;

	(void)state;
	for (unsigned i = 0; i <= RIG_PACKS; i++) {
		if (i < RIG_PACKS) {
			k.pvh = 0;
			f = rig_vmlinux(&k, &size);
			if (!load_packed(ram, i, f, size, &e)) {
				free(f);
				continue;
			}
		} else {
			f = rig_bzimage(other, sizeof(other) - 1, &size);
			load_bytes(ram, f, size, &e);
		}
		free(f);
		assert_int_equal(e.mode, BOOT_LINUX64);
		assert_int_equal(e.rip, 0x1000200);
		assert_int_equal(e.info, BOOT_ZERO_PAGE);
		assert_int_equal(*(uint32_t *)rig_at(ram, 0x1000200, 4),
				 0xcccccccc);
		assert_int_equal(p->hdr.code32_start, 0x1000000);
		assert_int_equal(p->hdr.init_size, 0x400000);
		assert_int_equal(p->hdr.type_of_loader, 0xff);
		assert_int_equal(p->hdr.cmd_line_ptr, BOOT_CMDLINE);
		assert_true(p->acpi_rsdp_addr == ACPI_RSDP);
	}
	gmem_put(ram);
}

/* What lies behind a short header is code, not a field of it. */
static void test_short_header(void **state)
{
	struct gmem *ram = rig_ram(64);
	const struct boot_params *p = rig_at(ram, BOOT_ZERO_PAGE, sizeof(*p));
	struct boot_entry e;
	size_t size;
	uint8_t *f = rig_bzimage("nothing that we can unpack", 26, &size);

	(void)state;
	f[0x201] = 0x264 - 0x202; /* handover_offset begins there */
	memset(f + 0x264, 0x90, 0x100);
	load_bytes(ram, f, size, &e);
	assert_int_equal(p->hdr.init_size, 0x400000);
	assert_int_equal(p->hdr.handover_offset, 0);
	assert_int_equal(p->hdr.kernel_info_offset, 0);
	free(f);
	gmem_put(ram);
}

/* Translates @va by the tables at BOOT_PAGES, as a processor does. */
static uint64_t walk(const struct gmem *ram, uint64_t va)
{
	uint64_t table = BOOT_PAGES, row = 0;

	for (unsigned shift = 39; shift >= 21; shift -= 9) {
		row = *(uint64_t *)rig_at(ram, table + (va >> shift & 511) * 8,
					  8);
		if (!(row & 1))
			return UINT64_MAX;
		table = row & ~0xfffull;
	}
	assert_true(row & 0x80);
	return (row & ~0x1fffffull) + (va & 0x1fffff);
}

static void test_long_mode(void **state)
{
	struct rig_kernel k = linux_like;
	struct gmem *ram = rig_ram(64);
	struct boot_entry e;
	size_t size;
	uint8_t *f;

	(void)state;
	k.pvh = 0;
	f = rig_vmlinux(&k, &size);
	load_bytes(ram, f, size, &e);
	free(f);
	for (uint64_t va = 0x1234; va < 1ull << 32; va += 0x7ffff1)
		assert_true(walk(ram, va) == va);
	assert_true(walk(ram, 0xffffffff) == 0xffffffff);
	assert_true(walk(ram, 1ull << 32) == UINT64_MAX);
	assert_true(walk(ram, 1ull << 39) == UINT64_MAX);
	/* code: present, long, not 32 bit; data: present, writable */
	assert_int_equal(*(uint64_t *)rig_at(ram, BOOT_GDT + 0x10, 8) >> 40 &
				 0xf09a,
			 0xa09a);
	assert_int_equal(*(uint64_t *)rig_at(ram, BOOT_GDT + 0x18, 8) >> 40 &
				 0x9a,
			 0x92);
	gmem_put(ram);
}

struct row {
	uint64_t base, size;
	uint32_t type;
};

/* The map of a machine with 4 GiB */
static const struct row rows[] = {
	{ 0, 0x9fc00, 1 },
	{ 0xe0000, 0x20000, 2 },
	{ 0x100000, 0xc0000000 - 0x100000, 1 },
	{ 0xe0000000, 0x10000000, 2 },
	{ 0x100000000, 0x40000000, 1 },
};

static void test_start_info(void **state)
{
	static const char text[] = "console=ttyS0";
	struct gmem *ram = rig_ram(4096);
	struct rig_file kernel, initrd;
	struct boot_conf c = { .kernel = kernel.path,
			       .initrd = initrd.path,
			       .cmdline = text };
	struct boot_entry e;
	const uint64_t *p, *module;
	size_t size;
	uint8_t *f = rig_vmlinux(&linux_like, &size);

	(void)state;
	rig_write(&kernel, f, size);
	rig_write(&initrd, f, 0x1234);
	load(ram, &c, &e);
	p = rig_at(ram, e.info, 56);
	assert_int_equal(p[0], 0x1336ec578); /* magic and version */
	assert_int_equal(p[1], 1ull << 32);  /* one module */
	module = rig_at(ram, p[2], 32);
	assert_true(module[0] == 0xc0000000 - 0x2000);
	assert_int_equal(module[1], 0x1234);
	assert_memory_equal(rig_at(ram, module[0], 0x1234), f, 0x1234);
	assert_string_equal(rig_at(ram, p[3], sizeof(text)), text);
	assert_int_equal(p[4], ACPI_RSDP);
	assert_int_equal(p[6], ARRAY_SIZE(rows));
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint64_t *row = rig_at(ram, p[5] + i * 24, 24);

		assert_true(row[0] == rows[i].base && row[1] == rows[i].size &&
			    row[2] == rows[i].type);
	}
	rig_remove(&kernel);
	rig_remove(&initrd);
	free(f);
	gmem_put(ram);
}

static void test_zero_page(void **state)
{
	struct gmem *ram = rig_ram(4096);
	const struct boot_params *p = rig_at(ram, BOOT_ZERO_PAGE, sizeof(*p));
	struct rig_file kernel, initrd;
	struct boot_conf c = { .kernel = kernel.path, .initrd = initrd.path };
	struct boot_entry e;
	size_t size;
	uint8_t *f = rig_bzimage("nothing that we can unpack", 26, &size);

	(void)state;
	rig_write(&kernel, f, size);
	rig_write(&initrd, f, 0x123);
	load(ram, &c, &e);
	/* not as high as for PVH: the kernel says 0x7fffffff */
	assert_int_equal(p->hdr.ramdisk_image, 0x80000000 - 0x1000);
	assert_int_equal(p->hdr.ramdisk_size, 0x123);
	assert_memory_equal(rig_at(ram, p->hdr.ramdisk_image, 0x123), f, 0x123);
	assert_string_equal(rig_at(ram, p->hdr.cmd_line_ptr, 1), "");
	assert_int_equal(p->e820_entries, ARRAY_SIZE(rows));
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct boot_e820_entry *r = &p->e820_table[i];

		assert_true(r->addr == rows[i].base &&
			    r->size == rows[i].size && r->type == rows[i].type);
	}
	rig_remove(&kernel);
	rig_remove(&initrd);
	free(f);
	gmem_put(ram);
}

static void test_registers(void **state)
{
	struct boot_entry e = { BOOT_PVH, 0x1000a30, BOOT_INFO };
	struct kvm_sregs s = { .apic_base = 0xfee00900 };
	struct kvm_regs r;

	(void)state;
	s.cr0 = 0x60000010;
	boot_cpu_prepare(&e, &s, &r);
	assert_true(r.rip == 0x1000a30 && r.rbx == BOOT_INFO && r.rflags == 2);
	assert_true(s.cr0 == 0x11 && !s.cr4 && !s.efer);
	assert_true(s.cs.db && !s.cs.l && s.cs.limit == UINT32_MAX && s.cs.g);
	assert_true(s.ds.type == 3 && s.ds.s && !s.ds.base);
	assert_true(s.tr.type == 11 && s.tr.limit == 0x67 && s.tr.present);
	assert_int_equal(s.apic_base, 0xfee00900);
	e = (struct boot_entry){ BOOT_LINUX64, 0x1000200, BOOT_ZERO_PAGE };
	boot_cpu_prepare(&e, &s, &r);
	assert_true(r.rip == 0x1000200 && r.rsi == BOOT_ZERO_PAGE && !r.rbx);
	assert_true(s.cr0 == 0x80000011 && s.cr4 == 0x20 && s.efer == 0x500);
	assert_true(s.cr3 == BOOT_PAGES && s.gdt.base == BOOT_GDT);
	assert_true(s.cs.l && !s.cs.db && s.cs.selector == 0x10);
	assert_true(s.ds.selector == 0x18 && s.gdt.limit == 0x1f);
}

static void test_real(void **state)
{
	const char *list = getenv("RINGWAY_TEST_KERNELS");
	char *copy, *path, *rest;

	(void)state;
	if (!list)
		skip();
	copy = strdup(list);
	for (path = strtok_r(copy, ",", &rest); path;
	     path = strtok_r(NULL, ",", &rest)) {
		struct gmem *ram = rig_ram(512);
		struct boot_conf c = { .kernel = path };
		struct boot_entry e;

		load(ram, &c, &e);
		print_message("%s: %s, %#llx\n", path,
			      e.mode == BOOT_PVH ? "PVH" : "64-bit entry",
			      (unsigned long long)e.rip);
		gmem_put(ram);
	}
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmlinux),
		cmocka_unit_test(test_vmlinux_without_pvh),
		cmocka_unit_test(test_bzimage),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_unpacks_itself),
		cmocka_unit_test(test_short_header),
		cmocka_unit_test(test_long_mode),
		cmocka_unit_test(test_start_info),
		cmocka_unit_test(test_zero_page),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/boot/: files that are no kernel, damaged ones, and what does not fit. A
 * person is told what is wrong; no file does any harm. */
#include "boot_rig.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"

static const struct rig_kernel small = {
	.part = { { 0x1000, 0x1000000, 0x3000, 0x3000 },
		  { 0x4000, 0x1003000, 0x800, 0x4000 } },
	.parts = 2,
	.pvh = 0x1000100,
	.entry = 0x1000000,
};

static int load(const struct gmem *ram, const char *kernel, const char *initrd,
		const char *cmdline, struct err *err)
{
	struct boot_conf c = { kernel, initrd, cmdline, 1 };
	struct boot_entry e;

	err->msg[0] = '\0';
	return boot_load(&c, ram, &e, err);
}

static void assert_says(const struct err *err, const char *text)
{
	if (!strstr(err->msg, text))
		fail_msg("\"%s\" does not say \"%s\"", err->msg, text);
}

/* Loads the file of @size bytes at @f; the error is @rc and says @text. */
static void assert_bad(const struct gmem *ram, const void *f, size_t size,
		       int rc, const char *text)
{
	struct rig_file file;
	struct err err;

	rig_write(&file, f, size);
	assert_int_equal(load(ram, file.path, NULL, NULL, &err), rc);
	assert_says(&err, text);
	assert_says(&err, file.path);
	rig_remove(&file);
}

static void test_other_files(void **state)
{
	static const struct {
		unsigned at, size;
		const char *bytes, *text;
	} cases[] = {
		{ 0, 2, "\x1f\x8b", "a gzip file" },
		{ 0, 6, "\xfd\x37zXZ\0", "an xz file" },
		{ 0, 4, "\x28\xb5\x2f\xfd", "a zstd file" },
		{ 0, 4, "\x02\x21\x4c\x18", "an lz4 file" },
		{ 0, 3, "BZh", "a bzip2 file" },
		{ 0x38, 4, "ARM\x64", "an arm64 kernel" },
		{ 0x38, 4, "RSC\x05", "a RISC-V kernel" },
		{ 0, 2, "MZ", "a program for EFI" },
		{ 0, 8, "MZ\0\0zimg", "only EFI can start" },
		{ 0, 6, "070701", "a cpio archive" },
		{ 0, 4, "QFI\xfb", "a disk image" },
		{ 510, 2, "\x55\xaa", "a disk image or a boot sector" },
		{ 0, 2, "#!", "a script" },
		{ 0, 1, "\x7f", "no kind of file that we know" },
	};
	struct gmem *ram = rig_ram(32);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t f[5000] = { 0 };

		memcpy(f + cases[i].at, cases[i].bytes, cases[i].size);
		assert_bad(ram, f, sizeof(f), -ENOEXEC, cases[i].text);
	}
	assert_bad(ram, "", 0, -ENOEXEC, "it is empty");
	assert_bad(ram, "Dear kernel,\n", 13, -ENOEXEC, "a text file");
	assert_bad(ram,
		   "\x7f"
		   "EL",
		   3, -ENOEXEC, "no kind of file");
	assert_bad(ram,
		   "\x7f"
		   "ELF",
		   4, -ENOEXEC, "truncated ELF");
	gmem_put(ram);
}

static void test_no_files(void **state)
{
	struct gmem *ram = rig_ram(32);
	char fifo[] = "/tmp/ringway-fifo-XXXXXX";
	struct err err;

	(void)state;
	assert_int_equal(load(ram, "/nowhere/vmlinuz", NULL, NULL, &err),
			 -ENOENT);
	assert_says(&err, "kernel /nowhere/vmlinuz: cannot be read: No such");
	assert_int_equal(load(ram, "/", NULL, NULL, &err), -EINVAL);
	assert_says(&err, "is a directory");
	close(mkstemp(fifo));
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(load(ram, fifo, NULL, NULL, &err), -EINVAL);
	assert_says(&err, "a device or a pipe");
	unlink(fifo);
	gmem_put(ram);
}

#define EHDR(m) offsetof(Elf64_Ehdr, m), sizeof(((Elf64_Ehdr *)0)->m)
/* of the note and the parts, in the order of rig_vmlinux() */
#define PHDR(n, m)                                      \
	sizeof(Elf64_Ehdr) + (n) * sizeof(Elf64_Phdr) + \
		offsetof(Elf64_Phdr, m),                \
		sizeof(((Elf64_Phdr *)0)->m)
#define SETUP(m)                                  \
	0x1f1 + offsetof(struct setup_header, m), \
		sizeof(((struct setup_header *)0)->m)
#define NOTE(at) 0x800 + (at), 4

/* One wrong number in a good file */
struct patch {
	size_t at, size;
	uint64_t value;
	const char *text;
};

static const struct patch elf_patches[] = {
	{ EHDR(e_machine), EM_386, "is an ELF file for 32-bit x86" },
	{ EHDR(e_machine), EM_AARCH64, "is an ELF file for arm64" },
	{ EHDR(e_machine), EM_68K, "is an ELF file for another processor" },
	{ EI_CLASS, 1, ELFCLASS32, "is a 32-bit ELF file" },
	{ EI_DATA, 1, ELFDATA2MSB, "is a big-endian ELF file" },
	{ EHDR(e_type), ET_DYN, "is a program or a library" },
	{ EHDR(e_type), ET_REL, "is an object file or a module" },
	{ EHDR(e_type), ET_CORE, "is a core dump" },
	{ EHDR(e_phentsize), 32, "is a damaged ELF file" },
	{ EHDR(e_phnum), 0, "is a damaged ELF file" },
	{ EHDR(e_phnum), 0xffff, "is a damaged ELF file" },
	{ EHDR(e_phoff), 0x4800, "is a truncated ELF file" },
	{ EHDR(e_phoff), UINT64_MAX - 8, "is a truncated ELF file" },
	{ EHDR(e_phoff), UINT64_MAX - 56, "is a truncated ELF file" },
	{ EHDR(e_entry), 0x3000000, "is a program, not a kernel" },
	{ PHDR(1, p_vaddr), 0x400000, "is a program, not a kernel" },
	{ PHDR(1, p_paddr), 0x2000, "below 1 MiB" },
	{ PHDR(1, p_paddr), UINT64_MAX - 8, "wrong segments" },
	{ PHDR(1, p_filesz), 0x3001, "wrong segments" },
	{ PHDR(1, p_memsz), 0x3001, "overlap" },
	{ PHDR(1, p_memsz), UINT64_MAX, "wrong segments" },
	{ PHDR(1, p_offset), UINT64_MAX - 8, "truncated ELF" },
	{ PHDR(2, p_offset), 0x4001, "truncated ELF" },
	{ PHDR(2, p_memsz), 0x40000000, "1042 MiB is the least" },
	{ PHDR(2, p_paddr), 0xbffff000, "below the devices" },
	{ PHDR(2, p_memsz), 1ull << 63, "below the devices" },
	{ PHDR(0, p_offset), UINT64_MAX - 4, "notes end beyond" },
	{ PHDR(0, p_filesz), 1ull << 40, "notes end beyond" },
	{ NOTE(0), 0xffffffff, "wrong notes" },
	{ NOTE(4), 0xffffffff, "wrong notes" },
	{ NOTE(24 + 16), 0x2000, "PVH entry outside" },
	{ NOTE(24 + 16), 0x1006000, "PVH entry outside" }, /* zeros */
};

static const struct patch bzimage_patches[] = {
	{ SETUP(version), 0x020b, "its boot protocol is 2.11, 2.12 is needed" },
	{ SETUP(version), 0x0105, "its boot protocol is 1.05" },
	{ SETUP(loadflags), 0, "is a zImage" },
	{ SETUP(xloadflags), 0, "is a 32-bit kernel" },
	{ SETUP(setup_sects), 255, "is a truncated bzImage" },
	{ SETUP(syssize), 0xffffffff, "is a truncated bzImage" },
	{ SETUP(syssize), 1, "without a kernel" },
	{ SETUP(payload_offset), 0xffffffff, "is a damaged bzImage" },
	{ SETUP(payload_length), 0xffffffff, "is a damaged bzImage" },
	/* These make it unpack itself. */
	{ SETUP(payload_length), 3, "does not fit" },
	{ RIG_PAYLOAD, 1, 0, "does not fit" },
};

static void try_patches(const struct gmem *ram, const struct patch *p,
			unsigned count, const uint8_t *f, size_t size)
{
	uint8_t *copy = malloc(size);
	struct rig_file file;
	struct err err;

	assert_non_null(copy);
	for (unsigned i = 0; i < count; i++) {
		memcpy(copy, f, size);
		memcpy(copy + p[i].at, &p[i].value, p[i].size);
		rig_write(&file, copy, size);
		assert_true(load(ram, file.path, NULL, NULL, &err) < 0);
		assert_says(&err, p[i].text);
		rig_remove(&file);
	}
	free(copy);
}

static void test_bad_numbers(void **state)
{
	/* Enough for the vmlinux, not for init_size of the bzImage */
	struct gmem *ram = rig_ram(18);
	size_t size, packed_size;
	uint8_t *f = rig_vmlinux(&small, &size), *packed, *image;
	struct patch at_2m = { SETUP(pref_address), 0x0,
			       "what is packed in it" };

	(void)state;
	try_patches(ram, elf_patches, ARRAY_SIZE(elf_patches), f, size);
	image = rig_bzimage("nothing at all", 14, &packed_size);
	try_patches(ram, bzimage_patches, ARRAY_SIZE(bzimage_patches), image,
		    packed_size);
	free(image);
	/* The ELF file in a bzImage is not trusted either. */
	f[EI_CLASS] = ELFCLASS32;
	for (enum rig_pack how = 0; how < RIG_PACKS; how++) {
		packed = rig_pack(how, f, size, &packed_size);
		if (!packed)
			continue;
		image = rig_bzimage(packed, packed_size, &packed_size);
		try_patches(ram, &at_2m, 1, image, packed_size);
		free(image);
		free(packed);
	}
	free(f);
	gmem_put(ram);
}

/* Loads a bzImage with the payload @packed, which is damaged. */
static void assert_damaged(const struct gmem *ram, const uint8_t *packed,
			   size_t packed_size)
{
	size_t size;
	uint8_t *image = rig_bzimage(packed, packed_size, &size);

	assert_bad(ram, image, size, -ENOEXEC, "is damaged");
	free(image);
}

/* A payload that ends too early, and one of another size than it says */
static void test_bad_payload(void **state)
{
	struct gmem *ram = rig_ram(64);
	size_t size, packed_size;
	uint8_t *f = rig_vmlinux(&small, &size);
	unsigned tried = 0;

	(void)state;
	for (enum rig_pack how = 0; how < RIG_PACKS; how++) {
		uint8_t *packed = rig_pack(how, f, size, &packed_size);
		int32_t right = (int32_t)size;
		int32_t wrong[] = { right - 1, right + 1, 1 << 30 };

		if (!packed)
			continue;
		tried++;
		for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
			memcpy(packed + packed_size - 4, &wrong[i], 4);
			assert_damaged(ram, packed, packed_size);
		}
		for (unsigned cut = 16; cut < packed_size - 16; cut += 117) {
			memcpy(packed + packed_size - cut - 4, &right, 4);
			assert_damaged(ram, packed, packed_size - cut);
		}
		free(packed);
	}
	free(f);
	gmem_put(ram);
	if (!tried)
		skip();
}

/* Every beginning of a good file is an error. */
static void test_truncated(void **state)
{
	struct gmem *ram = rig_ram(64);
	size_t size, image_size;
	uint8_t *f = rig_vmlinux(&small, &size);
	uint8_t *image = rig_bzimage("nothing at all", 14, &image_size);
	struct rig_file file;
	struct err err;

	(void)state;
	for (size_t n = 4; n < size; n += n < 0x900 ? 1 : 97)
		assert_bad(ram, f, n, -ENOEXEC, "truncated ELF");
	for (size_t n = 0x206; n + 15 < image_size; n++)
		assert_bad(ram, image, n, -ENOEXEC, "truncated bzImage");
	/* What is behind the payload here comes from rounding up. */
	rig_write(&file, image, image_size - 2);
	assert_int_equal(load(ram, file.path, NULL, NULL, &err), 0);
	rig_remove(&file);
	free(image);
	free(f);
	gmem_put(ram);
}

/* Returns the number in front of " MiB is the least". */
static unsigned least(const struct err *err)
{
	const char *p = strstr(err->msg, " MiB is the least");

	if (!p)
		fail_msg("no least size: %s", err->msg);
	while (p[-1] >= '0' && p[-1] <= '9')
		p--;
	return (unsigned)strtoul(p, NULL, 10);
}

/* Loads with @mib MiB of memory; then, if that is too little, with as much as
 * it was told, and with 2 MiB less. */
static void assert_least(unsigned mib, unsigned expected, const char *kernel,
			 const char *initrd)
{
	struct gmem *ram = rig_ram(mib);
	struct err err;

	assert_int_equal(load(ram, kernel, initrd, NULL, &err), -ENOMEM);
	gmem_put(ram);
	assert_int_equal(least(&err), expected);
	ram = rig_ram(expected);
	assert_int_equal(load(ram, kernel, initrd, NULL, &err), 0);
	gmem_put(ram);
	ram = rig_ram(expected - 2);
	assert_int_equal(load(ram, kernel, initrd, NULL, &err), -ENOMEM);
	gmem_put(ram);
}

static void test_too_little_memory(void **state)
{
	struct rig_file kernel, image, initrd;
	size_t size, image_size;
	uint8_t *f = rig_vmlinux(&small, &size);
	uint8_t *b = rig_bzimage("nothing at all", 14, &image_size);

	(void)state;
	rig_write(&kernel, f, size);
	rig_write(&image, b, image_size);
	rig_write(&initrd, "x", 1);
	assert_int_equal(truncate(initrd.path, 40 << 20), 0);
	assert_least(2, 18, kernel.path, NULL);
	assert_least(2, 20, image.path, NULL);
	assert_least(32, 58, kernel.path, initrd.path);
	assert_least(32, 60, image.path, initrd.path);
	rig_remove(&kernel);
	rig_remove(&image);
	rig_remove(&initrd);
	free(b);
	free(f);
}

static void test_bad_initrd(void **state)
{
	struct gmem *ram = rig_ram(64);
	struct rig_file kernel, initrd;
	size_t size;
	uint8_t *f = rig_bzimage("nothing at all", 14, &size);
	struct err err;

	(void)state;
	rig_write(&kernel, f, size);
	assert_int_equal(load(ram, kernel.path, "/nowhere/initrd", NULL, &err),
			 -ENOENT);
	assert_says(&err, "initrd /nowhere/initrd: cannot be read");
	rig_write(&initrd, "", 0);
	assert_int_equal(load(ram, kernel.path, initrd.path, NULL, &err),
			 -EINVAL);
	assert_says(&err, "is empty");
	/* More memory does not help: the kernel takes it below 2 GiB. */
	assert_int_equal(truncate(initrd.path, 0x7ec00001), 0);
	assert_int_equal(load(ram, kernel.path, initrd.path, NULL, &err),
			 -EFBIG);
	assert_says(&err, "between 20 and 2048 MiB");
	assert_int_equal(truncate(initrd.path, 1ll << 40), 0);
	assert_int_equal(load(ram, kernel.path, initrd.path, NULL, &err),
			 -EFBIG);
	rig_remove(&initrd);
	rig_remove(&kernel);
	free(f);
	gmem_put(ram);
}

static void test_command_line(void **state)
{
	struct gmem *ram = rig_ram(64);
	struct rig_file kernel;
	size_t size;
	uint8_t *f = rig_vmlinux(&small, &size);
	uint32_t huge = UINT32_MAX;
	char *text = malloc(1 << 20);
	struct err err;

	(void)state;
	rig_write(&kernel, f, size);
	memset(text, 'a', 1 << 20);
	text[2047] = '\0';
	assert_int_equal(load(ram, kernel.path, NULL, text, &err), 0);
	assert_string_equal(rig_at(ram, BOOT_CMDLINE, 2048), text);
	text[2047] = 'a';
	text[2048] = '\0';
	assert_int_equal(load(ram, kernel.path, NULL, text, &err), -E2BIG);
	assert_says(&err, "has 2048 characters, this kernel takes 2047");
	rig_remove(&kernel);
	free(f);
	/* A kernel that says it takes any does not get past the layout. */
	f = rig_bzimage("nothing at all", 14, &size);
	memcpy(f + 0x1f1 + offsetof(struct setup_header, cmdline_size), &huge,
	       sizeof(huge));
	rig_write(&kernel, f, size);
	text[2048] = 'a';
	text[(1 << 20) - 1] = '\0';
	assert_int_equal(load(ram, kernel.path, NULL, text, &err), -E2BIG);
	rig_remove(&kernel);
	free(text);
	free(f);
	gmem_put(ram);
}

/* Random damage to the headers and the payload, and random ends. The sanitizers
 * are the judges; an error is a sentence. */
static void test_damage(void **state)
{
	static const uint64_t numbers[] = { 0,		1,	  0x7fffffff,
					    1 << 20,	1 << 24,  UINT64_MAX,
					    0x80000000, 0x1000000 };
	struct rng r = rng_start();
	struct gmem *ram = rig_ram(32);
	size_t size, file_size;
	uint8_t *f = rig_vmlinux(&small, &size);
	unsigned good = 0, n = 1500;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		unsigned how = rng_below(&r, RIG_PACKS + 1);
		uint8_t *packed = NULL, *copy;
		struct rig_file file;
		struct err err;
		int rc;

		if (how < RIG_PACKS)
			packed = rig_pack(how, f, size, &file_size);
		if (packed) {
			copy = rig_bzimage(packed, file_size, &file_size);
		} else {
			copy = malloc(size);
			memcpy(copy, f, size);
			file_size = size;
		}
		for (unsigned k = 1 + rng_below(&r, 3); k; k--) {
			unsigned from = !packed ? 0
					: k & 1 ? 0x1f1
						: RIG_PAYLOAD;
			size_t room = MIN(from == 0x1f1 ? 0x7c : 0x900,
					  file_size - 8 - from);
			uint64_t v = numbers[rng_below(&r, 8)];

			memcpy(copy + from + rng_below(&r, (uint32_t)room), &v,
			       1u << rng_below(&r, 4));
		}
		if (!rng_below(&r, 8))
			file_size = rng_below(&r, (uint32_t)file_size);
		rig_write(&file, copy, file_size);
		rc = load(ram, file.path, NULL, NULL, &err);
		assert_true(rc == 0 || (rc < 0 && err.msg[0]));
		good += rc == 0;
		rig_remove(&file);
		free(copy);
		free(packed);
	}
	assert_in_range(good, 1, n - 1);
	free(f);
	gmem_put(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_bad_payload),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_too_little_memory),
		cmocka_unit_test(test_bad_initrd),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

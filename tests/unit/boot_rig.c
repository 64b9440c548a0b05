/* SPDX-License-Identifier: Apache-2.0 */
#include "boot_rig.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef RINGWAY_LZ4
#include <lz4.h>
#endif
#ifdef RINGWAY_LZMA
#include <lzma.h>
#endif
#ifdef RINGWAY_ZLIB
#include <zlib.h>
#endif
#ifdef RINGWAY_ZSTD
#include <zstd.h>
#endif

#include "layout.h"

struct gmem *rig_ram(unsigned mib)
{
	uint64_t size = (uint64_t)mib << 20, low = MIN(size, GAP_BASE);
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct gmem_desc d[2] = {
		{ .gpa = 0, .size = low, .uva = 0, .fd = fd },
		{ .gpa = 1ull << 32,
		  .size = size - low,
		  .uva = 1ull << 32,
		  .mmap_offset = low,
		  .fd = fd },
	};
	struct gmem *ram;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(gmem_create(d, size > low ? 2 : 1, &ram, NULL), 0);
	close(fd);
	return ram;
}

void *rig_at(const struct gmem *ram, uint64_t gpa, uint64_t size)
{
	void *p = gmem_translate(ram, gpa, size);

	assert_non_null(p);
	return p;
}

void rig_write(struct rig_file *f, const void *data, size_t size)
{
	int fd;

	snprintf(f->path, sizeof(f->path), "/tmp/ringway-boot-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

void rig_remove(struct rig_file *f)
{
	unlink(f->path);
}

static size_t put_note(uint8_t *to, const struct rig_kernel *k)
{
	unsigned align = k->note_align ? k->note_align : 4;
	Elf64_Nhdr other = { .n_namesz = 6, .n_descsz = 3, .n_type = 18 };
	Elf64_Nhdr pvh = { .n_namesz = 4, .n_descsz = 4, .n_type = 18 };
	uint8_t *at = to;

	/* Another one's note of the same number comes first. */
	memcpy(at, &other, sizeof(other));
	memcpy(at + sizeof(other), "Other", 6);
	at += align_up(sizeof(other) + 6, align);
	at += align_up(3, align);
	memcpy(at, &pvh, sizeof(pvh));
	memcpy(at + sizeof(pvh), "Xen", 4);
	at += align_up(sizeof(pvh) + 4, align);
	memcpy(at, &k->pvh, sizeof(k->pvh));
	return (size_t)(at - to) + align_up(4, align);
}

uint8_t *rig_vmlinux(const struct rig_kernel *k, size_t *size)
{
	enum { NOTE_AT = 0x800 };
	Elf64_Ehdr h = { .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = 1,
			 .e_entry = k->entry,
			 .e_phoff = sizeof(h),
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = (uint16_t)(k->parts + 1) };
	Elf64_Phdr p = { .p_type = PT_NOTE,
			 .p_offset = NOTE_AT,
			 .p_align = k->note_align };
	uint8_t *f;

	*size = MAX(k->size, 4096);
	for (unsigned i = 0; i < k->parts; i++)
		*size = MAX(*size, k->part[i].offset + k->part[i].file_size);
	f = calloc(1, *size);
	assert_non_null(f);
	memcpy(h.e_ident,
	       "\x7f"
	       "ELF\2\1\1",
	       7);
	memcpy(f, &h, sizeof(h));
	if (k->pvh)
		p.p_filesz = put_note(f + NOTE_AT, k);
	memcpy(f + sizeof(h), &p, sizeof(p));
	for (unsigned i = 0; i < k->parts; i++) {
		const struct rig_part *r = &k->part[i];

		p = (Elf64_Phdr){ .p_type = PT_LOAD,
				  .p_offset = r->offset,
				  .p_paddr = r->gpa,
				  .p_vaddr = 0xffffffff80000000 + r->gpa,
				  .p_filesz = r->file_size,
				  .p_memsz = r->size };
		memcpy(f + sizeof(h) + (i + 1) * sizeof(p), &p, sizeof(p));
		for (uint64_t n = 0; n < r->file_size; n++)
			f[r->offset + n] =
				(uint8_t)((r->gpa + n) * 0x9e3779b9 >> 13 | 1);
	}
	return f;
}

uint8_t *rig_bzimage(const void *payload, size_t payload_size, size_t *size)
{
	size_t kernel = align_up(0x400 + payload_size, 16);
	struct setup_header h = {
		.setup_sects = 4,
		.syssize = (uint32_t)(kernel / 16),
		.boot_flag = 0xaa55,
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.payload_offset = 0x400,
		.payload_length = (uint32_t)payload_size,
		.pref_address = 0x1000000,
		.init_size = 0x400000,
	};
	uint8_t *f;

	*size = 5 * 512 + kernel;
	f = calloc(1, *size);
	assert_non_null(f);
	memcpy(f, "MZ", 2);
	memcpy(f + 0x1f1, &h, sizeof(h));
	memset(f + 5 * 512, 0xcc, 0x400);
	memcpy(f + RIG_PAYLOAD, payload, payload_size);
	return f;
}

#ifdef RINGWAY_ZLIB
static size_t pack_gzip(const void *data, size_t size, uint8_t *to, size_t room)
{
	z_stream z = { .next_in = (z_const Bytef *)data,
		       .avail_in = (uInt)size,
		       .next_out = to,
		       .avail_out = (uInt)room };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}
#else
#define pack_gzip NULL
#endif

#ifdef RINGWAY_LZMA
/* As Linux's xz_wrap.sh: with the filter for x86 */
static size_t pack_xz(const void *data, size_t size, uint8_t *to, size_t room)
{
	lzma_options_lzma lzma;
	const lzma_filter filters[] = {
		{ LZMA_FILTER_X86, NULL },
		{ LZMA_FILTER_LZMA2, &lzma },
		{ LZMA_VLI_UNKNOWN, NULL },
	};
	size_t at = 0;

	assert_false(lzma_lzma_preset(&lzma, 1));
	assert_int_equal(lzma_stream_buffer_encode((lzma_filter *)filters,
						   LZMA_CHECK_CRC32, NULL, data,
						   size, to, &at, room),
			 LZMA_OK);
	return at;
}
#else
#define pack_xz NULL
#endif

#ifdef RINGWAY_ZSTD
static size_t pack_zstd(const void *data, size_t size, uint8_t *to, size_t room)
{
	size_t n = ZSTD_compress(to, room, data, size, 3);

	assert_false(ZSTD_isError(n));
	return n;
}
#else
#define pack_zstd NULL
#endif

#ifdef RINGWAY_LZ4
static size_t pack_lz4(const void *data, size_t size, uint8_t *to, size_t room)
{
	const char *from = data;
	size_t at = 4;

	memcpy(to, "\x02\x21\x4c\x18", 4);
	for (size_t done = 0; done < size;) {
		size_t part = MIN(size - done, 8u << 20);
		int32_t n =
			LZ4_compress_default(from + done, (char *)to + at + 4,
					     (int)part, (int)(room - at - 4));

		assert_true(n > 0);
		memcpy(to + at, &n, 4);
		at += 4 + (size_t)n;
		done += part;
	}
	return at;
}
#else
#define pack_lz4 NULL
#endif

uint8_t *rig_pack(enum rig_pack how, const void *data, size_t size,
		  size_t *packed)
{
	static size_t (*const pack[])(const void *data, size_t size,
				      uint8_t *to, size_t room) = {
		[RIG_GZIP] = pack_gzip,
		[RIG_XZ] = pack_xz,
		[RIG_ZSTD] = pack_zstd,
		[RIG_LZ4] = pack_lz4,
	};
	size_t room = size + size / 8 + 65536;
	uint32_t end = (uint32_t)size;
	uint8_t *to;

	if (!pack[how])
		return NULL;
	to = malloc(room);
	assert_non_null(to);
	*packed = pack[how](data, size, to, room - sizeof(end));
	if (how != RIG_GZIP) {
		memcpy(to + *packed, &end, sizeof(end));
		*packed += sizeof(end);
	}
	return to;
}

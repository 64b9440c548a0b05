/* SPDX-License-Identifier: Apache-2.0 */
/* Linux as an ELF file, see vmlinux.h. Every number in the file is checked
 * before it is used. */
#include "vmlinux.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bzimage.h"
#include "layout.h"

/* Linux has five headers; a core dump has many, and is refused by its type. */
#define PHDRS_MAX 128
/* XEN_ELFNOTE_PHYS32_ENTRY of Xen's elfnote.h */
#define NOTE_PHYS32_ENTRY 18
/* Notes are some hundred bytes. */
#define NOTE_BYTES_MAX 65536u

static const char *machine_name(unsigned machine)
{
	switch (machine) {
	case EM_386:
		return "32-bit x86";
	case EM_AARCH64:
		return "arm64";
	case EM_ARM:
		return "32-bit ARM";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "PowerPC";
	case EM_S390:
		return "s390";
	case EM_MIPS:
		return "MIPS";
	default:
		return "another processor";
	}
}

static int check_header(const Elf64_Ehdr *h, struct err *err)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG))
		return err_set(err, -ENOEXEC, "is no ELF file");
	/* The machine is at the same place in both classes. */
	if (h->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(err, -ENOEXEC,
			       "is a big-endian ELF file, not for x86-64");
	if (h->e_machine != EM_X86_64)
		return err_set(err, -ENOEXEC,
			       "is an ELF file for %s, "
			       "not for x86-64",
			       machine_name(h->e_machine));
	if (h->e_ident[EI_CLASS] != ELFCLASS64)
		return err_set(err, -ENOEXEC, "is a 32-bit ELF file");
	if (h->e_type == ET_REL)
		return err_set(err, -ENOEXEC,
			       "is an object file or a module, not a kernel");
	if (h->e_type == ET_CORE)
		return err_set(err, -ENOEXEC, "is a core dump, not a kernel");
	if (h->e_type != ET_EXEC)
		return err_set(err, -ENOEXEC,
			       "is a program or a library, not a kernel");
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum ||
	    h->e_phnum > PHDRS_MAX)
		return err_set(err, -ENOEXEC,
			       "is a damaged ELF file: "
			       "%u program headers of %u bytes",
			       h->e_phnum, h->e_phentsize);
	return 0;
}

static int add_part(struct vmlinux *v, const Elf64_Phdr *p, struct err *err)
{
	unsigned at;

	if (!p->p_memsz)
		return 0;
	if (p->p_filesz > p->p_memsz ||
	    !range_is_inside(p->p_paddr, p->p_memsz, UINT64_MAX) ||
	    v->count == VMLINUX_PARTS)
		return err_set(err, -ENOEXEC,
			       "is a damaged ELF file: wrong segments");
	if (p->p_paddr < HIGH_RAM)
		return err_set(err, -ENOEXEC,
			       "is no Linux kernel: it wants to "
			       "lie at %#llx, below 1 MiB",
			       (unsigned long long)p->p_paddr);
	for (at = v->count; at && v->part[at - 1].gpa > p->p_paddr; at--)
		v->part[at] = v->part[at - 1];
	v->part[at] = (struct vmlinux_part){ .offset = p->p_offset,
					     .file_size = p->p_filesz,
					     .gpa = p->p_paddr,
					     .size = p->p_memsz };
	v->count++;
	return 0;
}

/* Returns whether a part of the kernel's own address space has the entry: what
 * tells Linux from a program. */
static bool is_kernel_entry(const Elf64_Phdr *p, uint64_t entry)
{
	return p->p_type == PT_LOAD && p->p_vaddr >> 63 &&
	       entry - p->p_paddr < p->p_memsz;
}

static int finish_parts(struct vmlinux *v, struct err *err)
{
	for (unsigned i = 0; i < v->count; i++) {
		const struct vmlinux_part *p = &v->part[i];

		if (p->gpa < v->end)
			return err_set(err, -ENOEXEC,
				       "is a damaged ELF file: "
				       "segments overlap");
		v->end = p->gpa + p->size;
	}
	return 0;
}

int vmlinux_parse(const struct boot_image *i, struct vmlinux *v,
		  struct err *err)
{
	bool has_entry = false;
	Elf64_Ehdr h;
	int rc;

	*v = (struct vmlinux){ 0 };
	rc = boot_image_read(i, 0, &h, sizeof(h));
	if (rc == -ENODATA)
		return err_set(err, -ENOEXEC, "is a truncated ELF file");
	if (!rc)
		rc = check_header(&h, err);
	v->entry = h.e_entry;
	for (unsigned n = 0; !rc && n < h.e_phnum; n++) {
		Elf64_Phdr p;

		/* No overflow: the first one would not be in the file. */
		rc = boot_image_read(i, h.e_phoff + n * sizeof(p), &p,
				     sizeof(p));
		if (rc == -ENODATA)
			return err_set(err, -ENOEXEC,
				       "is a truncated ELF file");
		if (rc)
			break;
		has_entry |= is_kernel_entry(&p, h.e_entry);
		if (p.p_type == PT_LOAD)
			rc = add_part(v, &p, err);
		else if (p.p_type == PT_NOTE && v->note_count < VMLINUX_NOTES)
			v->note[v->note_count++] = (struct vmlinux_note){
				.offset = p.p_offset,
				.size = p.p_filesz,
				.align = p.p_align == 8 ? 8 : 4,
			};
	}
	if (!rc && !has_entry)
		rc = err_set(err, -ENOEXEC,
			     "is a program, not a kernel (an ELF file whose "
			     "entry is not in the kernel's addresses)");
	return rc ? rc : finish_parts(v, err);
}

/* Stores the value of PVH's note, if it is in @n. */
static int search_notes(const struct boot_image *i,
			const struct vmlinux_note *n, uint64_t *entry)
{
	uint64_t size = MIN(n->size, NOTE_BYTES_MAX), at = 0;
	char name[4];
	Elf64_Nhdr h;
	int rc;

	while (range_is_inside(at, sizeof(h), size)) {
		uint64_t name_at = at + sizeof(h), desc_at;
		uint64_t value = 0;

		rc = boot_image_read(i, n->offset + at, &h, sizeof(h));
		if (rc)
			return rc;
		desc_at = align_up(name_at + h.n_namesz, n->align);
		at = align_up(desc_at + h.n_descsz, n->align);
		if (!range_is_inside(desc_at, h.n_descsz, size))
			return -ENOEXEC;
		if (h.n_type != NOTE_PHYS32_ENTRY || h.n_namesz != 4 ||
		    (h.n_descsz != 4 && h.n_descsz != 8))
			continue;
		rc = boot_image_read(i, n->offset + name_at, name, 4);
		if (!rc)
			rc = boot_image_read(i, n->offset + desc_at, &value,
					     h.n_descsz);
		if (rc)
			return rc;
		if (!memcmp(name, "Xen", 4))
			*entry = value;
	}
	return 0;
}

int vmlinux_find_pvh(const struct boot_image *i, const struct vmlinux *v,
		     uint64_t *entry, struct err *err)
{
	*entry = 0;
	for (unsigned n = 0; n < v->note_count; n++) {
		if (!range_is_inside(v->note[n].offset, v->note[n].size,
				     i->size))
			return err_set(err, -ENOEXEC,
				       "is a truncated ELF "
				       "file: its notes end beyond its end");
		if (search_notes(i, &v->note[n], entry))
			return err_set(err, -ENOEXEC,
				       "is a damaged ELF file: wrong notes");
	}
	if (!*entry)
		return 0;
	for (unsigned n = 0; n < v->count; n++)
		if (*entry - v->part[n].gpa < v->part[n].file_size &&
		    *entry <= UINT32_MAX)
			return 0;
	return err_set(err, -ENOEXEC,
		       "has a PVH entry outside of the kernel, "
		       "%#llx",
		       (unsigned long long)*entry);
}

bool vmlinux_window(const struct vmlinux *v, uint64_t size, uint64_t *gpa)
{
	const struct vmlinux_part *big = &v->part[0], *p;

	for (p = v->part; p < v->part + v->count; p++)
		if (p->file_size > big->file_size)
			big = p;
	if (big->gpa < HIGH_RAM || big->gpa - HIGH_RAM < big->offset)
		return false;
	*gpa = big->gpa - big->offset;
	for (p = v->part; p < v->part + v->count; p++)
		if (!range_is_inside(p->offset, p->file_size, size))
			return false;
	/* Parts move in the order of their places. None may land on one that
	 * has not moved yet; places do not overlap each other. */
	for (p = v->part; p < v->part + v->count; p++)
		for (const struct vmlinux_part *q = p + 1;
		     q < v->part + v->count; q++)
			if (p->gpa < *gpa + q->offset + q->file_size &&
			    *gpa + q->offset < p->gpa + p->file_size)
				return false;
	return true;
}

int vmlinux_load(const struct boot_image *i, const struct vmlinux *v,
		 const struct gmem *ram, struct err *err)
{
	uint8_t *to[VMLINUX_PARTS];
	int rc;

	for (unsigned n = 0; n < v->count; n++)
		if (!range_is_inside(v->part[n].offset, v->part[n].file_size,
				     i->size))
			return err_set(err, -ENOEXEC,
				       "is a truncated ELF "
				       "file: a segment ends beyond its end");
	if (v->end > boot_low_ram(ram))
		return boot_no_room(ram, "the kernel", v->end, err);
	for (unsigned n = 0; n < v->count; n++) {
		const struct vmlinux_part *p = &v->part[n];

		to[n] = gmem_translate(ram, p->gpa, p->size);
		rc = boot_image_read(i, p->offset, to[n], p->file_size);
		if (rc)
			return err_set(err, rc, "cannot be read: %s",
				       strerror(-rc));
	}
	/* Only now: zeros could fall on parts that had to move. */
	for (unsigned n = 0; n < v->count; n++)
		memset(to[n] + v->part[n].file_size, 0,
		       v->part[n].size - v->part[n].file_size);
	return 0;
}

int vmlinux_boot(const struct boot_image *i, const struct gmem *ram,
		 bool needs_pvh, struct boot_kernel *k, struct err *err)
{
	struct vmlinux v;
	uint64_t pvh = 0;
	int rc = vmlinux_parse(i, &v, err);

	if (!rc)
		rc = vmlinux_find_pvh(i, &v, &pvh, err);
	if (!rc && !pvh && needs_pvh)
		return -EOPNOTSUPP;
	if (!rc)
		rc = vmlinux_load(i, &v, ram, err);
	k->mode = pvh ? BOOT_PVH : BOOT_LINUX64;
	k->entry = pvh ? pvh : v.entry;
	k->end = v.end;
	k->initrd_max = GAP_BASE - 1;
	k->cmdline_max = BOOT_CMDLINE_MAX;
	/* A vmlinux has no setup header, but the kernel reads one. */
	k->header = (struct setup_header){
		.boot_flag = 0xaa55,
		.header = BZIMAGE_MAGIC,
		.version = BZIMAGE_VERSION,
		.type_of_loader = 0xff,
		.loadflags = LOADED_HIGH,
		.kernel_alignment = 0x1000000,
	};
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux as a bzImage, see bzimage.h. It has sectors of real-mode code, which
 * begin with a header, and a protected-mode part: code that unpacks, and in it
 * the payload, a packed vmlinux. We unpack that here, where it takes less time
 * than in a guest, and need not copy most of it (vmlinux_window()).
 */
#include "bzimage.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "layout.h"
#include "unpack.h"
#include "vmlinux.h"

#define SECTOR	  512
#define HEADER_AT 0x1f1
/* An unpacked kernel is 50 to 100 MiB. */
#define UNPACKED_MAX (1u << 30)
/* Of the unpacked file, to see its program headers. */
#define HEAD_SIZE 4096
/* The 64-bit entry in the protected-mode part */
#define ENTRY_64 0x200
/* If the header names none: below 896 MiB (boot.rst, "initrd_addr_max") */
#define INITRD_MAX 0x37ffffff

struct bzimage {
	struct setup_header header;
	uint64_t kernel; /* offset of the protected-mode part */
	uint64_t kernel_size;
	uint64_t payload; /* offset; 0: none */
	uint64_t payload_size;
};

bool bzimage_is(const uint8_t *head, size_t size)
{
	uint32_t magic = BZIMAGE_MAGIC;

	return size >= 0x206 && !memcmp(head + 0x202, &magic, sizeof(magic)) &&
	       head[0x1fe] == 0x55 && head[0x1ff] == 0xaa;
}

/* Reads the header and checks that this machine can start the kernel. */
static int parse_header(const struct boot_image *i, struct setup_header *h,
			struct err *err)
{
	uint64_t size;
	int rc = boot_image_read(i, HEADER_AT, h, sizeof(*h));

	if (rc)
		return err_set(err, -ENOEXEC, "is a truncated bzImage");
	if (h->version < BZIMAGE_VERSION)
		return err_set(err, -ENOEXEC,
			       "is too old: its boot protocol "
			       "is %u.%02u, 2.12 is needed (Linux 3.8)",
			       h->version >> 8, h->version & 0xffu);
	/* The byte behind the jump tells where the header ends; what follows
	 * are no fields of this kernel. */
	size = 0x202 + (h->jump >> 8) - HEADER_AT;
	if (size < sizeof(*h))
		memset((uint8_t *)h + size, 0, sizeof(*h) - size);
	if (!(h->loadflags & LOADED_HIGH))
		return err_set(err, -ENOEXEC, "is a zImage, not a bzImage");
	if (!(h->xloadflags & XLF_KERNEL_64))
		return err_set(err, -ENOEXEC, "is a 32-bit kernel");
	return 0;
}

static int parse(const struct boot_image *i, struct bzimage *b, struct err *err)
{
	const struct setup_header *h = &b->header;
	uint64_t sectors;
	int rc = parse_header(i, &b->header, err);

	if (rc)
		return rc;
	sectors = h->setup_sects ? h->setup_sects : 4;
	b->kernel = (sectors + 1) * SECTOR;
	b->kernel_size = h->syssize * 16ull; /* rounded up */
	if (!range_is_inside(b->kernel, b->kernel_size, i->size + 15))
		return err_set(
			err, -ENOEXEC,
			"is a truncated bzImage: it has "
			"%llu of %llu bytes",
			(unsigned long long)i->size,
			(unsigned long long)(b->kernel + b->kernel_size));
	if (i->size < b->kernel + ENTRY_64 || b->kernel_size < ENTRY_64)
		return err_set(err, -ENOEXEC, "is a bzImage without a kernel");
	b->kernel_size = MIN(b->kernel_size, i->size - b->kernel);
	b->payload = b->kernel + h->payload_offset;
	b->payload_size = h->payload_length;
	if (!range_is_inside(h->payload_offset, h->payload_length,
			     b->kernel_size))
		return err_set(err, -ENOEXEC,
			       "is a damaged bzImage: its "
			       "payload ends beyond the end of the file");
	return 0;
}

/* Returns where the unpacked image of @size bytes can lie in @ram, or NULL. */
static uint8_t *find_window(const uint8_t *head, uint64_t size,
			    const struct gmem *ram)
{
	const struct boot_image i = { .fd = -1,
				      .mem = head,
				      .size = HEAD_SIZE };
	struct vmlinux v;
	uint64_t gpa;

	if (vmlinux_parse(&i, &v, NULL) || v.end > boot_low_ram(ram) ||
	    !vmlinux_window(&v, size, &gpa))
		return NULL;
	gmem_populate(ram, gpa, MAX(size, v.end - gpa));
	return gmem_translate(ram, gpa, size);
}

/* Sets @err for what unpack() returned, if it is an error for a person. */
static int unpack_error(int rc, struct err *err)
{
	if (rc == -ENOMEM)
		return err_set(err, rc, "out of memory");
	if (rc == -EBADMSG)
		return err_set(err, -ENOEXEC,
			       "is damaged: what is packed in "
			       "it cannot be unpacked");
	return rc;
}

/* Unpacks @u->in into @u->out and loads the kernel from there. */
static int unpack_and_load(struct unpack *u, const struct gmem *ram,
			   struct boot_kernel *k, struct err *err)
{
	struct boot_image i = { .fd = -1, .mem = u->out, .size = u->out_size };
	int rc = unpack_error(unpack(u), err);

	if (rc)
		return rc;
	rc = vmlinux_boot(&i, ram, true, k, err);
	if (rc && rc != -EOPNOTSUPP)
		err_prefix(err, rc, "what is packed in it");
	return rc;
}

/* Unpacks the @u.out_size bytes that are packed in @u.in, into the guest's RAM
 * if they fit there, and loads the kernel in them. */
static int load_packed(struct unpack u, const struct gmem *ram,
		       struct boot_kernel *k, struct err *err)
{
	size_t size = u.out_size;
	uint8_t head[HEAD_SIZE];
	uint8_t *heap;
	int rc;

	u.is_prefix = true;
	u.out = head;
	u.out_size = sizeof(head);
	rc = unpack_error(unpack(&u), err);
	if (rc)
		return rc;
	if (memcmp(head, ELFMAG, SELFMAG))
		return -EOPNOTSUPP;
	u.is_prefix = false;
	u.out = find_window(head, size, ram);
	u.out_size = size;
	if (u.out)
		return unpack_and_load(&u, ram, k, err);
	heap = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (heap == MAP_FAILED)
		return err_set(err, -ENOMEM, "out of memory");
	u.out = heap;
	rc = unpack_and_load(&u, ram, k, err);
	munmap(heap, size);
	return rc;
}

/* Enters the packed kernel by PVH. Returns -EOPNOTSUPP if that cannot be, so
 * that the kernel has to unpack itself. */
static int boot_pvh(const struct boot_image *i, const struct bzimage *b,
		    const struct gmem *ram, struct boot_kernel *k,
		    struct err *err)
{
	struct unpack u = { .in_size = b->payload_size };
	uint8_t *packed;
	uint32_t size;
	int rc;

	if (b->payload_size < sizeof(size))
		return -EOPNOTSUPP;
	packed = malloc(b->payload_size);
	if (!packed)
		return err_set(err, -ENOMEM, "out of memory");
	rc = boot_image_read(i, b->payload, packed, b->payload_size);
	if (rc) {
		err_set(err, rc, "cannot be read: %s", strerror(-rc));
		goto out;
	}
	/* The size that gzip writes at its end; Linux's build appends it to
	 * what other compressions make. */
	memcpy(&size, packed + b->payload_size - sizeof(size), sizeof(size));
	u.in = packed;
	u.out_size = size;
	rc = size >= HEAD_SIZE && size <= UNPACKED_MAX
		     ? load_packed(u, ram, k, err)
		     : -EOPNOTSUPP;
out:
	free(packed);
	return rc;
}

/* Lets the kernel unpack itself. */
static int boot_linux64(const struct boot_image *i, const struct bzimage *b,
			const struct gmem *ram, struct boot_kernel *k,
			struct err *err)
{
	struct setup_header *h = &k->header;
	uint64_t at = MAX(b->header.pref_address, HIGH_RAM);
	uint64_t size = MAX(b->header.init_size, b->kernel_size);
	int rc;

	if (at >= GAP_BASE)
		return err_set(err, -ENOEXEC,
			       "is a damaged bzImage: it wants "
			       "to lie at %#llx",
			       (unsigned long long)at);
	if (!range_is_inside(at, size, boot_low_ram(ram)))
		return boot_no_room(ram, "the kernel", at + size, err);
	gmem_populate(ram, at, size);
	rc = boot_image_read(i, b->kernel, gmem_translate(ram, at, size),
			     b->kernel_size);
	if (rc)
		return err_set(err, rc, "cannot be read: %s", strerror(-rc));
	*h = b->header;
	h->type_of_loader = 0xff; /* none that has a number */
	h->vid_mode = 0xffff;	  /* normal */
	h->code32_start = (uint32_t)at;
	k->mode = BOOT_LINUX64;
	k->entry = at + ENTRY_64;
	k->end = at + size;
	k->initrd_max = h->initrd_addr_max ? h->initrd_addr_max : INITRD_MAX;
	return 0;
}

int bzimage_boot(const struct boot_image *i, const struct gmem *ram,
		 struct boot_kernel *k, struct err *err)
{
	struct bzimage b;
	int rc = parse(i, &b, err);

	if (rc)
		return rc;
	rc = boot_pvh(i, &b, ram, k, err);
	if (rc == -EOPNOTSUPP)
		rc = boot_linux64(i, &b, ram, k, err);
	k->cmdline_max = b.header.cmdline_size;
	return rc;
}

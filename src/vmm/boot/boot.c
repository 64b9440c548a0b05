/* SPDX-License-Identifier: Apache-2.0 */
/* Loads kernel, initrd and command line, see boot.h. Control thread; calls
 * bzimage.c or vmlinux.c, then boot_info.c. */
#include "boot.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "boot_kernel.h"
#include "bzimage.h"
#include "layout.h"
#include "vmlinux.h"

#define MIB	  (1ull << 20)
#define PAGE_SIZE 4096ull
/* Between BOOT_CMDLINE and the next thing in the layout */
#define CMDLINE_ROOM 0x10000u

uint64_t boot_low_ram(const struct gmem *ram)
{
	const struct gmem_region *r = gmem_find(ram, 0);

	return r && !r->gpa ? MIN(r->size, GAP_BASE) : 0;
}

int boot_no_room(const struct gmem *ram, const char *what, uint64_t end,
		 struct err *err)
{
	uint64_t size = 0;

	if (end > GAP_BASE)
		return err_set(err, -ENOMEM,
			       "%s does not fit into the memory "
			       "below the devices, which begin at %llu MiB: it "
			       "needs %llu MiB",
			       what, GAP_BASE / MIB,
			       (unsigned long long)(align_up(end, MIB) / MIB));
	for (unsigned i = 0; i < ram->count; i++)
		size += ram->region[i].size;
	return err_set(err, -ENOMEM,
		       "%s does not fit into %llu MiB of memory, "
		       "%llu MiB is the least",
		       what, (unsigned long long)(size / MIB),
		       (unsigned long long)(align_up(end, 2 * MIB) / MIB));
}

static int load_kernel(const char *path, const struct gmem *ram,
		       struct boot_kernel *k, struct err *err)
{
	uint8_t head[PAGE_SIZE];
	struct boot_image i;
	size_t size;
	int rc = boot_image_open(path, &i, err);

	if (rc)
		return rc;
	size = MIN(i.size, sizeof(head));
	rc = boot_image_read(&i, 0, head, size);
	if (rc)
		err_set(err, rc, "cannot be read: %s", strerror(-rc));
	else if (bzimage_is(head, size))
		rc = bzimage_boot(&i, ram, k, err);
	else if (size >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG))
		rc = vmlinux_boot(&i, ram, false, k, err);
	else
		rc = err_set(err, -ENOEXEC, "is no kernel: it is %s",
			     boot_image_kind(head, size));
	boot_image_close(&i);
	return rc;
}

static int load_cmdline(const char *text, const struct gmem *ram,
			const struct boot_kernel *k, struct err *err)
{
	size_t size = strlen(text);
	unsigned max = MIN(k->cmdline_max, CMDLINE_ROOM - 1);
	char *to = gmem_translate(ram, BOOT_CMDLINE, size + 1);

	if (size > max)
		return err_set(err, -E2BIG,
			       "the command line of the kernel "
			       "has %zu characters, this kernel takes %u",
			       size, max);
	if (!to)
		return boot_no_room(ram, "the command line", HIGH_RAM, err);
	memcpy(to, text, size + 1);
	return 0;
}

/* Puts the initrd as high as it may lie. */
static int place_initrd(const struct boot_image *i, const struct gmem *ram,
			const struct boot_kernel *k, struct boot_initrd *out,
			struct err *err)
{
	uint64_t top = MIN(boot_low_ram(ram), k->initrd_max + 1);
	uint64_t start = align_up(k->end, PAGE_SIZE);
	uint64_t size = align_up(i->size, PAGE_SIZE);
	int rc;

	if (!i->size)
		return err_set(err, -EINVAL, "is empty");
	top &= ~(PAGE_SIZE - 1);
	if (i->size > UINT32_MAX || !range_is_inside(start, size, top)) {
		/* More than this kernel can reach? */
		if (i->size > UINT32_MAX || start + size > k->initrd_max + 1)
			return err_set(
				err, -EFBIG,
				"is too large, %llu MiB: "
				"this kernel takes it between %llu and "
				"%llu MiB of the memory",
				(unsigned long long)(i->size / MIB),
				(unsigned long long)(start / MIB),
				(unsigned long long)((k->initrd_max + 1) /
						     MIB));
		return boot_no_room(ram, "it", start + size, err);
	}
	out->size = i->size;
	out->gpa = top - size;
	gmem_populate(ram, out->gpa, size);
	rc = boot_image_read(i, 0, gmem_translate(ram, out->gpa, size),
			     i->size);
	if (rc)
		err_set(err, rc, "cannot be read: %s", strerror(-rc));
	return rc;
}

static int load_initrd(const char *path, const struct gmem *ram,
		       const struct boot_kernel *k, struct boot_initrd *out,
		       struct err *err)
{
	struct boot_image i;
	int rc = boot_image_open(path, &i, err);

	if (rc)
		return rc;
	rc = place_initrd(&i, ram, k, out, err);
	boot_image_close(&i);
	return rc;
}

int boot_load(const struct boot_conf *c, const struct gmem *ram,
	      struct boot_entry *out, struct err *err)
{
	struct boot_kernel k = { 0 };
	struct boot_initrd initrd = { 0 };
	int rc = load_kernel(c->kernel, ram, &k, err);

	if (rc)
		return err_prefix(err, rc, "kernel %s", c->kernel);
	rc = load_cmdline(c->cmdline ? c->cmdline : "", ram, &k, err);
	if (rc)
		return rc;
	if (c->initrd) {
		rc = load_initrd(c->initrd, ram, &k, &initrd, err);
		if (rc)
			return err_prefix(err, rc, "initrd %s", c->initrd);
	}
	out->mode = k.mode;
	out->rip = k.entry;
	if (k.mode == BOOT_PVH) {
		out->info = BOOT_INFO;
		return boot_info_pvh(ram, &initrd, err);
	}
	out->info = BOOT_ZERO_PAGE;
	return boot_info_linux64(ram, &k, &initrd, err);
}

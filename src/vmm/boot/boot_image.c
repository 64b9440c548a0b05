/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are given as kernels, see boot_image.h. */
#include "boot_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"

int boot_image_open(const char *path, struct boot_image *i, struct err *err)
{
	struct stat st;

	*i = (struct boot_image){ .fd = -1 };
	/* A FIFO without a writer would wait; we refuse FIFOs anyway. */
	i->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (i->fd < 0 || fstat(i->fd, &st)) {
		int rc = -errno;

		fd_close(&i->fd);
		return err_set(err, rc, "cannot be read: %s", strerror(-rc));
	}
	if (!S_ISREG(st.st_mode)) {
		fd_close(&i->fd);
		return err_set(err, -EINVAL, "is %s, not a regular file",
			       S_ISDIR(st.st_mode) ? "a directory"
						   : "a device or a pipe");
	}
	i->size = (uint64_t)st.st_size;
	return 0;
}

int boot_image_find(const char *path, const char *const *folders,
		    struct boot_image *i, struct err *err)
{
	int rc = boot_image_open(path, i, err);
	char at[128];

	for (; rc == -ENOENT && !strchr(path, '/') && *folders; folders++) {
		struct err other;

		snprintf(at, sizeof(at), "%s/%.60s", *folders, path);
		if (!boot_image_open(at, i, &other))
			return 0;
	}
	return rc;
}

void boot_image_close(struct boot_image *i)
{
	fd_close(&i->fd);
}

int boot_image_read(const struct boot_image *i, uint64_t off, void *to,
		    uint64_t size)
{
	uint8_t *at = to;

	if (!range_is_inside(off, size, i->size))
		return -ENODATA;
	if (i->fd < 0) {
		if (at != i->mem + off)
			memmove(at, i->mem + off, size);
		return 0;
	}
	while (size) {
		ssize_t n = pread(i->fd, at, size, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* 0: somebody shortened the file */
			return n ? -errno : -ENODATA;
		at += n;
		off += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

struct kind {
	unsigned off;
	unsigned size;
	const char *magic;
	const char *text;
};

/* The first row that fits is the answer. */
static const struct kind kinds[] = {
	{ 0x38, 4, "ARM\x64", "an arm64 kernel (Image)" },
	{ 0x38, 4, "RSC\x05", "a RISC-V kernel (Image)" },
	{ 0x24, 4, "\x18\x28\x6f\x01", "a 32-bit ARM kernel (zImage)" },
	{ 4, 4, "zimg", "a kernel that only EFI can start (zboot)" },
	{ 0, 2, "MZ",
	  "a program for EFI, perhaps a unified kernel image; the bzImage "
	  "inside is what is needed" },
	{ 0, 2, "\x1f\x8b", "a gzip file; unpack it first" },
	{ 0, 6, "\xfd\x37zXZ\0", "an xz file; unpack it first" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "a zstd file; unpack it first" },
	{ 0, 4, "\x02\x21\x4c\x18", "an lz4 file; unpack it first" },
	{ 0, 4, "\x04\x22\x4d\x18", "an lz4 file; unpack it first" },
	{ 0, 3, "BZh", "a bzip2 file; unpack it first" },
	{ 0, 4, "\x27\x05\x19\x56", "an image for U-Boot (uImage)" },
	{ 0, 4, "\xd0\x0d\xfe\xed", "a device tree or an image for U-Boot" },
	{ 0, 6, "070701", "a cpio archive, perhaps an initrd" },
	{ 0, 4, "QFI\xfb", "a disk image (qcow2)" },
	{ 0, 4, "hsqs", "a file system (squashfs)" },
	{ 0, 2, "#!", "a script" },
	{ 0x1fe, 2, "\x55\xaa", "a disk image or a boot sector" },
};

static bool is_text(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((p[i] < 0x20 && (p[i] < '\t' || p[i] > '\r')) ||
		    p[i] == 0x7f)
			return false;
	return true;
}

const char *boot_image_kind(const uint8_t *head, size_t size)
{
	if (!size)
		return "empty";
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct kind *k = &kinds[i];

		if (range_is_inside(k->off, k->size, size) &&
		    !memcmp(head + k->off, k->magic, k->size))
			return k->text;
	}
	if (is_text(head, size))
		return "a text file";
	return "no kind of file that we know";
}

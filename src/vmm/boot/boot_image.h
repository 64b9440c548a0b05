/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that somebody gives us as a kernel: a file, or what was unpacked out of
 * one. Nothing in them is trusted. Control thread. */
#ifndef RW_VMM_BOOT_IMAGE_H
#define RW_VMM_BOOT_IMAGE_H

#include <stdint.h>

#include "err.h"

struct boot_image {
	int fd;		    /* the file; -1: the bytes are in memory */
	const uint8_t *mem; /* borrowed; may lie in the guest's RAM */
	uint64_t size;
};

/* Opens the regular file @path. Returns 0, or -errno with @err, which does not
 * name the file. */
int boot_image_open(const char *path, struct boot_image *i, struct err *err);
/* The same; a name without a slash that is not here is looked up in @folders,
 * a list that ends with NULL. */
int boot_image_find(const char *path, const char *const *folders,
		    struct boot_image *i, struct err *err);
void boot_image_close(struct boot_image *i);

/* Copies @size bytes at @off to @to, which may overlap mem. Returns 0,
 * -ENODATA when the image ends before, or the error of pread(2). */
int boot_image_read(const struct boot_image *i, uint64_t off, void *to,
		    uint64_t size);

/* Returns what begins with the @size bytes at @head, for a sentence ("a gzip
 * file"), of things that are not a kernel for this machine. */
const char *boot_image_kind(const uint8_t *head, size_t size);

#endif

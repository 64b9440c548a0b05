/* SPDX-License-Identifier: Apache-2.0 */
/* Linux as an ELF file: vmlinux, or what was packed in a bzImage. */
#ifndef RW_VMM_VMLINUX_H
#define RW_VMM_VMLINUX_H

#include "boot_kernel.h"

#define VMLINUX_PARTS 16
#define VMLINUX_NOTES 4

struct vmlinux {
	unsigned count;
	struct vmlinux_part {
		uint64_t offset, file_size; /* in the image */
		uint64_t gpa, size; /* in memory; zeros behind file_size */
	} part[VMLINUX_PARTS];	    /* sorted by gpa, without overlaps */
	unsigned note_count;
	struct vmlinux_note {
		uint64_t offset, size;
		unsigned align;
	} note[VMLINUX_NOTES];
	uint64_t entry; /* of the 64-bit boot protocol */
	uint64_t end;	/* of the last part */
};

/* Reads the headers. Returns 0, or -ENOEXEC with @err, which says what the file
 * is instead, or the error of reading. */
int vmlinux_parse(const struct boot_image *i, struct vmlinux *v,
		  struct err *err);

/* Stores the entry of PVH, or 0 if there is none. Returns 0, or -ENOEXEC with
 * @err when the notes are damaged. */
int vmlinux_find_pvh(const struct boot_image *i, const struct vmlinux *v,
		     uint64_t *entry, struct err *err);

/* Finds where in guest memory the image of @size bytes as a whole may lie, so
 * that most of it is in its place and vmlinux_load() can move the rest. Returns
 * false if there is no such place. */
bool vmlinux_window(const struct vmlinux *v, uint64_t size, uint64_t *gpa);

/* Copies the parts to their places. Returns 0, or -errno with @err. */
int vmlinux_load(const struct boot_image *i, const struct vmlinux *v,
		 const struct gmem *ram, struct err *err);

/* Loads the vmlinux @i and fills @k. Returns 0, or -errno with @err, or
 * -EOPNOTSUPP if it @needs_pvh and has no such entry. */
int vmlinux_boot(const struct boot_image *i, const struct gmem *ram,
		 bool needs_pvh, struct boot_kernel *k, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of boot/ tell each other about the kernel that was loaded. All
 * on the control thread. */
#ifndef RW_VMM_BOOT_KERNEL_H
#define RW_VMM_BOOT_KERNEL_H

#include <asm/bootparam.h>

#include "boot.h"
#include "boot_image.h"

struct boot_kernel {
	enum boot_mode mode;
	uint64_t entry;		    /* guest address */
	uint64_t end;		    /* the kernel and its early heap end here */
	uint64_t initrd_max;	    /* last address that the initrd may have */
	unsigned cmdline_max;	    /* characters, without the zero */
	struct setup_header header; /* BOOT_LINUX64: the kernel's, with what a
				     * loader sets */
};

struct boot_initrd {
	uint64_t gpa;
	uint64_t size; /* 0: none */
};

struct boot_map {
	unsigned count;
	struct boot_map_row {
		uint64_t base, size;
		uint32_t type; /* 1: RAM, 2: reserved */
	} row[32];
};

/* COMMAND_LINE_SIZE of Linux on x86, less the zero. */
#define BOOT_CMDLINE_MAX 2047

/* Returns the size of the RAM that begins at 0. */
uint64_t boot_low_ram(const struct gmem *ram);

/* Sets @err: @what needs RAM from 0 to @end. Returns -ENOMEM. */
int boot_no_room(const struct gmem *ram, const char *what, uint64_t end,
		 struct err *err);

/* --- boot_info.c: what the kernel finds in memory; each returns 0, or -ENOMEM
 * with @err when the RAM does not reach so far --- */

/* Makes the map for firmware, which finds out itself what a PC has below 1 MiB.
 * The ACPI tables are at the end of the low RAM, which holds them. */
void boot_map_firmware(struct boot_map *m, const struct gmem *ram);
/* Writes struct hvm_start_info at BOOT_INFO. */
int boot_info_pvh(const struct gmem *ram, const struct boot_initrd *initrd,
		  struct err *err);
/* Writes struct boot_params, page tables and the GDT. */
int boot_info_linux64(const struct gmem *ram, const struct boot_kernel *k,
		      const struct boot_initrd *initrd, struct err *err);

#endif

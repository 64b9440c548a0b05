/* SPDX-License-Identifier: Apache-2.0 */
/* Linux as a bzImage: Linux's Documentation/arch/x86/boot.rst. */
#ifndef RW_VMM_BZIMAGE_H
#define RW_VMM_BZIMAGE_H

#include "boot_kernel.h"

#define BZIMAGE_MAGIC 0x53726448u /* HdrS, at 0x202 */
/* The oldest protocol that tells of a 64-bit entry: 2.12, of Linux 3.8. */
#define BZIMAGE_VERSION 0x020c

/* Returns whether the @size bytes at @head begin a bzImage, whatever its
 * protocol is. */
bool bzimage_is(const uint8_t *head, size_t size);

/* Loads the bzImage @i and fills @k, see boot_load(). */
int bzimage_boot(const struct boot_image *i, const struct gmem *ram,
		 struct boot_kernel *k, struct err *err);

#endif

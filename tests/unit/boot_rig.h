/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM and made-up kernels for the tests of vmm/boot/. */
#ifndef RW_TEST_BOOT_RIG_H
#define RW_TEST_BOOT_RIG_H

#include "test.h"

#include "boot.h"

/* Makes @mib MiB of RAM as a machine has them: with a gap below 4 GiB. */
struct gmem *rig_ram(unsigned mib);
/* Returns the guest's @size bytes at @gpa, which are in the RAM. */
void *rig_at(const struct gmem *ram, uint64_t gpa, uint64_t size);

/* Writes a file that rig_remove() deletes. Returns its path. */
struct rig_file {
	char path[64];
};
void rig_write(struct rig_file *f, const void *data, size_t size);
void rig_remove(struct rig_file *f);

/* A kernel: its parts are filled with bytes that depend on the place. */
struct rig_part {
	uint64_t offset, gpa, file_size, size;
};
struct rig_kernel {
	struct rig_part part[4];
	unsigned parts;
	uint32_t pvh;	     /* entry; 0: none */
	unsigned note_align; /* 4 if 0 */
	uint64_t entry;
	size_t size; /* of the file, at least */
};

/* Makes the ELF file. Returns it, to be freed, and its size. */
uint8_t *rig_vmlinux(const struct rig_kernel *k, size_t *size);
/* Puts @payload into a bzImage. Returns it, to be freed. */
uint8_t *rig_bzimage(const void *payload, size_t payload_size, size_t *size);
/* Where a bzImage of ours has its payload. */
#define RIG_PAYLOAD (5 * 512 + 0x400)

/* How rig_pack() packs; the build may lack each of them. */
enum rig_pack { RIG_GZIP, RIG_XZ, RIG_ZSTD, RIG_LZ4, RIG_PACKS };
/* Packs as Linux's build does, the size at the end included. Returns it, to be
 * freed, or NULL if the build cannot. */
uint8_t *rig_pack(enum rig_pack how, const void *data, size_t size,
		  size_t *packed);

#endif

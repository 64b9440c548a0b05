/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware of a PC (SeaBIOS) instead of a kernel: its image, and what it is to
 * find in RAM and by fw_cfg. Control thread, before the vCPUs run; they begin
 * at the reset vector, as KVM makes them. Pure but for reading the file.
 */
#ifndef RW_VMM_BIOS_H
#define RW_VMM_BIOS_H

#include "cpu_topology.h"
#include "err.h"
#include "gmem.h"

/* Debian's package seabios has it. */
#define BIOS_DEFAULT "/usr/share/seabios/bios-256k.bin"

struct bios {
	uint8_t *rom; /* mmap; the guest shall see it below ROM_END */
	size_t rom_size;
	/* Files of fw_cfg: "etc/e820", "etc/acpi/rsdp", "etc/table-loader",
	 * "etc/reserved-memory-end" */
	uint8_t e820[20 * 32];
	size_t e820_size;
	uint8_t rsdp[36];
	uint8_t loader[128];
	uint8_t bars64[8];
};

/*
 * Reads the firmware @path. A name without a slash that is not here is looked
 * up where distributions keep firmware, as QEMU does. Copies what a PC has
 * below 1 MiB there, where this machine has RAM that is always writable, and
 * writes the ACPI tables into the end of the low RAM, which the memory map
 * reserves. Returns 0, or -errno with @err: there is no such file (which
 * package has one), it is no firmware, or the RAM is too small. bios_free() is
 * due in both cases.
 */
int bios_load(const char *path, const struct gmem *ram,
	      const struct cpu_topology *cpus, struct bios *b, struct err *err);
/* No vCPU may run. */
void bios_free(struct bios *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a Linux kernel, its initrd, its command line and ACPI tables into the
 * guest's RAM, as a boot loader would, and sets the first vCPU to the kernel's
 * entry. Control thread, before the vCPUs run. Pure but for reading the files.
 */
#ifndef RW_VMM_BOOT_H
#define RW_VMM_BOOT_H

#include "err.h"
#include "gmem.h"
#include "cpu_topology.h"

struct boot_conf {
	const char *kernel;  /* bzImage or vmlinux (ELF) */
	const char *initrd;  /* NULL: none */
	const char *cmdline; /* NULL: empty */
	unsigned cpus;
	/* Slots of PCI bus 0 that are in use are found by the guest itself. */
};

enum boot_mode {
	BOOT_PVH,     /* 32-bit protected mode, ebx: start info */
	BOOT_LINUX64, /* 64-bit, rsi: struct boot_params (Linux boot protocol)
		       */
};

struct boot_entry {
	enum boot_mode mode;
	uint64_t rip;
	uint64_t info; /* guest address of the start info or boot_params */
};

/*
 * Loads everything into @ram. A bzImage is unpacked here and entered through
 * PVH if the kernel inside has a PVH entry and its compression is one we read,
 * else it unpacks itself (64-bit entry). Returns 0 with the entry, or -errno
 * with @err: the file cannot be read, is no kernel (what it is instead), or
 * does not fit (how much memory would).
 */
int boot_load(const struct boot_conf *c, const struct gmem *ram,
	      struct boot_entry *out, struct err *err);

/* Sets registers of the vCPU @cpu_fd for @entry. Returns 0 or -errno. */
int boot_set_cpu(int cpu_fd, const struct boot_entry *entry);

/* Writes RSDP, XSDT, FADT, MADT (of the vCPUs @cpus), MCFG and DSDT to the
 * ACPI_SIZE bytes at @at, the RSDP first; a kernel that is entered directly
 * finds them at ACPI_RSDP. @has_pic: there are 8259s and an 8254, else neither.
 * Returns 0, or -ENOSPC when they do not fit. */
int boot_acpi(const struct gmem *ram, uint64_t at,
	      const struct cpu_topology *cpus, bool has_pic);
/* Returns where the window of 64-bit BARs is: above the RAM. */
uint64_t boot_mmio64(const struct gmem *ram);

#endif

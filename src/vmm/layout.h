/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are in the guest's physical memory, its ports and its interrupt
 * lines. ACPI tables and devices both come from here. */
#ifndef RW_VMM_LAYOUT_H
#define RW_VMM_LAYOUT_H

/* RAM is 0 to GAP_BASE, and from 4 GiB on. In the gap: */
#define GAP_BASE      0xc0000000ull
#define PCI_MMIO_BASE 0xc0000000ull /* 32-bit BARs */
#define PCI_MMIO_SIZE 0x20000000ull
#define PCI_HIGH_BASE 0xf0000000ull /* and more, where firmware puts them */
#define PCI_HIGH_SIZE 0xec00000ull
#define ECAM_BASE     0xe0000000ull /* one segment, buses 0 to 255 */
#define ECAM_SIZE     0x10000000ull
#define IOAPIC_BASE   0xfec00000ull
#define HPET_BASE     0xfed00000ull
#define LAPIC_BASE    0xfee00000ull
#define IDENTITY_BASE 0xfeffc000ull  /* a page that KVM needs on Intel */
#define TSS_BASE      0xfeffd000ull  /* and three more */
#define ROM_END	      0x100000000ull /* of firmware */
/* 64-bit BARs lie above the RAM, aligned to their size. */
#define PCI_MMIO64_SIZE 0x1000000000ull

/* Below 1 MiB */
#define BOOT_GDT       0x500
#define BOOT_INFO      0x6000 /* PVH start info and memory map */
#define BOOT_ZERO_PAGE 0x7000 /* struct boot_params */
#define BOOT_PAGES     0x9000 /* page tables of the 64-bit entry */
#define BOOT_CMDLINE   0x20000
#define EBDA_BASE      0x9fc00
#define ACPI_RSDP      0xe0000 /* and the tables behind it */
#define ACPI_SIZE      0x20000
#define HIGH_RAM       0x100000

/* Ports */
#define PORT_I8042  0x60
#define PORT_RTC    0x70
#define PORT_COM1   0x3f8
#define PORT_DEBUG  0x402
#define PORT_FW_CFG 0x510
#define PORT_PM	    0x600  /* ACPI: event block 4, control 2, timer at +8 */
#define PORT_GPE    0x60c  /* ACPI: general-purpose events, 2 */
#define PORT_PLUG   0x620  /* slots of the PCI bus that come and go, 12 */
#define PORT_PCI    0xcf8  /* address; +1 is the reset register, +4 data */
#define PCI_IO_BASE 0x1000 /* I/O BARs */
#define PCI_IO_SIZE 0xe000

/* Interrupt lines */
#define IRQ_COM1      4
#define IRQ_RTC	      8
#define IRQ_SCI	      9
#define IRQ_PCI_FIRST 16 /* INTA to INTD of slot n: 16 + (n + pin) % 8 */
#define IRQ_PCI_COUNT 8

/* General-purpose events of ACPI */
#define GPE_PLUG 1

#endif

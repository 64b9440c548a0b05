/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables, see boot_acpi(). Numbers in comments are clauses of ACPI 6.5.
 * The tables lie behind the RSDP in guest memory, in the order in which they
 * are made: each names only earlier ones. Control thread, before the guest
 * runs. Calls dsdt.c.
 */
#include <errno.h>
#include <string.h>

#include "boot.h"
#include "dsdt.h"
#include "layout.h"

#define TABLE_HEADER 36
#define TABLE_ALIGN  64

struct tables {
	uint8_t *mem; /* of the guest, from @at on */
	uint64_t at;
	size_t size, room;
	bool is_full;
	uint8_t *table; /* the open table */
};

static void put(uint8_t *at, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

static uint8_t checksum(const uint8_t *p, size_t size)
{
	uint8_t sum = 0;

	while (size--)
		sum = (uint8_t)(sum - *p++);
	return sum;
}

/* Begins a table of @size bytes without its header, which are zero. Returns
 * them, or NULL when there is no room. 5.2.6 */
static uint8_t *open_table(struct tables *t, const char *signature,
			   uint8_t revision, size_t size)
{
	uint8_t *p = t->mem + t->size;

	t->table = p;
	if (t->is_full || TABLE_HEADER + size > t->room - t->size) {
		t->is_full = true;
		return NULL;
	}
	memset(p, 0, TABLE_HEADER + size);
	memcpy(p, signature, 4);
	put(p + 4, TABLE_HEADER + size, 4);
	p[8] = revision;
	memcpy(p + 10, "RNGWAYRINGWAY ", 14); /* OEM, table */
	put(p + 24, 1, 4);
	memcpy(p + 28, "RNGW", 4); /* who made it */
	put(p + 32, 1, 4);
	return p + TABLE_HEADER;
}

/* Ends the open table. Returns its guest address. */
static uint64_t close_table(struct tables *t)
{
	uint64_t gpa = t->at + t->size;
	uint32_t size;

	if (t->is_full)
		return 0;
	memcpy(&size, t->table + 4, sizeof(size));
	t->table[9] = checksum(t->table, size);
	t->size = MIN(align_up(t->size + size, TABLE_ALIGN), t->room);
	return gpa;
}

static uint64_t add_dsdt(struct tables *t, uint64_t mmio64)
{
	uint8_t *p = open_table(t, "DSDT", 2, 0);
	struct aml a;

	if (!p)
		return 0;
	aml_init(&a, p, t->room - t->size - TABLE_HEADER);
	dsdt_write(&a, mmio64);
	t->is_full |= a.is_full;
	put(t->table + 4, TABLE_HEADER + a.size, 4);
	return close_table(t);
}

/* 5.2.10: no header, no checksum */
static uint64_t add_facs(struct tables *t)
{
	enum { SIZE = 64 };
	uint64_t gpa = t->at + t->size;
	uint8_t *p = t->mem + t->size;

	if (t->is_full || SIZE > t->room - t->size) {
		t->is_full = true;
		return 0;
	}
	memset(p, 0, SIZE);
	memcpy(p, "FACS", 4);
	put(p + 4, SIZE, 4);
	p[32] = 2;
	t->size += SIZE;
	return gpa;
}

/* A generic address (5.2.3.2) of a port with @bits bits, accessed at once */
static void put_port(uint8_t *at, uint16_t port, uint8_t bits)
{
	at[0] = 1;
	at[1] = bits;
	at[3] = bits == 8 ? 1 : bits == 16 ? 2 : 3;
	put(at + 4, port, 8);
}

/* 5.2.9, offsets of its table 5.9 */
static uint64_t add_fadt(struct tables *t, uint64_t dsdt, uint64_t facs)
{
	enum {
		SIZE = 276,
		WBINVD = 1 << 0,
		PROC_C1 = 1 << 2,
		SLP_BUTTON = 1 << 5, /* there is no fixed one */
		FIX_RTC = 1 << 6,    /* no wake by it */
		TMR_VAL_EXT = 1 << 8,
		RESET_REG_SUP = 1 << 10,
		BOOT_LEGACY = 1 << 0, /* ISA devices; no 8042 to type on: Linux
				       * would wait for its answers */
		BOOT_NO_VGA = 1 << 2,
		RESET_VALUE = 6,
	};
	uint8_t *p = open_table(t, "FACP", 6, SIZE - TABLE_HEADER);

	if (!p)
		return 0;
	p = t->table;
	put(p + 36, facs, 4);
	put(p + 40, dsdt, 4);
	put(p + 46, IRQ_SCI, 2);
	put(p + 56, PORT_PM, 4);     /* PM1a_EVT_BLK */
	put(p + 64, PORT_PM + 4, 4); /* PM1a_CNT_BLK */
	put(p + 76, PORT_PM + 8, 4); /* PM_TMR_BLK */
	put(p + 80, PORT_GPE, 4);    /* GPE0_BLK */
	p[88] = 4;
	p[89] = 2;
	p[91] = 4;
	p[92] = 2;
	put(p + 96, 0xffff, 2); /* no C2 */
	put(p + 98, 0xffff, 2); /* no C3 */
	put(p + 109, BOOT_LEGACY | BOOT_NO_VGA, 2);
	put(p + 112,
	    WBINVD | PROC_C1 | SLP_BUTTON | FIX_RTC | TMR_VAL_EXT |
		    RESET_REG_SUP,
	    4);
	put_port(p + 116, PORT_PCI + 1, 8);
	p[128] = RESET_VALUE;
	p[131] = 5; /* minor version */
	put(p + 140, dsdt, 8);
	put_port(p + 148, PORT_PM, 32);
	put_port(p + 172, PORT_PM + 4, 16);
	put_port(p + 208, PORT_PM + 8, 32);
	put_port(p + 220, PORT_GPE, 16);
	return close_table(t);
}

/* Where interrupts go that are not as on the first PC (5.2.12.5) */
static uint8_t *add_overrides(uint8_t *p, bool has_pic)
{
	enum { OVERRIDE = 10, HIGH_LEVEL = 0xd };

	/* The timer, ISA's IRQ 0, is pin 2. */
	if (has_pic) {
		memcpy(p, (uint8_t[]){ 2, OVERRIDE, 0, 0, 2 }, 5);
		p += OVERRIDE;
	}
	/* The SCI is a level. */
	memcpy(p,
	       (uint8_t[]){ 2, OVERRIDE, 0, IRQ_SCI, IRQ_SCI, 0, 0, 0,
			    HIGH_LEVEL },
	       9);
	return p + OVERRIDE;
}

/* 5.2.12 */
static uint64_t add_madt(struct tables *t, const struct cpu_topology *cpus,
			 bool has_pic)
{
	enum {
		LOCAL_APIC = 8,
		IOAPIC = 12,
		OVERRIDES = 10,
		NMI = 6,
		PCAT_COMPAT = 1,
	};
	unsigned count = cpu_topology_count(cpus);
	size_t size = 8 + count * LOCAL_APIC + IOAPIC +
		      (has_pic ? 2 : 1) * OVERRIDES + NMI;
	uint8_t *p = open_table(t, "APIC", 5, size);

	if (!p)
		return 0;
	put(p, LAPIC_BASE, 4);
	put(p + 4, has_pic ? PCAT_COMPAT : 0, 4); /* there are 8259s */
	p += 8;
	for (unsigned i = 0; i < count; i++, p += LOCAL_APIC) {
		uint8_t id = (uint8_t)cpu_topology_apic_id(cpus, i);

		memcpy(p, (uint8_t[]){ 0, LOCAL_APIC, (uint8_t)i, id, 1 }, 5);
	}
	memcpy(p, (uint8_t[]){ 1, IOAPIC }, 2);
	put(p + 4, IOAPIC_BASE, 4);
	p = add_overrides(p + IOAPIC, has_pic);
	/* NMI is LINT1 of all. */
	memcpy(p, (uint8_t[]){ 4, NMI, 0xff, 0, 0, 1 }, 6);
	return close_table(t);
}

/* PCI Firmware Specification 3.3, clause 4.1.2 */
static uint64_t add_mcfg(struct tables *t)
{
	uint8_t *p = open_table(t, "MCFG", 1, 8 + 16);

	if (!p)
		return 0;
	put(p + 8, ECAM_BASE, 8);
	p[19] = 255; /* last bus; the first is 0 */
	return close_table(t);
}

/* 5.2.8 */
static uint64_t add_xsdt(struct tables *t, const uint64_t *table,
			 unsigned count)
{
	uint8_t *p = open_table(t, "XSDT", 1, count * 8ull);

	if (!p)
		return 0;
	for (unsigned i = 0; i < count; i++)
		put(p + i * 8ull, table[i], 8);
	return close_table(t);
}

/* 5.2.5.3 */
static void write_rsdp(uint8_t *p, uint64_t xsdt)
{
	memset(p, 0, 36);
	memcpy(p, "RSD PTR \0RNGWAY\2", 16);
	put(p + 20, 36, 4);
	put(p + 24, xsdt, 8);
	p[8] = checksum(p, 20);
	p[32] = checksum(p, 36);
}

uint64_t boot_mmio64(const struct gmem *ram)
{
	uint64_t end = 1ull << 32;

	for (unsigned i = 0; i < ram->count; i++)
		end = MAX(end, ram->region[i].gpa + ram->region[i].size);
	return align_up(end, PCI_MMIO64_SIZE);
}

int boot_acpi(const struct gmem *ram, uint64_t at,
	      const struct cpu_topology *cpus, bool has_pic)
{
	struct tables t = { .at = at, .size = TABLE_ALIGN, .room = ACPI_SIZE };
	uint64_t dsdt, facs, list[3], xsdt;

	/* Numbers of local APICs have eight bits, 255 means all. */
	t.mem = gmem_translate(ram, at, t.room);
	if (!t.mem ||
	    cpu_topology_apic_id(cpus, cpu_topology_count(cpus) - 1) > 254)
		return -ENOSPC;
	facs = add_facs(&t);
	dsdt = add_dsdt(&t, boot_mmio64(ram));
	list[0] = add_fadt(&t, dsdt, facs);
	list[1] = add_madt(&t, cpus, has_pic);
	list[2] = add_mcfg(&t);
	xsdt = add_xsdt(&t, list, ARRAY_SIZE(list));
	if (t.is_full)
		return -ENOSPC;
	write_rsdp(t.mem, xsdt);
	return 0;
}

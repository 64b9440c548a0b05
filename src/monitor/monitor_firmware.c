/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine without a kernel of ours: firmware, which starts the boot loader of
 * a disk. Control thread, before the vCPUs run. Calls boot/bios.c and fw_cfg.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chips.h"
#include "fw_cfg.h"
#include "layout.h"
#include "log.h"
#include "monitor_impl.h"

/* Returns the next device of the order that is asked for, those with a
 * bootindex only; @last: the bootindex before. */
static const struct plugged *next_in_order(const struct monitor *m,
					   int64_t last)
{
	const struct plugged *next = NULL;

	for (const struct plugged *p = m->plugged; p; p = p->next)
		if (p->bootindex > last &&
		    (!next || p->bootindex < next->bootindex))
			next = p;
	return next;
}

/* One device a line, by its path in Open Firmware's manner. */
static int add_order(const struct monitor *m)
{
	char text[PCI_SLOTS * 48] = "";
	const struct plugged *p = next_in_order(m, -1);
	size_t n = 0;

	for (; p; p = next_in_order(m, p->bootindex))
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      p->is_card
					      ? "%s/pci@i0cf8/ethernet@%x/"
						"ethernet-phy@0"
					      : "%s/pci@i0cf8/scsi@%x/disk@0,0",
				      n ? "\n" : "", monitor_slot(p));
	return n ? fw_cfg_add_file(m->fw_cfg, "bootorder", text, n + 1) : 0;
}

static int add_items(const struct monitor *m)
{
	const struct bios *b = &m->bios;
	struct fw_cfg *f = m->fw_cfg;
	uint16_t cpus = (uint16_t)m->vm->cpu_count;
	bool has_menu = m->conf->boot_conf.has_menu;
	int rc = fw_cfg_add_number(f, FW_CFG_NO_SCREEN, m->uart != NULL);

	if (!rc)
		rc = fw_cfg_add_number(f, FW_CFG_BOOT_MENU, has_menu);
	if (!rc)
		rc = fw_cfg_add_number(f, FW_CFG_CPUS, cpus);
	if (!rc)
		rc = fw_cfg_add_number(f, FW_CFG_CPUS_MAX, cpus);
	if (!rc)
		rc = fw_cfg_add_file(f, "etc/e820", b->e820, b->e820_size);
	if (!rc)
		rc = fw_cfg_add_file(f, "etc/acpi/rsdp", b->rsdp,
				     sizeof(b->rsdp));
	if (!rc)
		rc = fw_cfg_add_file(f, "etc/table-loader", b->loader,
				     sizeof(b->loader));
	if (!rc)
		rc = fw_cfg_add_file(f, "etc/reserved-memory-end", b->bars64,
				     sizeof(b->bars64));
	if (!rc)
		rc = monitor_add_roms(m);
	return rc ? rc : add_order(m);
}

int firmware_load(struct monitor *m, struct err *err)
{
	const struct machine_boot_conf *c = &m->conf->boot_conf;
	const char *order = c->once && !m->was_reset ? c->once : c->order;
	struct vm *vm = m->vm;
	int rc = bios_load(m->conf->bios, vm->ram, &m->conf->topology, &m->bios,
			   err);

	if (!rc)
		rc = vm_add_rom(vm, ROM_END - m->bios.rom_size, m->bios.rom,
				m->bios.rom_size, err);
	if (!rc)
		rc = fw_cfg_create(vm, &m->fw_cfg, err);
	if (!rc && log_level >= LOG_LEVEL_DEBUG)
		rc = debug_port_create(vm, &m->debug_port, err);
	if (rc)
		return rc;
	pci_bus_be_440fx(m->bus);
	rtc_set_boot_order(m->rtc, machine_boot_order(order));
	rc = add_items(m);
	return rc ? err_set(err, rc, "fw_cfg: %s", strerror(-rc)) : 0;
}

void firmware_free(struct monitor *m)
{
	debug_port_destroy(m->debug_port);
	fw_cfg_destroy(m->fw_cfg);
	bios_free(&m->bios);
	m->debug_port = NULL;
	m->fw_cfg = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What firmware asks the monitor: items with a number, of which some are files
 * with a name (QEMU's fw_cfg). And the port that firmware writes its log to. */
#ifndef RW_VMM_FW_CFG_H
#define RW_VMM_FW_CFG_H

#include "vm.h"

/* Items that SeaBIOS reads by their numbers */
enum {
	FW_CFG_SIGNATURE = 0x00,
	FW_CFG_VERSION = 0x01,
	FW_CFG_NO_SCREEN = 0x04, /* 1: the serial port is the console */
	FW_CFG_CPUS = 0x05,
	FW_CFG_BOOT_MENU = 0x0e, /* 1: a key shows what can be booted */
	FW_CFG_CPUS_MAX = 0x0f,
	FW_CFG_DIRECTORY = 0x19,
};

struct fw_cfg;

int fw_cfg_create(struct vm *vm, struct fw_cfg **out, struct err *err);
void fw_cfg_destroy(struct fw_cfg *f);

/* Add an item with a copy of @size bytes of @data, of 16 bits, or one whose
 * number firmware finds by @name, which has at most 55 characters. Before the
 * vCPUs run. Return 0, -ENOMEM, or -ENOSPC when there are too many. */
int fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *data, size_t size);
int fw_cfg_add_number(struct fw_cfg *f, uint16_t key, uint16_t number);
int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data,
		    size_t size);

/* Port 0x402: lines that are written to it go to the log, at level debug. */
struct debug_port;

int debug_port_create(struct vm *vm, struct debug_port **out, struct err *err);
void debug_port_destroy(struct debug_port *p);

#endif

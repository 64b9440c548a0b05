/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of every -device say about its place on the PCI bus and its
 * registers, named as QEMU's. */
#ifndef RW_VMM_PCI_CONF_H
#define RW_VMM_PCI_CONF_H

#include "opt.h"

struct pci_conf {
	char *addr; /* slot on the bus, hexadecimal; NULL: a free one */
	uint32_t vectors;
	bool has_vectors;
	bool disable_legacy, has_disable_legacy, disable_modern;
	uint32_t bootindex; /* firmware tries lower ones first */
	bool has_bootindex;
	char *romfile; /* for firmware; NULL: what fits the type; "": none */
	bool rombar;   /* the ROM is in a BAR; else fw_cfg has it */
};

/* The rows of a device's place for a type's table: @at is the offset of struct
 * pci_conf in the type's own. */
#define PCI_PLACE_ROWS(at)                                                     \
	{ .key = "addr",                                                       \
	  .kind = OPT_PATH,                                                    \
	  .offset = (at) + offsetof(struct pci_conf, addr),                    \
	  .arg = "SLOT",                                                       \
	  .help = "slot on the PCI bus, hexadecimal (default: a free one)" },  \
		{ .key = "romfile",                                            \
		  .kind = OPT_STRING,                                          \
		  .offset = (at) + offsetof(struct pci_conf, romfile),         \
		  .arg = "FILE",                                               \
		  .help = "expansion ROM for firmware, empty for none "        \
			  "(default: "                                         \
			  "for virtio and emulated cards iPXE, if "            \
			  "installed)" },                                      \
		{ .key = "rombar",                                             \
		  .kind = OPT_BOOL,                                            \
		  .offset = (at) + offsetof(struct pci_conf, rombar),          \
		  .def = "on",                                                 \
		  .help = "off: firmware gets the ROM by fw_cfg, not from a "  \
			  "BAR" },                                             \
	{                                                                      \
		.key = "bootindex", .kind = OPT_UINT,                          \
		.offset = (at) + offsetof(struct pci_conf, bootindex),         \
		.set_offset = (at) + offsetof(struct pci_conf, has_bootindex), \
		.max = INT32_MAX, .arg = "N",                                  \
		.help = "firmware tries the devices in this order"             \
	}

/* The same, and the rows of virtio devices. */
#define PCI_CONF_ROWS(at)                                                      \
	PCI_PLACE_ROWS(at),                                                    \
		{ .key = "vectors",                                            \
		  .kind = OPT_UINT,                                            \
		  .offset = (at) + offsetof(struct pci_conf, vectors),         \
		  .set_offset = (at) + offsetof(struct pci_conf, has_vectors), \
		  .max = 2048,                                                 \
		  .arg = "N",                                                  \
		  .help = "MSI-X vectors; 0: a line (default: one for each "   \
			  "queue)" },                                          \
		{ .key = "disable-legacy",                                     \
		  .kind = OPT_BOOL,                                            \
		  .offset = (at) + offsetof(struct pci_conf, disable_legacy),  \
		  .set_offset = (at) +                                         \
				offsetof(struct pci_conf, has_disable_legacy), \
		  .help = "off: registers for drivers from before virtio 1.0 " \
			  "(default: on, unless disable-modern=on)" },         \
	{                                                                      \
		.key = "disable-modern", .kind = OPT_BOOL,                     \
		.offset = (at) + offsetof(struct pci_conf, disable_modern),    \
		.def = "off", .help = "on: no other registers than those"      \
	}

/* Returns whether the device has legacy registers. */
bool pci_conf_has_legacy(const struct pci_conf *c);

/* Stores the slot, -1 for any. Returns 0, or -EINVAL with @err for options that
 * are wrong or contradict each other. */
int pci_conf_check(const struct pci_conf *c, int *slot, struct err *err);

#endif

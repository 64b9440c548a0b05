/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of every network card say, named as QEMU's. The struct of a
 * type of card begins with it. */
#ifndef RW_VMM_NETCARD_CONF_H
#define RW_VMM_NETCARD_CONF_H

#include "pci_conf.h"

struct netcard_conf {
	char *netdev; /* id of the -netdev whose network the card is in */
	char *mac;
	bool has_mac; /* it was given */
	struct pci_conf pci;
	unsigned order; /* place among the machine's devices; no option */
};

/* The rows of these but for the place, for a type's table. */
#define NETCARD_ROWS                                                    \
	{ .key = "netdev",                                              \
	  .kind = OPT_STRING,                                           \
	  .offset = offsetof(struct netcard_conf, netdev),              \
	  .min = 1,                                                     \
	  .max = 64,                                                    \
	  .required = true,                                             \
	  .arg = "ID",                                                  \
	  .help = "the -netdev that the card is plugged into" },        \
	{                                                               \
		.key = "mac", .kind = OPT_PATH,                         \
		.offset = offsetof(struct netcard_conf, mac),           \
		.set_offset = offsetof(struct netcard_conf, has_mac),   \
		.arg = "ADDRESS",                                       \
		.help = "address of the card (default: made of its id " \
			"and the control socket's path)"                \
	}

#endif

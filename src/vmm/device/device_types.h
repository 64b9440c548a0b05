/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio devices of a machine that are no network cards, as -device names them:
 * a row of options each. */
#ifndef RW_VMM_DEVICE_TYPES_H
#define RW_VMM_DEVICE_TYPES_H

#include "pci_conf.h"
#include "virtio_dev.h"

/* The first member of the options of every type. */
struct device_conf {
	char *id;
	struct pci_conf pci;
	unsigned order; /* place among the machine's devices; no option */
};
/* The rows of these, for the beginning of a type's table: @conf is the type's
 * struct, whose first member is called "common". */
#define DEVICE_ROWS(conf)                                                  \
	{ .key = "id",                                                     \
	  .kind = OPT_STRING,                                              \
	  .offset = offsetof(struct conf, common.id),                      \
	  .min = 1,                                                        \
	  .max = 63,                                                       \
	  .arg = "NAME",                                                   \
	  .help = "name of the device (default: its type and a number)" }, \
		PCI_CONF_ROWS(offsetof(struct conf, common.pci))

struct device_type {
	const char *name; /* as in -device NAME,... */
	const char *help; /* one line */
	const struct opt_row *rows;
	size_t conf_size;
	/* Opens what the device needs of the host. @conf is borrowed and stays
	 * until destroy(). Returns 0 with the device in *@out, to be plugged
	 * into a machine and freed by its operation destroy(), or -errno with
	 * @err and nothing left behind. [ctl] */
	int (*create)(const void *conf, struct loop *loop,
		      struct virtio_dev **out, struct err *err);
	/* Opens what create() would, and closes it. Returns 0 or -errno with
	 * @err. NULL: it cannot be tried without making it. */
	int (*try)(const void *conf, struct err *err);
};

extern const struct device_type device_blk_type;     /* virtio-blk-pci */
extern const struct device_type device_rng_type;     /* virtio-rng-pci */
extern const struct device_type device_console_type; /* virtio-console */
extern const struct device_type device_vsock_type;   /* vhost-vsock-pci */

extern const struct device_type *const device_types[]; /* NULL-terminated */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a vduse port, which do not need the kernel's headers. */
#ifndef RW_PORT_VDUSE_TYPE_H
#define RW_PORT_VDUSE_TYPE_H

#include "types.h"

#define VDUSE_NAME_SIZE 64
#define VDUSE_QUEUE_MAX 32768

struct vduse_conf {
	char *name, *mac;
	uint32_t mtu, queue_size;
};

/* Creates the port as port_type.create does, of options that were checked, but
 * for mac. */
int vduse_open(const struct port_env *env, const struct port_conf *common,
	       const struct vduse_conf *c, struct port **out, struct err *err);

#endif

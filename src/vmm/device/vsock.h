/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the socket device, for vsock*.c only. */
#ifndef RW_VMM_DEVICE_VSOCK_H
#define RW_VMM_DEVICE_VSOCK_H

#include "device_types.h"

struct vsock_conf {
	struct device_conf common;
	uint64_t guest_cid;
	bool has_cid;	/* always: the option is required */
	char *vhost_fd; /* number of a descriptor; NULL: the device is opened */
};

/* Opens the kernel's device, or duplicates the descriptor that was passed, and
 * takes the guest's context id. Returns the descriptor, or -errno with @err.
 * While it is open the id is taken. */
int vsock_open(const struct vsock_conf *conf, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of virtio devices. */
#include "device_types.h"

#include <stddef.h>

const struct device_type *const device_types[] = {
	&device_blk_type,
	&device_rng_type,
	&device_console_type,
	&device_vsock_type,
	NULL,
};

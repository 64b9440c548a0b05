/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of a vhost-user-front port say, for owners that reach the
 * back-end without a port. */
#ifndef RW_FRONT_TARGET_H
#define RW_FRONT_TARGET_H

#include <stdbool.h>
#include <stdint.h>

struct front_target {
	const char *path; /* borrowed from the options */
	unsigned pairs;
	uint32_t reconnect_ms; /* 0: never */
};

/* @conf: the options of port_vhost_front_type. */
struct front_target front_conf_target(const void *conf);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of a vhost-user-front port say, for owners that reach the
 * back-end without a port. */
#ifndef RW_FRONT_TARGET_H
#define RW_FRONT_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct front_target {
	const char *path; /* borrowed from the options */
	unsigned pairs;
	uint32_t reconnect_ms; /* 0: never */
	bool is_server;	       /* the back-end connects to us */
	bool waits; /* is_server: nothing begins before it is there */
};

/* @conf: the options of port_vhost_front_type. */
struct front_target front_conf_target(const void *conf);
/* Returns 0, or -EINVAL with @err for options that contradict each other. */
int front_conf_check(const void *conf, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of a vhost-vdpa say. No port stands behind them: the device
 * serves the rings of a card, whose owner reads this. */
#ifndef RW_VDPA_TARGET_H
#define RW_VDPA_TARGET_H

#include "err.h"

struct vdpa_target {
	const char *path; /* /dev/vhost-vdpa-N, to be opened; or NULL */
	const char *fd;	  /* number of a descriptor of it, as typed; or NULL */
	unsigned pairs;
};

/* @conf: the options of port_vhost_vdpa_type. What is returned borrows. */
struct vdpa_target vdpa_conf_target(const void *conf);
/* Returns 0, or -EINVAL with @err unless one of the two names the device. */
int vdpa_conf_check(const void *conf, struct err *err);

#endif

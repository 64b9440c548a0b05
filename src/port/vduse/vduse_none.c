/* SPDX-License-Identifier: Apache-2.0 */
/* The vduse type of a build without <linux/vduse.h>: it only says so. */
#include <errno.h>

#include "types.h"

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	(void)env;
	(void)common;
	(void)conf;
	(void)out;
	return err_set(err, -ENOTSUP,
		       "this build is without vduse: <linux/vduse.h> was "
		       "missing (Debian: linux-libc-dev)");
}

static const struct opt_row no_rows[] = { { NULL } };

const struct port_type port_vduse_type = {
	.name = "vduse",
	.help = "a vDPA device of this host (not in this build)",
	.rows = no_rows,
	.conf_size = 1,
	.create = create,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* In place of a vduse port in a build without <linux/vduse.h>. */
#include <errno.h>

#include "vduse_type.h"

int vduse_open(const struct port_env *env, const struct port_conf *common,
	       const struct vduse_conf *c, struct port **out, struct err *err)
{
	(void)env;
	(void)common;
	(void)c;
	(void)out;
	return err_set(err, -ENOTSUP,
		       "this build is without vduse: <linux/vduse.h> was "
		       "missing (Debian: linux-libc-dev)");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Refuses ports over AF_XDP in a build without libxdp. */
#include <errno.h>

#include "xdp.h"

int xdp_create(const struct port_env *env, const struct port_conf *common,
	       const void *conf, struct port **out, struct err *err)
{
	(void)env;
	(void)common;
	(void)conf;
	(void)out;
	return err_set(err, -EOPNOTSUPP,
		       "this ringway was built without libxdp (Debian: "
		       "libxdp-dev)");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The port type `bridge`: a tap that a helper makes and joins to a Linux
 * bridge, so an ordinary user gets onto it. Control thread. */
#include <errno.h>
#include <unistd.h>

#include "tap.h"
#include "types.h"

#define HELPER "/usr/lib/qemu/qemu-bridge-helper"

struct bridge_conf {
	char *br, *helper;
	bool gro;
};

static const struct opt_row bridge_rows[] = {
	{ .key = "br",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct bridge_conf, br),
	  .arg = "BRIDGE",
	  .def = TAP_DEFAULT_BRIDGE,
	  .help = "the Linux bridge" },
	{ .key = "helper",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct bridge_conf, helper),
	  .arg = "COMMAND",
	  .def = HELPER,
	  .help = "program that makes the interface and joins it to the "
		  "bridge" },
	{ .key = "gro",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct bridge_conf, gro),
	  .def = "on",
	  .runtime = true,
	  .help = "small frames of a TCP or UDP flow go as large ones to "
		  "ports that take those" },
	{ NULL },
};

static int bridge_create(const struct port_env *env,
			 const struct port_conf *common, const void *conf_,
			 struct port **out, struct err *err)
{
	const struct bridge_conf *c = conf_;
	const struct tap_setup setup = { .type = &port_bridge_type,
					 .plan = { .helper = c->helper,
						   .bridge = c->br },
					 .gro = c->gro };
	int rc = tap_if_check_name("br", c->br, err);

	if (rc)
		return rc;
	rc = tap_port_create(env, common, &setup, out, err);
	if (rc == -ENOENT)
		err_set(err, rc,
			"helper=%s: there is no such program: Debian's package "
			"qemu-system-common has qemu-bridge-helper; with "
			"CAP_NET_ADMIN, tap,br=%s needs none",
			c->helper, c->br);
	return rc;
}

const struct port_type port_bridge_type = {
	.name = "bridge",
	.help = "a Linux bridge, through QEMU's qemu-bridge-helper",
	.rows = bridge_rows,
	.conf_size = sizeof(struct bridge_conf),
	.create = bridge_create,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of port types, see port_types.h. A new type is one row. */
#include "port_types.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "types.h"

/* clang-format off */
const struct port_type *const port_types[] = {
	&port_vhost_user_type,
	&port_vhost_front_type,
	&port_tap_type,
	&port_bridge_type,
	&port_macvtap_type,
	&port_user_type,
	&port_stream_type,
	&port_dgram_type,
	&port_socket_type,
	&port_l2tpv3_type,
	&port_vxlan_type,
	&port_geneve_type,
	&port_gre_type,
	&port_packet_type,
	&port_xdp_type,
	&port_vduse_type,
	&port_hubport_type,
	&port_vde_type,
	&port_null_type,
	NULL,
};
/* clang-format on */

/* Other names of types. */
static const struct {
	const char *name, *type;
} aliases[] = {
	{ "af-xdp", "xdp" },
};

/* Types of QEMU that are written in another way here. */
static const struct {
	const char *name, *instead;
} elsewhere[] = {
	{ "dump", "-object filter-dump,id=NAME,netdev=PORT,file=PATH" },
	{ "netmap", "packet,ifname=NAME" },
	{ "nic", "the guest's card as an option of QEMU: see "
		 "`ringway qemu-args`" },
	{ "passt", "stream,addr.type=unix,addr.path=PATH,reconnect=1, and "
		   "start passt with --socket PATH" },
};

const struct port_type *port_type_find(const char *name, struct err *err)
{
	const char *names[ARRAY_SIZE(port_types)] = { NULL };
	char list[256] = "";
	const char *near;
	size_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(aliases); i++)
		if (!strcmp(aliases[i].name, name))
			name = aliases[i].type;
	for (unsigned i = 0; port_types[i]; i++) {
		names[i] = port_types[i]->name;
		if (!strcmp(names[i], name))
			return port_types[i];
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      i ? ", " : "", names[i]);
		n = MIN(n, sizeof(list) - 1);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (!strcmp(elsewhere[i].name, name)) {
			err_set(err, -EINVAL,
				"unknown netdev type '%s': write %s", name,
				elsewhere[i].instead);
			return NULL;
		}
	near = opt_nearest(names, name);
	if (near)
		err_set(err, -EINVAL,
			"unknown netdev type '%.64s': did you mean %s?", name,
			near);
	else
		err_set(err, -EINVAL,
			"unknown netdev type '%.64s': valid are %s", name,
			list);
	return NULL;
}

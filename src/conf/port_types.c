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
	&port_vhost_vdpa_type,
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
	{ "gretap", "gre" },
	{ "ip6gretap", "gre" },
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

/* Keys of QEMU, Open vSwitch and iproute2 that have another name here, or that
 * are not here. */
static const struct {
	const char *type; /* NULL: the tunnels */
	const char *key, *instead;
} keys_elsewhere[] = {
	{ "user", "smb",
	  "is not here: run a Samba server on the host, which guests reach at "
	  "the address of host= (10.0.2.2)" },
	{ "user", "smbserver", "belongs to smb=, which is not here" },
	{ "vhost-user", "chardev",
	  "names QEMU's socket, and this port is its other end: write that "
	  "socket's path=PATH here" },
	{ "vhost-user", "vhostforce", "is about QEMU's side: leave it out" },
	{ "stream", "path", "write addr.type=unix,addr.path=PATH" },
	{ "stream", "host", "write addr.type=inet,addr.host=HOST" },
	{ "stream", "port", "write addr.type=inet,addr.port=N" },
	{ "packet", "dev", "write ifname=NAME" },
	{ "xdp", "dev", "write ifname=NAME" },
	{ "macvtap", "dev", "write link=NAME" },
	{ "vxlan", "key", "write vni=N" },
	{ "vxlan", "vid", "write vni=N" },
	{ "vxlan", "options:key", "write vni=N" },
	{ "geneve", "key", "write vni=N" },
	{ "geneve", "options:key", "write vni=N" },
	{ NULL, "local_ip", "write local=ADDRESS" },
	{ NULL, "remote_ip", "write remote=ADDRESS" },
	{ NULL, "options:remote_ip", "write remote=ADDRESS" },
	{ NULL, "options:local_ip", "write local=ADDRESS" },
	{ NULL, "dst_port", "write dstport=N" },
	{ NULL, "options:dst_port", "write dstport=N" },
};

/* Returns whether a row of @name is about @type; NULL: about the tunnels. */
static bool is_row_of(const char *name, const struct port_type *type)
{
	return name ? !strcmp(name, type->name)
		    : !!opt_find(type->rows, "dstport") ||
			       !strcmp(type->name, "gre");
}

const char *port_key_elsewhere(const struct port_type *type, const char *key)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys_elsewhere); i++)
		if (is_row_of(keys_elsewhere[i].type, type) &&
		    !strcmp(keys_elsewhere[i].key, key))
			return keys_elsewhere[i].instead;
	return NULL;
}

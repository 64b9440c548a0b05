/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a port over AF_XDP, see xdp.h. */
#include "types.h"
#include "xdp.h"

#define AT(member)    .offset = offsetof(struct xdp_conf, member)
#define GIVEN(member) .set_offset = offsetof(struct xdp_conf, member)

static const struct opt_row rows[] = {
	{ .key = "ifname",
	  .kind = OPT_PATH,
	  AT(ifname),
	  .required = true,
	  .arg = "NAME",
	  .help = "interface of the host" },
	{ .key = "mode",
	  .kind = OPT_ENUM,
	  AT(mode),
	  GIVEN(mode_given),
	  .choices = (const char *const[]){ "native", "skb", NULL },
	  .help = "where the program runs: in the driver, or behind it; "
		  "without "
		  "the key native if the driver can" },
	{ .key = "force-copy",
	  .kind = OPT_BOOL,
	  AT(force_copy),
	  .help = "the kernel copies each frame, even if the driver could do "
		  "without" },
	{ .key = "queues",
	  .kind = OPT_UINT,
	  AT(queues),
	  .arg = "N",
	  .min = 1,
	  .max = XDP_MAX_QUEUES,
	  .def = "1",
	  .help = "number of the interface's queues to use" },
	{ .key = "start-queue",
	  .kind = OPT_UINT,
	  AT(start_queue),
	  .arg = "N",
	  .max = UINT16_MAX,
	  .def = "0",
	  .help = "the first of these queues" },
	{ .key = "inhibit",
	  .kind = OPT_BOOL,
	  AT(inhibit),
	  .help = "load no program: somebody else's redirects to map-path" },
	{ .key = "map-path",
	  .kind = OPT_PATH,
	  AT(map_path),
	  .arg = "PATH",
	  .help = "pinned map of that program, which the sockets go into" },
	{ .key = "map-start-index",
	  .kind = OPT_UINT,
	  AT(map_start_index),
	  .arg = "N",
	  .max = UINT16_MAX,
	  .def = "0",
	  .help = "place of the first socket in that map" },
	{ .key = "sock-fds",
	  .kind = OPT_PATH,
	  AT(sock_fds),
	  .arg = "N:N:...",
	  .help = "refused: sockets that are open already; use map-path" },
	{ NULL },
};

const struct port_type port_xdp_type = {
	.name = "xdp",
	.help = "an interface of the host through AF_XDP, past the host's "
		"stack; QEMU's af-xdp",
	.rows = rows,
	.conf_size = sizeof(struct xdp_conf),
	.create = xdp_create,
};

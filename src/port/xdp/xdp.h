/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port on an interface of the host through AF_XDP (the kernel's
 * networking/af_xdp.rst): a small program in the driver redirects frames to a
 * socket for each queue of the interface, past the host's stack. The frames lie
 * in memory that the socket shares with the kernel (the UMEM).
 *
 * xdp_type.c has the options; xdp.c the port, xdp_prog.c the program,
 * xdp_sock.c the sockets (control thread); xdp_io.c is the data path (workers).
 * xdp_none.c stands for the last four in a build without libxdp.
 */
#ifndef RW_XDP_H
#define RW_XDP_H

#include "iface.h"
#include "store.h"

#define XDP_MAX_QUEUES 64

/* Values of mode=. */
enum { XDP_IN_DRIVER, XDP_IN_SKB, XDP_IN_EITHER };

struct xdp_conf {
	char *ifname, *sock_fds, *map_path;
	int mode;
	bool mode_given, force_copy, inhibit;
	uint32_t queues, start_queue, map_start_index;
};

/* The port_type's create(). */
int xdp_create(const struct port_env *env, const struct port_conf *common,
	       const void *conf, struct port **out, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of a port over AF_XDP, see xdp.h. Control thread.
 *
 * It is five instructions, so the build needs no compiler for BPF. It is
 * attached with a link: the kernel takes it from the interface when the link's
 * descriptor is closed, even if the process was killed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "xdp_impl.h"

#define PROG_NAME "ringway_xdp"

/* return bpf_redirect_map(map, ctx->rx_queue_index, XDP_PASS); the last
 * argument is what happens to frames of queues without a socket. */
static int load(int map_fd)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW, /* BPF_IMM is 0 */
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map_fd },
		{ 0 }, /* the upper half of that */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_3,
		  .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP,
		    .prog_flags = BPF_F_XDP_HAS_FRAGS);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, PROG_NAME, "Apache-2.0", code,
			       ARRAY_SIZE(code), &opts);

	if (fd != -EINVAL)
		return fd;
	/* Kernels before 5.18 do not know frames of several pages. */
	opts.prog_flags = 0;
	return bpf_prog_load(BPF_PROG_TYPE_XDP, PROG_NAME, "Apache-2.0", code,
			     ARRAY_SIZE(code), &opts);
}

/* Returns an error that names the program which is on the interface; its name
 * is known to root only. */
static int refuse_other(const struct xdp_port *x, struct err *err)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info), id = 0;
	int fd;

	if (!bpf_xdp_query((int)x->iface.index, 0, &q)) {
		id = q.prog_id ? q.prog_id : q.drv_prog_id;
		id = id ? id : q.skb_prog_id;
	}
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &size);
		fd_close(&fd);
	}
	if (!strcmp(info.name, PROG_NAME))
		return err_set(err, -EBUSY,
			       "ifname=%s: an xdp port has it already, of this "
			       "ringway or another one: with queues=N it takes "
			       "several queues",
			       x->iface.name);
	return err_set(err, -EBUSY,
		       "ifname=%s: XDP program %.16s%s(id %u) is there "
		       "already: remove it (`ip link set %s xdp off`, or end "
		       "the process that has it: `bpftool link`), or let it "
		       "redirect, with inhibit=on,map-path=PATH",
		       x->iface.name, info.name, *info.name ? " " : "", id,
		       x->iface.name);
}

static int attach(struct xdp_port *x, int prog, bool native)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int fd = bpf_link_create(prog, (int)x->iface.index, BPF_XDP, &opts);

	if (fd < 0)
		return fd;
	x->link_fd = fd;
	x->is_native = native;
	return 0;
}

static int fail(const struct xdp_port *x, const char *what, int rc,
		struct err *err)
{
	return err_set(err, rc, "ifname=%s: cannot %s: %s", x->iface.name, what,
		       rc == -EPERM ? "this needs CAP_NET_ADMIN, CAP_NET_RAW "
				      "and CAP_BPF: run as root"
				    : strerror(-rc));
}

static int attach_by_mode(struct xdp_port *x, int prog, struct err *err)
{
	const struct xdp_conf *c = &x->conf;
	int rc = -EOPNOTSUPP;

	if (c->mode != XDP_IN_SKB)
		rc = attach(x, prog, true);
	if (rc == -EBUSY || rc == -EEXIST)
		return refuse_other(x, err);
	if (rc && c->mode != XDP_IN_DRIVER)
		rc = attach(x, prog, false);
	if (rc == -EBUSY || rc == -EEXIST)
		return refuse_other(x, err);
	if (rc && c->mode == XDP_IN_DRIVER)
		return err_set(err, rc,
			       "ifname=%s: the driver does not take the "
			       "program (%s): try mode=skb",
			       x->iface.name, strerror(-rc));
	return rc ? fail(x, "attach the program", rc, err) : 0;
}

static int open_map(struct xdp_port *x, struct err *err)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	const struct xdp_conf *c = &x->conf;

	x->map_fd = bpf_obj_get(c->map_path);
	if (x->map_fd < 0)
		return err_set(err, x->map_fd, "map-path=%s: %s", c->map_path,
			       strerror(-x->map_fd));
	if (bpf_obj_get_info_by_fd(x->map_fd, &info, &size) ||
	    info.type != BPF_MAP_TYPE_XSKMAP)
		return err_set(err, -EINVAL,
			       "map-path=%s: must be a map of AF_XDP sockets "
			       "(XSKMAP)",
			       c->map_path);
	if (c->map_start_index + c->queues > info.max_entries)
		return err_set(err, -EINVAL,
			       "map-path=%s: has room for %u sockets, not for "
			       "number %u",
			       c->map_path, info.max_entries,
			       c->map_start_index + c->queues - 1);
	return 0;
}

int xdp_prog_attach(struct xdp_port *x, struct err *err)
{
	int prog, rc;

	if (x->conf.inhibit) {
		rc = open_map(x, err);
		if (rc)
			xdp_prog_detach(x);
		return rc;
	}
	x->map_fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "ringway_xsk",
				   sizeof(uint32_t), sizeof(int),
				   x->conf.start_queue + x->conf.queues, NULL);
	if (x->map_fd < 0)
		return fail(x, "create a map", x->map_fd, err);
	prog = load(x->map_fd);
	rc = prog < 0 ? fail(x, "load the program", prog, err)
		      : attach_by_mode(x, prog, err);
	if (prog >= 0)
		fd_close(&prog);
	if (rc)
		xdp_prog_detach(x);
	return rc;
}

void xdp_prog_detach(struct xdp_port *x)
{
	fd_close(&x->link_fd);
	fd_close(&x->map_fd);
}

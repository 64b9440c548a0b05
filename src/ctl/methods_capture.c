/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about captures. Control thread. */
#include <errno.h>

#include "daemon_capture.h"
#include "fd.h"
#include "json_show.h"
#include "methods_impl.h"

static const char *const directions[] = {
	[CAPTURE_BOTH] = "both",
	[CAPTURE_RX] = "in",
	[CAPTURE_TX] = "out",
	NULL,
};

const struct opt_row capture_params[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct capture_args, id),
	  .required = true,
	  .arg = "PORT",
	  .help = "the port to capture",
	  .word = OPT_WORD },
	{ .key = "snaplen",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct capture_args, snaplen),
	  .max = FRAME_MAX,
	  .def = "0",
	  .arg = "BYTES",
	  .help = "bytes of each frame to keep; 0: all",
	  .letter = "s" },
	{ .key = "count",
	  .kind = OPT_SIZE,
	  .offset = offsetof(struct capture_args, count),
	  .max = INT64_MAX,
	  .def = "0",
	  .arg = "N",
	  .help = "frames to write before the capture ends; 0: no bound",
	  .letter = "c" },
	{ .key = "direction",
	  .kind = OPT_ENUM,
	  .offset = offsetof(struct capture_args, direction),
	  .choices = directions,
	  .def = "both",
	  .help = "frames into the switch, out of it, or both" },
	{ NULL },
};

int method_capture_start(struct rpc_call *call)
{
	const struct capture_args *args = call->args;
	struct daemon_port *p;
	struct capture_config config = {
		.snaplen = args->snaplen,
		.max_frames = args->count,
		.direction = (enum capture_direction)args->direction,
	};
	int rc = rpc_call_take_fds(call, &config.fd, 1);

	if (rc == -EINVAL)
		return err_set(&call->err, rc,
			       "no file descriptor came along (SCM_RIGHTS): "
			       "the capture is written to it");
	if (rc)
		return rc;
	p = daemon_find_port(call->ctx, args->id, &call->err);
	if (!p) {
		fd_close(&config.fd);
		return -ENOENT;
	}
	return daemon_capture_start(call->ctx, p, &config, call->conn,
				    &call->err);
}

int method_capture_stop(struct rpc_call *call)
{
	const struct port_args *args = call->args;
	struct daemon_port *p =
		daemon_find_port(call->ctx, args->id, &call->err);
	struct capture_stats stats;
	struct json_show j;

	if (!p)
		return -ENOENT;
	if (!p->capture)
		return err_set(&call->err, -ENOENT,
			       "port %s is not being captured", args->id);
	stats = daemon_capture_end(p, "stopped");
	json_show_init(&j, call->result);
	daemon_capture_show(&stats, NULL, &j.show);
	return 0;
}

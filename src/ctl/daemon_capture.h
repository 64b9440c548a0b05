/* SPDX-License-Identifier: Apache-2.0 */
/* Captures that clients of the control socket asked for. */
#ifndef RW_DAEMON_CAPTURE_H
#define RW_DAEMON_CAPTURE_H

#include "capture.h"
#include "daemon.h"

/*
 * Starts capturing @p to @fd, whose ownership moves, for the client @conn. It
 * ends when the client's connection closes, the reader goes away, max_frames
 * were written, or by daemon_capture_end(); the client is told by a
 * notification "capture.ended" {id, frames, dropped, reason, error}.
 */
int daemon_capture_start(struct daemon *d, struct daemon_port *p,
			 const struct capture_config *config,
			 struct rpc_conn *conn, struct err *err);

/* Tells numbers and, when writing failed, why, in place of @reason (NULL: says
 * none). */
void daemon_capture_show(const struct capture_stats *stats, const char *reason,
			 struct show *s);

/* Ends @p's capture, if any, and returns its numbers. */
struct capture_stats daemon_capture_end(struct daemon_port *p,
					const char *reason);

/* For the end of the daemon, when no port is left. */
void daemon_capture_free_all(struct daemon *d);

#endif

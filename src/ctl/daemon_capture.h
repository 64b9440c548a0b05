/* SPDX-License-Identifier: Apache-2.0 */
/* Captures on behalf of clients of the control socket. Control thread. */
#ifndef RW_DAEMON_CAPTURE_H
#define RW_DAEMON_CAPTURE_H

#include "capture.h"
#include "daemon.h"

/*
 * Starts capturing @p for the client @conn. Owns @config->fd from now on, also
 * on error. The capture ends when the client's connection closes, the reader
 * goes away, writing fails, max_frames were written, or by
 * daemon_capture_end(). A client that is still connected then gets a
 * notification "capture.ended" {id, frames, dropped, reason, error}. Returns 0
 * or -errno with @err.
 */
int daemon_capture_start(struct daemon *d, struct daemon_port *p,
			 const struct capture_config *config,
			 struct rpc_conn *conn, struct err *err);

/* Shows the numbers and the reason of the end: the error when writing failed,
 * else @reason (NULL: none). */
void daemon_capture_show(const struct capture_stats *stats, const char *reason,
			 struct show *s);

/* Ends @p's capture and returns its numbers; zeros when there is none. */
struct capture_stats daemon_capture_end(struct daemon_port *p,
					const char *reason);

/* Frees all ended captures. For the end of the daemon, after its ports. */
void daemon_capture_free_all(struct daemon *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Between rpc.c (connections) and rpc_call.c (the protocol). */
#ifndef RW_RPC_IMPL_H
#define RW_RPC_IMPL_H

#include "rpc.h"

/* What take_fd() returns when one came along, but was lost. */
#define RPC_FD_LOST (-2)

/* Carries out the request in @line. @take_fd(conn) hands out a descriptor that
 * came with it, RPC_FD_LOST, or -1: none came. Returns the reply, NULL when
 * none is due. */
json_t *rpc_handle_line(const struct command *commands, void *ctx,
			struct rpc_conn *conn,
			int (*take_fd)(struct rpc_conn *conn), const char *line,
			size_t size);

/* A reply that tells an error; takes @id's reference (NULL: null). */
json_t *rpc_error_reply(json_t *id, int code, const char *message,
			const char *errno_name);

#endif

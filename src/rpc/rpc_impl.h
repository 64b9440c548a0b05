/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by rpc.c (connections) and rpc_call.c (the protocol). */
#ifndef RW_RPC_IMPL_H
#define RW_RPC_IMPL_H

#include <sys/socket.h>

#include "rpc.h"

/* Descriptors that a connection received, oldest first. */
struct rpc_fds {
	int fd[RPC_MAX_FDS];
	unsigned count;
	bool is_lost;	 /* one was received and could not be kept */
	unsigned *total; /* the sum of all counts, which is bounded too */
};

/* Keeps the descriptors of a received @msg. */
void rpc_fds_keep(struct rpc_fds *f, struct msghdr *msg);
/* Returns the oldest descriptor, which the caller owns then; or -1, or
 * RPC_FD_LOST. */
int rpc_fds_take(struct rpc_fds *f);
/* Closes all, and forgets that one was lost. */
void rpc_fds_close(struct rpc_fds *f);

/* take_fd()'s result when a descriptor was sent but could not be received. */
#define RPC_FD_LOST (-2)

/* Carries out the request in @line and returns the reply, or NULL when none is
 * due. @take_fd(conn) returns a descriptor that was sent with the request, -1
 * when none was sent, or RPC_FD_LOST. */
json_t *rpc_handle_line(const struct command *commands, void *ctx,
			struct rpc_conn *conn,
			int (*take_fd)(struct rpc_conn *conn), const char *line,
			size_t size);

/* Returns an error reply; consumes a reference to @id (NULL: null). */
json_t *rpc_error_reply(json_t *id, int code, const char *message,
			const char *errno_name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 server over UNIX stream sockets: each request and each reply is
 * one line. Batches and notifications follow the specification; parameters go
 * by name. A request may carry file descriptors (SCM_RIGHTS).
 *
 * Control thread only. A client that does not read delays no other client: its
 * replies wait in its own buffer, and its further requests stay unread.
 */
#ifndef RW_RPC_H
#define RW_RPC_H

#include <jansson.h>

#include "command.h"
#include "loop.h"

#define RPC_MAX_REQUEST (1u << 20) /* bytes of a line */
#define RPC_MAX_BATCH	100 /* replies to a batch, which are made all at once */
#define RPC_MAX_FDS	64  /* descriptors with a request */

enum rpc_error {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_UNKNOWN_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_REFUSED = -32000, /* ours: a valid request that failed */
};

struct rpc_server;
struct rpc_conn;

/* One request while its handler runs; nothing here outlives the call. */
struct rpc_call {
	struct rpc_conn *conn; /* the client's connection */
	void *ctx;	       /* that of rpc_server_create() */
	const void *args;      /* struct that the method's rows filled */
	const json_t *params;  /* as sent: an object or NULL */
	json_t *result;	       /* an object, for the handler to fill */
	struct err err;	       /* the handler's error message */
	int (*take_fd)(struct rpc_conn *conn); /* for rpc_call_take_fds() */
	bool took_fds; /* rpc_call_take_fds() was called */
};

/*
 * Moves the next @count descriptors that came with requests of this connection
 * to @fd, in their order; the handler owns them then. Returns 0; -EINVAL when
 * fewer came, or -EMFILE when some were lost, with call->err and nothing taken.
 * Those that no handler has taken are closed after the last request that was
 * read with them.
 */
int rpc_call_take_fds(struct rpc_call *call, int *fd, unsigned count);

/* Returns a server of those of @commands that have a method, or NULL when out
 * of memory. Handlers get @ctx. */
struct rpc_server *rpc_server_create(struct loop *loop,
				     const struct command *commands, void *ctx);
/* Closes every connection, after writing what its socket takes of the replies.
 */
void rpc_server_destroy(struct rpc_server *s);

/* Accepts connections on @fd until the server is destroyed; the caller keeps
 * @fd. Only processes of our own user or root are served. Returns 0 or -errno.
 */
int rpc_server_listen(struct rpc_server *s, int fd);

/* Serves the connected socket @fd and owns it from now on, also on error.
 * Returns 0 or -errno. */
int rpc_server_add(struct rpc_server *s, int fd);

/* Sends a notification to @c; consumes a reference to @params. */
void rpc_conn_notify(struct rpc_conn *c, const char *method, json_t *params);

/* Returns the bytes for @c that wait here because its socket is full. */
size_t rpc_conn_unread(const struct rpc_conn *c);

/* A callback for the end of a connection. Embedded in its owner. */
struct rpc_hook {
	void (*fn)(struct rpc_hook *h); /* called after the hook's removal */
	struct rpc_conn *conn;		/* NULL while not set */
	struct rpc_hook *next;		/* of the connection's list */
};
/* Calls fn(@h) once when @c ends, unless @h is removed before. */
void rpc_hook_set(struct rpc_hook *h, struct rpc_conn *c,
		  void (*fn)(struct rpc_hook *h));
void rpc_hook_remove(struct rpc_hook *h); /* no effect while not set */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON-RPC 2.0 over UNIX stream sockets: a request is one line, so is a reply.
 * Batches and notifications work as the specification says; parameters go by
 * name. A file descriptor may come along with a request (SCM_RIGHTS).
 *
 * Control thread only. A client that does not read delays nobody: replies wait
 * in its own buffer, and its further requests wait unread.
 */
#ifndef RW_RPC_H
#define RW_RPC_H

#include <jansson.h>

#include "command.h"
#include "loop.h"

#define RPC_MAX_REQUEST (1u << 20) /* bytes of a line */

enum rpc_error {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_UNKNOWN_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_REFUSED = -32000, /* ours: understood, but it cannot be done */
};

struct rpc_server;
struct rpc_conn;

/* One request while its handler runs; nothing here outlives the call. */
struct rpc_call {
	struct rpc_conn *conn; /* who asks */
	void *ctx;	       /* the server's */
	const void *args;      /* struct that the method's rows filled */
	const json_t *params;  /* as sent: an object or NULL */
	json_t *result;	       /* an object, for the handler to fill */
	int fd;		       /* came along, -1: none; fd_take() it to keep */
	struct err err;	       /* what is wrong, when the handler fails */
};

/* Serves those of @commands that have a method. NULL: out of memory. */
struct rpc_server *rpc_server_create(struct loop *loop,
				     const struct command *commands, void *ctx);
/* Closes every connection; what was answered is written as far as it goes. */
void rpc_server_destroy(struct rpc_server *s);

/* Accepts on @fd, which the caller keeps, until the server is destroyed. Only
 * processes of our own user or root are served. 0 or -errno. */
int rpc_server_listen(struct rpc_server *s, int fd);

/* Serves the connected socket @fd, whose ownership moves. 0 or -errno. */
int rpc_server_add(struct rpc_server *s, int fd);

/* Sends a notification; takes @params' reference. */
void rpc_conn_notify(struct rpc_conn *c, const char *method, json_t *params);

/* Bytes that @c was sent and has not read, as far as they wait here. */
size_t rpc_conn_unread(const struct rpc_conn *c);

/* Something that ends when the connection does. Embedded in its owner. */
struct rpc_hook {
	void (*fn)(struct rpc_hook *h); /* the hook was removed before */
	struct rpc_conn *conn;		/* NULL while not set */
	struct rpc_hook *next;
};
void rpc_hook_set(struct rpc_hook *h, struct rpc_conn *c,
		  void (*fn)(struct rpc_hook *h));
void rpc_hook_remove(struct rpc_hook *h);

#endif

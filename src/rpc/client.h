/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a running daemon's control socket. */
#ifndef RW_CLIENT_H
#define RW_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "buffer.h"
#include "err.h"

struct client {
	int fd;
	struct buffer in; /* what was read and not yet taken */
};

/* @control NULL: the default path. 0 or -errno with @err. */
int client_open(struct client *c, const char *control, struct err *err);
void client_close(struct client *c);

/* Sends a request, with @fd (-1: none). Takes @params' reference. */
int client_send(struct client *c, const char *method, json_t *params, int fd,
		struct err *err);

/* The next line the daemon sends, parsed; waits for it. NULL at its end or on
 * an error, with @err. */
json_t *client_receive(struct client *c, struct err *err);

/* Has a whole line been read already, so that client_receive() will not wait?
 * Who polls c->fd asks this first. */
bool client_has_line(const struct client *c);

/* The result in @reply (borrowed from it), or NULL with @err and *@rc. */
json_t *client_result(json_t *reply, int *rc, struct err *err);

/* Sends and waits for the result. *@result is the caller's. */
int client_call(struct client *c, const char *method, json_t *params,
		json_t **result, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a running daemon's control socket. */
#ifndef RW_CLIENT_H
#define RW_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "err.h"

struct client {
	int fd;
	unsigned timeout_s;   /* for each request and its reply; 0: no limit */
	uint64_t deadline_ns; /* of the present one; 0: none */
	struct buffer in; /* bytes read that client_receive() has not taken */
};

/* Connects to the daemon's socket @control (NULL: the default path). A daemon
 * that does not answer a request within @timeout_s seconds (0: no limit) fails
 * it. Returns 0 or -errno with @err. */
int client_open(struct client *c, const char *control, unsigned timeout_s,
		struct err *err);
void client_close(struct client *c);

/* Descriptors that go with a request; the sender keeps its own. */
struct client_fds {
	const int *fd;
	unsigned count; /* RPC_MAX_FDS at most */
};

/* Sends a request, with @fds (NULL: none). Consumes a reference to @params.
 * Returns 0 or -errno with @err. */
int client_send(struct client *c, const char *method, json_t *params,
		const struct client_fds *fds, struct err *err);

/* Takes the limit off until the next request: what comes now comes when it
 * happens. */
void client_wait_for_events(struct client *c);

/* Waits for the next line from the daemon and returns it parsed; the caller
 * owns it. Returns NULL with @err when the daemon is gone, sent no JSON, or
 * sent nothing until the limit of the last request. */
json_t *client_receive(struct client *c, struct err *err);

/* Waits for the daemon to close the connection. Returns 0, or -ETIMEDOUT with
 * @err at the limit of the last request. */
int client_wait_closed(struct client *c, struct err *err);

/* Returns whether a whole line was read already: client_receive() will not
 * wait then. A caller that polls c->fd must check this first. */
bool client_has_line(const struct client *c);

/* Returns the result in @reply, borrowed from it. For an error reply, returns
 * NULL, with @err and with -errno in *@rc. */
json_t *client_result(json_t *reply, int *rc, struct err *err);

/* Sends a request and waits for its result. Consumes a reference to @params;
 * the caller owns *@result. Returns 0 or -errno with @err. */
int client_call_with(struct client *c, const char *method, json_t *params,
		     const struct client_fds *fds, json_t **result,
		     struct err *err);
int client_call(struct client *c, const char *method, json_t *params,
		json_t **result, struct err *err);

#endif

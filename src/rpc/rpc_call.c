/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-RPC 2.0: parses a line, calls the method's handler and makes the reply.
 * Knows nothing of sockets. Control thread. */
#include "rpc_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "json_opt.h"
#include "json_show.h"

struct dispatch {
	const struct command *commands;
	void *ctx;
	struct rpc_conn *conn;
	int (*take_fd)(struct rpc_conn *conn);
};

json_t *rpc_error_reply(json_t *id, int code, const char *message,
			const char *errno_name)
{
	json_t *error = json_object();

	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", json_text(message));
	if (errno_name)
		json_object_set_new(error, "data",
				    json_pack("{s:s}", "errno", errno_name));
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id",
			 id ? id : json_null(), "error", error);
}

static const struct command *find_method(const struct command *commands,
					 const char *name, struct err *err)
{
	char list[400] = "";
	size_t n = 0;

	for (; commands->help; commands++) {
		if (!commands->fn)
			continue;
		if (!strcmp(commands->method, name))
			return commands;
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      n ? ", " : "", commands->method);
		n = MIN(n, sizeof(list) - 1);
	}
	err_set(err, -ENOSYS, "unknown method '%.64s': valid are %s", name,
		list);
	return NULL;
}

/* Returns those of the parameters @given that have a row in @rows. */
static json_t *with_rows(const struct opt_row *rows, const json_t *given)
{
	json_t *some = json_object();

	for (; rows->key; rows++)
		json_object_set(some, rows->key,
				json_object_get(given, rows->key));
	return some;
}

static int parse_params(const struct command *m, void *args,
			struct rpc_call *call)
{
	const struct opt_row *rows = command_params(m);
	json_t *some;
	int rc;

	if (!m->others) {
		rc = json_opt_parse(rows, args, call->params, &call->err);
		/* -ENOENT stands for an unknown parameter. */
		return rc == -ENOENT ? -EINVAL : rc;
	}
	some = with_rows(rows, call->params);
	rc = json_opt_parse(rows, args, some, &call->err);
	json_decref(some);
	return rc;
}

int rpc_call_take_fds(struct rpc_call *call, int *fd, unsigned count)
{
	unsigned n = 0;
	int got = 0;

	call->took_fds = true;
	while (n < count && (got = call->take_fd(call->conn)) >= 0)
		fd[n++] = got;
	if (n == count)
		return 0;
	for (unsigned i = 0; i < n; i++)
		fd_close(&fd[i]);
	if (got == RPC_FD_LOST)
		return err_set(&call->err, -EMFILE,
			       "a descriptor that came along was lost: the "
			       "daemon has as many as it may (RLIMIT_NOFILE), "
			       "or too many came with requests that are not "
			       "complete");
	return err_set(&call->err, -EINVAL,
		       "%u file descriptor%s of %u came along (SCM_RIGHTS)", n,
		       n == 1 ? "" : "s", count);
}

/* Closes the descriptors that came with a request which failed before it took
 * them; the next request would get them. If it does not say how many these are,
 * all that wait are closed: the next request finds too few then. */
static void drop_fds(const struct dispatch *d, const struct command *m,
		     const json_t *params)
{
	const json_t *named = json_object_get(params, "descriptors");
	size_t count = m && m->takes_fd;
	int fd;

	if (json_is_array(named))
		count = json_array_size(named);
	else if (named || (params && !json_is_object(params)))
		count = SIZE_MAX;
	for (; count && (fd = d->take_fd(d->conn)) >= 0; count--)
		fd_close(&fd);
}

static int run_method(const struct command *m, struct rpc_call *call)
{
	void *args;
	int rc;

	args = calloc(1, MAX(m->args_size, (size_t)1));
	if (!args)
		return err_set(&call->err, -ENOMEM, "out of memory");
	call->args = args;
	rc = parse_params(m, args, call);
	if (!rc) {
		rc = m->fn(call);
		opt_free(command_params(m), args);
	}
	free(args);
	return rc;
}

/* Returns the reply to a well-formed request; NULL for a notification, which
 * has no @id. */
static json_t *call_method(const struct dispatch *d, const char *name,
			   const json_t *params, json_t *id)
{
	struct rpc_call call = { .conn = d->conn,
				 .ctx = d->ctx,
				 .params = params,
				 .take_fd = d->take_fd };
	const struct command *m = find_method(d->commands, name, &call.err);
	json_t *reply = NULL;
	int rc;

	if (!m)
		drop_fds(d, NULL, params);
	if (!m)
		return id ? rpc_error_reply(json_incref(id), RPC_UNKNOWN_METHOD,
					    call.err.msg, NULL)
			  : NULL;
	call.result = json_object();
	rc = run_method(m, &call);
	if (rc && !call.took_fds)
		drop_fds(d, m, params);
	if (id && rc)
		reply = rpc_error_reply(json_incref(id),
					rc == -EINVAL || rc == -ENAMETOOLONG
						? RPC_BAD_PARAMS
						: RPC_REFUSED,
					call.err.msg, strerrorname_np(-rc));
	else if (id)
		reply = json_pack("{s:s, s:O, s:O}", "jsonrpc", "2.0", "id", id,
				  "result", call.result);
	json_decref(call.result);
	return reply;
}

static json_t *handle_request(const struct dispatch *d, const json_t *request)
{
	const char *version =
		json_string_value(json_object_get(request, "jsonrpc"));
	const char *name =
		json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");
	json_t *id = json_object_get(request, "id");
	bool id_is_good =
		json_is_string(id) || json_is_number(id) || json_is_null(id);
	const char *fault = NULL;

	if (!json_is_object(request))
		fault = "a request must be an object";
	else if (!version || strcmp(version, "2.0"))
		fault = "jsonrpc must be \"2.0\"";
	else if (!name)
		fault = "method must be a string";
	else if (id && !id_is_good)
		fault = "id must be a string, a number or null";
	/* Of what is no request nobody knows. */
	if (fault || (params && !json_is_object(params)))
		drop_fds(d, NULL, json_is_object(request) ? params : request);
	if (fault)
		return rpc_error_reply(id_is_good ? json_incref(id) : NULL,
				       RPC_INVALID_REQUEST, fault, NULL);
	if (params && !json_is_object(params))
		return id ? rpc_error_reply(json_incref(id), RPC_BAD_PARAMS,
					    "params must be an object: they "
					    "go by name",
					    NULL)
			  : NULL;
	return call_method(d, name, params, id);
}

/* Returns how many replies @batch asks for. */
static size_t wanted_replies(const json_t *batch)
{
	const json_t *request;
	size_t i, n = 0;

	json_array_foreach(batch, i, request)
		n += !json_is_object(request) ||
		     json_object_get(request, "id") != NULL;
	return n;
}

static json_t *handle_batch(const struct dispatch *d, const json_t *batch)
{
	json_t *replies, *request;
	char text[80];
	size_t i;

	if (!json_array_size(batch)) {
		drop_fds(d, NULL, batch);
		return rpc_error_reply(NULL, RPC_INVALID_REQUEST,
				       "a batch must not be empty", NULL);
	}
	if (wanted_replies(batch) > RPC_MAX_BATCH) {
		drop_fds(d, NULL, batch);
		snprintf(text, sizeof(text),
			 "a batch asks for at most %d replies", RPC_MAX_BATCH);
		return rpc_error_reply(NULL, RPC_INVALID_REQUEST, text, NULL);
	}
	replies = json_array();
	json_array_foreach(batch, i, request) {
		json_t *reply = handle_request(d, request);

		if (reply)
			json_array_append_new(replies, reply);
	}
	if (json_array_size(replies))
		return replies;
	json_decref(replies);
	return NULL;
}

json_t *rpc_handle_line(const struct command *commands, void *ctx,
			struct rpc_conn *conn,
			int (*take_fd)(struct rpc_conn *conn), const char *line,
			size_t size)
{
	const struct dispatch d = { commands, ctx, conn, take_fd };
	json_t *value, *reply;
	json_error_t where;
	char text[300];

	value = json_loadb(line, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
			   &where);
	if (!value) {
		drop_fds(&d, NULL, json_null());
		snprintf(text, sizeof(text), "not JSON at byte %d: %s",
			 where.position, where.text);
		return rpc_error_reply(NULL, RPC_PARSE_ERROR, text, NULL);
	}
	if (json_is_array(value))
		reply = handle_batch(&d, value);
	else
		reply = handle_request(&d, value);
	json_decref(value);
	return reply;
}

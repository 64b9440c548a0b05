/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the control socket, see client.h. All calls block: a
 * command has nothing else to do. Command line. */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "control_path.h"
#include "fd.h"
#include "rpc.h"
#include "unix_sock.h"

int client_open(struct client *c, const char *control, unsigned timeout_s,
		struct err *err)
{
	char path[256];
	int rc;

	*c = (struct client){ .fd = -1, .timeout_s = timeout_s };
	if (!control) {
		rc = control_path_default(path, sizeof(path), false, err);
		if (rc)
			return rc;
		control = path;
	}
	c->fd = unix_connect_nowait("control", control, err);
	if (c->fd == -ENOENT || c->fd == -ECONNREFUSED)
		return err_set(err, c->fd,
			       "control=%s: no ringway runs there: start it "
			       "with `ringway up`, or name its socket with "
			       "--control",
			       control);
	return MIN(c->fd, 0);
}

void client_close(struct client *c)
{
	fd_close(&c->fd);
	buffer_free(&c->in);
}

void client_wait_for_events(struct client *c)
{
	c->deadline_ns = 0;
}

/* Waits until the socket has one of @events. Returns 0, or -ETIMEDOUT with @err
 * at the limit. */
static int wait_for(const struct client *c, short events, struct err *err)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int64_t left_ms = -1;
	int rc;

	do {
		if (c->deadline_ns)
			left_ms = MAX((int64_t)(c->deadline_ns - clock_ns()) /
					      1000000,
				      (int64_t)0);
		rc = poll(&p, 1, (int)left_ms);
	} while (rc < 0 && errno == EINTR);
	if (rc)
		return 0; /* the call that follows tells of an error */
	return err_set(err, -ETIMEDOUT,
		       "no answer within %u s: the process there hangs or is "
		       "stopped: --timeout SECONDS waits longer",
		       c->timeout_s);
}

/* Sends all of @text; @fds travel with its first byte. */
static int send_all(struct client *c, const char *text, size_t size,
		    const struct client_fds *fds, struct err *err)
{
	size_t fds_size = fds ? fds->count * sizeof(int) : 0;
	union {
		char buf[CMSG_SPACE(RPC_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)text, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	int rc;

	if (fds_size) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fds_size);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(fds_size);
		memcpy(CMSG_DATA(cm), fds->fd, fds_size);
	}
	while (iov.iov_len) {
		ssize_t n;

		rc = wait_for(c, POLLOUT, err);
		if (rc)
			return rc;
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n < 0)
			continue;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

static int read_more(struct client *c, struct err *err)
{
	struct buffer *in = &c->in;
	ssize_t n;

	if (!buffer_reserve(in, BUFFER_READ))
		return err_set(err, -ENOMEM, "out of memory");
	do {
		int rc = wait_for(c, POLLIN, err);

		if (rc)
			return rc;
		n = recv(c->fd, in->data + in->len, in->size - in->len, 0);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return err_set(err, -errno, "the daemon went away: %s",
			       strerror(errno));
	if (n == 0)
		return err_set(err, -EPIPE, "the daemon closed the connection");
	in->len += (size_t)n;
	return 0;
}

bool client_has_line(const struct client *c)
{
	return c->in.len && memchr(c->in.data, '\n', c->in.len);
}

json_t *client_receive(struct client *c, struct err *err)
{
	json_error_t where;
	json_t *value;
	char *end;
	size_t n;

	while (!client_has_line(c))
		if (read_more(c, err))
			return NULL;
	end = memchr(c->in.data, '\n', c->in.len);
	n = (size_t)(end - c->in.data) + 1;
	value = json_loadb(c->in.data, n, 0, &where);
	buffer_consume(&c->in, n);
	if (!value)
		err_set(err, -EPROTO, "the daemon sent no JSON: %s",
			where.text);
	return value;
}

int client_wait_closed(struct client *c, struct err *err)
{
	int rc;

	do {
		c->in.len = 0;
		rc = read_more(c, err);
	} while (!rc);
	return rc == -ETIMEDOUT ? rc : 0;
}

json_t *client_result(json_t *reply, int *rc, struct err *err)
{
	json_t *result = json_object_get(reply, "result");
	json_t *error = json_object_get(reply, "error");
	const char *message =
		json_string_value(json_object_get(error, "message"));
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	if (result)
		return result;
	*rc = err_set(err, code == RPC_BAD_PARAMS ? -EINVAL : -EPROTO, "%s",
		      message ? message : "the daemon gave no reason");
	return NULL;
}

/* Returns the reason that the daemon sent before it closed the connection, or
 * that sending failed with @rc, as an error. */
static int heed_last_words(struct client *c, int rc, struct err *err)
{
	struct err lost;
	json_t *reply = rc == -EPIPE || rc == -ECONNRESET
				? client_receive(c, &lost)
				: NULL;

	if (!json_object_get(reply, "error"))
		err_set(err, rc, "the daemon went away: %s", strerror(-rc));
	else
		client_result(reply, &rc, err);
	json_decref(reply);
	return rc;
}

int client_send(struct client *c, const char *method, json_t *params,
		const struct client_fds *fds, struct err *err)
{
	json_t *request =
		json_pack("{s:s, s:i, s:s, s:o*}", "jsonrpc", "2.0", "id", 1,
			  "method", method, "params", params);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t n = text ? strlen(text) : 0;
	int rc;

	json_decref(request);
	if (!text)
		return err_set(err, -EINVAL,
			       "what was typed is not valid UTF-8");
	text[n] = '\n'; /* in place of the terminating zero */
	c->deadline_ns =
		c->timeout_s ? clock_ns() + c->timeout_s * 1000000000ull : 0;
	rc = send_all(c, text, n + 1, fds, err);
	free(text);
	return rc && rc != -ETIMEDOUT ? heed_last_words(c, rc, err) : rc;
}

int client_call(struct client *c, const char *method, json_t *params,
		json_t **result, struct err *err)
{
	return client_call_with(c, method, params, NULL, result, err);
}

int client_call_with(struct client *c, const char *method, json_t *params,
		     const struct client_fds *fds, json_t **result,
		     struct err *err)
{
	int rc = client_send(c, method, params, fds, err);
	json_t *reply, *found;

	if (rc)
		return rc;
	reply = client_receive(c, err);
	if (!reply)
		return -EPIPE;
	found = client_result(reply, &rc, err);
	*result = json_incref(found);
	json_decref(reply);
	return found ? 0 : rc;
}

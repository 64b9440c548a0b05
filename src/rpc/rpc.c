/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the JSON-RPC server, see rpc.h. Control thread.
 *
 * A connection lives from rpc_server_add() until its peer closes, a write
 * fails, or the server is destroyed. conn_destroy() runs only at the end of
 * on_event(), after the requests that were read, or with the server; so a
 * handler's own connection exists for as long as the handler runs.
 */
#include "rpc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "fd.h"
#include "log.h"
#include "rpc_impl.h"

#define OUT_WAIT       (1u << 20)  /* unread bytes that stop our reading */
#define OUT_MAX	       (64u << 20) /* unread bytes that end a connection */
#define MAX_CONNS      256
#define ACCEPT_REST_MS 100 /* between tries while accept4() fails */

struct rpc_conn {
	struct loop_watch watch;
	struct rpc_server *server;
	struct rpc_conn *next;
	struct rpc_hook *hooks;
	struct buffer in, out;
	struct rpc_fds fds; /* received, taken by no request yet */
	bool skipping;	    /* the rest of an overlong line is being dropped */
	bool is_eof;	    /* the peer will send no more */
	bool is_dead;	    /* broken: on_event() destroys it */
};

struct rpc_server {
	struct loop *loop;
	const struct command *commands;
	void *ctx;
	struct rpc_conn *conns;
	unsigned conn_count;
	unsigned fd_count; /* of all rpc_fds */
	struct loop_watch listener;
	struct loop_timer rest;
	struct log_limit log;
	uint64_t short_since_ms; /* when accept4() began to fail, or 0 */
};

static void send_json(struct rpc_conn *c, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	size_t n = text ? strlen(text) : 0;

	json_decref(message);
	if (!text || c->out.len + n > OUT_MAX ||
	    !buffer_reserve(&c->out, n + 1)) {
		c->is_dead = true;
	} else {
		memcpy(c->out.data + c->out.len, text, n);
		c->out.data[c->out.len + n] = '\n';
		c->out.len += n + 1;
	}
	free(text);
}

static void flush(struct rpc_conn *c)
{
	size_t done = 0;

	while (done < c->out.len && !c->is_dead) {
		ssize_t n =
			send(c->watch.fd, c->out.data + done, c->out.len - done,
			     MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			c->is_dead = true;
	}
	if (done)
		buffer_consume(&c->out, done);
}

static void update_watch(struct rpc_conn *c)
{
	uint32_t events = 0;

	if (!c->is_eof && c->out.len < OUT_WAIT)
		events |= EPOLLIN;
	if (c->out.len)
		events |= EPOLLOUT;
	if (loop_watch_set(&c->watch, events))
		c->is_dead = true;
}

static int take_fd(struct rpc_conn *c)
{
	return rpc_fds_take(&c->fds);
}

static void conn_destroy(struct rpc_conn *c)
{
	struct rpc_conn **at;
	int fd = c->watch.fd;

	while (c->hooks) {
		struct rpc_hook *h = c->hooks;

		rpc_hook_remove(h);
		h->fn(h);
	}
	for (at = &c->server->conns; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	c->server->conn_count--;
	loop_watch_remove(&c->watch);
	fd_close(&fd);
	rpc_fds_close(&c->fds);
	buffer_free(&c->in);
	buffer_free(&c->out);
	free(c);
}

static void read_input(struct rpc_conn *c)
{
	union {
		char buf[CMSG_SPACE(RPC_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	if (!buffer_reserve(&c->in, BUFFER_READ)) {
		c->is_dead = true;
		return;
	}
	iov.iov_base = c->in.data + c->in.len;
	iov.iov_len = c->in.size - c->in.len;
	n = recvmsg(c->watch.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			c->is_dead = true;
		return;
	}
	rpc_fds_keep(&c->fds, &msg);
	c->in.len += (size_t)n;
	if (n == 0)
		c->is_eof = true;
}

static void handle_line(struct rpc_conn *c, const char *line, size_t size)
{
	struct rpc_server *s = c->server;
	json_t *reply;

	if (size && line[size - 1] == '\r')
		size--;
	if (!size)
		return;
	reply = rpc_handle_line(s->commands, s->ctx, c, take_fd, line, size);
	if (reply)
		send_json(c, reply);
}

static void refuse_long_line(struct rpc_conn *c)
{
	if (!c->skipping)
		send_json(c,
			  rpc_error_reply(NULL, RPC_INVALID_REQUEST,
					  "a request is at most 1 MiB", NULL));
	c->skipping = true;
}

/* Carries out the complete lines in the buffer until OUT_WAIT bytes of replies
 * wait. Returns whether it reached the end of the buffer. */
static bool handle_input(struct rpc_conn *c)
{
	bool is_all = true;
	size_t done = 0;

	while (done < c->in.len && !c->is_dead) {
		char *line = c->in.data + done;
		size_t left = c->in.len - done;
		char *end = memchr(line, '\n', left);
		size_t size = end ? (size_t)(end - line) : left;

		if (size > RPC_MAX_REQUEST)
			refuse_long_line(c);
		if (c->skipping)
			c->skipping = !end;
		else if (end || c->is_eof)
			handle_line(c, line, size);
		else
			break;
		done += size + (end ? 1 : 0);
		if (c->out.len >= OUT_WAIT) {
			is_all = false;
			break;
		}
	}
	if (done)
		buffer_consume(&c->in, done);
	/* A descriptor that no request took must not reach a later request. */
	if (!c->in.len)
		rpc_fds_close(&c->fds);
	return is_all;
}

static void on_event(struct loop_watch *w, uint32_t events)
{
	struct rpc_conn *c = container_of(w, struct rpc_conn, watch);
	bool is_all;

	if (!c->is_eof && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_input(c);
	do {
		flush(c);
		is_all = c->out.len >= OUT_WAIT || handle_input(c);
		flush(c);
	} while (!is_all && !c->is_dead);
	if (c->is_dead || (c->is_eof && (!c->out.len || (events & EPOLLHUP))))
		conn_destroy(c);
	else
		update_watch(c);
}

int rpc_server_add(struct rpc_server *s, int fd)
{
	struct rpc_conn *c = calloc(1, sizeof(*c));
	int rc = c ? 0 : -ENOMEM;

	if (!rc)
		rc = loop_watch_add(s->loop, &c->watch, fd, EPOLLIN, on_event);
	if (rc) {
		free(c);
		fd_close(&fd);
		return rc;
	}
	c->server = s;
	c->fds.total = &s->fd_count;
	c->next = s->conns;
	s->conns = c;
	s->conn_count++;
	return 0;
}

static bool peer_is_welcome(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void on_rest_over(struct loop_timer *t)
{
	struct rpc_server *s = container_of(t, struct rpc_server, rest);

	loop_watch_set(&s->listener, EPOLLIN);
}

/* Logs one line when accept4() begins to fail (descriptors or memory ran out)
 * and one when it succeeds again, whatever the number of tries between. */
static void note_accept(struct rpc_server *s, int error)
{
	if (error && !s->short_since_ms) {
		s->short_since_ms = loop_now_ms();
		log_limited(&s->log, LOG_LEVEL_WARN,
			    "control: cannot accept: %s; clients wait",
			    strerror(error));
	} else if (!error && s->short_since_ms) {
		log_limited(&s->log, LOG_LEVEL_INFO,
			    "control: accepts again, after %" PRIu64 " ms",
			    loop_now_ms() - s->short_since_ms);
		s->short_since_ms = 0;
	}
}

/* Tells the client at @fd why, and closes it. */
static void refuse(struct rpc_server *s, int fd)
{
	struct rpc_conn c = { .watch.fd = fd };
	struct err err;

	err_set(&err, -EUSERS,
		"there are %d control connections, as many as may be: close "
		"one",
		MAX_CONNS);
	log_limited(&s->log, LOG_LEVEL_WARN,
		    "control: a connection was refused: %s", err.msg);
	send_json(&c, rpc_error_reply(NULL, RPC_REFUSED, err.msg, "EUSERS"));
	flush(&c);
	buffer_free(&c.out);
	fd_close(&fd);
}

static void on_accept(struct loop_watch *w, uint32_t events)
{
	struct rpc_server *s = container_of(w, struct rpc_server, listener);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		/* The client stays in the backlog and keeps the listener
		 * readable: watching it now would spin. */
		note_accept(s, errno);
		loop_watch_set(&s->listener, 0);
		loop_timer_arm(s->loop, &s->rest, ACCEPT_REST_MS, on_rest_over);
		return;
	}
	note_accept(s, 0);
	if (!peer_is_welcome(fd)) {
		log_limited(&s->log, LOG_LEVEL_WARN,
			    "control: a connection of another user was "
			    "refused");
		fd_close(&fd);
	} else if (s->conn_count >= MAX_CONNS) {
		refuse(s, fd);
	} else {
		rpc_server_add(s, fd);
	}
}

int rpc_server_listen(struct rpc_server *s, int fd)
{
	return loop_watch_add(s->loop, &s->listener, fd, EPOLLIN, on_accept);
}

struct rpc_server *rpc_server_create(struct loop *loop,
				     const struct command *commands, void *ctx)
{
	struct rpc_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->commands = commands;
	s->ctx = ctx;
	return s;
}

void rpc_server_destroy(struct rpc_server *s)
{
	if (!s)
		return;
	loop_timer_disarm(&s->rest);
	loop_watch_remove(&s->listener);
	/* conn_destroy() removes the connection from the list. */
	while (s->conns) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		flush(s->conns);
		conn_destroy(s->conns);
	}
	log_limit_fini(&s->log);
	free(s);
}

void rpc_conn_notify(struct rpc_conn *c, const char *method, json_t *params)
{
	send_json(c, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method",
			       method, "params", params));
	flush(c);
	/* A dead connection is destroyed at its next event. */
	update_watch(c);
}

size_t rpc_conn_unread(const struct rpc_conn *c)
{
	return c->out.len;
}

void rpc_hook_set(struct rpc_hook *h, struct rpc_conn *c,
		  void (*fn)(struct rpc_hook *h))
{
	*h = (struct rpc_hook){ .fn = fn, .conn = c, .next = c->hooks };
	c->hooks = h;
}

void rpc_hook_remove(struct rpc_hook *h)
{
	struct rpc_hook **at;

	if (!h->conn)
		return;
	for (at = &h->conn->hooks; *at != h; at = &(*at)->next)
		;
	*at = h->next;
	h->conn = NULL;
}

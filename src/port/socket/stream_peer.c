/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a stream port, see stream.h. Control thread.
 *
 * A server serves one peer at a time, as QEMU does; others wait in the backlog.
 * A client with reconnect= tries for ever, with a delay that grows (retry.h);
 * without it the port stays down when its connection has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "sock_stream.h"
#include "stream.h"
#include "workers.h"

/* Rest of a server after a short connection, so that one that is opened again
 * and again costs little. */
#define SHORT_REST_MS 10
/* Rest of a server that cannot accept. */
#define REST_MS 1000
/* Longest time of one try to connect. */
#define CONNECT_MS 5000

/* Returns whether the peer has reset the connection since it was made. */
static bool is_aborted(int fd)
{
	struct sock_addr a;
	socklen_t len = offsetof(struct sock_addr, len);

	return getpeername(fd, &a.sa, &len) < 0 && errno == ENOTCONN;
}

static void on_listener(struct loop_watch *w, uint32_t events);
static void on_timer(struct loop_timer *t);

static void wait_ms(struct stream_port *s, uint32_t ms)
{
	s->state = STREAM_RETRYING;
	loop_timer_arm(s->loop, &s->timer, ms, on_timer);
}

/* Watches the listener, or tries that again later. */
static void listen_on(struct stream_port *s)
{
	s->state = STREAM_LISTENING;
	if (loop_watch_add(s->loop, &s->listen_watch, s->listener.fd, EPOLLIN,
			   on_listener))
		wait_ms(s, REST_MS);
}

/* A connection has ended or could not be made: arranges the next one. */
static void go_on(struct stream_port *s, bool was_short)
{
	if (s->server) {
		if (was_short)
			wait_ms(s, SHORT_REST_MS);
		else
			listen_on(s);
		return;
	}
	if (!s->retry.first_ms) {
		s->state = STREAM_DOWN;
		return;
	}
	wait_ms(s, retry_take(&s->retry));
}

/* Takes the connection from the workers and closes it. */
static void disconnect(struct stream_port *s)
{
	loop_watch_remove(&s->writable);
	loop_timer_disarm(&s->silence);
	port_set_txqs(&s->port, NULL, 0, 0);
	rxq_detach(&s->link.rx);
	fd_close(&s->fd);
	s->peer.len = 0;
}

static void end_connection(struct stream_port *s, const char *why)
{
	bool was_short = retry_ended(&s->retry, loop_now_ms() - s->since_ms);

	snprintf(s->reason, sizeof(s->reason), "%s", why);
	disconnect(s);
	log_limited(&s->log, LOG_LEVEL_INFO, "port=%s: disconnected: %s",
		    s->port.name, s->reason);
	go_on(s, was_short);
}

/* A worker has found the end of the connection. */
static void end_by_worker(struct stream_port *s)
{
	char text[sizeof(s->reason)];
	uint64_t end = shm_load(&s->link.end);
	uint32_t detail = (uint32_t)(end >> 32);

	switch ((enum stream_end)(uint32_t)end) {
	case STREAM_ERROR:
		end_connection(s, strerror((int)detail));
		return;
	case STREAM_NONSENSE:
		snprintf(text, sizeof(text),
			 "the peer sent a frame length of %u bytes, at most %u "
			 "is possible",
			 (unsigned)detail, STREAM_FRAME_MAX);
		end_connection(s, text);
		return;
	default:
		end_connection(s, "closed by the peer");
	}
}

static void on_writable(struct loop_watch *w, uint32_t events)
{
	struct stream_port *s = container_of(w, struct stream_port, writable);

	(void)events;
	if (stream_link_flush(&s->link))
		loop_watch_remove(w);
}

/* A worker has news about the connection. */
static void on_news(struct loop_watch *w, uint32_t events)
{
	struct stream_port *s = container_of(w, struct stream_port, news);

	(void)events;
	fd_drain(s->link.news_fd);
	if (s->state != STREAM_CONNECTED)
		return;
	if (shm_load(&s->link.end) != STREAM_OPEN)
		end_by_worker(s);
	else if (!s->writable.loop && !stream_link_flush(&s->link))
		loop_watch_add(s->loop, &s->writable, s->fd, EPOLLOUT,
			       on_writable);
}

static void on_silence_timer(struct loop_timer *t)
{
	struct stream_port *s = container_of(t, struct stream_port, silence);

	if (sock_stream_is_silent(s->fd))
		end_connection(s, strerror(ETIMEDOUT));
	else
		loop_timer_arm(s->loop, t, SOCK_STREAM_CHECK_MS,
			       on_silence_timer);
}

/* Gives the connection s->fd to the workers. Returns 0 or -errno; s->fd is
 * closed then. */
static int begin_connection(struct stream_port *s)
{
	struct txq *tx = &s->link.tx;
	int rc;

	s->peer.len = offsetof(struct sock_addr, len);
	if (getpeername(s->fd, &s->peer.sa, &s->peer.len) < 0) {
		rc = -errno;
		goto fail;
	}
	sock_stream_tune(s->fd, s->peer.sa.sa_family);
	stream_link_reset(&s->link, s->fd);
	rc = rxq_attach(&s->link.rx);
	if (!rc)
		rc = port_set_txqs(&s->port, &tx, 1, 0);
	if (rc)
		goto fail;
	s->state = STREAM_CONNECTED;
	s->since_ms = loop_now_ms();
	if (s->peer.sa.sa_family != AF_UNIX)
		loop_timer_arm(s->loop, &s->silence, SOCK_STREAM_CHECK_MS,
			       on_silence_timer);
	s->connections++;
	s->said_waiting = false;
	log_limited(&s->log, LOG_LEVEL_INFO, "port=%s: connected",
		    s->port.name);
	return 0;
fail:
	disconnect(s);
	return rc;
}

static void on_listener(struct loop_watch *w, uint32_t events)
{
	struct stream_port *s =
		container_of(w, struct stream_port, listen_watch);

	(void)events;
	/* Who passed us the socket may have made it blocking, and may have
	 * accepted the connection. */
	fd_set_nonblock(s->listener.fd);
	s->fd = accept4(s->listener.fd, NULL, NULL,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (s->fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
		return;
	if (s->fd >= 0 && is_aborted(s->fd)) {
		fd_close(&s->fd);
		return; /* the event comes again while others wait */
	}
	loop_watch_remove(w);
	if (s->fd < 0 || begin_connection(s))
		wait_ms(s, REST_MS);
}

/* A try to connect has failed. */
static void connect_failed(struct stream_port *s, const char *why)
{
	char where[SOCK_ADDR_TEXT];

	fd_close(&s->fd);
	snprintf(s->reason, sizeof(s->reason), "%s", why);
	sock_addr_text(&s->addr, where);
	if (!s->said_waiting)
		log_limited(&s->log, LOG_LEVEL_INFO,
			    "port=%s: cannot connect to %s: %s; %s",
			    s->port.name, where, why,
			    s->retry.first_ms ? "trying again"
					      : "the port stays down");
	s->said_waiting = true;
	go_on(s, true);
}

static void on_connected(struct loop_watch *w, uint32_t events)
{
	struct stream_port *s =
		container_of(w, struct stream_port, connect_watch);
	int rc = sock_stream_error(s->fd);

	(void)events;
	loop_watch_remove(w);
	loop_timer_disarm(&s->timer);
	if (!rc)
		rc = begin_connection(s);
	if (rc)
		connect_failed(s, strerror(-rc));
}

/* Connects, or begins to. Returns 0 or -errno. */
static int begin_connect(struct stream_port *s)
{
	bool is_done;
	int rc;

	s->fd = rc = sock_stream_connect(&s->addr, &is_done);
	if (rc < 0)
		return rc;
	s->state = STREAM_CONNECTING;
	if (is_done)
		return begin_connection(s);
	rc = loop_watch_add(s->loop, &s->connect_watch, s->fd, EPOLLOUT,
			    on_connected);
	if (!rc)
		loop_timer_arm(s->loop, &s->timer, CONNECT_MS, on_timer);
	return rc;
}

static const char *reason_of(int rc)
{
	return rc == -EPROTOTYPE ? "the socket there is for datagrams"
				 : strerror(-rc);
}

static void on_timer(struct loop_timer *t)
{
	struct stream_port *s = container_of(t, struct stream_port, timer);
	int rc;

	if (s->server) {
		listen_on(s);
		return;
	}
	if (s->state == STREAM_CONNECTING) {
		loop_watch_remove(&s->connect_watch);
		connect_failed(s, strerror(ETIMEDOUT));
		return;
	}
	rc = begin_connect(s);
	if (rc)
		connect_failed(s, reason_of(rc));
}

static int open_server(struct stream_port *s, struct err *err)
{
	int rc = sock_stream_listen(&s->listener, s->key, &s->addr, err);

	if (!rc)
		listen_on(s);
	return rc;
}

/* Without reconnect= a peer that is not there is an error. */
static int open_client(struct stream_port *s, struct err *err)
{
	char where[SOCK_ADDR_TEXT];
	int rc = begin_connect(s);

	if (!rc)
		return 0;
	if (s->retry.first_ms) {
		connect_failed(s, reason_of(rc));
		return 0;
	}
	sock_addr_text(&s->addr, where);
	return err_set(err, rc, "%s: cannot connect to %s: %s", s->key, where,
		       reason_of(rc));
}

/* A listening descriptor makes a server. */
static int open_passed(struct stream_port *s, const struct stream_setup *setup,
		       struct err *err)
{
	int listens = 0, fd = setup->fd, rc;
	socklen_t size = sizeof(listens);

	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
	if (setup->server_given && setup->server != (listens != 0))
		return err_set(err, -EINVAL, "server=%s: the socket %s",
			       setup->server ? "on" : "off",
			       listens ? "listens" : "does not listen");
	s->server = listens;
	if (listens) {
		fd_use_named(fd);
		s->listener.fd = fd;
		listen_on(s);
		return 0;
	}
	/* on failure the owner keeps @fd */
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rc = s->fd < 0 ? -errno : begin_connection(s);
	if (rc)
		return err_set(err, rc, "%s: %s", s->key,
			       rc == -ENOTCONN
				       ? "the socket must be connected or "
					 "listening"
				       : strerror(-rc));
	fd_use_named(fd);
	fd_close(&fd);
	fd_note_used(s->fd);
	return 0;
}

int stream_peer_open(struct stream_port *s, const struct stream_setup *setup,
		     struct err *err)
{
	int rc = loop_watch_add(s->loop, &s->news, s->link.news_fd, EPOLLIN,
				on_news);

	if (rc)
		return err_set(err, rc, "%s: %s", s->key, strerror(-rc));
	if (setup->fd >= 0)
		return open_passed(s, setup, err);
	rc = sock_addr_check_scope(&setup->addr, s->key, err);
	if (rc)
		return rc;
	return s->server ? open_server(s, err) : open_client(s, err);
}

void stream_peer_close(struct stream_port *s)
{
	loop_timer_disarm(&s->timer);
	loop_watch_remove(&s->listen_watch);
	loop_watch_remove(&s->connect_watch);
	loop_watch_remove(&s->news);
	disconnect(s);
	unix_unlisten(&s->listener);
	log_limit_fini(&s->log);
}

void stream_peer_show(const struct stream_port *s, struct show *out)
{
	static const char *const names[] = {
		[STREAM_LISTENING] = "listening",
		[STREAM_CONNECTING] = "connecting",
		[STREAM_CONNECTED] = "connected",
		[STREAM_RETRYING] = "waiting to try again",
		[STREAM_DOWN] = "down",
	};
	char text[SOCK_ADDR_TEXT];

	sock_addr_text(&s->addr, text);
	if (*text)
		show_str(out, "address", text);
	show_flag(out, "server", s->server);
	show_str(out, "state",
		 s->server && s->state == STREAM_RETRYING
			 ? names[STREAM_LISTENING]
			 : names[s->state]);
	sock_addr_text(&s->peer, text);
	if (*text)
		show_str(out, "peer", text);
	show_num(out, "connections", s->connections);
	if (*s->reason)
		show_str(out, "last_disconnect", s->reason);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer of a filter, see peer.h: its connections. thread_main() and its
 * callees run on the peer's own thread, the rest on the control thread.
 * peer_io.c has the frames.
 *
 * Theory of operation. The control thread opens the first socket, so that a
 * wrong address is an error of the command. From peer_start() on the thread
 * alone has the sockets: it waits in poll() for them and for an eventfd, by
 * which workers tell of frames and control of a stop or a pause.
 *
 * A connection that has ended leaves frames in the ring; they are thrown away
 * before the next one, whose stream begins with a whole frame.
 */
#include "peer_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fd.h"
#include "sock_stream.h"

#define CONNECT_MS 5000 /* longest time of one try */
#define LISTEN_MS  1000 /* rest of a server that cannot accept */
/* Rest of a server between two connections, so that one that is opened again
 * and again costs little. */
#define REST_MS 10

static const char *end_text(int end)
{
	if (end == PEER_END_CLOSED)
		return "closed by the peer";
	if (end == PEER_END_NONSENSE)
		return "the peer sent an impossible length: does "
		       "vnet_hdr_support agree?";
	return strerror(end);
}

static void rest(struct peer *p, uint32_t ms)
{
	p->due = clock_ns() + ms * 1000000ull;
	peer_set_state(p, PEER_RETRYING);
}

/* The connection has ended, or could not be made. */
void peer_end(struct peer *p, int end)
{
	bool was_connected = peer_state(p) == PEER_CONNECTED;

	shm_store(&p->end, end);
	fd_close(&p->fd);
	if (was_connected)
		retry_ended(&p->retry, (clock_ns() - p->since) / 1000000);
	if (p->device.server)
		rest(p, REST_MS);
	else if (p->device.reconnect_ms)
		rest(p, retry_take(&p->retry));
	else
		peer_set_state(p, PEER_DOWN);
	log_limited(&p->log, LOG_LEVEL_INFO, "filter=%s: %s: %s: %s", p->filter,
		    p->key, was_connected ? "disconnected" : "cannot connect",
		    end_text(end));
}

static void begin_connection(struct peer *p)
{
	peer_io_reset(p);
	sock_stream_tune(p->fd, p->device.addr.sa.sa_family);
	p->since = clock_ns();
	stat_inc(&p->connections);
	shm_store(&p->end, PEER_END_NONE);
	peer_set_state(p, PEER_CONNECTED);
	log_limited(&p->log, LOG_LEVEL_INFO, "filter=%s: %s: connected",
		    p->filter, p->key);
}

/* Begins to connect. Returns 0 or -errno. */
static int try_connect(struct peer *p)
{
	bool is_done;

	p->fd = sock_stream_connect(&p->device.addr, &is_done);
	if (p->fd < 0)
		return p->fd;
	p->due = clock_ns() + CONNECT_MS * 1000000ull;
	peer_set_state(p, PEER_CONNECTING);
	if (is_done)
		begin_connection(p);
	return 0;
}

static void accept_peer(struct peer *p)
{
	p->fd = accept4(p->listener.fd, NULL, NULL,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (p->fd >= 0)
		begin_connection(p);
	else if (errno != EAGAIN && errno != ECONNABORTED &&
		 errno != EINTR) /* no descriptors, say */
		rest(p, LISTEN_MS);
}

/* Fills in what the state waits for. Returns the longest wait in ms; -1: any.
 */
static int prepare(struct peer *p, struct pollfd *fd)
{
	uint64_t now = clock_ns();
	bool has_time = false, is_tcp;

	*fd = (struct pollfd){ p->fd, 0, 0 };
	switch (peer_state(p)) {
	case PEER_LISTENING:
		*fd = (struct pollfd){ p->listener.fd, POLLIN, 0 };
		break;
	case PEER_CONNECTING:
		fd->events = POLLOUT;
		has_time = true;
		break;
	case PEER_CONNECTED:
		if (!peer_is_sender(p))
			fd->events = shm_load(&p->is_paused) ? 0 : POLLIN;
		else
			fd->events = p->at < p->fill ? POLLOUT | POLLRDHUP
						     : POLLRDHUP;
		is_tcp = p->device.addr.sa.sa_family != AF_UNIX;
		return is_tcp ? SOCK_STREAM_CHECK_MS : -1;
	case PEER_RETRYING:
		has_time = true;
		break;
	case PEER_DOWN:
		break;
	}
	if (!has_time)
		return -1;
	return p->due > now ? (int)((p->due - now) / 1000000 + 1) : 0;
}

/* Handles an event @revents of a connection. */
static void on_connection(struct peer *p, short revents)
{
	int error;

	if (!peer_is_sender(p) && (revents & POLLIN)) {
		/* the pause may have come after prepare() */
		if (!shm_load(&p->is_paused))
			peer_io_receive(p);
		return;
	}
	error = -sock_stream_error(p->fd);
	if (revents & (POLLERR | POLLHUP | POLLRDHUP))
		peer_end(p, error ? error : PEER_END_CLOSED);
}

static void try_again(struct peer *p)
{
	int rc;

	if (p->device.server) {
		peer_set_state(p, PEER_LISTENING);
		return;
	}
	rc = try_connect(p);
	if (rc)
		peer_end(p, -rc);
}

static void on_event(struct peer *p, short revents)
{
	int rc;

	switch (peer_state(p)) {
	case PEER_LISTENING:
		if (revents)
			accept_peer(p);
		break;
	case PEER_CONNECTING:
		rc = revents ? sock_stream_error(p->fd) : 0;
		if (!rc && revents)
			begin_connection(p);
		else if (rc || clock_ns() >= p->due)
			peer_end(p, rc ? -rc : ETIMEDOUT);
		break;
	case PEER_CONNECTED:
		if (revents)
			on_connection(p, revents);
		else if (sock_stream_is_silent(p->fd))
			peer_end(p, ETIMEDOUT);
		break;
	case PEER_RETRYING:
		if (clock_ns() >= p->due)
			try_again(p);
		break;
	case PEER_DOWN:
		break;
	}
}

/* Sends what there is. Returns whether the thread may sleep. */
static bool send_and_arm(struct peer *p)
{
	if (!peer_is_sender(p) || peer_state(p) != PEER_CONNECTED)
		return true;
	if (peer_io_send(p)) /* the socket wakes the thread */
		return true;
	return peer_state(p) == PEER_CONNECTED && mring_arm(p->ring);
}

static void *thread_main(void *arg)
{
	struct peer *p = arg;

	while (!shm_load_acquire(&p->stop)) {
		struct pollfd fd[2] = { { p->event_fd, POLLIN, 0 } };
		int wait_ms;

		if (!send_and_arm(p))
			continue;
		wait_ms = prepare(p, &fd[1]);
		poll(fd, ARRAY_SIZE(fd), wait_ms);
		if (peer_is_sender(p))
			mring_disarm(p->ring);
		if (fd[0].revents)
			fd_drain(p->event_fd);
		on_event(p, fd[1].revents);
	}
	if (peer_is_sender(p) && peer_state(p) == PEER_CONNECTED)
		peer_io_send(p);
	return NULL;
}

static int open_first(struct peer *p, struct err *err)
{
	char where[SOCK_ADDR_TEXT];
	int rc;

	if (p->device.server) {
		peer_set_state(p, PEER_LISTENING);
		return sock_stream_listen(&p->listener, p->key, &p->device.addr,
					  err);
	}
	rc = try_connect(p);
	if (rc && p->device.reconnect_ms) {
		peer_end(p, -rc);
		return 0;
	}
	sock_addr_text(&p->device.addr, where);
	return rc ? err_set(err, rc, "%s: cannot connect to %s: %s", p->key,
			    where, strerror(-rc))
		  : 0;
}

int peer_create(const struct peer_setup *setup, struct peer **out,
		struct err *err)
{
	struct peer *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->device = *setup->device;
	p->key = setup->key;
	p->filter = setup->filter;
	p->has_hdr = setup->has_hdr;
	retry_init(&p->retry, p->device.reconnect_ms);
	p->fd = p->listener.fd = -1;
	p->event_fd = fd_eventfd();
	p->room = malloc(PEER_ROOM);
	if (setup->lane)
		memcpy(p->lane, setup->lane, sizeof(p->lane));
	else
		p->ring = mring_create(PEER_RING);
	if (p->event_fd < 0 || !p->room || (!setup->lane && !p->ring))
		rc = err_set(err, -ENOMEM, "out of memory or descriptors");
	else
		rc = open_first(p, err);
	if (rc)
		peer_destroy(p);
	else
		*out = p;
	return rc;
}

int peer_start(struct peer *p, struct err *err)
{
	int rc = -pthread_create(&p->thread, NULL, thread_main, p);

	if (rc)
		return err_set(err, rc, "no thread: %s", strerror(-rc));
	p->is_running = true;
	pthread_setname_np(p->thread, "filter");
	return 0;
}

void peer_destroy(struct peer *p)
{
	if (!p)
		return;
	if (p->is_running) {
		shm_store_release(&p->stop, true);
		fd_signal(p->event_fd);
		pthread_join(p->thread, NULL);
	}
	log_limit_fini(&p->log);
	unix_unlisten(&p->listener);
	fd_close(&p->fd);
	fd_close(&p->event_fd);
	mring_destroy(p->ring);
	free(p->room);
	free(p);
}

void peer_pause(struct peer *p, bool on)
{
	shm_store(&p->is_paused, on);
	fd_signal(p->event_fd);
}

void peer_show(const struct peer *p, struct show *s)
{
	static const char *const names[] = {
		[PEER_LISTENING] = "listening",
		[PEER_CONNECTING] = "connecting",
		[PEER_CONNECTED] = "connected",
		[PEER_RETRYING] = "retrying",
		[PEER_DOWN] = "down",
	};
	int end = shm_load(&p->end);

	show_str(s, "state", names[peer_state(p)]);
	if (end != PEER_END_NONE)
		show_str(s, "reason", end_text(end));
	show_num(s, "connections", stat_read(&p->connections));
	show_num(s, peer_is_sender(p) ? "sent" : "received",
		 stat_read(&p->frames));
	if (peer_is_sender(p))
		show_num(s, "dropped", stat_read(&p->dropped));
	else
		show_num(s, "bad", stat_read(&p->bad));
}

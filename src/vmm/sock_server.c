/* SPDX-License-Identifier: Apache-2.0 */
/* A socket with one client at a time, see sock_server.h. */
#include "sock_server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "sock_stream.h"

#define REST_MS 1000

static void on_accept(struct loop_watch *w, uint32_t events);

static void on_rest(struct loop_timer *t)
{
	struct sock_server *s = container_of(t, struct sock_server, rest);

	loop_watch_add(s->loop, &s->watch, s->listener.fd, EPOLLIN, on_accept);
}

static bool has_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

static void refuse(int fd)
{
	static const char busy[] = "another client is connected\r\n";

	send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void on_accept(struct loop_watch *w, uint32_t events)
{
	struct sock_server *s = container_of(w, struct sock_server, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0) {
		/* Without descriptors the event would come again at once. */
		if (errno == EMFILE || errno == ENFILE) {
			loop_watch_remove(w);
			loop_timer_arm(s->loop, &s->rest, REST_MS, on_rest);
		}
		return;
	}
	if (s->client >= 0 && has_closed(s->client)) {
		if (s->replaced)
			s->replaced(s);
		else
			sock_server_drop(s);
	}
	if (s->client >= 0) {
		refuse(fd);
		return;
	}
	if (!s->listener.path)
		sock_stream_tune(fd, AF_INET);
	s->client = fd;
	if (s->came)
		s->came(s);
}

int sock_server_start(struct sock_server *s, struct loop *loop)
{
	s->loop = loop;
	s->client = -1;
	return loop_watch_add(loop, &s->watch, s->listener.fd, EPOLLIN,
			      on_accept);
}

void sock_server_drop(struct sock_server *s)
{
	fd_close(&s->client);
}

void sock_server_stop(struct sock_server *s)
{
	fd_close(&s->client);
	loop_watch_remove(&s->watch);
	loop_timer_disarm(&s->rest);
	unix_unlisten(&s->listener);
}

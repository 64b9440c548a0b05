/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The targets of guestfwd rules, see user.h. Runs on libslirp's thread, except
 * adding and destroying (control thread, while libslirp has no thread).
 *
 * libslirp can start a command itself, but does not tell its process id, so the
 * command could not be ended. It can connect to a UNIX socket, but blocks
 * meanwhile. So libslirp only connects to sockets of ours. Such a socket leaves
 * no file behind: the file is unlinked at once and reached through its
 * descriptor below /proc.
 *
 * The guest decides how many connections there are; AGENT_MAX bounds them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fd.h"
#include "log.h"
#include "user.h"

#define AGENT_MAX   128	  /* commands and connections of a port */
#define AGENT_BYTES 16384 /* buffer of a connection and direction */
#define BACKLOG	    1024  /* more connections than a round can open */
#define END_MS	    200	  /* time for commands to end by themselves */

/* The agent of a guestfwd rule. */
struct agent {
	int listen_fd;
	int path_fd;   /* keeps the socket's unlinked file */
	char path[32]; /* path that libslirp connects to */
	char *command; /* heap; NULL: connect to @target */
	union user_addr target;
	int poll_idx; /* index of listen_fd in this round's poll(); -1: none */
	struct agent *next;
};

/* One direction of a relay: bytes from one descriptor to the other. */
struct flow {
	char data[AGENT_BYTES];
	unsigned begin, end; /* the bytes of @data that are not sent yet */
	bool is_over;	     /* the source sent its end */
	bool is_shut;	     /* the other side was told of the end */
};

/* A connection of the guest: a command, or a relay to a target. */
struct conn {
	pid_t pid;	     /* the command's process; 0: a relay */
	int pid_fd;	     /* readable when the command has ended */
	int fd[2];	     /* a relay's guest side and target side */
	int poll_idx[2];     /* indices in this round's poll(); -1: none */
	struct flow flow[2]; /* flow[i] comes from fd[i] */
	bool is_connecting;  /* fd[1] is not connected yet: no bytes move */
	struct conn *next;
};

struct user_agents {
	struct agent *agents;
	struct conn *conns;
	unsigned conn_count;
};

/* Opens a listening UNIX socket whose file is kept by a descriptor only. */
static int listen_nameless(struct agent *a)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/ringway-XXXXXX";
	int rc = 0;

	a->listen_fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->listen_fd < 0)
		return -errno;
	if (!mkdtemp(dir))
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", dir);
	if (bind(a->listen_fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = -errno;
		rmdir(dir);
		return rc;
	}
	a->path_fd = open(sa.sun_path, O_PATH | O_CLOEXEC);
	if (a->path_fd < 0 || listen(a->listen_fd, BACKLOG) < 0)
		rc = -errno;
	unlink(sa.sun_path);
	rmdir(dir);
	snprintf(a->path, sizeof(a->path), "/proc/self/fd/%d", a->path_fd);
	return rc;
}

static void destroy_agent(struct agent *a)
{
	fd_close(&a->listen_fd);
	fd_close(&a->path_fd);
	free(a->command);
	free(a);
}

int user_agents_add(struct user_agents **agents, const struct user_guestfwd *f,
		    const char **path)
{
	struct agent *a = calloc(1, sizeof(*a));
	int rc = -ENOMEM;

	if (!*agents)
		*agents = calloc(1, sizeof(**agents));
	if (!a || !*agents)
		goto err_free;
	a->listen_fd = a->path_fd = a->poll_idx = -1;
	a->target = f->target;
	if (f->command) {
		a->command = strdup(f->command);
		if (!a->command)
			goto err_destroy;
	}
	rc = listen_nameless(a);
	if (rc)
		goto err_destroy;
	a->next = (*agents)->agents;
	(*agents)->agents = a;
	*path = a->path;
	return 0;

err_destroy:
	destroy_agent(a);
	return rc;
err_free:
	free(a);
	return rc;
}

static struct conn *add_conn(struct user_agents *agents)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->pid_fd = c->fd[0] = c->fd[1] = -1;
	c->poll_idx[0] = c->poll_idx[1] = -1;
	c->next = agents->conns;
	agents->conns = c;
	agents->conn_count++;
	return c;
}

static void close_conn(struct conn *c)
{
	fd_close(&c->pid_fd);
	fd_close(&c->fd[0]);
	fd_close(&c->fd[1]);
}

static bool is_closed(const struct conn *c)
{
	return c->pid_fd < 0 && c->fd[0] < 0;
}

static int start_command(const struct agent *a, struct conn *c, int fd)
{
	const char *argv[] = { "/bin/sh", "-c", a->command, NULL };
	int rc = child_spawn(argv, fd, &c->pid);

	if (rc) {
		c->pid = 0;
		return rc;
	}
	c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pid_fd >= 0)
		return 0;
	rc = -errno;
	child_end(&c->pid, 1, 0);
	return rc;
}

static int start_relay(const struct agent *a, struct conn *c)
{
	c->fd[1] = socket(a->target.any.sa_family,
			  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd[1] < 0)
		return -errno;
	if (!connect(c->fd[1], &a->target.any, user_addr_size(&a->target)))
		return 0;
	c->is_connecting = errno == EINPROGRESS;
	return c->is_connecting ? 0 : -errno;
}

/* Accepts a connection of the guest and starts the command or the relay. */
static void accept_conn(struct user_agents *agents, const struct agent *a,
			struct user_slirp *s)
{
	int fd = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct conn *c;
	int rc;

	if (fd < 0)
		return;
	c = agents->conn_count < AGENT_MAX ? add_conn(agents) : NULL;
	if (!c) {
		log_limited(&s->log, LOG_LEVEL_WARN,
			    "port=%s: guestfwd: more than %d connections "
			    "refused",
			    s->name, AGENT_MAX);
		close(fd);
		return;
	}
	if (a->command) {
		rc = start_command(a, c, fd);
		close(fd);
	} else {
		fd_set_nonblock(fd);
		c->fd[0] = fd;
		rc = start_relay(a, c);
	}
	if (rc) {
		log_limited(&s->log, LOG_LEVEL_WARN,
			    "port=%s: guestfwd: %s: %s", s->name,
			    a->command ? a->command : "cannot connect",
			    strerror(-rc));
		close_conn(c);
	}
}

/* Moves the bytes of one direction as far as possible. Returns false when the
 * connection is broken. */
static bool move_bytes(struct conn *c, int from)
{
	struct flow *f = &c->flow[from];
	int to = !from;
	ssize_t n;

	if (!f->is_over && f->begin == f->end) {
		n = read(c->fd[from], f->data, sizeof(f->data));
		if (n < 0 && errno != EAGAIN)
			return false;
		f->is_over = n == 0;
		f->begin = 0;
		f->end = n > 0 ? (unsigned)n : 0;
	}
	if (f->begin < f->end) {
		n = send(c->fd[to], f->data + f->begin, f->end - f->begin,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return false;
		f->begin += n > 0 ? (unsigned)n : 0;
	}
	if (f->is_over && f->begin == f->end && !f->is_shut) {
		shutdown(c->fd[to], SHUT_WR);
		f->is_shut = true;
	}
	return true;
}

/* Ends the connecting state. Returns whether the target is connected. */
static bool finish_connect(struct conn *c, struct user_slirp *s)
{
	int error = 0;
	socklen_t size = sizeof(error);

	c->is_connecting = false;
	if (!getsockopt(c->fd[1], SOL_SOCKET, SO_ERROR, &error, &size) &&
	    !error)
		return true;
	log_limited(&s->log, LOG_LEVEL_WARN,
		    "port=%s: guestfwd: cannot connect: %s", s->name,
		    strerror(error));
	return false;
}

static bool serve_relay(struct conn *c, struct user_slirp *s,
			short guest_events)
{
	if (c->is_connecting && !finish_connect(c, s))
		return false;
	/* The guest's side is closed (not only shut down), and all its bytes
	 * were sent on. */
	if (c->flow[0].is_shut && (guest_events & (POLLHUP | POLLERR)))
		return false;
	return move_bytes(c, 0) && move_bytes(c, 1) &&
	       !(c->flow[0].is_shut && c->flow[1].is_shut);
}

static void remove_closed(struct user_agents *agents)
{
	struct conn **p = &agents->conns;

	while (*p) {
		struct conn *c = *p;

		if (is_closed(c)) {
			*p = c->next;
			free(c);
			agents->conn_count--;
		} else {
			p = &c->next;
		}
	}
}

/* Returns the poll() events to wait for at @side; 0: none. */
static short wanted_events(const struct conn *c, int side)
{
	const struct flow *in = &c->flow[side], *out = &c->flow[!side];
	short events = 0;

	if (c->is_connecting)
		return side == 1 ? POLLOUT : 0;
	if (!in->is_over && in->begin == in->end)
		events |= POLLIN;
	if (out->begin < out->end)
		events |= POLLOUT;
	return events;
}

static void fill_conn(struct conn *c, struct user_slirp *s)
{
	if (c->pid) {
		c->poll_idx[0] = user_slirp_poll_fd(s, c->pid_fd, POLLIN);
		return;
	}
	for (int i = 0; i < 2; i++) {
		short events = wanted_events(c, i);
		/* poll() always reports a hang-up, in every round: a side is
		 * polled only where serve_relay() handles it */
		bool heeds = events || (i == 0 && c->flow[0].is_shut);

		c->poll_idx[i] =
			user_slirp_poll_fd(s, heeds ? c->fd[i] : -1, events);
	}
}

void user_agents_fill(struct user_agents *agents, struct user_slirp *s)
{
	if (!agents)
		return;
	for (struct agent *a = agents->agents; a; a = a->next)
		a->poll_idx = user_slirp_poll_fd(s, a->listen_fd, POLLIN);
	for (struct conn *c = agents->conns; c; c = c->next)
		fill_conn(c, s);
}

static short found_events(const struct pollfd *pfd, int idx)
{
	return idx < 0 ? (short)0 : pfd[idx].revents;
}

static void serve_conn(struct conn *c, struct user_slirp *s)
{
	short events[2] = { found_events(s->pfd, c->poll_idx[0]),
			    found_events(s->pfd, c->poll_idx[1]) };

	if (!events[0] && !events[1])
		return;
	/* The rest of the command's process group is ended with it. */
	if (c->pid)
		child_end(&c->pid, 1, 0);
	if (c->pid || !serve_relay(c, s, events[0]))
		close_conn(c);
}

void user_agents_serve(struct user_agents *agents, struct user_slirp *s)
{
	if (!agents)
		return;
	for (struct conn *c = agents->conns; c; c = c->next)
		serve_conn(c, s);
	for (struct agent *a = agents->agents; a; a = a->next)
		if (found_events(s->pfd, a->poll_idx))
			accept_conn(agents, a, s);
	remove_closed(agents);
}

void user_agents_destroy(struct user_agents *agents)
{
	pid_t pids[AGENT_MAX];
	unsigned count = 0;

	if (!agents)
		return;
	for (struct conn *c = agents->conns; c; c = c->next) {
		if (c->pid)
			pids[count++] = c->pid;
		close_conn(c);
	}
	child_end(pids, count, END_MS);
	remove_closed(agents);
	while (agents->agents) {
		struct agent *a = agents->agents;

		agents->agents = a->next;
		destroy_agent(a);
	}
	free(agents);
}

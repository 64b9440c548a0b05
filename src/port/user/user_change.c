/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of forwarded ports while libslirp works, see user.h. Control thread
 * and libslirp's thread.
 *
 * libslirp's thread makes the change while the control thread waits. The lock
 * alone would not do: a socket could be closed while the thread polls it, and
 * the kernel would keep the socket and its port until that poll ends.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "fd.h"
#include "user.h"

static int hostfwd_flags(const struct user_hostfwd *f)
{
	return (f->is_udp ? SLIRP_HOSTFWD_UDP : 0) |
	       (f->host.any.sa_family == AF_INET6 ? SLIRP_HOSTFWD_V6ONLY : 0);
}

/* A callback of slirp_pollfds_fill(). If @fd is the listening socket of the
 * rule
 * @opaque, its backlog becomes the host's maximum; the library set it to 1. */
static int on_listener(int fd, int events, void *opaque)
{
	const struct user_hostfwd *f = opaque;
	union user_addr a = { 0 };
	socklen_t size = sizeof(a), int_size = sizeof(int);
	int is_listening = 0;

	(void)events;
	if (!getsockname(fd, &a.any, &size) &&
	    !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening,
			&int_size) &&
	    is_listening && user_addr_is_same(&a, &f->host))
		listen(fd, SOMAXCONN);
	return -1; /* nothing is polled here; the next round fills anew */
}

static void lengthen_backlog(struct user_slirp *s, const struct user_hostfwd *f)
{
	uint32_t ms = 0;

	slirp_pollfds_fill(s->slirp, &ms, on_listener, (void *)(uintptr_t)f);
}

void user_change_run(struct user_slirp *s, struct user_change *c)
{
	const struct user_hostfwd *f = c->hostfwd;

	errno = 0;
	if (c->is_removal)
		slirp_remove_hostxfwd(s->slirp, &f->host.any,
				      user_addr_size(&f->host),
				      hostfwd_flags(f));
	else if (slirp_add_hostxfwd(s->slirp, &f->host.any,
				    user_addr_size(&f->host), &f->guest.any,
				    user_addr_size(&f->guest),
				    hostfwd_flags(f)) < 0)
		c->rc = errno ? -errno : -EADDRINUSE;
	else if (!f->is_udp)
		lengthen_backlog(s, f);
	c->is_done = true;
}

static int explain_hostfwd(const struct user_hostfwd *f, const char *text,
			   int rc, struct err *err)
{
	unsigned port = user_addr_port(&f->host);
	const char *proto = f->is_udp ? "UDP" : "TCP";

	switch (-rc) {
	case EADDRINUSE:
		return err_set(err, rc,
			       "hostfwd=%s: %s port %u of the host is in use; "
			       "choose another",
			       text, proto, port);
	case EACCES:
	case EPERM:
		return err_set(err, rc,
			       "hostfwd=%s: no right to listen on %s port %u "
			       "of the host; choose one from 1024",
			       text, proto, port);
	case EADDRNOTAVAIL:
		return err_set(err, rc,
			       "hostfwd=%s: the first address must be one of "
			       "the host",
			       text);
	default:
		return err_set(err, rc,
			       "hostfwd=%s: cannot listen on %s port %u of "
			       "the host: %s",
			       text, proto, port, strerror(-rc));
	}
}

/* Lets libslirp's thread carry @c out and waits for it. */
static int change(struct user_slirp *s, struct user_change *c)
{
	pthread_mutex_lock(&user_library);
	if (s->has_thread) {
		s->change = c;
		fd_signal(s->in_fd);
		while (!c->is_done)
			pthread_cond_wait(&s->change_done, &user_library);
	} else {
		user_change_run(s, c);
	}
	pthread_mutex_unlock(&user_library);
	return c->rc;
}

int user_slirp_add_hostfwd(struct user_slirp *s, const struct user_hostfwd *f,
			   const char *text, struct err *err)
{
	int rc = change(s, &(struct user_change){ .hostfwd = f });

	return rc ? explain_hostfwd(f, text, rc, err) : 0;
}

void user_slirp_remove_hostfwd(struct user_slirp *s,
			       const struct user_hostfwd *f)
{
	change(s, &(struct user_change){ .hostfwd = f, .is_removal = true });
}

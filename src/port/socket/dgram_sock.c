/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of a datagram port, see dgram.h. Control thread.
 *
 * A multicast port sends from a socket of its own. Its datagrams come back to
 * it, as they come to all members on this host, and all members receive on the
 * same address and port; only the sending socket's port says whose they are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dgram.h"
#include "fd.h"

/* Socket buffers; the kernel may grant less. */
#define BUFFER (4 << 20)

static int open_socket(int family, int type, int protocol, int *fd)
{
	int size = BUFFER;

	*fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (*fd < 0)
		return -errno;
	setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

static int fail(const struct sock_addr *a, const char *key, const char *what,
		int rc, struct err *err)
{
	char where[SOCK_ADDR_TEXT];

	sock_addr_text(a, where);
	return err_set(err, rc, "%s: cannot %s %s: %s", key, what, where,
		       strerror(-rc));
}

/* Joins the group as a member on the interface of the local address, or on the
 * one that the route to the group names. */
static int join(int fd, const struct sock_addr *group,
		const struct sock_addr *local)
{
	struct ip_mreq in = { .imr_multiaddr = group->in.sin_addr };
	struct ipv6_mreq in6 = { .ipv6mr_multiaddr = group->in6.sin6_addr };
	int rc;

	if (group->sa.sa_family == AF_INET6) {
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &in6,
				sizeof(in6));
	} else {
		if (local->len)
			in.imr_interface = local->in.sin_addr;
		rc = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &in,
				sizeof(in));
	}
	return rc < 0 ? -errno : 0;
}

/* Opens the socket that sends to the group, and learns its address. */
static int open_sender(struct dgram_link *l, const struct sock_addr *local)
{
	int rc = open_socket(l->remote.sa.sa_family, SOCK_DGRAM, 0, &l->out_fd);

	if (rc)
		return rc;
	if (local->len && local->sa.sa_family == AF_INET &&
	    setsockopt(l->out_fd, IPPROTO_IP, IP_MULTICAST_IF,
		       &local->in.sin_addr, sizeof(local->in.sin_addr)) < 0)
		return -errno;
	if (connect(l->out_fd, &l->remote.sa, l->remote.len) < 0)
		return -errno;
	l->own.len = sizeof(l->own) - sizeof(l->own.len);
	if (getsockname(l->out_fd, &l->own.sa, &l->own.len) < 0)
		return -errno;
	l->remote.len = 0; /* the socket is connected */
	return 0;
}

static int open_multicast(struct dgram_port *d, const char *key,
			  struct err *err)
{
	struct dgram_link *l = &d->link;
	const struct sock_addr group = l->remote;
	int on = 1, rc;

	if (d->local.len && d->local.sa.sa_family != group.sa.sa_family)
		return err_set(err, -EINVAL,
			       "%s: the group and the local address must both "
			       "be IPv4 or both IPv6",
			       key);
	rc = open_socket(group.sa.sa_family, SOCK_DGRAM, 0, &l->fd);
	if (!rc &&
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		rc = -errno;
	if (!rc && bind(l->fd, &group.sa, group.len) < 0)
		rc = -errno;
	if (rc)
		return fail(&group, key, "listen on", rc, err);
	rc = join(l->fd, &group, &d->local);
	if (rc == -ENODEV && !d->local.len)
		return err_set(err, rc,
			       "%s: no interface has a route to the group: add "
			       "one, or name an interface's address with "
			       "localaddr= (dgram: local.host=)",
			       key);
	if (rc)
		return fail(&group, key, "join", rc, err);
	rc = open_sender(l, &d->local);
	return rc ? fail(&group, key, "send to", rc, err) : 0;
}

/* Replaces a socket file that nobody has open. Returns 0 or -errno. */
static int remove_stale(const struct sock_addr *a, const char *key,
			struct err *err)
{
	const char *path = a->un.sun_path;
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST,
			       "%s=%s: exists and is not a socket: remove it "
			       "or choose another path",
			       key, path);
	rc = open_socket(AF_UNIX, SOCK_DGRAM, 0, &fd);
	if (rc)
		return fail(a, key, "use", rc, err);
	rc = connect(fd, &a->sa, a->len) < 0 ? -errno : 0;
	close(fd);
	if (rc == -ECONNREFUSED)
		return unlink(path) < 0 ? fail(a, key, "replace", -errno, err)
					: 0;
	return err_set(err, -EADDRINUSE,
		       "%s=%s: a running process has this socket: stop it or "
		       "choose another path",
		       key, path);
}

static int open_unicast(struct dgram_port *d, const struct dgram_setup *setup,
			struct err *err)
{
	const char *key = setup->key;
	const struct sock_addr *local = &d->local;
	int rc = 0;

	if (d->link.remote.len &&
	    local->sa.sa_family != d->link.remote.sa.sa_family)
		return err_set(err, -EINVAL,
			       "%s: local and remote address must be of one "
			       "kind",
			       key);
	if (local->sa.sa_family == AF_UNIX)
		rc = remove_stale(local, key, err);
	if (rc)
		return rc;
	rc = open_socket(local->sa.sa_family,
			 setup->socket_type ? setup->socket_type : SOCK_DGRAM,
			 setup->protocol, &d->link.fd);
	if (!rc && bind(d->link.fd, &local->sa, local->len) < 0)
		rc = -errno;
	if (rc)
		return fail(local, key, "use", rc, err);
	d->link.out_fd = d->link.fd;
	if (local->sa.sa_family != AF_UNIX)
		return 0;
	d->path = strdup(local->un.sun_path);
	return d->path ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int dgram_sock_open(struct dgram_port *d, const struct dgram_setup *setup,
		    struct err *err)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	struct dgram_link *l = &d->link;

	d->local = setup->local;
	l->encap = setup->encap;
	l->remote = setup->remote;
	l->has_remote = l->remote.len != 0;
	l->fd = l->out_fd = setup->fd;
	if (setup->fd < 0)
		return l->remote.len && sock_addr_is_multicast(&l->remote)
			       ? open_multicast(d, setup->key, err)
			       : open_unicast(d, setup, err);
	if (!getpeername(setup->fd, (void *)&peer, &size))
		l->has_remote = true;
	return 0;
}

void dgram_sock_close(struct dgram_port *d)
{
	if (d->link.out_fd != d->link.fd)
		fd_close(&d->link.out_fd);
	if (d->path)
		unlink(d->path);
	free(d->path);
	fd_close(&d->link.fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a datagram port, see dgram.h. Control thread. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dgram.h"
#include "fd.h"

/* Asks for more than the system's limit first, which needs CAP_NET_ADMIN. */
void sock_set_buffers(int fd)
{
	int size = SOCK_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

uint32_t sock_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);

	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size);
	return info[SK_MEMINFO_DROPS];
}

int dgram_sock_new(int family, int type, int protocol, int *fd)
{
	int on = 1;

	*fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (*fd < 0)
		return -errno;
	sock_set_buffers(*fd);
	/* remote addresses may be a network's broadcast address */
	setsockopt(*fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	return 0;
}

int dgram_sock_fail(const struct sock_addr *a, const char *key,
		    const char *what, int rc, struct err *err)
{
	char where[SOCK_ADDR_TEXT];

	sock_addr_text(a, where);
	return err_set(err, rc, "%s: cannot %s %s: %s", key, what, where,
		       strerror(-rc));
}

/* Unnamed sockets have no path; a path may begin with a zero byte. */
static bool has_path(const struct sock_addr *a)
{
	return a->len > offsetof(struct sockaddr_un, sun_path);
}

static bool is_same_path(const struct sock_addr *a, const struct sock_addr *b)
{
	if (!has_path(a) || !has_path(b))
		return false;
	if (*a->un.sun_path && *b->un.sun_path)
		return !strcmp(a->un.sun_path, b->un.sun_path);
	return a->len == b->len && !memcmp(&a->un, &b->un, a->len);
}

/* A link-local address is on each interface another. */
static bool is_same(const struct sock_addr *a, const struct sock_addr *b)
{
	if (!a->len || !b->len)
		return false;
	if (a->sa.sa_family == AF_UNIX && b->sa.sa_family == AF_UNIX)
		return is_same_path(a, b);
	return sock_addr_equal(a, b) &&
	       (!sock_addr_is_link_local(a) ||
		a->in6.sin6_scope_id == b->in6.sin6_scope_id);
}

static int open_unix(struct dgram_port *d, const char *key, struct err *err)
{
	int rc = unix_bind(&d->file, key, d->local.un.sun_path,
			   S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP, err);

	if (rc)
		return rc;
	d->link.fd = d->link.out_fd = d->file.fd;
	sock_set_buffers(d->file.fd);
	return 0;
}

/* Returns whether @a is an address of this host. */
static bool is_of_this_host(const struct sock_addr *a)
{
	struct sock_addr host = *a;

	if (a->sa.sa_family == AF_INET6)
		host.in6.sin6_scope_id = 0;
	return sock_addr_is_any(a) ||
	       (a->sa.sa_family == AF_INET &&
		ntohl(a->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) ||
	       link_of_address(&host) > 0;
}

/* Returns whether what a socket at all addresses sends to @remote comes to
 * itself. */
static bool reaches_itself(const struct sock_addr *local,
			   const struct sock_addr *remote)
{
	return local->len && remote->len && local->sa.sa_family != AF_UNIX &&
	       remote->sa.sa_family != AF_UNIX &&
	       local->in.sin_port == remote->in.sin_port &&
	       (sock_addr_is_any(local) || sock_addr_is_any(remote)) &&
	       is_of_this_host(remote);
}

/* Returns an error when what the port sends would come back to it. A raw socket
 * gets it, too, but takes only its session. */
static int check_own(const struct dgram_port *d,
		     const struct dgram_setup *setup, struct err *err)
{
	if (setup->loops && (is_same(&d->local, &d->remote) ||
			     reaches_itself(&d->local, &d->remote)))
		return err_set(err, -EINVAL,
			       "%s: must not be the address that the port "
			       "itself receives at: guests would get their own "
			       "frames back",
			       setup->remote_key ? setup->remote_key
						 : setup->key);
	return 0;
}

static int open_unicast(struct dgram_port *d, const struct dgram_setup *setup,
			struct err *err)
{
	struct sock_addr *local = &d->local;
	int rc = 0;

	if (d->remote.len && local->sa.sa_family != d->remote.sa.sa_family)
		return err_set(err, -EINVAL,
			       "%s: must be of the same kind as the local "
			       "address",
			       setup->remote_key);
	rc = check_own(d, setup, err);
	if (rc)
		return rc;
	if (local->sa.sa_family == AF_UNIX)
		return open_unix(d, setup->local_key, err);
	rc = dgram_sock_new(local->sa.sa_family,
			    setup->socket_type ? setup->socket_type
					       : SOCK_DGRAM,
			    setup->protocol, &d->link.fd);
	if (!rc && bind(d->link.fd, &local->sa, local->len) < 0)
		rc = -errno;
	d->link.out_fd = d->link.fd;
	if (rc)
		return dgram_sock_fail(local, setup->local_key, "use", rc, err);
	/* The kernel may have chosen the port. */
	if (setup->socket_type != SOCK_RAW)
		getsockname(d->link.fd, &local->sa, &local->len);
	return 0;
}

/* Takes over a passed socket, which has its addresses. */
static int use_passed(struct dgram_port *d, const struct dgram_setup *setup,
		      struct err *err)
{
	socklen_t size = sizeof(int);
	int domain = 0;

	d->link.fd = d->link.out_fd = setup->fd;
	getsockopt(setup->fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	if (d->remote.len && d->remote.sa.sa_family != domain)
		return err_set(err, -EINVAL,
			       "%s: must be an address of the socket's kind, "
			       "%s",
			       setup->remote_key,
			       domain == AF_UNIX    ? "UNIX"
			       : domain == AF_INET6 ? "IPv6"
						    : "IPv4");
	d->local.len = offsetof(struct sock_addr, len);
	if (getsockname(setup->fd, &d->local.sa, &d->local.len) < 0)
		d->local.len = 0;
	if (d->remote.len)
		return check_own(d, setup, err);
	d->remote.len = offsetof(struct sock_addr, len);
	if (getpeername(setup->fd, &d->remote.sa, &d->remote.len) < 0)
		d->remote.len = 0;
	else
		d->link.has_remote = true;
	return check_own(d, setup, err);
}

/* Checks what is given alone. */
static int check_remote(const struct dgram_setup *setup, struct err *err)
{
	const struct sock_addr *remote = &setup->remote;

	if (!remote->len || remote->sa.sa_family == AF_UNIX)
		return 0;
	if (setup->socket_type != SOCK_RAW && !remote->in.sin_port)
		return err_set(err, -EINVAL,
			       "%s: nothing can be sent to port 0",
			       setup->remote_key);
	if (!sock_addr_is_multicast(remote))
		return sock_addr_check_scope(remote, setup->remote_key, err);
	if (setup->socket_type == SOCK_RAW)
		return err_set(err, -EINVAL,
			       "%s: a multicast group needs udp=on",
			       setup->remote_key);
	return 0;
}

int dgram_sock_open(struct dgram_port *d, const struct dgram_setup *setup,
		    struct err *err)
{
	struct dgram_link *l = &d->link;
	int rc = check_remote(setup, err);

	l->fd = l->out_fd = -1;
	d->local = setup->local;
	d->remote = setup->remote;
	l->encap = setup->encap;
	l->remote = setup->remote;
	l->has_remote = l->remote.len != 0;
	if (!rc)
		rc = sock_addr_check_scope(&d->local, setup->local_key, err);
	if (rc)
		return rc;
	if (setup->fd >= 0)
		return use_passed(d, setup, err);
	return l->remote.len && sock_addr_is_multicast(&l->remote)
		       ? dgram_group_open(d, setup, err)
		       : open_unicast(d, setup, err);
}

void dgram_sock_close(struct dgram_port *d)
{
	if (d->link.out_fd != d->link.fd)
		fd_close(&d->link.out_fd);
	if (d->file.path)
		unix_unlisten(&d->file);
	else
		fd_close(&d->link.fd);
}

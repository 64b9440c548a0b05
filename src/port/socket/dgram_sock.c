/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a datagram port, see dgram.h. Control thread. */
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

int dgram_sock_new(int family, int type, int protocol, int *fd)
{
	int size = BUFFER;

	*fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (*fd < 0)
		return -errno;
	setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
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

static bool is_same(const struct sock_addr *a, const struct sock_addr *b)
{
	if (!b->len)
		return false;
	return a->sa.sa_family == AF_UNIX
		       ? !strcmp(a->un.sun_path, b->un.sun_path)
		       : sock_addr_equal(a, b);
}

static int open_unix(struct dgram_port *d, const char *key, struct err *err)
{
	int size = BUFFER;
	int rc = unix_bind(&d->file, key, d->local.un.sun_path,
			   S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP, err);

	if (rc)
		return rc;
	d->link.fd = d->link.out_fd = d->file.fd;
	setsockopt(d->file.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(d->file.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

/* Returns whether @a is an address of this host. */
static bool is_of_this_host(const struct sock_addr *a)
{
	return sock_addr_is_any(a) ||
	       (a->sa.sa_family == AF_INET &&
		ntohl(a->in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) ||
	       dgram_interface_of(a) > 0;
}

/* Returns whether what a socket at all addresses sends to @remote comes to
 * itself. */
static bool reaches_itself(const struct sock_addr *local,
			   const struct sock_addr *remote)
{
	return remote->len && local->sa.sa_family != AF_UNIX &&
	       local->in.sin_port == remote->in.sin_port &&
	       (sock_addr_is_any(local) || sock_addr_is_any(remote)) &&
	       is_of_this_host(remote);
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
	if (setup->socket_type != SOCK_RAW && is_same(local, &d->link.remote))
		return err_set(err, -EINVAL,
			       "%s: local and remote address are the same: "
			       "guests would get their own frames back",
			       key);
	if (setup->socket_type != SOCK_RAW &&
	    reaches_itself(local, &d->link.remote))
		return err_set(
			err, -EINVAL,
			"%s: the remote address is one of this host, and "
			"its port the local one: guests would get their "
			"own frames back",
			key);
	if (local->sa.sa_family == AF_UNIX)
		return open_unix(d, key, err);
	rc = dgram_sock_new(local->sa.sa_family,
			    setup->socket_type ? setup->socket_type
					       : SOCK_DGRAM,
			    setup->protocol, &d->link.fd);
	if (!rc && bind(d->link.fd, &local->sa, local->len) < 0)
		rc = -errno;
	d->link.out_fd = d->link.fd;
	return rc ? dgram_sock_fail(local, key, "use", rc, err) : 0;
}

int dgram_sock_open(struct dgram_port *d, const struct dgram_setup *setup,
		    struct err *err)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	struct dgram_link *l = &d->link;

	l->fd = l->out_fd = setup->fd;
	d->local = setup->local;
	d->remote = setup->remote;
	if (setup->remote.len && setup->remote.sa.sa_family != AF_UNIX &&
	    setup->socket_type != SOCK_RAW && !setup->remote.in.sin_port)
		return err_set(err, -EINVAL,
			       "%s: nothing can be sent to port 0", setup->key);
	if (setup->socket_type == SOCK_RAW && setup->remote.len &&
	    sock_addr_is_multicast(&setup->remote))
		return err_set(err, -EINVAL,
			       "%s: a multicast group needs udp=on",
			       setup->key);
	l->encap = setup->encap;
	l->remote = setup->remote;
	l->has_remote = l->remote.len != 0;
	if (setup->fd < 0)
		return l->remote.len && sock_addr_is_multicast(&l->remote)
			       ? dgram_group_open(d, setup->key, err)
			       : open_unicast(d, setup, err);
	if (!getpeername(setup->fd, (void *)&peer, &size))
		l->has_remote = true;
	return 0;
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

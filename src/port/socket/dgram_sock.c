/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of a datagram port, see dgram.h. Control thread.
 *
 * A multicast port sends from a socket of its own. Its datagrams come back to
 * it, as they come to all members on this host, and all members receive on the
 * same address and port; only the sending socket's port says whose they are.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
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

/* Returns the number of the interface that @a names, 0 for none. */
static int scope_of(const struct sock_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? (int)a->in6.sin6_scope_id : 0;
}

/* Returns the number of the interface that has address @a, 0 for no address, or
 * -ENODEV. */
static int interface_of(const struct sock_addr *a)
{
	struct ifaddrs *all, *i;
	struct sock_addr one = *a;
	int found = -ENODEV;

	if (!a->len)
		return 0;
	if (scope_of(a))
		return scope_of(a);
	if (getifaddrs(&all) < 0)
		return -errno;
	one.in.sin_port = 0; /* at the same place in both families */
	for (i = all; i && found < 0; i = i->ifa_next) {
		struct sock_addr its = { 0 };

		if (!i->ifa_addr || i->ifa_addr->sa_family != a->sa.sa_family)
			continue;
		memcpy(&its.sa, i->ifa_addr,
		       a->sa.sa_family == AF_INET6 ? sizeof(its.in6)
						   : sizeof(its.in));
		if (sock_addr_equal(&its, &one))
			found = (int)if_nametoindex(i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

/* Makes @fd a member of the group on interface @index; 0: on the one that the
 * route to the group names. Datagrams of other groups and interfaces do not
 * come to it. */
static int join(int fd, const struct sock_addr *group, int index)
{
	struct ip_mreqn in = { .imr_multiaddr = group->in.sin_addr,
			       .imr_ifindex = index };
	struct ipv6_mreq in6 = { .ipv6mr_multiaddr = group->in6.sin6_addr,
				 .ipv6mr_interface = (unsigned)index };
	int off = 0, rc;

	if (group->sa.sa_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off,
			   sizeof(off));
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &in6,
				sizeof(in6));
	} else {
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
		rc = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &in,
				sizeof(in));
	}
	return rc < 0 ? -errno : 0;
}

/* Opens the socket that sends to the group, and learns its address. */
static int open_sender(struct dgram_link *l, int index)
{
	struct ip_mreqn in = { .imr_ifindex = index };
	int rc = open_socket(l->remote.sa.sa_family, SOCK_DGRAM, 0, &l->out_fd);

	if (rc)
		return rc;
	if (l->remote.sa.sa_family == AF_INET6)
		rc = setsockopt(l->out_fd, IPPROTO_IPV6, IPV6_MULTICAST_IF,
				&index, sizeof(index));
	else if (index)
		rc = setsockopt(l->out_fd, IPPROTO_IP, IP_MULTICAST_IF, &in,
				sizeof(in));
	if (rc < 0 || connect(l->out_fd, &l->remote.sa, l->remote.len) < 0)
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
	struct sock_addr group = l->remote;
	int index = interface_of(&d->local), on = 1, rc;

	if (d->local.len && d->local.sa.sa_family != group.sa.sa_family)
		return err_set(err, -EINVAL,
			       "%s: the group and the local address must both "
			       "be IPv4 or both IPv6",
			       key);
	if (!index)
		index = scope_of(&group);
	if (index < 0)
		return fail(&d->local, key, "find an interface with", index,
			    err);
	if (group.sa.sa_family == AF_INET6)
		group.in6.sin6_scope_id = l->remote.in6.sin6_scope_id =
			(uint32_t)index;
	rc = open_socket(group.sa.sa_family, SOCK_DGRAM, 0, &l->fd);
	if (!rc &&
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		rc = -errno;
	if (!rc && bind(l->fd, &group.sa, group.len) < 0)
		rc = -errno;
	if (rc)
		return fail(&group, key, "listen on", rc, err);
	rc = join(l->fd, &group, index);
	if (rc == -ENODEV && !d->local.len)
		return err_set(err, rc,
			       "%s: no interface has a route to the group: add "
			       "one, or name an interface's address with "
			       "localaddr= (dgram: local.host=)",
			       key);
	if (rc)
		return fail(&group, key, "join", rc, err);
	rc = open_sender(l, index);
	return rc ? fail(&group, key, "send to", rc, err) : 0;
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
	if (local->sa.sa_family == AF_UNIX)
		return open_unix(d, key, err);
	rc = open_socket(local->sa.sa_family,
			 setup->socket_type ? setup->socket_type : SOCK_DGRAM,
			 setup->protocol, &d->link.fd);
	if (!rc && bind(d->link.fd, &local->sa, local->len) < 0)
		rc = -errno;
	d->link.out_fd = d->link.fd;
	return rc ? fail(local, key, "use", rc, err) : 0;
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
	l->encap = setup->encap;
	l->remote = setup->remote;
	l->has_remote = l->remote.len != 0;
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
	if (d->file.path)
		unix_unlisten(&d->file);
	else
		fd_close(&d->link.fd);
}

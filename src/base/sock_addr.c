/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets, see sock_addr.h. Control thread and command line. */
#include "sock_addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "unix_sock.h"

/* "[", address, "%", interface, "]" */
#define HOST_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE + 3)

/* Returns the number in @text, or -1 if it is none from 0 to @max. */
static long read_number(const char *text, long max)
{
	char *end;
	long v;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	v = strtol(text, &end, 10);
	return errno || *end || v > max ? -1 : v;
}

/* Reads an IPv6 address with the interface that a link-local one needs:
 * "fe80::1%eth0", perhaps in brackets. Returns 0, -EINVAL for something else,
 * or -ENODEV with @err. */
static int read_ipv6(struct sock_addr *a, const char *key, const char *host,
		     struct err *err)
{
	size_t len = strlen(host);
	char text[HOST_MAX], *scope;

	if (*host == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (len >= sizeof(text))
		return -EINVAL;
	snprintf(text, sizeof(text), "%.*s", (int)len, host);
	scope = strchr(text, '%');
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, text, &a->in6.sin6_addr) != 1)
		return -EINVAL;
	a->in6.sin6_family = AF_INET6;
	a->len = sizeof(a->in6);
	if (!scope)
		return 0;
	snprintf(a->scope, sizeof(a->scope), "%s", scope);
	if (!*scope || strlen(scope) >= sizeof(a->scope) ||
	    sock_addr_resolve(a))
		return err_set(err, -ENODEV,
			       "%s: host '%s%%%s': there is no interface '%s'",
			       key, text, scope, scope);
	return 0;
}

int sock_addr_check_scope(const struct sock_addr *a, const char *key,
			  struct err *err)
{
	struct sock_addr host = *a;
	char text[SOCK_ADDR_TEXT];

	if (!sock_addr_is_link_local(a) || a->in6.sin6_scope_id)
		return 0;
	host.in.sin_port = 0;
	sock_addr_text(&host, text);
	return err_set(err, -EINVAL,
		       "%s: %s is link-local: name its interface, as in "
		       "%s%%eth0",
		       key, text, text);
}

int sock_addr_resolve(struct sock_addr *a)
{
	unsigned index;

	if (!*a->scope)
		return 0;
	index = if_nametoindex(a->scope);
	if (!index)
		return -ENODEV;
	a->in6.sin6_scope_id = index;
	return 0;
}

int sock_addr_inet(struct sock_addr *a, const char *key, const char *host,
		   const char *port_key, const char *port, struct err *err)
{
	long number = read_number(port, UINT16_MAX);
	int rc;

	*a = (struct sock_addr){ 0 };
	if (number < 0)
		return err_set(err, -EINVAL,
			       "%s=%.40s: the port must be a number from 0 to "
			       "65535",
			       port_key, port);
	if (!host || !*host)
		host = "0.0.0.0";
	else if (!strcmp(host, "localhost"))
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons((uint16_t)number);
		a->len = sizeof(a->in);
		return 0;
	}
	rc = read_ipv6(a, key, host, err);
	a->in6.sin6_port = htons((uint16_t)number);
	if (rc != -EINVAL)
		return rc;
	return err_set(err, -EINVAL,
		       "%s: host '%.80s': must be an IPv4 or IPv6 address or "
		       "localhost; other names are not looked up",
		       key, host);
}

int sock_addr_host_port(struct sock_addr *a, const char *key, const char *text,
			struct err *err)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_MAX];
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!colon || n >= sizeof(host))
		return err_set(err, -EINVAL,
			       "%s=%.80s: must be HOST:PORT, such as "
			       "127.0.0.1:1234, [::1]:1234 or :1234",
			       key, text);
	if (read_number(colon + 1, UINT16_MAX) < 0)
		return err_set(err, -EINVAL,
			       "%s=%.80s: the port must be a number from 0 to "
			       "65535",
			       key, text);
	memcpy(host, text, n);
	host[n] = '\0';
	return sock_addr_inet(a, key, host, key, colon + 1, err);
}

int sock_addr_unix(struct sock_addr *a, const char *key, const char *path,
		   struct err *err)
{
	int rc;

	*a = (struct sock_addr){ 0 };
	rc = unix_address(&a->un, key, path, err);
	if (!rc)
		a->len = sizeof(a->un);
	return rc;
}

void sock_addr_text(const struct sock_addr *a, char text[SOCK_ADDR_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "?", scope[IF_NAMESIZE + 1] = "";
	unsigned port = ntohs(a->in.sin_port); /* at the same place in both */

	*text = '\0';
	if (!a->len)
		return;
	switch (a->sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
		snprintf(text, SOCK_ADDR_TEXT, port ? "%s:%u" : "%s", host,
			 port);
		return;
	case AF_INET6:
		inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
		if (*a->scope)
			snprintf(scope, sizeof(scope), "%%%s", a->scope);
		else if (a->in6.sin6_scope_id &&
			 if_indextoname(a->in6.sin6_scope_id, scope + 1))
			*scope = '%';
		snprintf(text, SOCK_ADDR_TEXT, port ? "[%s%s]:%u" : "%s%s",
			 host, scope, port);
		return;
	case AF_UNIX:
		/* an unnamed socket's address ends before its path */
		if (a->len > offsetof(struct sockaddr_un, sun_path))
			snprintf(text, SOCK_ADDR_TEXT, "%.*s",
				 UNIX_PATH_MAX_LEN, a->un.sun_path);
		return;
	default:
		return;
	}
}

bool sock_addr_is_any(const struct sock_addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
	return a->sa.sa_family == AF_INET && !a->in.sin_addr.s_addr;
}

bool sock_addr_is_multicast(const struct sock_addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
	return a->sa.sa_family == AF_INET &&
	       IN_MULTICAST(ntohl(a->in.sin_addr.s_addr));
}

bool sock_addr_is_link_local(const struct sock_addr *a)
{
	return a->sa.sa_family == AF_INET6 &&
	       (IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr) ||
		IN6_IS_ADDR_MC_LINKLOCAL(&a->in6.sin6_addr));
}

bool sock_addr_equal(const struct sock_addr *a, const struct sock_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return a->in6.sin6_port == b->in6.sin6_port &&
		       IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
	return a->sa.sa_family == AF_INET && a->in.sin_port == b->in.sin_port &&
	       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

int sock_adopt(const char *key, const char *text, int *type, struct err *err)
{
	long number = read_number(text, INT_MAX);
	socklen_t size = sizeof(*type);
	int rc, fd, domain;

	if (number < 0)
		return err_set(err, -EINVAL,
			       "%s=%.40s: must be the number of an open socket",
			       key, text);
	fd = fd_find_named((int)number);
	if (fd < 0)
		return err_set(err, -EBADF,
			       "%s=%.40s: must be a socket %s, and that no "
			       "port has yet",
			       key, text, fd_named_from());
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, type, &size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return err_set(err, -errno, "%s=%.40s: is no open socket: %s",
			       key, text, strerror(errno));
	/* A guest's frames on a netlink socket would be requests to the kernel.
	 */
	if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
		return err_set(err, -EINVAL,
			       "%s=%.40s: must be a UNIX, IPv4 or IPv6 socket",
			       key, text);
	if (fd_is_used(fd))
		return err_set(err, -EBUSY,
			       "%s=%.40s: another port has this socket", key,
			       text);
	rc = fd_set_nonblock(fd);
	if (rc || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(err, rc ? rc : -errno, "%s=%.40s: %s", key, text,
			       strerror(rc ? -rc : errno));
	return fd;
}

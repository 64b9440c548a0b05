/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of hostfwd and guestfwd, see user_conf.h. Pure; any thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user_conf.h"

socklen_t user_addr_size(const union user_addr *a)
{
	switch (a->any.sa_family) {
	case AF_INET:
		return sizeof(a->v4);
	case AF_INET6:
		return sizeof(a->v6);
	default:
		return sizeof(a->local);
	}
}

uint16_t user_addr_port(const union user_addr *a)
{
	return ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port
						 : a->v6.sin6_port);
}

bool user_addr_is_same(const union user_addr *a, const union user_addr *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
		       sizeof(a->v6.sin6_addr));
}

/* Copies the text before @end from *@text to @out and moves *@text behind @end.
 * Returns false without @end or without room. */
static bool take_until(const char **text, char end, char *out, size_t size)
{
	const char *p = strchr(*text, end);

	if (!p || (size_t)(p - *text) >= size)
		return false;
	memcpy(out, *text, (size_t)(p - *text));
	out[p - *text] = '\0';
	*text = p + 1;
	return true;
}

/* Reads "ADDR:", "[ADDR]:" or ":", which means the IPv4 wildcard. */
static bool take_addr(const char **text, union user_addr *a)
{
	char buf[INET6_ADDRSTRLEN];

	memset(a, 0, sizeof(*a));
	if (**text == '[') {
		++*text;
		a->v6.sin6_family = AF_INET6;
		return take_until(text, ']', buf, sizeof(buf)) &&
		       *(*text)++ == ':' &&
		       inet_pton(AF_INET6, buf, &a->v6.sin6_addr) == 1;
	}
	a->v4.sin_family = AF_INET;
	return take_until(text, ':', buf, sizeof(buf)) &&
	       (!*buf || inet_pton(AF_INET, buf, &a->v4.sin_addr) == 1);
}

/* Reads a port from 1 to 65535 up to @end. */
static bool take_port(const char **text, char end, uint16_t *port)
{
	char *stop;
	unsigned long v;

	/* strtoul() would accept signs and spaces */
	if (**text < '0' || **text > '9')
		return false;
	v = strtoul(*text, &stop, 10);
	if (*stop != end || v < 1 || v > 65535)
		return false;
	*text = end ? stop + 1 : stop;
	*port = (uint16_t)v;
	return true;
}

static bool take_endpoint(const char **text, char end, union user_addr *a)
{
	uint16_t port;

	if (!take_addr(text, a) || !take_port(text, end, &port))
		return false;
	if (a->any.sa_family == AF_INET)
		a->v4.sin_port = htons(port);
	else
		a->v6.sin6_port = htons(port);
	return true;
}

/* Returns whether @a is an address that a guest of @n can have. */
static bool is_of_guest(const union user_addr *a, const struct user_net *n)
{
	const uint8_t *addr = a->v6.sin6_addr.s6_addr;
	const uint8_t *prefix = n->prefix.s6_addr;
	unsigned bytes = n->prefix_len / 8, bits = n->prefix_len % 8;
	in_addr_t v4 = a->v4.sin_addr.s_addr;

	if (a->any.sa_family == AF_INET)
		return (v4 & n->mask.s_addr) == n->net.s_addr &&
		       v4 != n->host.s_addr && v4 != n->dns.s_addr;
	return !memcmp(addr, prefix, bytes) &&
	       (!bits || !((addr[bytes] ^ prefix[bytes]) >> (8 - bits))) &&
	       memcmp(addr, &n->host6, sizeof(n->host6)) != 0 &&
	       memcmp(addr, &n->dns6, sizeof(n->dns6)) != 0;
}

int user_hostfwd_parse(const char *text, const struct user_net *n,
		       struct user_hostfwd *f, struct err *err)
{
	const char *p = text;
	char proto[8];
	bool is_v6;

	memset(f, 0, sizeof(*f));
	if (!take_until(&p, ':', proto, sizeof(proto)) ||
	    (*proto && strcmp(proto, "tcp") && strcmp(proto, "udp")))
		return err_set(
			err, -EINVAL,
			"hostfwd=%s: must begin with tcp: or udp:", text);
	f->is_udp = !strcmp(proto, "udp");
	if (!take_endpoint(&p, '-', &f->host) ||
	    !take_endpoint(&p, '\0', &f->guest))
		return err_set(err, -EINVAL,
			       "hostfwd=%s: must be like tcp::5555-:22 or "
			       "udp:127.0.0.1:5353-10.0.2.15:53, with ports "
			       "from 1 to 65535",
			       text);
	is_v6 = f->host.any.sa_family == AF_INET6;
	if (f->guest.any.sa_family != f->host.any.sa_family)
		return err_set(err, -EINVAL,
			       "hostfwd=%s: both addresses must be IPv4, or "
			       "both IPv6 and given",
			       text);
	if (!(is_v6 ? n->has_ipv6 : n->has_ipv4))
		return err_set(err, -EINVAL, "hostfwd=%s: needs ipv%c=on", text,
			       is_v6 ? '6' : '4');
	if (!is_v6 && !f->guest.v4.sin_addr.s_addr)
		f->guest.v4.sin_addr = n->dhcpstart;
	if (!is_of_guest(&f->guest, n))
		return err_set(err, -EINVAL,
			       "hostfwd=%s: no guest has the second address: "
			       "it must belong to %s and be neither %shost= "
			       "nor %sdns=",
			       text, is_v6 ? "ipv6-net=" : "net=",
			       is_v6 ? "ipv6-" : "", is_v6 ? "ipv6-" : "");
	return 0;
}

bool user_hostfwd_is_same(const struct user_hostfwd *a,
			  const struct user_hostfwd *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool user_hostfwd_clashes(const struct user_hostfwd *a,
			  const struct user_hostfwd *b)
{
	return a->is_udp == b->is_udp &&
	       !memcmp(&a->host, &b->host, sizeof(a->host));
}

static int parse_target(const char *text, const char *target,
			struct user_guestfwd *f, struct err *err)
{
	const char *p = target + 4; /* behind "cmd:" and "tcp:" */

	if (!strncmp(target, "cmd:", 4) && *p) {
		f->command = p;
		return 0;
	}
	if (!strncmp(target, "tcp:", 4)) {
		if (take_endpoint(&p, '\0', &f->target) &&
		    (f->target.any.sa_family != AF_INET ||
		     f->target.v4.sin_addr.s_addr))
			return 0;
		return err_set(err, -EINVAL,
			       "guestfwd=%s: %s must be like tcp:127.0.0.1:80",
			       text, target);
	}
	if (!strncmp(target, "unix:", 5) && target[5]) {
		size_t size = strlen(target + 5) + 1;

		if (size > sizeof(f->target.local.sun_path))
			return err_set(err, -ENAMETOOLONG,
				       "guestfwd=%s: the path must be shorter "
				       "than %zu characters",
				       text, sizeof(f->target.local.sun_path));
		f->target.local.sun_family = AF_UNIX;
		memcpy(f->target.local.sun_path, target + 5, size);
		return 0;
	}
	return err_set(err, -EINVAL,
		       "guestfwd=%s: must lead to cmd:COMMAND, "
		       "tcp:ADDRESS:PORT or unix:PATH",
		       text);
}

int user_guestfwd_parse(const char *text, const struct user_net *n,
			struct user_guestfwd *f, struct err *err)
{
	union user_addr server;
	const char *p = text;
	char proto[8];

	memset(f, 0, sizeof(*f));
	if (!take_until(&p, ':', proto, sizeof(proto)) ||
	    (*proto && strcmp(proto, "tcp")) ||
	    !take_endpoint(&p, '-', &server) || server.any.sa_family != AF_INET)
		return err_set(err, -EINVAL,
			       "guestfwd=%s: must be like "
			       "tcp:10.0.2.100:80-cmd:COMMAND",
			       text);
	f->server = server.v4.sin_addr;
	f->port = user_addr_port(&server);
	if (!f->server.s_addr) /* as in QEMU: 10.0.2.4 in the default net */
		f->server.s_addr =
			n->net.s_addr | (htonl(0x0204) & ~n->mask.s_addr);
	if (!n->has_ipv4)
		return err_set(err, -EINVAL, "guestfwd=%s: needs ipv4=on",
			       text);
	if ((f->server.s_addr & n->mask.s_addr) != n->net.s_addr ||
	    f->server.s_addr == n->host.s_addr ||
	    f->server.s_addr == n->dns.s_addr)
		return err_set(err, -EINVAL,
			       "guestfwd=%s: the server's address must belong "
			       "to net= and be neither host= nor dns=",
			       text);
	return parse_target(text, p, f, err);
}

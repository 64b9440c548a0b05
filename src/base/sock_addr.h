/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of sockets (IPv4, IPv6, UNIX), read from options and printed. Host
 * names are not looked up: that can take minutes, and the control thread waits
 * for nothing. */
#ifndef RW_SOCK_ADDR_H
#define RW_SOCK_ADDR_H

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "err.h"

struct sock_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len; /* bytes of the address; 0: no address */
	/* Interface of a link-local address that was read from an option, or
	 * "". Its number, sin6_scope_id, may change. */
	char scope[IF_NAMESIZE];
};

/* Buffer size for sock_addr_text(). */
#define SOCK_ADDR_TEXT 128

/*
 * Store the address that an option names in @a and return 0, or -EINVAL
 * (-ENAMETOOLONG) with @err, which names @key.
 * sock_addr_inet(): @host is an IPv4 or IPv6 address or "localhost"; empty or
 * NULL stands for all IPv4 addresses of the host. @port is a number.
 * sock_addr_host_port(): "HOST:PORT"; an IPv6 address stands in brackets.
 * sock_addr_unix(): a path.
 */
int sock_addr_inet(struct sock_addr *a, const char *key, const char *host,
		   const char *port_key, const char *port, struct err *err);
int sock_addr_host_port(struct sock_addr *a, const char *key, const char *text,
			struct err *err);
int sock_addr_unix(struct sock_addr *a, const char *key, const char *path,
		   struct err *err);

/* Sets the number of the address's interface to the present one. Returns 0,
 * also for addresses without, or -ENODEV: the interface is gone. */
int sock_addr_resolve(struct sock_addr *a);

/* Returns 0, or -EINVAL with @err for a link-local address without its
 * interface. */
int sock_addr_check_scope(const struct sock_addr *a, const char *key,
			  struct err *err);

/* Writes "192.0.2.1:80", "[fe80::1%eth0]:80", with port 0 the host alone, a
 * path, or "" for no address. */
void sock_addr_text(const struct sock_addr *a, char text[SOCK_ADDR_TEXT]);

bool sock_addr_is_any(const struct sock_addr *a); /* 0.0.0.0 or :: */
bool sock_addr_is_multicast(const struct sock_addr *a);
/* An IPv6 address that is valid on one interface only. */
bool sock_addr_is_link_local(const struct sock_addr *a);
/* Returns whether host and port are the same. */
bool sock_addr_equal(const struct sock_addr *a, const struct sock_addr *b);

/*
 * Returns descriptor @text, the value of @key, and its type (SOCK_STREAM, ...)
 * in @type, or -errno with @err if it is no socket that options may name
 * (base/fd.h). The socket is non-blocking and close-on-exec afterwards. A
 * caller that keeps it calls fd_use_named().
 */
int sock_adopt(const char *key, const char *text, int *type, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the user port, parsed and checked. Pure; any thread. Keys and
 * defaults are those of QEMU's -netdev user.
 */
#ifndef RW_USER_CONF_H
#define RW_USER_CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/un.h>

#include "opt.h"

/* The options as given. A string that was not given is NULL. */
struct user_conf {
	char *net, *host, *dhcpstart, *dns;
	char *ipv6_net, *ipv6_prefix, *ipv6_host, *ipv6_dns;
	uint32_t ipv6_prefixlen;
	bool ipv4, ipv6, ipv4_given, ipv6_given, ipv6_prefixlen_given;
	bool restricted;
	char *hostname, *domainname;
	char *tftp, *tftp_server_name, *bootfile;
	struct opt_list dnssearch, hostfwd, guestfwd;
};
extern const struct opt_row user_rows[];

/* The virtual network. */
struct user_net {
	bool has_ipv4, has_ipv6;
	struct in_addr net, mask, host, dhcpstart, dns;
	struct in6_addr prefix, host6, dns6;
	unsigned prefix_len;
};
int user_net_parse(const struct user_conf *c, struct user_net *n,
		   struct err *err);

union user_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};
socklen_t user_addr_size(const union user_addr *a);
uint16_t user_addr_port(const union user_addr *a); /* host order */

/* Returns whether @a and @b are the same address, port and family. */
bool user_addr_is_same(const union user_addr *a, const union user_addr *b);

/* A rule "tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT"; IPv6 addresses
 * are in brackets. Padding is zeroed, so memcmp() compares rules. */
struct user_hostfwd {
	bool is_udp;
	union user_addr host, guest;
};
int user_hostfwd_parse(const char *text, const struct user_net *n,
		       struct user_hostfwd *f, struct err *err);
bool user_hostfwd_is_same(const struct user_hostfwd *a,
			  const struct user_hostfwd *b);
/* Returns whether both rules listen at the same host address and port. */
bool user_hostfwd_clashes(const struct user_hostfwd *a,
			  const struct user_hostfwd *b);

/* A rule "tcp:SERVER:PORT-cmd:COMMAND", "...-tcp:ADDRESS:PORT" or
 * "...-unix:PATH". */
struct user_guestfwd {
	struct in_addr server; /* address that the guest connects to */
	uint16_t port;	       /* port that the guest connects to, host order */
	const char *command;   /* points into the parsed text; or NULL */
	union user_addr target; /* valid if command is NULL */
};
int user_guestfwd_parse(const char *text, const struct user_net *n,
			struct user_guestfwd *f, struct err *err);

#endif

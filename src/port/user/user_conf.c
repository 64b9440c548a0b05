/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the user port, see user_conf.h: rows and the virtual network.
 * Pure; any thread. */
#include "user_conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DHCP_TEXT_MAX 255 /* an option's length is one byte (RFC 2132, 2) */

#define ROW(k, type, member, ...)                                         \
	{                                                                 \
		.key = k, .kind = type,                                   \
		.offset = offsetof(struct user_conf, member), __VA_ARGS__ \
	}
#define GIVEN(member) .set_offset = offsetof(struct user_conf, member)

const struct opt_row user_rows[] = {
	ROW("ipv4", OPT_BOOL, ipv4, .def = "on", GIVEN(ipv4_given),
	    .help = "IPv4; off when only ipv6=on is given"),
	ROW("net", OPT_STRING, net, .arg = "ADDR[/MASK]",
	    .help = "the guests' network (10.0.2.0/24)"),
	ROW("host", OPT_STRING, host, .arg = "ADDR",
	    .help = "the host as guests see it (second address of net)"),
	ROW("dhcpstart", OPT_STRING, dhcpstart, .arg = "ADDR",
	    .help = "first of 16 addresses for guests (15th of net)"),
	ROW("dns", OPT_STRING, dns, .arg = "ADDR",
	    .help = "DNS server as guests see it (third address of net)"),
	ROW("ipv6", OPT_BOOL, ipv6, .def = "on", GIVEN(ipv6_given),
	    .help = "IPv6; off when only ipv4=on is given"),
	ROW("ipv6-net", OPT_STRING, ipv6_net, .arg = "ADDR[/LEN]",
	    .help = "the guests' IPv6 network (fec0::/64)"),
	ROW("ipv6-prefix", OPT_STRING, ipv6_prefix, .arg = "ADDR",
	    .help = "first half of ipv6-net"),
	ROW("ipv6-prefixlen", OPT_UINT, ipv6_prefixlen, .arg = "LEN",
	    .def = "64", .max = 126, GIVEN(ipv6_prefixlen_given),
	    .help = "second half of ipv6-net"),
	ROW("ipv6-host", OPT_STRING, ipv6_host, .arg = "ADDR",
	    .help = "the host as guests see it (second address of ipv6-net)"),
	ROW("ipv6-dns", OPT_STRING, ipv6_dns, .arg = "ADDR",
	    .help = "DNS server as guests see it (third of ipv6-net)"),
	ROW("restrict", OPT_BOOL, restricted, .def = "off",
	    .help = "guests reach nothing but each other and what is "
		    "forwarded"),
	ROW("hostname", OPT_STRING, hostname, .arg = "NAME",
	    .help = "client name that DHCP tells"),
	ROW("dnssearch", OPT_LIST, dnssearch, .arg = "DOMAIN",
	    .help = "domain to search that DHCP tells"),
	ROW("domainname", OPT_STRING, domainname, .arg = "DOMAIN",
	    .help = "client domain that DHCP tells"),
	ROW("tftp", OPT_STRING, tftp, .arg = "DIR",
	    .help = "files for the built-in TFTP server"),
	ROW("tftp-server-name", OPT_STRING, tftp_server_name, .arg = "NAME",
	    .help = "TFTP server that DHCP tells"),
	ROW("bootfile", OPT_STRING, bootfile, .arg = "FILE",
	    .help = "file to boot that DHCP tells"),
	ROW("hostfwd", OPT_LIST, hostfwd, .runtime = true,
	    .arg = "tcp|udp:[ADDR]:PORT-[ADDR]:PORT",
	    .help = "a port of the host that leads to a guest"),
	ROW("guestfwd", OPT_LIST, guestfwd,
	    .arg = "tcp:ADDR:PORT-cmd:COMMAND|tcp:ADDR:PORT|unix:PATH",
	    .help = "an address of the network that leads to the host"),
	{ NULL },
};

static int parse_v4(const char *key, const char *text, struct in_addr *out,
		    struct err *err)
{
	if (inet_pton(AF_INET, text, out) == 1)
		return 0;
	return err_set(err, -EINVAL, "%s=%s: must be an IPv4 address", key,
		       text);
}

static int parse_v6(const char *key, const char *text, struct in6_addr *out,
		    struct err *err)
{
	if (inet_pton(AF_INET6, text, out) == 1)
		return 0;
	return err_set(err, -EINVAL, "%s=%s: must be an IPv6 address", key,
		       text);
}

/* Returns the default mask of @addr, as in QEMU: that of the private network
 * that it is in, else that of its class. */
static uint32_t default_mask(uint32_t addr)
{
	if ((addr & 0xfff00000) == 0xac100000) /* 172.16.0.0/12 */
		return 0xfff00000;
	if ((addr & 0xffff0000) == 0xc0a80000) /* 192.168.0.0/16 */
		return 0xffff0000;
	if ((addr & 0xfffe0000) == 0xc6120000) /* 198.18.0.0/15 */
		return 0xfffe0000;
	if (!(addr & 0x80000000))
		return 0xff000000;
	return (addr & 0xc0000000) == 0x80000000 ? 0xffff0000 : 0xffffff00;
}

/* Reads "24" or "255.255.255.0". Returns whether the mask is usable. */
static bool parse_mask(const char *text, uint32_t *mask)
{
	struct in_addr a;
	char *end;
	long bits = strtol(text, &end, 10);

	if (*text && !*end && bits >= 4 && bits <= 30) {
		*mask = ~0u << (32 - bits);
		return true;
	}
	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	*mask = ntohl(a.s_addr);
	/* ones, then zeros, and room for the four addresses below */
	return *mask >= 0xf0000000 && !(~*mask & (~*mask + 1)) && ~*mask >= 3;
}

static int parse_net(const char *text, struct user_net *n, struct err *err)
{
	char addr[INET_ADDRSTRLEN] = "";
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	uint32_t mask = 0;

	if (size < sizeof(addr))
		memcpy(addr, text, size);
	if (inet_pton(AF_INET, addr, &n->net) != 1)
		return err_set(err, -EINVAL,
			       "net=%s: must be an IPv4 network like "
			       "10.0.2.0/24",
			       text);
	if (!slash)
		mask = default_mask(ntohl(n->net.s_addr));
	else if (!parse_mask(slash + 1, &mask))
		return err_set(err, -EINVAL,
			       "net=%s: the mask must be 4 to 30, or like "
			       "255.255.255.0",
			       text);
	n->mask.s_addr = htonl(mask);
	n->net.s_addr &= n->mask.s_addr;
	return 0;
}

static bool is_in_net(const struct user_net *n, struct in_addr a)
{
	return (a.s_addr & n->mask.s_addr) == n->net.s_addr;
}

/* Reads an address of the network. Without @text its host bits are @last. */
static int parse_in_net(const char *key, const char *text, uint32_t last,
			const struct user_net *n, struct in_addr *out,
			struct err *err)
{
	int rc;

	out->s_addr = n->net.s_addr | (htonl(last) & ~n->mask.s_addr);
	if (!text)
		return 0;
	rc = parse_v4(key, text, out, err);
	if (rc || is_in_net(n, *out))
		return rc;
	return err_set(err, -EINVAL, "%s=%s: must belong to net=", key, text);
}

static int parse_ipv4(const struct user_conf *c, struct user_net *n,
		      struct err *err)
{
	int rc = parse_net(c->net ? c->net : "10.0.2.0/24", n, err);

	if (!rc)
		rc = parse_in_net("host", c->host, 0x0202, n, &n->host, err);
	if (!rc)
		rc = parse_in_net("dns", c->dns, 0x0203, n, &n->dns, err);
	if (!rc)
		rc = parse_in_net("dhcpstart", c->dhcpstart, 0x020f, n,
				  &n->dhcpstart, err);
	if (rc)
		return rc;
	if (n->dns.s_addr == n->host.s_addr)
		return err_set(err, -EINVAL,
			       "dns=%s: must be another address than host=",
			       c->dns ? c->dns : "");
	if (n->dhcpstart.s_addr == n->host.s_addr ||
	    n->dhcpstart.s_addr == n->dns.s_addr)
		return err_set(err, -EINVAL,
			       "dhcpstart=%s: must be another address than "
			       "host= and dns=",
			       c->dhcpstart ? c->dhcpstart : "");
	return 0;
}

static bool is_in_prefix(const struct user_net *n, const struct in6_addr *a)
{
	unsigned bytes = n->prefix_len / 8, bits = n->prefix_len % 8;

	if (memcmp(a, &n->prefix, bytes))
		return false;
	return !bits ||
	       !((a->s6_addr[bytes] ^ n->prefix.s6_addr[bytes]) >> (8 - bits));
}

static int parse_in_prefix(const char *key, const char *text, uint8_t last,
			   const struct user_net *n, struct in6_addr *out,
			   struct err *err)
{
	int rc;

	*out = n->prefix;
	out->s6_addr[15] |= last;
	if (!text)
		return 0;
	rc = parse_v6(key, text, out, err);
	if (rc || is_in_prefix(n, out))
		return rc;
	return err_set(err, -EINVAL, "%s=%s: must belong to ipv6-net=", key,
		       text);
}

/* Clears the bits behind the prefix. */
static void clear_host_bits(struct user_net *n)
{
	for (unsigned bit = n->prefix_len; bit < 128; bit++)
		n->prefix.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static int parse_ipv6_net(const struct user_conf *c, struct user_net *n,
			  struct err *err)
{
	char addr[INET6_ADDRSTRLEN] = "";
	const char *slash = c->ipv6_net ? strchr(c->ipv6_net, '/') : NULL;
	size_t size;
	char *end;
	long len;

	n->prefix_len = c->ipv6_prefixlen;
	if (!c->ipv6_net)
		return parse_v6("ipv6-prefix",
				c->ipv6_prefix ? c->ipv6_prefix : "fec0::",
				&n->prefix, err);
	if (c->ipv6_prefix || c->ipv6_prefixlen_given)
		return err_set(err, -EINVAL,
			       "ipv6-net=%s: cannot stand together with "
			       "ipv6-prefix= or ipv6-prefixlen=",
			       c->ipv6_net);
	size = slash ? (size_t)(slash - c->ipv6_net) : strlen(c->ipv6_net);
	if (size < sizeof(addr))
		memcpy(addr, c->ipv6_net, size);
	if (inet_pton(AF_INET6, addr, &n->prefix) != 1)
		return err_set(err, -EINVAL,
			       "ipv6-net=%s: must be an IPv6 network like "
			       "fec0::/64",
			       c->ipv6_net);
	if (!slash)
		return 0;
	len = strtol(slash + 1, &end, 10);
	if (!slash[1] || *end || len < 0 || len > 126)
		return err_set(err, -EINVAL,
			       "ipv6-net=%s: the length must be 0 to 126",
			       c->ipv6_net);
	n->prefix_len = (unsigned)len;
	return 0;
}

static int parse_ipv6(const struct user_conf *c, struct user_net *n,
		      struct err *err)
{
	int rc = parse_ipv6_net(c, n, err);

	clear_host_bits(n);
	if (!rc)
		rc = parse_in_prefix("ipv6-host", c->ipv6_host, 2, n, &n->host6,
				     err);
	if (!rc)
		rc = parse_in_prefix("ipv6-dns", c->ipv6_dns, 3, n, &n->dns6,
				     err);
	if (!rc && !memcmp(&n->host6, &n->dns6, sizeof(n->dns6)))
		rc = err_set(err, -EINVAL,
			     "ipv6-dns=%s: must be another address than "
			     "ipv6-host=",
			     c->ipv6_dns ? c->ipv6_dns : "");
	return rc;
}

/* Refuses options of a protocol that is off. */
static int check_unused(const struct user_conf *c, const struct user_net *n,
			struct err *err)
{
	const struct {
		const char *key, *value;
		bool is_v6;
	} given[] = {
		{ "net", c->net, false },
		{ "host", c->host, false },
		{ "dhcpstart", c->dhcpstart, false },
		{ "dns", c->dns, false },
		{ "ipv6-net", c->ipv6_net, true },
		{ "ipv6-prefix", c->ipv6_prefix, true },
		{ "ipv6-host", c->ipv6_host, true },
		{ "ipv6-dns", c->ipv6_dns, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(given); i++)
		if (given[i].value &&
		    !(given[i].is_v6 ? n->has_ipv6 : n->has_ipv4))
			return err_set(err, -EINVAL, "%s=%s: needs ipv%c=on",
				       given[i].key, given[i].value,
				       given[i].is_v6 ? '6' : '4');
	return 0;
}

static int check_texts(const struct user_conf *c, struct err *err)
{
	const struct {
		const char *key, *value;
	} told[] = {
		{ "hostname", c->hostname },
		{ "domainname", c->domainname },
		{ "tftp-server-name", c->tftp_server_name },
	};
	struct stat st;

	for (unsigned i = 0; i < ARRAY_SIZE(told); i++) {
		const char *v = told[i].value;

		if (v && (!*v || strlen(v) > DHCP_TEXT_MAX))
			return err_set(err, -EINVAL,
				       "%s=%.40s: must have 1 to %d characters",
				       told[i].key, v, DHCP_TEXT_MAX);
	}
	if (c->tftp && *c->tftp &&
	    (stat(c->tftp, &st) < 0 || !S_ISDIR(st.st_mode)))
		return err_set(err, -EINVAL, "tftp=%s: must be a directory",
			       c->tftp);
	return 0;
}

int user_net_parse(const struct user_conf *c, struct user_net *n,
		   struct err *err)
{
	int rc;

	*n = (struct user_net){ .has_ipv4 = c->ipv4, .has_ipv6 = c->ipv6 };
	/* An explicit ipv4=on or ipv6=on alone turns the other one off. */
	if (c->ipv6_given && c->ipv6 && !c->ipv4_given)
		n->has_ipv4 = false;
	if (c->ipv4_given && c->ipv4 && !c->ipv6_given)
		n->has_ipv6 = false;
	if (!n->has_ipv4 && !n->has_ipv6)
		return err_set(err, -EINVAL,
			       "ipv4=off: cannot stand together with ipv6=off");
	rc = check_unused(c, n, err);
	if (!rc)
		rc = check_texts(c, err);
	/* The addresses of a protocol that is off are not used. */
	if (!rc)
		rc = parse_ipv4(c, n, err);
	if (!rc)
		rc = parse_ipv6(c, n, err);
	return rc;
}

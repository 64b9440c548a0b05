/* SPDX-License-Identifier: Apache-2.0 */
/* port/user: the virtual network's options, and rules of hostfwd and
 * guestfwd. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "offload.h"
#include "user_edge.h"
#include "user_filter.h"

/* Parses "key=value key=value" into @c; a refused option fails the test. */
static void configure(struct user_conf *c, const char *text)
{
	char *copy = strdup(text), *rest = copy, *pair;
	struct err err;

	memset(c, 0, sizeof(*c));
	assert_int_equal(opt_defaults(user_rows, c, &err), 0);
	while ((pair = strsep(&rest, " "))) {
		char *value = strchr(pair, '=');

		if (!value)
			continue;
		*value++ = '\0';
		if (opt_set(user_rows, c, pair, value, &err))
			fail_msg("%s", err.msg);
	}
	free(copy);
}

static const char *v4(struct in_addr a)
{
	static char text[4][INET_ADDRSTRLEN];
	static unsigned i;

	i = (i + 1) % 4;
	return inet_ntop(AF_INET, &a, text[i], sizeof(text[i]));
}

static const char *v6(const struct in6_addr *a)
{
	static char text[4][INET6_ADDRSTRLEN];
	static unsigned i;

	i = (i + 1) % 4;
	return inet_ntop(AF_INET6, a, text[i], sizeof(text[i]));
}

static void test_net_good(void **state)
{
	static const struct {
		const char *options, *net, *mask, *host, *dns, *dhcpstart;
	} table[] = {
		{ "", "10.0.2.0", "255.255.255.0", "10.0.2.2", "10.0.2.3",
		  "10.0.2.15" },
		{ "net=192.168.7.0/24", "192.168.7.0", "255.255.255.0",
		  "192.168.7.2", "192.168.7.3", "192.168.7.15" },
		{ "net=192.168.7.77/24", "192.168.7.0", "255.255.255.0",
		  "192.168.7.2", "192.168.7.3", "192.168.7.15" },
		/* the mask is that of the private network, else of the class;
		 * the host is x.x.2.2 */
		{ "net=10.0.0.0", "10.0.0.0", "255.0.0.0", "10.0.2.2",
		  "10.0.2.3", "10.0.2.15" },
		{ "net=172.16.0.0", "172.16.0.0", "255.240.0.0", "172.16.2.2",
		  "172.16.2.3", "172.16.2.15" },
		{ "net=192.168.7.0", "192.168.0.0", "255.255.0.0",
		  "192.168.2.2", "192.168.2.3", "192.168.2.15" },
		{ "net=198.19.0.0", "198.18.0.0", "255.254.0.0", "198.18.2.2",
		  "198.18.2.3", "198.18.2.15" },
		{ "net=10.1.0.0/255.255.0.0", "10.1.0.0", "255.255.0.0",
		  "10.1.2.2", "10.1.2.3", "10.1.2.15" },
		{ "net=10.1.1.8/29", "10.1.1.8", "255.255.255.248", "10.1.1.10",
		  "10.1.1.11", "10.1.1.15" },
		{ "host=10.0.2.1 dns=10.0.2.9 dhcpstart=10.0.2.100", "10.0.2.0",
		  "255.255.255.0", "10.0.2.1", "10.0.2.9", "10.0.2.100" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct user_conf c;
		struct user_net n;
		struct err err;

		configure(&c, table[i].options);
		if (user_net_parse(&c, &n, &err))
			fail_msg("%s: %s", table[i].options, err.msg);
		assert_true(n.has_ipv4 && n.has_ipv6);
		assert_string_equal(v4(n.net), table[i].net);
		assert_string_equal(v4(n.mask), table[i].mask);
		assert_string_equal(v4(n.host), table[i].host);
		assert_string_equal(v4(n.dns), table[i].dns);
		assert_string_equal(v4(n.dhcpstart), table[i].dhcpstart);
		opt_free(user_rows, &c);
	}
}

static void test_net_bad(void **state)
{
	/* options, and the beginning of the error sentence */
	static const struct {
		const char *options, *sentence;
	} table[] = {
		{ "net=", "net=: must be" },
		{ "net=10.0.2", "net=10.0.2: must be" },
		{ "net=10.0.2.0/", "net=10.0.2.0/: the mask" },
		{ "net=10.0.2.0/3", "net=10.0.2.0/3: the mask" },
		{ "net=10.0.2.0/31", "net=10.0.2.0/31: the mask" },
		{ "net=10.0.2.0/24x", "net=10.0.2.0/24x: the mask" },
		{ "net=10.0.2.0/255.0.255.0", "net=10.0.2.0/255.0.255.0: the" },
		{ "net=1111111111111111111111111111.0/24", "net=11" },
		{ "host=x", "host=x: must be an IPv4" },
		{ "host=10.0.3.2", "host=10.0.3.2: must belong" },
		{ "dns=10.0.2.2", "dns=10.0.2.2: must be another" },
		{ "dhcpstart=10.0.2.3", "dhcpstart=10.0.2.3: must be another" },
		{ "dhcpstart=10.1.2.3", "dhcpstart=10.1.2.3: must belong" },
		{ "ipv4=off ipv6=off", "ipv4=off: cannot" },
		{ "ipv4=off net=10.0.2.0/24", "net=10.0.2.0/24: needs" },
		{ "ipv6=on dns=10.0.2.3", "dns=10.0.2.3: needs ipv4=on" },
		{ "ipv4=on ipv6-dns=fec0::9", "ipv6-dns=fec0::9: needs" },
		{ "ipv6-net=fec0::/127", "ipv6-net=fec0::/127: the length" },
		{ "ipv6-net=fec0::/", "ipv6-net=fec0::/: the length" },
		{ "ipv6-net=10.0.2.0", "ipv6-net=10.0.2.0: must be" },
		{ "ipv6-net=fec0:: ipv6-prefix=fec1::",
		  "ipv6-net=fec0::: can" },
		{ "ipv6-host=fec1::2", "ipv6-host=fec1::2: must belong" },
		{ "ipv6-dns=fec0::2", "ipv6-dns=fec0::2: must be another" },
		{ "hostname=", "hostname=: must have" },
		{ "domainname=", "domainname=: must have" },
		{ "tftp=/nonexistent", "tftp=/nonexistent: must be" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct user_conf c;
		struct user_net n;
		struct err err;

		configure(&c, table[i].options);
		if (user_net_parse(&c, &n, &err) != -EINVAL)
			fail_msg("%s: accepted", table[i].options);
		if (strncmp(err.msg, table[i].sentence,
			    strlen(table[i].sentence)))
			fail_msg("%s: %s", table[i].options, err.msg);
		opt_free(user_rows, &c);
	}
}

static void test_protocols(void **state)
{
	static const struct {
		const char *options;
		bool has_ipv4, has_ipv6;
	} table[] = {
		{ "", true, true },	     { "ipv4=on", true, false },
		{ "ipv6=on", false, true },  { "ipv4=off", false, true },
		{ "ipv6=off", true, false }, { "ipv4=on ipv6=on", true, true },
	};
	struct user_conf c;
	struct user_net n;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		configure(&c, table[i].options);
		assert_int_equal(user_net_parse(&c, &n, &err), 0);
		assert_int_equal(n.has_ipv4, table[i].has_ipv4);
		assert_int_equal(n.has_ipv6, table[i].has_ipv6);
		opt_free(user_rows, &c);
	}
	configure(&c, "ipv6-net=2001:db8::77/61 ipv6-host=2001:db8:0:7::1");
	assert_int_equal(user_net_parse(&c, &n, &err), 0);
	assert_int_equal(n.prefix_len, 61);
	assert_string_equal(v6(&n.prefix), "2001:db8::");
	assert_string_equal(v6(&n.host6), "2001:db8:0:7::1");
	assert_string_equal(v6(&n.dns6), "2001:db8::3");
	opt_free(user_rows, &c);
}

static void default_net(struct user_net *n)
{
	struct user_conf c;

	configure(&c, "");
	assert_int_equal(user_net_parse(&c, n, NULL), 0);
	opt_free(user_rows, &c);
}

static void test_hostfwd(void **state)
{
	static const char *const bad[] = {
		"",
		"tcp",
		"sctp::80-:80",
		"tcp::80",
		"tcp::80-80",
		"tcp::0-:80",
		"tcp::80-:0",
		"tcp::65536-:80",
		"tcp::80-:65536",
		"tcp:: 80-:80",
		"tcp::+80-:80",
		"tcp::80-:80x",
		"tcp::80x-:80",
		"tcp:host:80-:80",
		"tcp::80-guest:80",
		"tcp:[::1]:80-:80",
		"tcp::80-[fec0::15]:80",
		"tcp:[::1:80-[fec0::15]:80",
		"tcp:[::1]80-[fec0::15]:80",
		"tcp:1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18:80-:80",
		/* no guest has these */
		"tcp::80-10.0.3.15:80",
		"tcp::80-192.0.2.1:80",
		"tcp::80-10.0.2.2:80",
		"tcp::80-10.0.2.3:80",
		"tcp:[::1]:80-[fec1::15]:80",
		"tcp:[::1]:80-[fec0:0:0:1::15]:80",
		"tcp:[::1]:80-[fec0::2]:80",
		"tcp:[::1]:80-[fec0::3]:80",
	};
	struct user_hostfwd a, b;
	struct user_net n;
	struct err err;

	(void)state;
	default_net(&n);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		if (user_hostfwd_parse(bad[i], &n, &a, &err) != -EINVAL)
			fail_msg("%s: accepted", bad[i]);

	assert_int_equal(user_hostfwd_parse("tcp::5555-:22", &n, &a, &err), 0);
	assert_false(a.is_udp);
	assert_int_equal(user_addr_port(&a.host), 5555);
	assert_int_equal(user_addr_port(&a.guest), 22);
	assert_string_equal(v4(a.host.v4.sin_addr), "0.0.0.0");
	assert_string_equal(v4(a.guest.v4.sin_addr), "10.0.2.15");

	assert_int_equal(
		user_hostfwd_parse(":0.0.0.0:5555-10.0.2.15:22", &n, &b, &err),
		0);
	assert_true(user_hostfwd_is_same(&a, &b));
	assert_int_equal(user_hostfwd_parse("tcp::5555-:23", &n, &b, &err), 0);
	assert_false(user_hostfwd_is_same(&a, &b));
	assert_true(user_hostfwd_clashes(&a, &b));
	assert_int_equal(user_hostfwd_parse("udp:127.0.0.1:1-10.0.2.7:65535",
					    &n, &b, &err),
			 0);
	assert_true(b.is_udp);
	assert_false(user_hostfwd_clashes(&a, &b));
	assert_string_equal(v4(b.guest.v4.sin_addr), "10.0.2.7");

	assert_int_equal(user_hostfwd_parse("tcp:[::1]:80-[fec0::15]:8080", &n,
					    &b, &err),
			 0);
	assert_string_equal(v6(&b.host.v6.sin6_addr), "::1");
	assert_string_equal(v6(&b.guest.v6.sin6_addr), "fec0::15");
	assert_int_equal(user_addr_port(&b.guest), 8080);
	n.prefix_len = 61; /* bits of a byte */
	assert_int_equal(user_hostfwd_parse("tcp:[::1]:80-[fec0:0:0:7::15]:80",
					    &n, &b, &err),
			 0);
	assert_int_equal(user_hostfwd_parse("tcp:[::1]:80-[fec0:0:0:8::15]:80",
					    &n, &b, &err),
			 -EINVAL);
	assert_string_equal(err.msg,
			    "hostfwd=tcp:[::1]:80-[fec0:0:0:8::15]:80: no "
			    "guest has the second address: it must belong to "
			    "ipv6-net= and be neither ipv6-host= nor "
			    "ipv6-dns=");
	n.has_ipv6 = false;
	assert_int_equal(user_hostfwd_parse("tcp:[::1]:80-[fec0::15]:8080", &n,
					    &b, &err),
			 -EINVAL);
}

static void test_guestfwd(void **state)
{
	static const char *const bad[] = {
		"tcp:10.0.2.100:80",
		"udp:10.0.2.100:80-cmd:x",
		"tcp:10.0.2.100:80-",
		"tcp:10.0.2.100:80-chardev0",
		"tcp:10.0.2.100:80-cmd:",
		"tcp:10.0.2.100:80-unix:",
		"tcp:10.0.2.100:80-tcp::80",
		"tcp:10.0.2.100:80-tcp:127.0.0.1",
		"tcp:10.0.2.100:80-tcp:127.0.0.1:80-",
		"tcp:10.0.3.100:80-cmd:x",
		"tcp:10.0.2.2:80-cmd:x",
		"tcp:10.0.2.3:80-cmd:x",
		"tcp:[fec0::2]:80-cmd:x",
	};
	char long_path[200] = "tcp:10.0.2.100:80-unix:/";
	struct user_guestfwd f;
	struct user_net n;
	struct err err;

	(void)state;
	default_net(&n);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		if (user_guestfwd_parse(bad[i], &n, &f, &err) != -EINVAL)
			fail_msg("%s: accepted", bad[i]);
	memset(long_path + strlen(long_path), 'x',
	       sizeof(long_path) - strlen(long_path) - 1);
	assert_int_equal(user_guestfwd_parse(long_path, &n, &f, &err),
			 -ENAMETOOLONG);

	assert_int_equal(user_guestfwd_parse("tcp:10.0.2.100:80-cmd:nc a-b 7",
					     &n, &f, &err),
			 0);
	assert_string_equal(v4(f.server), "10.0.2.100");
	assert_int_equal(f.port, 80);
	assert_string_equal(f.command, "nc a-b 7");
	assert_int_equal(
		user_guestfwd_parse("tcp::80-tcp:127.0.0.1:8080", &n, &f, &err),
		0);
	assert_null(f.command);
	assert_string_equal(v4(f.server), "10.0.2.4");
	assert_int_equal(user_addr_port(&f.target), 8080);
	assert_int_equal(user_guestfwd_parse("tcp:10.0.2.100:80-unix:/a/b", &n,
					     &f, &err),
			 0);
	assert_string_equal(f.target.local.sun_path, "/a/b");
}

static void test_filter(void **state)
{
	static const struct {
		uint8_t mac[6];
		bool passes;
	} rows[] = {
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, true },
		{ { 0x52, 0x55, 10, 1, 0, 1 }, true }, /* host */
		{ { 0x52, 0x55, 10, 1, 0, 3 }, true }, /* dns */
		{ { 0x52, 0x55, 10, 1, 0, 9 }, true }, /* guestfwd */
		{ { 0x52, 0x55, 10, 1, 0, 2 },
		  false }, /* libslirp's default host */
		{ { 0x52, 0x55, 10, 1, 0, 15 }, false }, /* a guest */
		{ { 0x52, 0x54, 0, 0x12, 0x34, 0x56 }, false },
		{ { 0x52, 0x56, 0, 0, 0, 2 }, true },	       /* ipv6-host */
		{ { 0x52, 0x56, 0, 0xab, 0xcd, 0xef }, true }, /* ipv6-dns */
		{ { 0x52, 0x56, 0, 0, 0, 4 }, false },
		{ { 0x33, 0x33, 0, 0, 0, 1 }, true }, /* all nodes */
		{ { 0x33, 0x33, 0, 0, 0, 2 }, true }, /* all routers */
		{ { 0x33, 0x33, 0, 1, 0, 2 }, true }, /* DHCP servers */
		{ { 0x33, 0x33, 0xff, 0, 0, 2 }, true },
		{ { 0x33, 0x33, 0xff, 0xab, 0xcd, 0xef }, true },
		{ { 0x33, 0x33, 0xff, 0x12, 0x34, 0x56 }, false },
		{ { 0x33, 0x33, 0, 0, 0, 0xfb }, false }, /* mDNS */
		{ { 0x01, 0x00, 0x5e, 0, 0, 0xfb }, false },
		{ { 0, 0, 0, 0, 0, 0 }, false },
	};
	struct user_filter f;
	struct user_conf c;
	struct user_net n;
	struct err err;

	(void)state;
	configure(&c, "net=10.1.0.0/24 host=10.1.0.1 ipv6-dns=fec0::ab:cdef "
		      "guestfwd=tcp:10.1.0.9:80-cmd:cat");
	assert_int_equal(user_net_parse(&c, &n, &err), 0);
	assert_int_equal(user_filter_init(&f, &n, &c.guestfwd), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (user_filter_passes(&f, rows[i].mac) != rows[i].passes)
			fail_msg("row %u", i);
	user_filter_fini(&f);
	opt_free(user_rows, &c);
}

/* Without IPv6 none of its addresses passes; the same holds for IPv4. */
static void test_filter_families(void **state)
{
	static const uint8_t v4[] = { 0x52, 0x55, 10, 0, 2, 2 };
	static const uint8_t v6[] = { 0x33, 0x33, 0, 0, 0, 2 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct user_filter f;
		struct user_conf c;
		struct user_net n;
		struct err err;

		configure(&c, i ? "ipv4=off" : "ipv6=off");
		assert_int_equal(user_net_parse(&c, &n, &err), 0);
		assert_int_equal(user_filter_init(&f, &n, &c.guestfwd), 0);
		assert_int_equal(user_filter_passes(&f, v4), i == 0);
		assert_int_equal(user_filter_passes(&f, v6), i == 1);
		user_filter_fini(&f);
		opt_free(user_rows, &c);
	}
}

/* Frames of random contents and lengths. */
static void test_edge_any_frame(void **state)
{
	static const uint8_t udp4[] = {
		[12] = 8, [13] = 0, [14] = 0x45, [23] = 17, [37] = 67
	};
	static const uint8_t udp6[] = { [12] = 0x86, [13] = 0xdd, [20] = 17 };
	static const uint8_t magic[] = { 99, 130, 83, 99 };
	struct user_net n = { .has_ipv4 = true, .has_ipv6 = true };
	struct rng rng = rng_start();

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint32_t size = rng_below(&rng, 340);
		uint8_t *p = malloc(size ? size : 1), mac[6];

		assert_non_null(p);
		for (uint32_t i = 0; i < size; i++)
			p[i] = (uint8_t)rng_next(&rng);
		if (round % 3 == 1 && size >= sizeof(udp4))
			memcpy(p, udp4, sizeof(udp4));
		if (round % 3 == 2 && size >= sizeof(udp6))
			memcpy(p, udp6, sizeof(udp6));
		if (size >= 282)
			memcpy(p + 278, magic, 4);
		if (size >= 30 && round % 3 == 1)
			memcpy(p + 26, "\x7f\0\0\1", 4);
		user_is_discover(p, size, mac);
		user_is_dhcp_answer(p, size);
		user_fix_source(p, size, &n);
		user_may_open_socket(p, size);
		free(p);
	}
}

/* Sets the transport header of a frame and asks about it. */
static bool may_open(const uint8_t *head, uint32_t l4, uint8_t protocol,
		     uint8_t type, uint8_t tcp_flags, uint32_t size)
{
	uint8_t p[100] = { 0 };

	memcpy(p, head, ETH_HLEN + 1);
	p[p[12] == 8 ? 23 : 20] = protocol;
	p[l4] = type;
	p[l4 + 13] = tcp_flags;
	return user_may_open_socket(p, size);
}

static void test_sockets_of_frames(void **state)
{
	static const uint8_t v4[100] = { [12] = 8, [14] = 0x45 },
			     options[100] = { [12] = 8, [14] = 0x47 },
			     v6[100] = { [12] = 0x86, [13] = 0xdd, 0x60 },
			     arp[100] = { [12] = 8, [13] = 6 };
	static const struct {
		const uint8_t *head;
		uint32_t l4;
		uint8_t echo;
	} family[] = { { v4, 34, 8 }, { options, 42, 8 }, { v6, 54, 128 } };
	uint8_t fragment[60] = {
		[12] = 8, [14] = 0x45, [20] = 0x20, [23] = 99
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(family); i++) {
		const uint8_t *h = family[i].head;
		uint32_t l4 = family[i].l4;
		uint8_t icmp = i == 2 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

		assert_true(may_open(h, l4, IPPROTO_TCP, 0, 0x02, 100));
		assert_true(may_open(h, l4, IPPROTO_TCP, 0, 0x0a, 100));
		assert_true(may_open(h, l4, IPPROTO_TCP, 0, 0x10, l4 + 13));
		assert_false(may_open(h, l4, IPPROTO_TCP, 0, 0x12, 100));
		assert_false(may_open(h, l4, IPPROTO_TCP, 0, 0x10, l4 + 14));
		assert_false(may_open(h, l4, IPPROTO_TCP, 0, 0x04, 100));
		assert_true(may_open(h, l4, IPPROTO_UDP, 0, 0, 100));
		assert_true(may_open(h, l4, icmp, family[i].echo, 0, 100));
		assert_false(may_open(h, l4, icmp, 3, 0, 100));
		assert_false(may_open(h, l4, 99, 0, 0, 100));
	}
	assert_true(user_may_open_socket(fragment, sizeof(fragment)));
	fragment[20] = 0x40; /* may not be fragmented */
	assert_false(user_may_open_socket(fragment, sizeof(fragment)));
	assert_false(user_may_open_socket(arp, sizeof(arp)));
	assert_false(user_may_open_socket(v4, 13));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_net_good),
		cmocka_unit_test(test_net_bad),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_hostfwd),
		cmocka_unit_test(test_guestfwd),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_filter_families),
		cmocka_unit_test(test_edge_any_frame),
		cmocka_unit_test(test_sockets_of_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

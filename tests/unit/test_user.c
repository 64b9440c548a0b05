/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/user_slirp and user_agent with the real libslirp: a scripted guest
 * speaks ARP, DHCP and a little TCP to its thread; forwarded ports come and go;
 * no thread, descriptor or child is left behind.
 */
#include "test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "le.h"
#include "offload.h"
#include "user.h"

#define GUEST	0x0a00020f /* 10.0.2.15 */
#define SERVER	0x0a000264 /* 10.0.2.100 */
#define WAIT_MS 5000

enum { IP_OFF = 14, L4_OFF = 34, TCP_DATA = 54, SYN = 2, PSH = 8, ACK = 16 };

static const uint8_t guest_mac[] = { 2, 0, 0, 0, 0, 9 };

struct guest {
	struct user_slirp slirp;
	uint8_t got[2048];
	uint32_t got_size;
	uint8_t peer_mac[6];
};

static unsigned count_entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Takes the next frame within @ms and returns whether one came. */
static bool receive(struct guest *g, int ms)
{
	struct pollfd p = { g->slirp.out_fd, POLLIN, 0 };
	void *data;

	while (!(data = mring_peek(g->slirp.out, &g->got_size))) {
		if (mring_arm(g->slirp.out) && poll(&p, 1, ms) == 0)
			return false;
		fd_drain(g->slirp.out_fd);
	}
	assert_in_range(g->got_size, ETH_HLEN, sizeof(g->got));
	memcpy(g->got, data, g->got_size);
	mring_release(g->slirp.out);
	return true;
}

static void send_frame(struct guest *g, const void *data, uint32_t size)
{
	void *p = mring_reserve(g->slirp.in, size);

	assert_non_null(p);
	memcpy(p, data, size);
	if (mring_commit(g->slirp.in))
		fd_signal(g->slirp.in_fd);
}

static void start(struct guest *g, struct user_conf *c)
{
	struct user_net n;
	struct err err = { "" };

	memset(g, 0, sizeof(*g));
	if (user_net_parse(c, &n, &err) ||
	    user_slirp_init(&g->slirp, "user", c, &n, &err) ||
	    user_slirp_start(&g->slirp, &err))
		fail_msg("%s", err.msg);
}

static void configure(struct user_conf *c)
{
	memset(c, 0, sizeof(*c));
	assert_int_equal(opt_defaults(user_rows, c, NULL), 0);
}

/* Asks for @addr by ARP; the answer's MAC address goes to g->peer_mac. */
static void resolve(struct guest *g, uint32_t addr)
{
	uint8_t f[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	memcpy(f + 6, guest_mac, 6);
	put_be16(f + 12, 0x0806);
	memcpy(f + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, 1 }, 8);
	memcpy(f + 22, guest_mac, 6);
	put_be32(f + 28, GUEST);
	put_be32(f + 38, addr);
	send_frame(g, f, sizeof(f));
	do
		assert_true(receive(g, WAIT_MS));
	while (get_be16(g->got + 12) != 0x0806 ||
	       get_be32(g->got + 28) != addr);
	memcpy(g->peer_mac, g->got + 22, 6);
}

/* Sends an IPv4 packet with @size bytes behind its header to @dst. */
static void send_ip(struct guest *g, uint8_t *f, uint8_t proto, uint32_t dst,
		    uint16_t size)
{
	uint16_t csum_off = proto == IPPROTO_TCP ? 16 : 6;
	uint64_t sum;

	memcpy(f, g->peer_mac, 6);
	memcpy(f + 6, guest_mac, 6);
	put_be16(f + 12, 0x0800);
	memset(f + IP_OFF, 0, 20);
	f[IP_OFF] = 0x45;
	put_be16(f + IP_OFF + 2, (uint16_t)(20 + size));
	f[IP_OFF + 8] = 64;
	f[IP_OFF + 9] = proto;
	put_be32(f + IP_OFF + 12, GUEST);
	put_be32(f + IP_OFF + 16, dst);
	sum = csum_fold(csum_add(0, f + IP_OFF, 20));
	memcpy(f + IP_OFF + 10, &(uint16_t){ (uint16_t)sum }, 2);
	/* the checksum covers the addresses, protocol and length too */
	memset(f + L4_OFF + csum_off, 0, 2);
	sum = csum_add(0, f + IP_OFF + 12, 8);
	sum = csum_add(
		sum,
		(uint8_t[]){ 0, proto, (uint8_t)(size >> 8), (uint8_t)size },
		4);
	sum = csum_fold(csum_add(sum, f + L4_OFF, size));
	memcpy(f + L4_OFF + csum_off, &(uint16_t){ (uint16_t)sum }, 2);
	send_frame(g, f, L4_OFF + (uint32_t)size);
}

static void send_tcp(struct guest *g, uint32_t dst, uint16_t dport,
		     uint32_t seq, uint32_t ack, uint8_t flags)
{
	uint8_t f[TCP_DATA] = { 0 };

	put_be16(f + L4_OFF, 4000);
	put_be16(f + L4_OFF + 2, dport);
	put_be32(f + L4_OFF + 4, seq);
	put_be32(f + L4_OFF + 8, ack);
	f[L4_OFF + 12] = 5 << 4;
	f[L4_OFF + 13] = flags;
	put_be16(f + L4_OFF + 14, 8192);
	send_ip(g, f, IPPROTO_TCP, dst, 20);
}

/* Waits for a TCP segment that has @flags set. */
static void await_tcp(struct guest *g, uint8_t flags)
{
	do
		assert_true(receive(g, WAIT_MS));
	while (get_be16(g->got + 12) != 0x0800 ||
	       g->got[IP_OFF + 9] != IPPROTO_TCP ||
	       (g->got[L4_OFF + 13] & flags) != flags);
}

static void test_dhcp(void **state)
{
	uint8_t f[L4_OFF + 8 + 300] = { 0 }, *dhcp = f + L4_OFF + 8;
	struct user_conf c;
	struct guest g;

	(void)state;
	configure(&c);
	start(&g, &c);
	memset(g.peer_mac, 0xff, 6);
	put_be16(f + L4_OFF, 68);
	put_be16(f + L4_OFF + 2, 67);
	put_be16(f + L4_OFF + 4, 8 + 300);
	memcpy(dhcp, (uint8_t[]){ 1, 1, 6, 0 }, 4);
	memcpy(dhcp + 28, guest_mac, 6);
	memcpy(dhcp + 236, (uint8_t[]){ 99, 130, 83, 99, 53, 1, 1, 255 }, 8);
	send_ip(&g, f, IPPROTO_UDP, 0xffffffff, 8 + 300);
	do
		assert_true(receive(&g, WAIT_MS));
	while (get_be16(g.got + 12) != 0x0800 ||
	       get_be16(g.got + L4_OFF + 2) != 68);
	/* "your address": the first of the pool */
	assert_int_equal(get_be32(g.got + L4_OFF + 8 + 16), GUEST);
	user_slirp_fini(&g.slirp);
	opt_free(user_rows, &c);
}

/* A connection of the guest starts a command, whose output comes back. The
 * command would run on after its port, but is ended with it. */
static void test_command(void **state)
{
	unsigned fds = count_entries("/proc/self/fd");
	unsigned threads = count_entries("/proc/self/task");
	uint64_t begin = loop_now_ms();
	struct user_conf c;
	struct guest g;
	uint32_t seq;

	(void)state;
	configure(&c);
	opt_list_add(&c.guestfwd, "tcp:10.0.2.100:80-cmd:"
				  "trap '' TERM; echo hi; sleep 60");
	start(&g, &c);
	resolve(&g, SERVER);
	send_tcp(&g, SERVER, 80, 1000, 0, SYN);
	await_tcp(&g, SYN | ACK);
	assert_int_equal(get_be32(g.got + L4_OFF + 8), 1001);
	seq = get_be32(g.got + L4_OFF + 4) + 1;
	send_tcp(&g, SERVER, 80, 1001, seq, ACK);
	do
		await_tcp(&g, ACK);
	while (get_be16(g.got + IP_OFF + 2) <= 40);
	assert_int_equal(get_be16(g.got + IP_OFF + 2), 40 + 3);
	assert_memory_equal(g.got + TCP_DATA, "hi\n", 3);

	user_slirp_fini(&g.slirp);
	assert_in_range(loop_now_ms() - begin, 0, 5000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_entries("/proc/self/fd"), fds);
	assert_int_equal(count_entries("/proc/self/task"), threads);
	opt_free(user_rows, &c);
}

/* Returns a TCP socket that listens at a free port of the loopback, which goes
 * to *@port. */
static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&a, &size);
	*port = ntohs(a.sin_port);
	return fd;
}

static bool can_connect(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = connect(fd, (struct sockaddr *)&a, sizeof(a));

	close(fd);
	return rc == 0;
}

static void test_hostfwd(void **state)
{
	struct user_hostfwd f;
	struct user_conf c;
	struct user_net n;
	struct guest g;
	struct err err;
	char rule[64];
	uint16_t port;
	int fd;

	(void)state;
	configure(&c);
	assert_int_equal(user_net_parse(&c, &n, &err), 0);
	start(&g, &c);
	resolve(&g, 0x0a000202);
	fd = listen_somewhere(&port);
	snprintf(rule, sizeof(rule), "tcp:127.0.0.1:%u-:22", port);
	assert_int_equal(user_hostfwd_parse(rule, &n, &f, &err), 0);
	assert_int_equal(user_slirp_add_hostfwd(&g.slirp, &f, rule, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.msg, rule));
	assert_non_null(strstr(err.msg, "is in use"));
	close(fd);

	assert_int_equal(user_slirp_add_hostfwd(&g.slirp, &f, rule, &err), 0);
	assert_true(can_connect(port));
	await_tcp(&g, SYN); /* the connection reaches the guest */
	assert_int_equal(get_be16(g.got + L4_OFF + 2), 22);
	assert_int_equal(get_be32(g.got + IP_OFF + 16), GUEST);

	user_slirp_remove_hostfwd(&g.slirp, &f);
	assert_false(can_connect(port));
	assert_int_equal(user_slirp_add_hostfwd(&g.slirp, &f, rule, &err), 0);
	user_slirp_fini(&g.slirp);
	assert_false(can_connect(port));
	opt_free(user_rows, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dhcp),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_hostfwd),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

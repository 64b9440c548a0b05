/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port at a socket: clients that come and go, what they wrote just
 * before, and output that nobody takes. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chip_rig.h"
#include "layout.h"
#include "sock_stream.h"
#include "uart.h"

#define COM1	   PORT_COM1
#define DATA_READY 1
#define EVENTUALLY 20000 /* ms; only a failing test waits so long */
#define A_MOMENT   30

struct line {
	struct chip_rig *r;
	struct sock_server server;
	struct uart *u;
	struct sock_addr at;
	char path[64];
};

static void new_uart(struct line *l)
{
	struct err err;

	assert_int_equal(uart_create(&l->r->vm, -1, -1, &l->u, &err), 0);
	uart_serve(l->u, &l->server);
	outb(l->r, COM1 + 4, 8);
}

/* @where: NULL is a UNIX socket, else the address of a TCP one */
static void listen_at(struct line *l, const char *where)
{
	struct err err;

	memset(l, 0, sizeof(*l));
	l->r = rig_new();
	snprintf(l->path, sizeof(l->path), "/tmp/ringway-uart-%d.sock",
		 (int)getpid());
	assert_int_equal(
		where ? sock_addr_host_port(&l->at, "serial", where, &err)
		      : sock_addr_unix(&l->at, "serial", l->path, &err),
		0);
	assert_int_equal(
		sock_stream_listen(&l->server.listener, "serial", &l->at, &err),
		0);
	assert_int_equal(sock_server_start(&l->server, l->r->vm.loop), 0);
}

static void start(struct line *l, const char *where)
{
	listen_at(l, where);
	new_uart(l);
}

static void finish(struct line *l)
{
	uart_destroy(l->u);
	sock_server_stop(&l->server);
	assert_int_equal(access(l->path, F_OK), -1);
	rig_free(l->r);
}

static int connect_to(struct line *l)
{
	int fd = socket(l->at.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, &l->at.sa, l->at.len), 0);
	rig_run(l->r, A_MOMENT);
	return fd;
}

static void print(struct line *l, const char *s)
{
	for (; *s; s++)
		outb(l->r, COM1, (uint8_t)*s);
	rig_run(l->r, A_MOMENT);
}

static void assert_hears(int fd, const char *text)
{
	char buf[256];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	assert_int_equal(n, (ssize_t)strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* The guest reads @count characters that follow @from. */
static void take(struct line *l, unsigned from, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < EVENTUALLY && n < count; i++) {
		while (n < count && inb(l->r, COM1 + 5) & DATA_READY) {
			assert_int_equal(inb(l->r, COM1), (uint8_t)(from + n));
			n++;
		}
		rig_run(l->r, 1);
	}
	assert_int_equal(n, count);
}

static bool has_input(struct line *l)
{
	return inb(l->r, COM1 + 5) & DATA_READY;
}

struct taker {
	struct show show;
	uint64_t lost;
	bool client;
};

static void take_num(struct show *s, const char *key, uint64_t v)
{
	if (!strcmp(key, "lost_bytes"))
		container_of(s, struct taker, show)->lost = v;
}

static void take_flag(struct show *s, const char *key, bool v)
{
	assert_string_equal(key, "client");
	container_of(s, struct taker, show)->client = v;
}

static uint64_t lost(struct line *l, bool client)
{
	static const struct show_ops ops = { .num = take_num,
					     .flag = take_flag };
	struct taker t = { .show.ops = &ops };

	uart_show(l->u, &t.show);
	assert_int_equal(t.client, client);
	return t.lost;
}

static void test_come_and_go(struct line *l)
{
	int fd, other;

	print(l, "nobody");
	assert_int_equal(lost(l, false), 6);
	fd = connect_to(l);
	print(l, "hello");
	assert_hears(fd, "hello");
	say(fd, "\x10\x11\x12");
	take(l, 0x10, 3);
	other = connect_to(l);
	assert_hears(other, "another client is connected\r\n");
	assert_int_equal(read(other, &(char){ 0 }, 1), 0);
	close(other);
	print(l, "still");
	assert_hears(fd, "still");
	close(fd);
	rig_run(l->r, A_MOMENT);
	assert_int_equal(lost(l, false), 6);
	print(l, "gone");
	assert_int_equal(lost(l, false), 10);
	fd = connect_to(l);
	print(l, "again");
	assert_hears(fd, "again");
	say(fd, "\x20");
	take(l, 0x20, 1);
	assert_int_equal(lost(l, true), 10);
	close(fd);
}

static void test_unix(void **state)
{
	struct line l;

	(void)state;
	start(&l, NULL);
	test_come_and_go(&l);
	finish(&l);
}

static void test_tcp(void **state)
{
	struct line l;

	(void)state;
	start(&l, "127.0.0.1:0");
	test_come_and_go(&l);
	finish(&l);
}

/* All that a client wrote comes in, however slowly the guest reads and however
 * soon the client goes. */
static void test_last_words(void **state)
{
	static const unsigned sizes[] = { 1, 16, 300, 5000 };
	struct line l;

	(void)state;
	start(&l, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = connect_to(&l);
		uint8_t c[5000];

		for (unsigned k = 0; k < sizes[i]; k++)
			c[k] = (uint8_t)(i + k);
		assert_int_equal(write(fd, c, sizes[i]), sizes[i]);
		close(fd);
		/* Output finds out that it went, which is not the end. */
		print(&l, "output");
		take(&l, i, sizes[i]);
		rig_run(l.r, A_MOMENT);
		assert_false(has_input(&l));
		lost(&l, false);
	}
	finish(&l);
}

/* Before there is a machine, and between two: a client waits for the next. */
static void test_no_machine(void **state)
{
	struct line l;
	int fd, other;

	(void)state;
	listen_at(&l, NULL);
	fd = connect_to(&l);
	other = connect_to(&l);
	assert_hears(other, "another client is connected\r\n");
	close(other);
	new_uart(&l);
	print(&l, "first");
	assert_hears(fd, "first");
	uart_destroy(l.u);
	close(fd);
	fd = connect_to(&l);
	say(fd, "\x30");
	new_uart(&l);
	print(&l, "hello");
	assert_hears(fd, "hello");
	take(&l, 0x30, 1);
	close(fd);
	finish(&l);
}

/* A guest that reads nothing does not keep the next client out. */
static void test_next_client(void **state)
{
	struct line l;
	char c[5000];
	int fd;

	(void)state;
	start(&l, NULL);
	for (unsigned i = 0; i < sizeof(c); i++)
		c[i] = (char)i;
	for (unsigned i = 0; i < 3; i++) {
		fd = connect_to(&l);
		print(&l, "yes");
		assert_hears(fd, "yes");
		assert_int_equal(write(fd, c, sizeof(c)), sizeof(c));
		rig_run(l.r, A_MOMENT);
		close(fd);
	}
	fd = connect_to(&l);
	say(fd, "\xf0");
	/* The piece that was read of the first one, then the last one's. */
	take(&l, 0, 256);
	take(&l, 0xf0, 1);
	print(&l, "end");
	assert_hears(fd, "end");
	close(fd);
	finish(&l);
}

/* A reset makes a new port; the client stays. */
static void test_reset(void **state)
{
	struct line l;
	int fd;

	(void)state;
	start(&l, NULL);
	fd = connect_to(&l);
	print(&l, "one");
	uart_destroy(l.u);
	new_uart(&l);
	print(&l, "two");
	assert_hears(fd, "onetwo");
	say(fd, "k");
	take(&l, 'k', 1);
	close(fd);
	finish(&l);
}

/* A client that reads nothing does not hold the guest up. */
static void test_slow_client(void **state)
{
	struct line l;
	int fd;

	(void)state;
	start(&l, NULL);
	fd = connect_to(&l);
	for (unsigned i = 0; i < 300; i++) {
		for (unsigned k = 0; k < 4000; k++)
			outb(l.r, COM1, 'x');
		rig_run(l.r, 4);
	}
	assert_true(lost(&l, true) > 0);
	close(fd);
	finish(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_no_machine),
		cmocka_unit_test(test_next_client),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_slow_client),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

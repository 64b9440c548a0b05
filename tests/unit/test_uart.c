/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port with its two sides: output that nobody reads, input that the
 * guest takes slowly, and vCPUs beside the control thread. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chip_rig.h"
#include "layout.h"
#include "shm.h"
#include "uart.h"

#define COM1	   PORT_COM1
#define BUFFER	   8192 /* bytes of output that wait */
#define LONG	   50000
#define DATA_READY 1
#define EVENTUALLY 20000 /* ms; only a failing test waits so long */
#define A_MOMENT   30

static struct uart *new_uart(struct chip_rig *r, int in, int out)
{
	struct uart *u;
	struct err err;

	assert_int_equal(uart_create(&r->vm, in, out, &u, &err), 0);
	outb(r, COM1 + 4, 8); /* OUT2: the interrupt's gate */
	return u;
}

static void print(struct chip_rig *r, const char *s)
{
	for (; *s; s++)
		outb(r, COM1, (uint8_t)*s);
}

struct taker {
	struct show show;
	uint64_t received, sent, lost;
};

static void show_num_into(struct show *s, const char *key, uint64_t v)
{
	struct taker *t = container_of(s, struct taker, show);

	if (!strcmp(key, "received_bytes"))
		t->received = v;
	else if (!strcmp(key, "sent_bytes"))
		t->sent = v;
	else if (!strcmp(key, "lost_bytes"))
		t->lost = v;
	else
		fail_msg("unknown counter %s", key);
}

static void counters(struct uart *u, uint64_t v[3])
{
	static const struct show_ops ops = { .num = show_num_into };
	struct taker t = { .show.ops = &ops };

	uart_show(u, &t.show);
	v[0] = t.received;
	v[1] = t.sent;
	v[2] = t.lost;
}

static void new_pipe(int fd[2])
{
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
}

static void test_output(void **state)
{
	struct chip_rig *r = rig_new();
	struct uart *u;
	char buf[64];
	int out[2];

	(void)state;
	new_pipe(out);
	u = new_uart(r, -1, out[1]);
	print(r, "no newline");
	rig_run(r, A_MOMENT);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 10);
	assert_memory_equal(buf, "no newline", 10);
	/* A wide access is one register after the other. */
	outb(r, COM1 + 7, 0x55);
	assert_int_equal(rig_in(r, COM1 + 4, 4), 0x55b06008);
	/* The shared description kept its flags. */
	assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
	/* The last words, before a reset */
	print(r, "Restarting system\n");
	uart_destroy(u);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 18);
	assert_memory_equal(buf, "Restarting system\n", 18);
	close(out[0]);
	close(out[1]);
	rig_free(r);
}

/* Bytes are gathered: a line is one write. */
static void test_gathering(void **state)
{
	struct chip_rig *r = rig_new();
	char buf[BUFFER];
	struct uart *u;
	int out[2];

	(void)state;
	/* A socket of this type keeps the writes apart. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, out), 0);
	u = new_uart(r, -1, out[1]);
	for (unsigned i = 0; i < 100; i++)
		print(r, "0123456789");
	rig_run(r, A_MOMENT);
	assert_int_equal(recv(out[0], buf, sizeof(buf), MSG_DONTWAIT), 1000);
	assert_int_equal(recv(out[0], buf, sizeof(buf), MSG_DONTWAIT), -1);
	uart_destroy(u);
	close(out[0]);
	close(out[1]);
	rig_free(r);
}

static int fill(int fd)
{
	int flags = fcntl(fd, F_GETFL), total = 0;
	char zero[4096] = { 0 };
	ssize_t n;

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while ((n = write(fd, zero, sizeof(zero))) > 0)
		total += (int)n;
	fcntl(fd, F_SETFL, flags);
	return total;
}

static void read_away(int fd, int size)
{
	char buf[4096];

	while (size > 0) {
		ssize_t n = read(fd, buf, (size_t)MIN(size, 4096));

		assert_true(n > 0);
		size -= (int)n;
	}
}

/* What nobody reads waits, up to a limit; then it is lost, and counted. */
static void test_full_pipe(void **state)
{
	struct chip_rig *r = rig_new();
	uint8_t got[BUFFER];
	struct uart *u;
	uint64_t v[3];
	int out[2], filled;

	(void)state;
	new_pipe(out);
	u = new_uart(r, -1, out[1]);
	filled = fill(out[1]);
	for (unsigned i = 0; i < BUFFER + 100; i++)
		outb(r, COM1, (uint8_t)(i / 3));
	rig_run(r, A_MOMENT);
	counters(u, v);
	assert_int_equal(v[1], 0);
	assert_int_equal(v[2], 100);
	read_away(out[0], filled);
	/* Now there is room, which the loop sees without a new byte. */
	for (unsigned got_size = 0; got_size < BUFFER;) {
		ssize_t n;

		rig_run(r, 1);
		n = read(out[0], got + got_size, BUFFER - got_size);
		assert_true(n > 0);
		got_size += (unsigned)n;
	}
	for (unsigned i = 0; i < BUFFER; i++)
		assert_int_equal(got[i], (uint8_t)(i / 3));
	rig_run(r, A_MOMENT);
	counters(u, v);
	assert_int_equal(v[1], BUFFER);
	/* A reader that never comes back holds up the end for a second. */
	fill(out[1]);
	print(r, "lost");
	uart_destroy(u);
	close(out[0]);
	close(out[1]);
	rig_free(r);
}

static void test_reader_is_gone(void **state)
{
	struct chip_rig *r = rig_new();
	struct uart *u;
	uint64_t v[3];
	int out[2];

	(void)state;
	new_pipe(out);
	u = new_uart(r, -1, out[1]);
	fill(out[1]);
	print(r, "waits");
	rig_run(r, A_MOMENT);
	close(out[0]);
	rig_run(r, A_MOMENT);
	print(r, "gone");
	rig_run(r, A_MOMENT);
	counters(u, v);
	assert_int_equal(v[1], 0);
	assert_int_equal(v[2], 9);
	uart_destroy(u);
	close(out[1]);
	rig_free(r);
}

/* A plain file: epoll refuses it. */
static void test_files(void **state)
{
	char path[] = "/tmp/ringway-uart-XXXXXX", buf[8192];
	struct chip_rig *r = rig_new();
	int fd = mkstemp(path), in;
	struct uart *u;
	unsigned n = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "first\n", 6), 6);
	u = new_uart(r, -1, fd);
	for (unsigned i = 0; i < 1000; i++)
		print(r, "text\n");
	uart_destroy(u);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 5006);
	assert_memory_equal(buf, "first\ntext\n", 11);
	in = open(path, O_RDONLY | O_CLOEXEC);
	u = new_uart(r, in, -1);
	for (unsigned i = 0; i < EVENTUALLY && n < 5006; i++) {
		while (inb(r, COM1 + 5) & DATA_READY)
			assert_int_equal(inb(r, COM1), (uint8_t)buf[n++]);
		rig_run(r, 1);
	}
	assert_int_equal(n, 5006);
	rig_run(r, A_MOMENT);
	assert_int_equal(inb(r, COM1 + 5) & DATA_READY, 0);
	uart_destroy(u);
	close(in);
	close(fd);
	unlink(path);
	rig_free(r);
}

/* Input waits at the host until the guest has taken what came before. */
static void test_paste(void **state)
{
	struct chip_rig *r = rig_new();
	unsigned sent = 0, got = 0;
	struct uart *u;
	int in[2];

	(void)state;
	new_pipe(in);
	u = new_uart(r, in[0], -1);
	outb(r, COM1 + 2, 0xc1);
	outb(r, COM1 + 1, 1);
	while (sent < 20000) {
		uint8_t c = (uint8_t)(sent * 7 / 3);

		assert_int_equal(write(in[1], &c, 1), 1);
		sent++;
	}
	rig_run(r, A_MOMENT);
	/* A driver that takes 14 characters, or one, for each edge. */
	for (unsigned i = 0, edges = 0; got < sent && i < EVENTUALLY; i++) {
		if (rig_rises(r, IRQ_COM1) == edges) {
			rig_run(r, 1);
			continue;
		}
		edges = rig_rises(r, IRQ_COM1);
		for (;;) {
			uint8_t iir = inb(r, COM1 + 2);
			unsigned n = iir == 0xc4 ? 14 : 1;

			if (iir == 0xc1)
				break;
			while (n--) {
				assert_int_equal(inb(r, COM1),
						 (uint8_t)(got * 7 / 3));
				got++;
			}
		}
	}
	assert_int_equal(got, sent);
	assert_int_equal(inb(r, COM1 + 5), 0x60);
	/* The end of the input is no input, and no busy loop. */
	close(in[1]);
	rig_run(r, A_MOMENT);
	assert_int_equal(inb(r, COM1 + 5), 0x60);
	uart_destroy(u);
	close(in[0]);
	rig_free(r);
}

/* One action for an edge, then the driver waits for the next one. */
static void test_one_for_an_edge(void **state)
{
	static const uint8_t fcr[] = { 0, 1, 0x41, 0xc1 };
	struct chip_rig *r = rig_new();
	struct uart *u;
	int in[2];

	(void)state;
	new_pipe(in);
	u = new_uart(r, in[0], -1);
	outb(r, COM1 + 1, 1);
	for (unsigned k = 0; k < ARRAY_SIZE(fcr); k++) {
		unsigned got = 0, edges = rig_rises(r, IRQ_COM1);

		outb(r, COM1 + 2, fcr[k]);
		assert_int_equal(write(in[1], "0123456789abcdefghijklmno", 25),
				 25);
		for (unsigned i = 0; got < 25 && i < EVENTUALLY; i++) {
			unsigned n = 1;

			rig_run(r, 1);
			if (rig_rises(r, IRQ_COM1) == edges)
				continue;
			edges = rig_rises(r, IRQ_COM1);
			if (inb(r, COM1 + 2) == 0xc4)
				n = fcr[k] == 0xc1   ? 14
				    : fcr[k] == 0x41 ? 4
						     : 1;
			while (n-- && got < 25)
				assert_int_equal(
					inb(r, COM1),
					"0123456789abcdefghijklmno"[got++]);
		}
		assert_int_equal(got, 25);
	}
	uart_destroy(u);
	close(in[0]);
	close(in[1]);
	rig_free(r);
}

/* Loop-back mode is a line of its own: input waits for its end. */
static void test_input_waits_for_loop_back(void **state)
{
	struct chip_rig *r = rig_new();
	struct uart *u;
	int in[2];

	(void)state;
	new_pipe(in);
	u = new_uart(r, in[0], -1);
	outb(r, COM1 + 4, 0x18);
	assert_int_equal(write(in[1], "k", 1), 1);
	rig_run(r, A_MOMENT);
	assert_int_equal(inb(r, COM1 + 5), 0x60);
	outb(r, COM1, 'l');
	assert_int_equal(inb(r, COM1), 'l');
	outb(r, COM1 + 4, 8);
	assert_int_equal(inb(r, COM1 + 5), 0x61);
	assert_int_equal(inb(r, COM1), 'k');
	/* And the input goes on. */
	assert_int_equal(write(in[1], "m", 1), 1);
	rig_run(r, A_MOMENT);
	assert_int_equal(inb(r, COM1), 'm');
	uart_destroy(u);
	close(in[0]);
	close(in[1]);
	rig_free(r);
}

/* Characters that the driver left in the FIFO come again, as a time-out. */
static void test_timeout(void **state)
{
	struct chip_rig *r = rig_new();
	struct uart *u;
	unsigned rises;
	int in[2];

	(void)state;
	new_pipe(in);
	u = new_uart(r, in[0], -1);
	outb(r, COM1 + 2, 0x81);
	outb(r, COM1 + 1, 1);
	assert_int_equal(write(in[1], "abc", 3), 3);
	rig_run(r, A_MOMENT);
	assert_true(rig_line(r, IRQ_COM1));
	assert_int_equal(inb(r, COM1 + 2), 0xcc);
	assert_int_equal(inb(r, COM1), 'a');
	assert_false(rig_line(r, IRQ_COM1));
	rises = rig_rises(r, IRQ_COM1);
	rig_run(r, A_MOMENT);
	assert_int_equal(rig_rises(r, IRQ_COM1), rises + 1);
	assert_int_equal(inb(r, COM1 + 2), 0xcc);
	inb(r, COM1);
	inb(r, COM1);
	rig_run(r, A_MOMENT);
	assert_false(rig_line(r, IRQ_COM1));
	uart_destroy(u);
	close(in[0]);
	close(in[1]);
	rig_free(r);
}

static void test_refusals(void **state)
{
	struct chip_rig *r = rig_new();
	struct err err;
	struct uart *u;

	(void)state;
	uart_destroy(NULL);
	assert_int_equal(uart_create(&r->vm, -1, 9999, &u, &err), -EBADF);
	assert_non_null(strstr(err.msg, "output"));
	assert_int_equal(uart_create(&r->vm, 9999, -1, &u, &err), -EBADF);
	assert_non_null(strstr(err.msg, "input"));
	r->is_full = true;
	assert_int_equal(uart_create(&r->vm, -1, -1, &u, &err), -EEXIST);
	rig_free(r);
}

struct vcpu_job {
	struct chip_rig *r;
	unsigned id, bad;
	bool is_done; /* [any, atomic] */
};

/* Echoes on one vCPU: reads LONG characters, in order, and sends each. */
static void *echo(void *arg)
{
	struct vcpu_job *j = arg;
	unsigned got = 0;

	while (got < LONG && !j->bad) {
		if (!(inb(j->r, COM1 + 5) & DATA_READY)) {
			usleep(50);
			continue;
		}
		j->bad += inb(j->r, COM1) != (uint8_t)(got++ * 5 / 3);
		outb(j->r, COM1, (uint8_t)got);
		/* No faster than the reader, or output would be lost. */
		if (got % 2048 == 0)
			usleep(5000);
	}
	shm_store_release(&j->is_done, true);
	return NULL;
}

/* Another vCPU meddles with registers that do not lose characters. */
static void *meddle(void *arg)
{
	struct vcpu_job *j = arg;

	for (unsigned i = 0; !shm_load_acquire(&j->is_done); i++) {
		outb(j->r, COM1 + 1, (uint8_t)(i & 0xf));
		inb(j->r, COM1 + 2);
		outb(j->r, COM1 + 7, (uint8_t)i);
		inb(j->r, COM1 + 6);
		usleep(20);
	}
	return NULL;
}

struct host_job {
	int in, out;
	unsigned got;
};

static void *write_input(void *arg)
{
	struct host_job *h = arg;
	uint8_t c[100];

	for (unsigned sent = 0; sent < LONG;) {
		unsigned n = 0;

		while (n < sizeof(c) && sent < LONG)
			c[n++] = (uint8_t)(sent++ * 5 / 3);
		if (write(h->in, c, n) != (ssize_t)n)
			break;
	}
	return NULL;
}

static void *read_output(void *arg)
{
	struct host_job *h = arg;
	uint8_t c[1000];
	ssize_t n;

	while (h->got < LONG && (n = read(h->out, c, sizeof(c))) > 0)
		h->got += (unsigned)n;
	return NULL;
}

static void test_threads(void **state)
{
	struct chip_rig *r = rig_new();
	struct vcpu_job j = { .r = r };
	pthread_t t[4];
	struct host_job h = { 0 };
	struct uart *u;
	int in[2], out[2];
	uint64_t v[3];

	(void)state;
	new_pipe(in);
	new_pipe(out);
	u = new_uart(r, in[0], out[1]);
	outb(r, COM1 + 2, 0x81);
	h.in = in[1];
	h.out = out[0];
	pthread_create(&t[0], NULL, echo, &j);
	pthread_create(&t[1], NULL, meddle, &j);
	pthread_create(&t[2], NULL, write_input, &h);
	pthread_create(&t[3], NULL, read_output, &h);
	for (unsigned i = 0;
	     i < 6 * EVENTUALLY && !shm_load_acquire(&j.is_done); i++)
		rig_run(r, 1);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(j.bad, 0);
	counters(u, v);
	assert_int_equal(v[0], LONG);
	uart_destroy(u);
	close(out[1]); /* the reader ends, whatever was lost */
	pthread_join(t[2], NULL);
	pthread_join(t[3], NULL);
	assert_in_range(h.got, v[1], LONG);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_gathering),
		cmocka_unit_test(test_full_pipe),
		cmocka_unit_test(test_reader_is_gone),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_paste),
		cmocka_unit_test(test_one_for_an_edge),
		cmocka_unit_test(test_input_waits_for_loop_back),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_threads),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

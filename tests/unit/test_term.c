/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's terminal: raw while it runs, and as it was after every end and
 * in every stop. A small shell (a session with a pseudo terminal) starts the
 * code under test as a job, in the foreground or not, and looks at the modes.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "chip_rig.h"
#include "layout.h"
#include "raw_term.h"
#include "uart.h"

#define EVENTUALLY 10000 /* ms; only a failing test waits so long */

struct shell {
	int master;
	struct termios orig;
	int to_job[2], from_job[2];
};

/* The shell is a child, where cmocka's asserts must not be: it exits with the
 * number of the line. */
#define CHECK(x)                           \
	do {                               \
		if (!(x))                  \
			exit_at(__LINE__); \
	} while (0)

static void exit_at(int line)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "line %d\n", line);

	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

static bool is_raw(const struct shell *s)
{
	struct termios t;

	CHECK(tcgetattr(STDIN_FILENO, &t) == 0);
	/* Output is processed as before. */
	CHECK((t.c_oflag & OPOST) == (s->orig.c_oflag & OPOST));
	if (t.c_lflag & ICANON) {
		CHECK(t.c_lflag == s->orig.c_lflag);
		CHECK(t.c_iflag == s->orig.c_iflag);
		CHECK(t.c_cflag == s->orig.c_cflag);
		CHECK(!memcmp(t.c_cc, s->orig.c_cc, sizeof(t.c_cc)));
		return false;
	}
	CHECK(!(t.c_lflag & (ECHO | ISIG | IEXTEN)));
	CHECK(!(t.c_iflag & (ICRNL | IXON)));
	return true;
}

static void wait_raw(const struct shell *s)
{
	for (unsigned i = 0; !is_raw(s); i++) {
		CHECK(i < EVENTUALLY);
		usleep(1000);
	}
}

static void say(int fd, char c)
{
	CHECK(write(fd, &c, 1) == 1);
}

static char hear(int fd)
{
	char c = 0;

	while (read(fd, &c, 1) < 0)
		CHECK(errno == EINTR);
	return c;
}

static void foreground(pid_t group)
{
	CHECK(tcsetpgrp(STDIN_FILENO, group) == 0);
}

/* Starts @job in a process group of its own, as shells do. */
static pid_t start(struct shell *s, void (*job)(struct shell *s), bool is_front)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		signal(SIGTTOU, SIG_DFL);
		setpgid(0, 0);
		hear(s->to_job[0]);
		job(s);
		_exit(3);
	}
	setpgid(pid, pid);
	if (is_front)
		foreground(pid);
	say(s->to_job[1], 'g');
	return pid;
}

/* The job has ended or stopped; the shell has the terminal. */
static int wait_job(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	foreground(getpgrp());
	return status;
}

static void run_shell(void (*script)(struct shell *s))
{
	const struct rlimit none = { 0 };
	struct shell s = { .master = posix_openpt(O_RDWR | O_NOCTTY) };
	int status, slave;
	pid_t pid;

	assert_true(s.master >= 0);
	assert_int_equal(grantpt(s.master), 0);
	assert_int_equal(unlockpt(s.master), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		setrlimit(RLIMIT_CORE, &none);
		setsid();
		slave = open(ptsname(s.master), O_RDWR);
		CHECK(slave >= 0);
		ioctl(slave, TIOCSCTTY, 0);
		CHECK(dup2(slave, STDIN_FILENO) == STDIN_FILENO);
		CHECK(tcgetattr(STDIN_FILENO, &s.orig) == 0);
		CHECK(pipe(s.to_job) == 0 && pipe(s.from_job) == 0);
		signal(SIGTTOU, SIG_IGN);
		script(&s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(s.master);
	assert_int_equal(status, 0);
}

static void none(int sig)
{
	(void)sig;
}

static const int ending[] = { SIGTERM, SIGINT,	SIGHUP, SIGQUIT,
			      SIGSEGV, SIGBUS,	SIGFPE, SIGABRT,
			      SIGILL,  SIGALRM, SIGSYS };

/* Becomes raw, and ends by exit() when it is told to. The handlers of cmocka
 * and of sanitizers are not the program's, nor is what this test was started
 * with: a shell lets its background jobs ignore SIGINT. */
static void job_raw(struct shell *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ending); i++)
		signal(ending[i], SIG_DFL);
	signal(SIGUSR1, none);
	signal(SIGUSR2, SIG_IGN);
	CHECK(term_raw() == 0);
	for (;;) {
		say(s->from_job[1], 'r');
		switch (hear(s->to_job[0])) {
		case 'x':
			exit(7);
		case 'a':
			abort();
		case 'r':
			CHECK(term_raw() == 0);
			break;
		default:
			CHECK(false);
		}
	}
}

static void script_exit(struct shell *s)
{
	pid_t pid = start(s, job_raw, true);

	hear(s->from_job[0]);
	CHECK(is_raw(s));
	say(s->to_job[1], 'x');
	CHECK(WEXITSTATUS(wait_job(pid)) == 7);
	CHECK(!is_raw(s));
}

static void test_exit(void **state)
{
	(void)state;
	run_shell(script_exit);
}

static void script_signals(struct shell *s)
{
	int status;
	pid_t pid;

	for (unsigned i = 0; i < ARRAY_SIZE(ending); i++) {
		pid = start(s, job_raw, true);
		hear(s->from_job[0]);
		CHECK(is_raw(s));
		/* Handlers of the program itself are not ours. */
		kill(pid, SIGUSR1);
		kill(pid, SIGUSR2);
		kill(pid, ending[i]);
		status = wait_job(pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == ending[i]);
		CHECK(!is_raw(s));
	}
	pid = start(s, job_raw, true);
	hear(s->from_job[0]);
	say(s->to_job[1], 'a');
	status = wait_job(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CHECK(!is_raw(s));
}

static void test_signals(void **state)
{
	(void)state;
	run_shell(script_signals);
}

static void script_stops(struct shell *s)
{
	pid_t pid = start(s, job_raw, true);

	hear(s->from_job[0]);
	for (unsigned i = 0; i < 3; i++) {
		kill(pid, i == 2 ? SIGSTOP : SIGTSTP);
		CHECK(WIFSTOPPED(wait_job(pid)));
		/* Of SIGSTOP the job learns nothing; shells help. */
		if (i == 2)
			tcsetattr(STDIN_FILENO, TCSANOW, &s->orig);
		CHECK(!is_raw(s));
		foreground(pid);
		kill(pid, SIGCONT);
		wait_raw(s);
	}
	/* Continued in the background it leaves the terminal alone. */
	kill(pid, SIGTSTP);
	CHECK(WIFSTOPPED(wait_job(pid)));
	kill(pid, SIGCONT);
	say(s->to_job[1], 'r');
	hear(s->from_job[0]);
	CHECK(!is_raw(s));
	foreground(pid);
	say(s->to_job[1], 'r');
	hear(s->from_job[0]);
	CHECK(is_raw(s));
	say(s->to_job[1], 'x');
	CHECK(WIFEXITED(wait_job(pid)));
	CHECK(!is_raw(s));
}

static void test_stops(void **state)
{
	(void)state;
	run_shell(script_stops);
}

static void script_background(struct shell *s)
{
	static const int ends[] = { 0, SIGTERM };
	int status;
	pid_t pid;

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		pid = start(s, job_raw, false);
		hear(s->from_job[0]); /* not stopped */
		CHECK(!is_raw(s));
		if (ends[i])
			kill(pid, ends[i]);
		else
			say(s->to_job[1], 'x');
		status = wait_job(pid);
		CHECK(!WIFSTOPPED(status));
		CHECK(!is_raw(s));
	}
	/* Raw once, then sent to the background: its end changes nothing. */
	pid = start(s, job_raw, true);
	hear(s->from_job[0]);
	foreground(getpgrp());
	CHECK(is_raw(s));
	kill(pid, SIGTERM);
	status = wait_job(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK(is_raw(s));
}

static void test_background(void **state)
{
	(void)state;
	run_shell(script_background);
}

static void script_pipe(struct shell *s)
{
	CHECK(dup2(s->to_job[0], STDIN_FILENO) == STDIN_FILENO);
	CHECK(term_raw() == 0);
	CHECK(!term_is_ours());
	CHECK(signal(SIGTERM, SIG_DFL) == SIG_DFL);
	term_restore();
}

static void test_no_terminal(void **state)
{
	(void)state;
	run_shell(script_pipe);
}

/* --- a serial port on it --- */

static bool is_ended(struct chip_rig *r)
{
	return r->vm.end != VM_END_NONE;
}

/* Echoes until Ctrl-A x. */
static void job_serial(struct shell *s)
{
	struct chip_rig *r = rig_new();
	struct uart *u;
	uint8_t lsr;

	CHECK(term_raw() == 0);
	CHECK(uart_create(&r->vm, STDIN_FILENO, STDIN_FILENO, &u, NULL) == 0);
	say(s->from_job[1], 's');
	while (!is_ended(r)) {
		rig_run(r, 1);
		lsr = inb(r, PORT_COM1 + 5); /* reading clears errors */
		if (lsr & 1)
			outb(r, PORT_COM1, inb(r, PORT_COM1));
		if (lsr & 0x10)
			say(s->from_job[1], 'b');
	}
	CHECK(r->vm.end == VM_END_QUIT);
	uart_destroy(u);
	rig_free(r);
	exit(0);
}

static void type(struct shell *s, const char *keys)
{
	CHECK(write(s->master, keys, strlen(keys)) == (ssize_t)strlen(keys));
}

static void expect_output(struct shell *s, const char *want)
{
	for (const char *c = want; *c; c++) {
		struct pollfd p = { .fd = s->master, .events = POLLIN };

		CHECK(poll(&p, 1, EVENTUALLY) == 1);
		CHECK(hear(s->master) == *c);
	}
}

static void script_serial(struct shell *s)
{
	pid_t pid = start(s, job_serial, true);
	int status;

	hear(s->from_job[0]);
	type(s, "hello\003\032");
	expect_output(s, "hello\003\032");
	type(s, "\001\001q\001qz");
	expect_output(s, "\001qz");
	type(s, "\001h");
	expect_output(s, "\r");
	/* With output processing \n is \r\n again. */
	expect_output(s, "\r\nCtrl-A x  end the machine");
	type(s, "\001b");
	hear(s->from_job[0]);
	/* The description that the shell shares has its flags still. */
	CHECK(!(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK));
	type(s, "\001");
	type(s, "x");
	status = wait_job(pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(!is_raw(s));
}

static void test_serial(void **state)
{
	(void)state;
	run_shell(script_serial);
}

/* In the background input is the shell's. Brought to the foreground without a
 * signal, the job finds out by itself. */
static void script_serial_background(struct shell *s)
{
	pid_t pid = start(s, job_serial, false);
	int status;
	char c;

	hear(s->from_job[0]);
	type(s, "shell\n");
	expect_output(s, "shell\r\n"); /* echo of the terminal */
	usleep(50000);
	CHECK(waitpid(pid, &status, WUNTRACED | WNOHANG) == 0);
	for (unsigned i = 0; i < 6; i++)
		CHECK(read(STDIN_FILENO, &c, 1) == 1 && c == "shell\n"[i]);
	foreground(pid);
	wait_raw(s);
	type(s, "job");
	expect_output(s, "job");
	/* And back again */
	foreground(getpgrp());
	type(s, "y");
	usleep(50000);
	CHECK(waitpid(pid, &status, WUNTRACED | WNOHANG) == 0);
	CHECK(read(STDIN_FILENO, &c, 1) == 1 && c == 'y');
	foreground(pid);
	type(s, "\001x");
	status = wait_job(pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(!is_raw(s));
}

static void test_serial_background(void **state)
{
	(void)state;
	run_shell(script_serial_background);
}

static void test_filter(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: the end */
		bool help, brk, is_prefix;
	} cases[] = {
		{ "plain", "plain" },
		{ "a\001\001b", "a\001b" },
		{ "a\001", "a", .is_prefix = true },
		{ "\001?b", "b" },
		{ "\001ha", "a", .help = true },
		{ "\001b\001h", "", .help = true, .brk = true },
		{ "x\001x", NULL },
		{ "", "" },
	};
	struct term_keys k = { 0 };
	char data[16];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		int n = (int)strlen(cases[i].in);

		k = (struct term_keys){ 0 };
		memcpy(data, cases[i].in, (size_t)n);
		n = term_filter(&k, data, n);
		if (!cases[i].out) {
			assert_int_equal(n, -1);
			continue;
		}
		assert_int_equal(n, strlen(cases[i].out));
		assert_memory_equal(data, cases[i].out, n);
		assert_int_equal(k.wants_help, cases[i].help);
		assert_int_equal(k.wants_break, cases[i].brk);
		assert_int_equal(k.is_prefix, cases[i].is_prefix);
	}
	/* A key may come in two pieces. */
	k = (struct term_keys){ 0 };
	memcpy(data, "\001", 1);
	assert_int_equal(term_filter(&k, data, 1), 0);
	memcpy(data, "x", 1);
	assert_int_equal(term_filter(&k, data, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_background),
		cmocka_unit_test(test_no_terminal),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_serial_background),
		cmocka_unit_test(test_filter),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

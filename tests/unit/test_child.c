/* SPDX-License-Identifier: Apache-2.0 */
/* base/child: status, signals, and the end of a whole process group. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "loop.h"
#include "util.h"

static pid_t start(const char *command, int fd)
{
	const char *argv[] = { "sh", "-c", command, NULL };
	pid_t pid = -1;

	assert_int_equal(child_spawn(argv, fd, &pid), 0);
	return pid;
}

static void test_status(void **state)
{
	const char *argv[] = { "/nonexistent/program", NULL };
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(child_wait(start("exit 3", -1), 5000, &status), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_int_equal(child_spawn(argv, -1, &pid), -ENOENT);

	pid = start("sleep 60", -1);
	assert_int_equal(child_wait(pid, 50, &status), -ETIMEDOUT);
	child_end(&pid, 1, 1000);
	assert_int_equal(kill(pid, 0), -1);
}

/* The daemon ignores SIGPIPE; its children must not ignore it. */
static void test_signals(void **state)
{
	int fd[2], status;
	pid_t pid;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fd), 0);
	close(fd[0]);
	pid = start("while :; do echo x; done", fd[1]);
	close(fd[1]);
	assert_int_equal(child_wait(pid, 5000, &status), 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPIPE);
}

/* A child that obeys SIGTERM, and one that ignores it and has a child: all end.
 */
static void test_group(void **state)
{
	uint64_t begin = loop_now_ms();
	char byte;
	pid_t pid[2];
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	pid[0] = start("sleep 60", fd[1]);
	pid[1] = start("trap '' TERM; sleep 60 & while :; do sleep 60; done",
		       fd[1]);
	close(fd[1]);
	usleep(100000);
	child_end(pid, 2, 200);
	assert_in_range(loop_now_ms() - begin, 0, 5000);
	/* no process has the other end any more */
	assert_int_equal(read(fd[0], &byte, 1), 0);
	close(fd[0]);
}

struct watched {
	struct child child;
	struct loop *loop;
	unsigned ends;
	int status;
};

static void on_child(struct child *c, int status)
{
	struct watched *w = container_of(c, struct watched, child);

	w->ends++;
	w->status = status;
	loop_stop(w->loop);
}

static void begin(struct watched *w, const char *command, unsigned ms)
{
	const char *argv[] = { "sh", "-c", command, NULL };

	assert_int_equal(child_start(&w->child, w->loop, argv, ms, on_child),
			 0);
	assert_int_equal(w->child.stage, CHILD_RUNS);
}

/* A child gets its standard error and one descriptor under its number; another
 * one of ours is closed in it. */
static void test_files(void **state)
{
	const char *argv[] = { "sh", "-c", NULL, NULL };
	struct watched w = { .loop = loop_create() };
	int sock[2], err[2], other = dup(STDIN_FILENO);
	char command[200], text[100] = "";
	struct child_files files;

	(void)state;
	fcntl(other, F_SETFD, FD_CLOEXEC);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	files = (struct child_files){ .in = -1,
				      .err = err[1],
				      .keep = sock[1] };
	snprintf(command, sizeof(command),
		 "echo kept >/proc/self/fd/2; ls /proc/self/fd/%d >&2; "
		 "[ ! -e /proc/self/fd/%d ] && exit 4",
		 sock[1], other);
	argv[2] = command;
	assert_int_equal(child_start_with(&w.child, w.loop, argv, &files, 5000,
					  on_child),
			 0);
	loop_run(w.loop);
	assert_int_equal(WEXITSTATUS(w.status), 4);
	assert_true(read(err[0], text, sizeof(text) - 1) > 0);
	snprintf(command, sizeof(command), "kept\n/proc/self/fd/%d\n", sock[1]);
	assert_string_equal(text, command);
	for (int i = 0; i < 2; i++) {
		close(sock[i]);
		close(err[i]);
	}
	close(other);
	loop_destroy(w.loop);
}

/* The loop goes on while children run, and each end calls back. */
static void test_watched(void **state)
{
	const char *argv[] = { "/nonexistent/program", NULL };
	struct watched w = { .loop = loop_create() };
	uint64_t start = loop_now_ms();

	(void)state;
	assert_int_equal(child_start(&w.child, w.loop, argv, 1000, on_child),
			 -ENOENT);
	begin(&w, "exit 3", 5000);
	loop_run(w.loop);
	assert_int_equal(w.ends, 1);
	assert_int_equal(WEXITSTATUS(w.status), 3);
	assert_int_equal(w.child.stage, CHILD_NONE);
	assert_false(w.child.is_late);
	/* a child that takes too long */
	begin(&w, "sleep 60", 100);
	loop_run(w.loop);
	assert_int_equal(w.ends, 2);
	assert_int_equal(WTERMSIG(w.status), SIGTERM);
	assert_true(w.child.is_late);
	/* a child that is told to end, and one that ignores SIGTERM */
	begin(&w, "sleep 60", 60000);
	child_stop(&w.child);
	loop_run(w.loop);
	assert_int_equal(WTERMSIG(w.status), SIGTERM);
	assert_false(w.child.is_late);
	begin(&w, "trap '' TERM; while :; do sleep 60; done", 60000);
	usleep(100000);
	child_stop(&w.child);
	child_stop(&w.child);
	loop_run(w.loop);
	assert_int_equal(WTERMSIG(w.status), SIGKILL);
	assert_int_equal(w.ends, 4);
	assert_in_range(loop_now_ms() - start, 0, 10000);
	loop_destroy(w.loop);
}

/* A child with a descriptor of ours as its standard input, whose other
 * descriptors are ours too; it has no time limit. */
static void test_stdin(void **state)
{
	const char *argv[] = { "sh", "-c", "test ! -S /dev/fd/2 && echo 7 >&0",
			       NULL };
	char text[8] = "";
	const char *none[] = { "/nonexistent/program", NULL };
	struct watched w[2] = { { .loop = loop_create() } };
	struct child_files files = { .err = -1, .keep = -1 };
	int fd[2], status;

	(void)state;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	files.in = fd[1];
	assert_int_equal(child_start_with(&w[0].child, w[0].loop, none, &files,
					  0, on_child),
			 -ENOENT);
	assert_int_equal(child_start_with(&w[0].child, w[0].loop, argv, &files,
					  0, on_child),
			 0);
	close(fd[1]);
	assert_int_equal(w[0].child.timer.due_ms, 0);
	loop_run(w[0].loop);
	assert_int_equal(recv(fd[0], text, sizeof(text), MSG_DONTWAIT), 2);
	assert_string_equal(text, "7\n");
	status = w[0].status;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* it has closed its end */
	assert_int_equal(recv(fd[0], &status, 1, MSG_DONTWAIT), 0);
	close(fd[0]);
	/* child_finish_all() waits for one without a limit, too */
	w[1].loop = w[0].loop;
	argv[2] = "sleep 0.1";
	files.in = -1;
	assert_int_equal(child_start_with(&w[1].child, w[1].loop, argv, &files,
					  0, on_child),
			 0);
	child_finish_all();
	assert_int_equal(w[1].ends, 1);
	assert_int_equal(w[1].status, 0);
	loop_destroy(w[0].loop);
}

/* Without a running loop all children end, by themselves or by their limit. */
static void test_finish_all(void **state)
{
	struct watched w[3] = { 0 };
	struct loop *loop = loop_create();
	uint64_t start = loop_now_ms();

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		w[i].loop = loop;
	begin(&w[0], "sleep 0.1; exit 4", 5000);
	begin(&w[1], "sleep 60", 200);
	begin(&w[2], "trap '' TERM; while :; do sleep 60; done", 300);
	child_finish_all();
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w[i].ends, 1);
	assert_int_equal(WEXITSTATUS(w[0].status), 4);
	assert_int_equal(WTERMSIG(w[1].status), SIGTERM);
	assert_int_equal(WTERMSIG(w[2].status), SIGKILL);
	assert_in_range(loop_now_ms() - start, 0, 5000);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_stdin),
		cmocka_unit_test(test_finish_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

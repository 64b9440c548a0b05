/* SPDX-License-Identifier: Apache-2.0 */
/* base/child: status, signals, and that a whole group ends. */
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "loop.h"

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

/* The daemon ignores SIGPIPE; its children must not. */
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

/* One that listens, one that does not and has a child: all are gone. */
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
	/* nobody has the other end any more */
	assert_int_equal(read(fd[0], &byte, 1), 0);
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

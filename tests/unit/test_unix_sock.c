/* SPDX-License-Identifier: Apache-2.0 */
/* base/unix_sock: live and stale sockets, permissions, files left behind. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "unix_sock.h"

static char dir[64], path[80];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/rw-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void test_listen(void **state)
{
	struct unix_listener l, second;
	struct stat st;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = unix_connect("path", path, &err);
	assert_true(fd >= 0);
	fd_close(&fd);
	/* the path of a live socket is refused, and the socket not touched */
	assert_int_equal(unix_listen(&second, "path", path, 0600, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.msg, "of this process listens there"));
	fd = unix_connect("path", path, &err);
	assert_true(fd >= 0);
	fd_close(&fd);
	unix_unlisten(&l);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(unix_connect("path", path, &err), -ENOENT);
}

static void test_stale(void **state)
{
	struct unix_listener l, second;
	struct err err;

	(void)state;
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), 0);
	fd_close(&l.fd); /* the file stays, as after a crash */
	assert_int_equal(unix_listen(&second, "path", path, 0600, &err), 0);
	unix_unlisten(&second);
	assert_int_equal(access(path, F_OK), -1);
	unix_unlisten(&l);
}

/* A file that another process put in place of ours is not removed. */
static void test_replaced(void **state)
{
	struct unix_listener l, second;
	struct err err;

	(void)state;
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unix_listen(&second, "path", path, 0600, &err), 0);
	unix_unlisten(&l);
	assert_int_equal(access(path, F_OK), 0);
	unix_unlisten(&second);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_refused(void **state)
{
	char longer[200];
	struct unix_listener l;
	struct err err;
	int fd;

	(void)state;
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	fd_close(&fd);
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), -EEXIST);
	assert_int_equal(l.fd, -1);
	unix_unlisten(&l);
	assert_int_equal(access(path, F_OK), 0);

	memset(longer, 'a', sizeof(longer));
	longer[108] = '\0';
	assert_int_equal(unix_listen(&l, "path", longer, 0600, &err),
			 -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "108 bytes, at most 107"));
	assert_int_equal(unix_connect("path", longer, &err), -ENAMETOOLONG);
	assert_int_equal(unix_listen(&l, "path", "", 0600, &err), -EINVAL);
	assert_int_equal(unix_listen(&l, "path", "/nonexistent/x", 0600, &err),
			 -ENOENT);
	assert_string_equal(err.msg, "path=/nonexistent/x: cannot listen: "
				     "No such file or directory");
}

/* A user who may read the directory keeps it locked. */
static void test_stranger_locks_directory(void **state)
{
	int stranger = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct unix_listener l;
	struct err err;

	(void)state;
	assert_true(stranger >= 0);
	assert_int_equal(flock(stranger, LOCK_EX), 0);
	alarm(5); /* ends the test if unix_listen() waits */
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), 0);
	unix_unlisten(&l);
	alarm(0);
	fd_close(&stranger);
}

/* Leaves a stale socket file, as a killed process does. Returns the bound
 * socket if @is_open, else closes it and returns -1. */
static int leave_socket(bool is_open)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (!is_open)
		fd_close(&fd);
	return fd;
}

/* A process has bound the path and does not listen yet: its socket refuses like
 * a stale one, but is not removed. */
static void test_about_to_listen(void **state)
{
	int other = leave_socket(true);
	struct unix_listener l;
	struct err err;

	(void)state;
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another process is about to"));
	assert_int_equal(access(path, F_OK), 0);
	fd_close(&other);
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), 0);
	unix_unlisten(&l);
}

/* A socket of the same name elsewhere, which any user can make, is no obstacle.
 */
static void test_same_name_elsewhere(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char other[] = "/tmp/rw.otherXXXXXX";
	struct unix_listener l;
	struct err err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(other));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", other,
		 strrchr(path, '/') + 1);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	leave_socket(false);
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), 0);
	unix_unlisten(&l);
	fd_close(&fd);
	unlink(sa.sun_path);
	rmdir(other);
}

/* The path of the lock's file is taken: a file left by a crash is no obstacle,
 * a file that other users can open is one. unix_listen() does not wait. */
static void test_lock_file(void **state)
{
	struct unix_listener l;
	char lock[96];
	struct err err;
	int fd;

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	leave_socket(false);
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), 0);
	unix_unlisten(&l);
	assert_int_equal(access(lock, F_OK), -1);
	fd_close(&fd);

	fd = open(lock, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	alarm(5);
	leave_socket(false);
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err),
			 -EADDRINUSE);
	alarm(0);
	assert_non_null(strstr(err.msg, "another process is about to"));
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), -EPERM);
	assert_non_null(strstr(err.msg, "sock.lock for ourselves"));
	fd_close(&fd);
	unlink(lock);

	assert_int_equal(symlink("/nonexistent/x", lock), 0);
	assert_int_equal(unix_listen(&l, "path", path, 0600, &err), -ELOOP);
	unlink(lock);
	assert_int_equal(unlink(path), 0); /* untouched */
}

#define RACERS 4
#define ROUNDS 100

/* A process of the race: waits for the start, tries to take the path, and stays
 * until all have tried. Never returns. */
static void race(int start, int end)
{
	struct unix_listener l;
	struct err err;
	char byte;
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(start, &byte, 1) < 0)
		;
	rc = unix_listen(&l, "path", path, 0600, &err);
	if (write(end, rc ? "n" : "y", 1) != 1)
		_exit(2);
	while (rc == 0)
		pause();
	_exit(rc == -EADDRINUSE ? 0 : 1);
}

/* Several daemons find the same stale socket at once: one takes it over. */
static void test_race(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		int start[2], end[2], fd, status, winners = 0;
		struct unix_listener stale;
		pid_t pid[RACERS];
		struct err err;

		assert_int_equal(unix_listen(&stale, "path", path, 0600, &err),
				 0);
		fd_close(&stale.fd);
		assert_int_equal(pipe(start) | pipe(end), 0);
		for (unsigned i = 0; i < RACERS; i++) {
			pid[i] = fork();
			if (!pid[i]) {
				close(start[1]);
				race(start[0], end[1]);
			}
		}
		close(start[0]);
		close(start[1]); /* starts all of them at once */
		for (unsigned i = 0; i < RACERS; i++) {
			char byte;

			assert_int_equal(read(end[0], &byte, 1), 1);
			winners += byte == 'y';
		}
		assert_int_equal(winners, 1);
		fd = unix_connect("path", path, &err);
		assert_true(fd >= 0);
		fd_close(&fd);
		for (unsigned i = 0; i < RACERS; i++) {
			kill(pid[i], SIGTERM);
			assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
			assert_true(WIFSIGNALED(status) ||
				    WEXITSTATUS(status) == 0);
		}
		close(end[0]);
		close(end[1]);
		unix_unlisten(&stale); /* frees its path */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listen, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_stale, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_replaced, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_refused, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_stranger_locks_directory,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_about_to_listen, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_same_name_elsewhere,
						make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_lock_file, make_dir,
						remove_dir),
		cmocka_unit_test_setup_teardown(test_race, make_dir,
						remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

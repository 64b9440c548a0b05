/* SPDX-License-Identifier: Apache-2.0 */
/* base/unix_sock: live and stale sockets, permissions, what is left behind. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
	/* live: refused, and the live one is not touched */
	assert_int_equal(unix_listen(&second, "path", path, 0600, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.msg, "a running process listens there"));
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

/* Somebody removed our file and put his there: it is not ours to remove. */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

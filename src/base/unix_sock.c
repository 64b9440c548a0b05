/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNIX stream sockets by path, see unix_sock.h. Control thread and command
 * line.
 *
 * Whether a socket file is stale can only be found out by connecting, and
 * between that and bind() another process may do the same. So the directory is
 * locked for the time: two daemons that start at once cannot both take over.
 */
#include "unix_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"

static int fill_address(struct sockaddr_un *sa, const char *key,
			const char *path, struct err *err)
{
	size_t n = strlen(path);

	if (!n)
		return err_set(err, -EINVAL, "%s=: the path is empty", key);
	if (n > UNIX_PATH_MAX_LEN)
		return err_set(err, -ENAMETOOLONG,
			       "%s=%s: too long for a UNIX socket: %zu bytes, "
			       "at most %d",
			       key, path, n, UNIX_PATH_MAX_LEN);
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sa->sun_path, path, n);
	return 0;
}

/* A descriptor that holds the lock of @path's directory, or -1: where it cannot
 * be opened, bind() will say why. */
static int lock_directory(const char *path)
{
	char copy[UNIX_PATH_MAX_LEN + 1];
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

/* Can @path be taken? 0: nothing is there, 1: a socket that nobody serves. */
static int check_path(const struct sockaddr_un *sa, const char *key,
		      struct err *err)
{
	const char *path = sa->sun_path;
	struct stat st;
	int fd, rc = 0;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST,
			       "%s=%s: exists and is not a socket: remove it "
			       "or choose another path",
			       key, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, -errno, "%s=%s: %s", key, path,
			       strerror(errno));
	/* EAGAIN: its backlog is full, so somebody does listen. */
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) ||
	    errno == EAGAIN)
		rc = err_set(err, -EADDRINUSE,
			     "%s=%s: a running process listens there: stop it "
			     "or choose another path",
			     key, path);
	else if (errno != ECONNREFUSED)
		rc = err_set(err, -errno, "%s=%s: %s", key, path,
			     strerror(errno));
	else
		rc = 1;
	close(fd);
	return rc;
}

static int bind_and_listen(struct unix_listener *l,
			   const struct sockaddr_un *sa, const char *key,
			   mode_t mode, struct err *err)
{
	struct stat st;
	int rc;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	l->path = strdup(sa->sun_path);
	/* Linux gives the file the mode of the unbound socket: there is no
	 * moment at which it has another. */
	if (l->fd < 0 || !l->path || fchmod(l->fd, mode) < 0)
		goto err_errno;
	if (bind(l->fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		goto err_errno;
	if (listen(l->fd, SOMAXCONN) < 0 || lstat(l->path, &st) < 0) {
		rc = -errno;
		unlink(l->path);
		errno = -rc;
		goto err_errno;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
err_errno:
	rc = err_set(err, -errno, "%s=%s: cannot listen: %s", key, sa->sun_path,
		     strerror(errno));
	fd_close(&l->fd);
	free(l->path);
	l->path = NULL;
	return rc;
}

int unix_check(const char *key, const char *path, struct err *err)
{
	struct sockaddr_un sa;
	int rc = fill_address(&sa, key, path, err);

	if (!rc)
		rc = check_path(&sa, key, err);
	return MIN(rc, 0);
}

int unix_listen(struct unix_listener *l, const char *key, const char *path,
		mode_t mode, struct err *err)
{
	struct sockaddr_un sa;
	int rc, lock;

	*l = (struct unix_listener){ .fd = -1 };
	rc = fill_address(&sa, key, path, err);
	if (rc)
		return rc;
	lock = lock_directory(path);
	rc = check_path(&sa, key, err);
	if (rc > 0)
		unlink(path);
	if (rc >= 0)
		rc = bind_and_listen(l, &sa, key, mode, err);
	fd_close(&lock);
	return rc;
}

/* The open socket keeps its inode number from being used again, so it is closed
 * last. */
void unix_unlisten(struct unix_listener *l)
{
	struct stat st;

	if (l->path && !lstat(l->path, &st) && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
	fd_close(&l->fd);
}

static int connect_path(const char *key, const char *path, int flags,
			struct err *err)
{
	struct sockaddr_un sa;
	int rc = fill_address(&sa, key, path, err);
	int fd;

	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa))) {
		rc = err_set(err, -errno, "%s=%s: cannot connect: %s", key,
			     path, strerror(errno));
		fd_close(&fd);
		return rc;
	}
	return fd;
}

int unix_connect(const char *key, const char *path, struct err *err)
{
	return connect_path(key, path, 0, err);
}

int unix_connect_nowait(const char *key, const char *path, struct err *err)
{
	return connect_path(key, path, SOCK_NONBLOCK, err);
}

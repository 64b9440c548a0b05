/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNIX stream sockets by path, see unix_sock.h. Control thread and command
 * line.
 *
 * A free path needs no care: bind() gives it to one process only. A stale
 * socket file must be removed first, and another process may do the same at the
 * same time. So the file PATH.lock beside it is locked meanwhile. Only our user
 * can open that file, so no other user can hold the lock. Nobody waits for the
 * lock: the process that holds it is about to take the path. (The directory
 * cannot serve as the lock: every user who may read it may lock it.)
 */
#include "unix_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"

int unix_address(struct sockaddr_un *sa, const char *key, const char *path,
		 struct err *err)
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

static int being_taken(const char *key, const char *path, struct err *err)
{
	return err_set(err, -EADDRINUSE,
		       "%s=%s: another process is about to listen there: "
		       "choose another path",
		       key, path);
}

struct path_lock {
	char path[UNIX_PATH_MAX_LEN + sizeof(".lock")];
	int fd;
};

/* Opens the lock's file. Returns 0 or -errno: -EPERM for a file that another
 * user could lock. */
static int open_lock(struct path_lock *l)
{
	struct stat st;

	l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 0077))
		return -EPERM;
	return 0;
}

/* Locks @l->fd. Returns 0, -EADDRINUSE if another process holds the lock, or
 * -ESTALE if its last holder removed the file, which makes the lock useless. */
static int take_lock(struct path_lock *l)
{
	struct stat opened, named;

	/* A file system without locks gives no protection. */
	if (flock(l->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EADDRINUSE;
	if (fstat(l->fd, &opened) < 0)
		return -errno;
	if (stat(l->path, &named) < 0 || named.st_ino != opened.st_ino ||
	    named.st_dev != opened.st_dev)
		return -ESTALE;
	return 0;
}

static void unlock_path(struct path_lock *l)
{
	unlink(l->path);
	fd_close(&l->fd);
}

/* Locks @path while the caller checks it and calls bind(). */
static int lock_path(struct path_lock *l, const char *key, const char *path,
		     struct err *err)
{
	unsigned tries = 100; /* each retry means that another process ended */
	int rc;

	snprintf(l->path, sizeof(l->path), "%s.lock", path);
	do {
		rc = open_lock(l);
		if (!rc)
			rc = take_lock(l);
		if (!rc)
			return 0;
		fd_close(&l->fd);
	} while (rc == -ESTALE && --tries);
	if (rc == -EADDRINUSE || rc == -ESTALE)
		return being_taken(key, path, err);
	if (rc == -EPERM || rc == -EACCES || rc == -ELOOP || rc == -EISDIR)
		return err_set(err, rc,
			       "%s=%s: cannot have %s for ourselves (%s): "
			       "remove it or choose another path",
			       key, path, l->path, strerror(-rc));
	return err_set(err, rc, "%s=%s: cannot listen: %s", key, path,
		       strerror(-rc));
}

/* Asks the kernel for all UNIX sockets in state @state, with their files.
 * Returns a netlink socket with the answer, or -errno. */
static int ask_sockets(unsigned state)
{
	const struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} ask = { .h = { .nlmsg_len = sizeof(ask),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		  .r = { .sdiag_family = AF_UNIX,
			 .udiag_states = 1u << state,
			 .udiag_show = UDIAG_SHOW_VFS } };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd >= 0 && send(fd, &ask, sizeof(ask), 0) < 0)
		fd_close(&fd);
	return fd < 0 ? -errno : fd;
}

/* Returns whether the answer @h is about a stream socket bound to the file
 * @st. */
static bool is_bound_to(const struct nlmsghdr *h, const struct stat *st)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a = (const void *)(m + 1);
	int left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		const struct unix_diag_vfs *v = RTA_DATA(a);

		/* The kernel's own form of a device number: 12 bits, 20 bits;
		 * of the inode number 32 bits. */
		if (a->rta_type == UNIX_DIAG_VFS)
			return m->udiag_type == SOCK_STREAM &&
			       v->udiag_vfs_ino == (uint32_t)st->st_ino &&
			       v->udiag_vfs_dev >> 20 == major(st->st_dev) &&
			       (v->udiag_vfs_dev & 0xfffff) ==
				       minor(st->st_dev);
	}
	return false;
}

/* Returns whether a process has bound a socket to the file @st and does not
 * listen yet, as between bind() and listen(). Without the kernel's sock_diag
 * nobody is seen. */
static bool is_about_to_listen(const struct stat *st)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	bool found = false, is_over = false;
	int fd = ask_sockets(TCP_CLOSE);

	while (fd >= 0 && !is_over && !found) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		const struct nlmsghdr *h = (const void *)buf;
		size_t left = (size_t)MAX(got, 0);

		is_over = got <= 0;
		for (; NLMSG_OK(h, left) && !is_over; h = NLMSG_NEXT(h, left)) {
			is_over = h->nlmsg_type == NLMSG_DONE ||
				  h->nlmsg_type == NLMSG_ERROR;
			found |= !is_over && is_bound_to(h, st);
		}
	}
	fd_close(&fd);
	return found;
}

pid_t unix_peer_pid(int fd)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ? 0
								     : peer.pid;
}

/* Returns 0 for a free path, 1 for a stale socket file, or -errno with @err if
 * the path cannot be taken. */
static int check_path(const struct sockaddr_un *sa, int type, const char *key,
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
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, -errno, "%s=%s: %s", key, path,
			       strerror(errno));
	/* EAGAIN: the backlog is full, so a process does listen. EPROTOTYPE: a
	 * process has a socket of another type there. */
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) ||
	    errno == EAGAIN || errno == EPROTOTYPE)
		rc = err_set(err, -EADDRINUSE,
			     unix_peer_pid(fd) == getpid()
				     ? "%s=%s: another port or filter of this "
				       "process listens there: choose another "
				       "path"
				     : "%s=%s: a running process listens "
				       "there: stop it or choose another path",
			     key, path);
	else if (errno == ENOENT)
		rc = 0; /* the holder of the lock has just removed it */
	else if (errno != ECONNREFUSED)
		rc = err_set(err, -errno, "%s=%s: %s", key, path,
			     strerror(errno));
	else if (is_about_to_listen(&st))
		rc = being_taken(key, path, err);
	else
		rc = 1;
	close(fd);
	return rc;
}

static int bind_and_listen(struct unix_listener *l,
			   const struct sockaddr_un *sa, int type,
			   const char *key, mode_t mode, struct err *err)
{
	struct stat st;
	int rc;

	l->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	l->path = strdup(sa->sun_path);
	/* Linux creates the file with the mode of the unbound socket, so the
	 * file never has another mode. */
	if (l->fd < 0 || !l->path || fchmod(l->fd, mode) < 0)
		goto err_errno;
	if (bind(l->fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		goto err_errno;
	if ((type == SOCK_STREAM && listen(l->fd, SOMAXCONN) < 0) ||
	    lstat(l->path, &st) < 0) {
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
	int rc = unix_address(&sa, key, path, err);

	if (!rc)
		rc = check_path(&sa, SOCK_STREAM, key, err);
	return MIN(rc, 0);
}

static int open_path(struct unix_listener *l, int type, const char *key,
		     const char *path, mode_t mode, struct err *err)
{
	struct path_lock lock = { .fd = -1 };
	struct sockaddr_un sa;
	int rc;

	*l = (struct unix_listener){ .fd = -1 };
	rc = unix_address(&sa, key, path, err);
	if (!rc)
		rc = bind_and_listen(l, &sa, type, key, mode, err);
	if (rc != -EADDRINUSE)
		return rc;
	/* The check comes before the lock: a path in use is not locked. */
	rc = check_path(&sa, type, key, err);
	if (rc < 0)
		return rc;
	rc = lock_path(&lock, key, path, err);
	if (rc)
		return rc;
	rc = check_path(&sa, type, key, err);
	if (rc > 0)
		unlink(path);
	if (rc >= 0)
		rc = bind_and_listen(l, &sa, type, key, mode, err);
	unlock_path(&lock);
	return rc;
}

int unix_listen(struct unix_listener *l, const char *key, const char *path,
		mode_t mode, struct err *err)
{
	return open_path(l, SOCK_STREAM, key, path, mode, err);
}

int unix_bind(struct unix_listener *l, const char *key, const char *path,
	      mode_t mode, struct err *err)
{
	return open_path(l, SOCK_DGRAM, key, path, mode, err);
}

/* The open socket keeps its inode number from being reused, so it is closed
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

/* Returns what is wrong with a connection to @path that failed with @error. */
static const char *why_not(const char *path, int error)
{
	struct stat st;

	if (error == EPROTOTYPE)
		return "the socket there is for datagrams";
	if (error == ECONNREFUSED && !stat(path, &st) && !S_ISSOCK(st.st_mode))
		return "the file there is no socket";
	if (error == ECONNREFUSED)
		return "nobody listens there";
	if (error == EAGAIN)
		return "too many others wait there";
	return strerror(error);
}

static int connect_path(const char *key, const char *path, int flags,
			struct err *err)
{
	struct sockaddr_un sa;
	int rc = unix_address(&sa, key, path, err);
	int fd;

	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sizeof(sa))) {
		rc = -errno;
		err_set(err, rc, "%s=%s: cannot connect: %s", key, path,
			why_not(path, -rc));
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

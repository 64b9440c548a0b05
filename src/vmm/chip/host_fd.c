/* SPDX-License-Identifier: Apache-2.0 */
/* Shared descriptors, used without blocking; see host_fd.h. */
#include "host_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"

/* What a blocking descriptor that poll(2) calls writable takes at once: a pipe
 * has room for a page then, a terminal for less. */
#define WRITE_BLOCKING_MAX 256

/* /dev/ptmx: each open is another pseudo terminal. */
static bool is_ptmx(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(5, 2);
}

static int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int host_fd_open(struct host_fd *h, int fd, bool is_output)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	*h = (struct host_fd){ .fd = -1 };
	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	h->is_socket = S_ISSOCK(st.st_mode);
	/* A plain file never makes anybody wait, whatever its flags say. */
	h->is_nonblock = flags & O_NONBLOCK || S_ISREG(st.st_mode);
	if (!h->is_nonblock && !is_ptmx(&st) &&
	    (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
		h->fd = open_again(fd, is_output ? O_WRONLY : O_RDONLY);
		h->is_nonblock = h->fd >= 0;
	}
	/* Somebody else's terminal cannot be opened again, for one. */
	if (h->fd < 0)
		h->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return h->fd < 0 ? -errno : 0;
}

void host_fd_close(struct host_fd *h)
{
	fd_close(&h->fd);
}

static bool is_ready(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) > 0;
}

ssize_t host_fd_read(const struct host_fd *h, void *data, size_t size)
{
	ssize_t n;

	if (h->is_socket)
		n = recv(h->fd, data, size, MSG_DONTWAIT);
	else if (h->is_nonblock || is_ready(h->fd, POLLIN, 0))
		n = read(h->fd, data, size);
	else
		return -EAGAIN;
	return n < 0 ? -errno : n;
}

ssize_t host_fd_write(const struct host_fd *h, const void *data, size_t size)
{
	ssize_t n;

	if (h->is_socket) {
		n = send(h->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (h->is_nonblock) {
		n = write(h->fd, data, size);
	} else if (is_ready(h->fd, POLLOUT, 0)) {
		if (size > WRITE_BLOCKING_MAX)
			size = WRITE_BLOCKING_MAX;
		n = write(h->fd, data, size);
	} else {
		return -EAGAIN;
	}
	return n < 0 ? -errno : n;
}

void host_fd_wait_writable(const struct host_fd *h, int ms)
{
	is_ready(h->fd, POLLOUT, ms);
}

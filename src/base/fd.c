/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptor helpers, see fd.h. Any thread. */
#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm.h"

/* Numbers from here on are not remembered. */
#define INHERITED_MAX 65536

#define INHERITED_FEW 1024

/* Descriptors that somebody else has, too, and that a port uses. */
static bool used[INHERITED_MAX]; /* [any, atomic] */

void fd_close(int *fd)
{
	if (*fd >= 0 && *fd < INHERITED_MAX && shm_load(&used[*fd]))
		shm_store(&used[*fd], false);
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int fd_take(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

int fd_set_nonblock(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static bool inherited[INHERITED_MAX];

/* Standard input, output and error are not for ports. */
void fd_note_inherited(void)
{
	DIR *all = opendir("/proc/self/fd");
	const struct dirent *e;

	if (!all) { /* no /proc: those that a shell can name */
		for (int fd = STDERR_FILENO + 1; fd < INHERITED_FEW; fd++)
			inherited[fd] = fcntl(fd, F_GETFD) >= 0;
		return;
	}
	while ((e = readdir(all))) {
		int fd = (int)strtol(e->d_name, NULL, 10);

		if (fd > STDERR_FILENO && fd < INHERITED_MAX)
			inherited[fd] = fd != dirfd(all);
	}
	closedir(all);
}

static struct fd_named *offered;
static unsigned offered_count;

void fd_offer(struct fd_named *named, unsigned count)
{
	offered = named;
	offered_count = count;
}

bool fd_is_offering(void)
{
	return offered != NULL;
}

static bool is_inherited(int fd)
{
	return fd >= 0 && fd < INHERITED_MAX && inherited[fd];
}

int fd_find_named(int number)
{
	if (!offered)
		return is_inherited(number) ? number : -1;
	for (unsigned i = 0; i < offered_count; i++)
		if (offered[i].number == number)
			return offered[i].fd;
	return -1;
}

bool fd_is_used(int fd)
{
	struct stat st, other;

	if (fstat(fd, &st) < 0)
		return false;
	for (int i = 0; i < INHERITED_MAX; i++)
		if (shm_load(&used[i]) && i != fd && !fstat(i, &other) &&
		    st.st_ino == other.st_ino && st.st_dev == other.st_dev)
			return true;
	return false;
}

void fd_note_used(int fd)
{
	if (fd >= 0 && fd < INHERITED_MAX)
		shm_store(&used[fd], true);
}

void fd_use_named(int fd)
{
	fd_note_used(fd);
	if (!offered) {
		if (is_inherited(fd))
			inherited[fd] = false;
		return;
	}
	for (unsigned i = 0; i < offered_count; i++)
		if (offered[i].fd == fd)
			offered[i].fd = -1;
}

const char *fd_named_from(void)
{
	return offered ? "that came along with the request"
		       : "that `ringway up` was started with";
}

unsigned fd_of_message(struct msghdr *m, int *fd, unsigned max, bool *is_lost)
{
	unsigned count = 0;
	struct cmsghdr *c;

	*is_lost = m->msg_flags & MSG_CTRUNC;
	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(*fd);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + i * sizeof(one),
			       sizeof(one));
			if (count < max) {
				fd[count++] = one;
			} else {
				close(one);
				*is_lost = true;
			}
		}
	}
	return count;
}

int fd_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int fd_signal(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

void fd_drain(int fd)
{
	uint64_t v;

	while (read(fd, &v, sizeof(v)) < 0 && errno == EINTR)
		;
}

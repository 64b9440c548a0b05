/* SPDX-License-Identifier: Apache-2.0 */
/* What every process that moves frames sets up at its start. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli.h"
#include "fd.h"
#include "gmem.h"

/* Raises the limit of descriptors: each guest needs some for its eventfds and
 * its memory. */
static void raise_fd_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur == rl.rlim_max)
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
}

int process_prepare(struct err *err)
{
	int rc;

	/* One arena: only the control thread allocates much. */
	mallopt(M_ARENA_MAX, 1);
	/* Without these signals write() fails, which its caller handles. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	raise_fd_limit();
	rc = gmem_guard_install();
	return rc ? err_set(err, rc, "cannot handle SIGBUS: %s", strerror(-rc))
		  : 0;
}

int process_open_log(const char *path, struct err *err)
{
	int fd = open(path,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK |
			      O_NOCTTY,
		      0640);

	return fd < 0 ? err_set(err, -errno, "log=%s: cannot write to it: %s",
				path, strerror(errno))
		      : fd;
}

int process_write_pid(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_set(err, -errno, "pidfile=%s: %s", path,
			       strerror(errno));
	if (lockf(fd, F_TLOCK, 0) < 0) {
		int rc = err_set(err, -EBUSY,
				 "pidfile=%s: a process that runs has it: "
				 "choose another",
				 path);

		fd_close(&fd);
		return rc;
	}
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
		int rc = err_set(err, -errno, "pidfile=%s: %s", path,
				 strerror(errno));

		process_forget_pid(path, &fd);
		return rc;
	}
	return fd;
}

void process_forget_pid(const char *path, int *fd)
{
	if (*fd >= 0)
		unlink(path);
	fd_close(fd);
}

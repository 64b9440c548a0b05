/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes, see child.h. Any thread; a child is for the thread that
 * started it. */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"

static int prepare(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files,
		   int stdio_fd)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
						    POSIX_SPAWN_SETSIGMASK |
						    POSIX_SPAWN_SETSIGDEF);
	if (!rc)
		rc = posix_spawnattr_setpgroup(attr, 0);
	if (!rc)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	for (int fd = 0; fd < 3 && !rc && stdio_fd >= 0; fd++)
		rc = posix_spawn_file_actions_adddup2(files, stdio_fd, fd);
	return rc;
}

int child_spawn(const char *const *argv, int stdio_fd, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc;

	if (posix_spawnattr_init(&attr))
		return -ENOMEM;
	if (posix_spawn_file_actions_init(&files)) {
		posix_spawnattr_destroy(&attr);
		return -ENOMEM;
	}
	rc = prepare(&attr, &files, stdio_fd);
	if (!rc)
		/* the prototype lacks a const that POSIX promises */
		rc = posix_spawnp(pid, argv[0], &files, &attr,
				  (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -rc;
}

/* Waits for the end, leaving the status (and with it the number) in place. */
static int await_end(pid_t pid, int ms)
{
	struct pollfd p = { .events = POLLIN };
	int rc;

	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return -errno;
	do
		rc = poll(&p, 1, ms);
	while (rc < 0 && errno == EINTR);
	close(p.fd);
	return rc ? 0 : -ETIMEDOUT;
}

int child_wait(pid_t pid, int ms, int *status)
{
	int rc = await_end(pid, ms);

	if (rc)
		return rc;
	return waitpid(pid, status, 0) < 0 ? -errno : 0;
}

void child_end(const pid_t *pids, unsigned count, int ms)
{
	uint64_t end = loop_now_ms() + (uint64_t)ms;
	int status;

	for (unsigned i = 0; i < count; i++)
		kill(-pids[i], SIGTERM);
	for (unsigned i = 0; i < count; i++) {
		uint64_t now = loop_now_ms();

		await_end(pids[i], now < end ? (int)(end - now) : 0);
		/* Also what it started and has not listened. Not reaped yet,
		 * the number is still its own. */
		kill(-pids[i], SIGKILL);
		waitpid(pids[i], &status, 0);
	}
}

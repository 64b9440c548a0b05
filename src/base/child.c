/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes, see child.h. Any thread; a child belongs to the thread that
 * started it. Children that the loop waits for belong to the control thread.
 *
 * The end of a child is an event of its pidfd. A child is reaped only after
 * that event, so its process id is not reused while signals may be sent to it.
 */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "util.h"

static int prepare(posix_spawnattr_t *attr)
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
	return rc;
}

/* Starts @argv with @files and destroys them. Returns 0 or -errno. */
static int spawn(const char *const *argv, posix_spawn_file_actions_t *files,
		 pid_t *pid)
{
	posix_spawnattr_t attr;
	int rc = posix_spawnattr_init(&attr);

	if (!rc) {
		rc = prepare(&attr);
		if (!rc)
			/* the prototype lacks a const that POSIX promises */
			rc = posix_spawnp(pid, argv[0], files, &attr,
					  (char *const *)(uintptr_t)argv,
					  environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(files);
	return -rc;
}

int child_spawn(const char *const *argv, int stdio_fd, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc)
		return -rc;
	for (int fd = 0; fd < 3 && !rc && stdio_fd >= 0; fd++)
		rc = posix_spawn_file_actions_adddup2(&files, stdio_fd, fd);
	if (!rc)
		return spawn(argv, &files, pid);
	posix_spawn_file_actions_destroy(&files);
	return -rc;
}

static int spawn_with(const char *const *argv, const struct child_files *f,
		      pid_t *pid)
{
	posix_spawn_file_actions_t files;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc)
		return -rc;
	if (f->in >= 0)
		rc = posix_spawn_file_actions_adddup2(&files, f->in,
						      STDIN_FILENO);
	if (!rc && f->err >= 0)
		rc = posix_spawn_file_actions_adddup2(&files, f->err,
						      STDERR_FILENO);
	/* A descriptor on itself: it then stays open at exec. */
	if (!rc && f->keep >= 0)
		rc = posix_spawn_file_actions_adddup2(&files, f->keep, f->keep);
	if (!rc)
		return spawn(argv, &files, pid);
	posix_spawn_file_actions_destroy(&files);
	return -rc;
}

/* Waits for the end without reaping: the status and the process id stay. */
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

/* waitpid() that a signal does not end. 0 or -errno. */
static int reap(pid_t pid, int *status)
{
	pid_t got;

	do
		got = waitpid(pid, status, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : 0;
}

int child_wait(pid_t pid, int ms, int *status)
{
	int rc = await_end(pid, ms);

	if (rc)
		return rc;
	return reap(pid, status);
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
		/* The kill reaches descendants that ignored SIGTERM, too. The
		 * child is not reaped yet, so its process id is not reused. */
		kill(-pids[i], SIGKILL);
		reap(pids[i], &status);
	}
}

#define GRACE_MS 1000 /* SIGTERM to SIGKILL; SIGKILL to giving up */

static struct child *running; /* [ctl] */

/* Takes @c from the list and tells its owner, who may free it. */
static void finish(struct child *c, int status)
{
	struct child **at;
	int fd = c->watch.fd;

	for (at = &running; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	loop_watch_remove(&c->watch);
	loop_timer_disarm(&c->timer);
	fd_close(&fd);
	c->stage = CHILD_NONE;
	c->fn(c, status);
}

static void on_end(struct loop_watch *w, uint32_t events)
{
	struct child *c = container_of(w, struct child, watch);
	int status = 0;

	(void)events;
	/* Descendants of a child that ended by itself run on, as in a shell. */
	if (c->stage != CHILD_RUNS)
		kill(-c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	finish(c, status);
}

static void on_time(struct loop_timer *t)
{
	struct child *c = container_of(t, struct child, timer);

	switch (c->stage) {
	case CHILD_RUNS:
		c->is_late = true;
		child_stop(c);
		break;
	case CHILD_ASKED:
		kill(-c->pid, SIGKILL);
		c->stage = CHILD_KILLED;
		loop_timer_arm(c->watch.loop, t, GRACE_MS, on_time);
		break;
	case CHILD_KILLED: /* stuck in the kernel: not reaped */
	case CHILD_NONE:
		finish(c, SIGKILL);
		break;
	}
}

int child_start(struct child *c, struct loop *loop, const char *const *argv,
		unsigned ms, void (*fn)(struct child *, int status))
{
	static const struct child_files ours = { .in = -1,
						 .err = -1,
						 .keep = -1 };

	return child_start_with(c, loop, argv, &ours, ms, fn);
}

int child_start_with(struct child *c, struct loop *loop,
		     const char *const *argv, const struct child_files *files,
		     unsigned ms, void (*fn)(struct child *, int status))
{
	int fd, rc = spawn_with(argv, files, &c->pid);

	if (rc)
		return rc;
	fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	rc = fd < 0 ? -errno
		    : loop_watch_add(loop, &c->watch, fd, EPOLLIN, on_end);
	if (rc) {
		fd_close(&fd);
		child_end(&c->pid, 1, 0);
		return rc;
	}
	c->stage = CHILD_RUNS;
	c->is_late = false;
	c->fn = fn;
	c->next = running;
	running = c;
	if (ms)
		loop_timer_arm(loop, &c->timer, ms, on_time);
	return 0;
}

void child_stop(struct child *c)
{
	if (c->stage != CHILD_RUNS)
		return;
	c->stage = CHILD_ASKED;
	kill(-c->pid, SIGTERM);
	loop_timer_arm(c->watch.loop, &c->timer, GRACE_MS, on_time);
}

/* Waits up to @ms for the end of @c and handles its end, or its timer. */
static void look_at(struct child *c, int ms)
{
	struct pollfd p = { .fd = c->watch.fd, .events = POLLIN };

	if (poll(&p, 1, ms) > 0)
		on_end(&c->watch, EPOLLIN);
	else if (c->timer.due_ms && loop_now_ms() >= c->timer.due_ms)
		on_time(&c->timer);
}

void child_finish_all(void)
{
	while (running) {
		struct child *next;

		look_at(running, 5);
		/* A callback may start another child: it goes to the front. */
		for (struct child *c = running; c; c = next) {
			next = c->next;
			look_at(c, 0);
		}
	}
}

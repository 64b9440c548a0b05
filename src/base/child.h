/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes: scripts of a tap, commands behind a forwarded port. Each
 * child leads a process group of its own, so its descendants can be ended with
 * it. It begins with default signal handlers and no blocked signals.
 */
#ifndef RW_CHILD_H
#define RW_CHILD_H

#include "loop.h"

#include <sys/types.h>

/* The descriptors that a child begins with instead of ours. */
struct child_files {
	int in;	  /* its standard input; -1: ours */
	int err;  /* its standard error; -1: ours */
	int keep; /* stays open in the child under its number; -1: none */
};

/* Starts @argv (found along PATH). @stdio_fd >= 0 becomes its standard input,
 * output and error; with -1 the child inherits ours. Returns 0 or -errno. */
int child_spawn(const char *const *argv, int stdio_fd, pid_t *pid);

/* Waits up to @ms for @pid's end and stores its status as waitpid(2) does.
 * Returns 0, -ETIMEDOUT (the child runs on), or -errno. */
int child_wait(pid_t pid, int ms, int *status);

/* The stages of a child's life. */
enum child_stage {
	CHILD_NONE,   /* no process */
	CHILD_RUNS,   /* no signal was sent to it */
	CHILD_ASKED,  /* SIGTERM was sent to its group */
	CHILD_KILLED, /* SIGTERM and SIGKILL were sent to its group */
};

/* A child that the loop waits for. Embedded in its owner's struct, which must
 * live until @fn was called. Zeroed memory is a valid initial state. */
struct child {
	enum child_stage stage;
	pid_t pid;
	bool is_late;		 /* it ran longer than its time limit */
	struct loop_watch watch; /* watches its pidfd */
	struct loop_timer timer; /* starts its next stage */
	void (*fn)(struct child *c, int status); /* called at its end */
	struct child *next; /* list of all running children */
};

/*
 * Starts @argv as child_spawn() does, with our standard input, output and
 * error, and returns at once: 0 or -errno. When the child has ended, @fn gets
 * its status as from waitpid(2), and may reuse or free @c. A child that runs
 * longer than @ms is ended with its group. [ctl]
 */
int child_start(struct child *c, struct loop *loop, const char *const *argv,
		unsigned ms, void (*fn)(struct child *, int status));
/* As child_start(), with @files. @ms 0: there is no time limit. [ctl] */
int child_start_with(struct child *c, struct loop *loop,
		     const char *const *argv, const struct child_files *files,
		     unsigned ms, void (*fn)(struct child *, int status));

/* Asks the group of @c to end, and kills it a second later. @fn is called at
 * the child's end. Does nothing when @c does not run. [ctl] */
void child_stop(struct child *c);

/* Returns when every child of child_start() has ended and its @fn was called.
 * No other callback of the loop runs meanwhile. For the daemon's end. [ctl] */
void child_finish_all(void);

/* Ends the process groups of @pids: sends SIGTERM, waits up to @ms in total,
 * then sends SIGKILL. On return all of @pids are reaped. */
void child_end(const pid_t *pids, unsigned count, int ms);

#endif

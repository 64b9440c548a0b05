/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes: scripts of a tap, commands behind a forwarded port. Each
 * leads a process group of its own, so that what it starts ends with it, and
 * begins with default signals whatever the daemon ignores or blocks.
 */
#ifndef RW_CHILD_H
#define RW_CHILD_H

#include "loop.h"

#include <sys/types.h>

/* Starts @argv (found along PATH). @stdio_fd >= 0 becomes its standard input,
 * output and error; -1: it inherits ours. 0 or -errno. */
int child_spawn(const char *const *argv, int stdio_fd, pid_t *pid);

/* Waits up to @ms for @pid's end and fetches its status as waitpid(2) does.
 * 0, -ETIMEDOUT (it runs on), or -errno. */
int child_wait(pid_t pid, int ms, int *status);

/* How far a child is with its end. */
enum child_stage {
	CHILD_NONE,   /* none runs */
	CHILD_RUNS,   /* by itself */
	CHILD_ASKED,  /* SIGTERM was sent to its group */
	CHILD_KILLED, /* SIGKILL, too */
};

/* A child that the loop waits for. Embedded in its owner's struct, which stays
 * until @fn was called; zeroed memory is its start. */
struct child {
	enum child_stage stage;
	pid_t pid;
	bool is_late;		 /* it was ended because its time was over */
	struct loop_watch watch; /* of its pidfd */
	struct loop_timer timer; /* to its next stage */
	void (*fn)(struct child *c, int status);
	struct child *next; /* of all that run */
};

/*
 * Starts @argv as child_spawn() does, with our standard input, output and
 * error, and returns at once: 0 or -errno. When it has ended, @fn is called
 * with its status as from waitpid(2); @c may be used again or freed then. What
 * takes longer than @ms is ended with its group. [ctl]
 */
int child_start(struct child *c, struct loop *loop, const char *const *argv,
		unsigned ms, void (*fn)(struct child *, int status));

/* Asks the group of @c to end, and kills it a second later. @fn is called as
 * ever. Nothing when @c does not run. [ctl] */
void child_stop(struct child *c);

/* Returns when all that child_start() began has ended, having called their
 * @fn; nothing else of the loop runs meanwhile. For the daemon's end. [ctl] */
void child_finish_all(void);

/* Ends the process groups of @pids: asks, waits up to @ms for all of them
 * together, then kills. On return none of @pids is left. */
void child_end(const pid_t *pids, unsigned count, int ms);

#endif

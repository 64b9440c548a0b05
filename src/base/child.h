/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes: scripts of a tap, commands behind a forwarded port. Each
 * leads a process group of its own, so that what it starts ends with it, and
 * begins with default signals whatever the daemon ignores or blocks.
 */
#ifndef RW_CHILD_H
#define RW_CHILD_H

#include <sys/types.h>

/* Starts @argv (found along PATH). @stdio_fd >= 0 becomes its standard input,
 * output and error; -1: it inherits ours. 0 or -errno. */
int child_spawn(const char *const *argv, int stdio_fd, pid_t *pid);

/* Waits up to @ms for @pid's end and fetches its status as waitpid(2) does.
 * 0, -ETIMEDOUT (it runs on), or -errno. */
int child_wait(pid_t pid, int ms, int *status);

/* Ends the process groups of @pids: asks, waits up to @ms for all of them
 * together, then kills. On return none of @pids is left. */
void child_end(const pid_t *pids, unsigned count, int ms);

#endif

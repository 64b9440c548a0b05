/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor that somebody else may share (the terminal of a shell, a pipe),
 * used without blocking. The flag O_NONBLOCK belongs to the open file, not to
 * the descriptor: set on a shared one it would harm the others, and outlast
 * this process. So a terminal or pipe is opened once more, a socket is asked in
 * each call. [ctl]
 */
#ifndef RW_VMM_HOST_FD_H
#define RW_VMM_HOST_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct host_fd {
	int fd; /* ours; -1: none */
	bool is_socket;
	bool is_nonblock;
};

/* Makes @h from @fd, which is borrowed. @is_output: it is written, else read.
 * Returns 0 or -errno. */
int host_fd_open(struct host_fd *h, int fd, bool is_output);
void host_fd_close(struct host_fd *h);

/* As read(2) and write(2), but return -errno; -EAGAIN instead of waiting. */
ssize_t host_fd_read(const struct host_fd *h, void *data, size_t size);
ssize_t host_fd_write(const struct host_fd *h, const void *data, size_t size);

/* Waits until @h takes output, @ms milliseconds at most. */
void host_fd_wait_writable(const struct host_fd *h, int ms);

#endif

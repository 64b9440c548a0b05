/* SPDX-License-Identifier: Apache-2.0 */
/* UNIX stream sockets by path: listening with stale sockets replaced and live
 * ones left alone, and connecting. @key is the option the path came from; it
 * stands in the error texts. */
#ifndef RW_UNIX_SOCK_H
#define RW_UNIX_SOCK_H

#include <sys/types.h>

#include "err.h"

/* Longest path: sun_path less its terminating zero. */
#define UNIX_PATH_MAX_LEN 107

/* A socket that listens on a path it made. fd is -1 while closed. */
struct unix_listener {
	int fd;
	char *path; /* heap */
	dev_t dev;  /* of the socket file, so that only ours is removed */
	ino_t ino;
};

/*
 * Listens on @path (non-blocking, close-on-exec), whose file gets permissions
 * @mode, less the umask. A socket there that nobody answers on is replaced; of
 * several processes that do this at once, one succeeds. Never waits for
 * another process. For a moment there is a file PATH.lock, too.
 * -EADDRINUSE: somebody answers, or is about to; -EEXIST: something that is no
 * socket; -ENAMETOOLONG; or what the system said.
 */
int unix_listen(struct unix_listener *l, const char *key, const char *path,
		mode_t mode, struct err *err);

/* Would unix_listen() refuse @path for what is there? The same results; nothing
 * is changed. */
int unix_check(const char *key, const char *path, struct err *err);

/* Closes, and removes the file if it is still the one that was made. */
void unix_unlisten(struct unix_listener *l);

/* A connected blocking close-on-exec socket, or -errno. Waits while the
 * listener's backlog is full: for the command line only. */
int unix_connect(const char *key, const char *path, struct err *err);

/* The same, non-blocking; -EAGAIN when the listener's backlog is full. */
int unix_connect_nowait(const char *key, const char *path, struct err *err);

#endif

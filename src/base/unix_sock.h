/* SPDX-License-Identifier: Apache-2.0 */
/* UNIX stream sockets by path: listening, which replaces stale socket files and
 * leaves live ones alone, and connecting. @key is the option of the path; error
 * texts name it. */
#ifndef RW_UNIX_SOCK_H
#define RW_UNIX_SOCK_H

#include <sys/types.h>
#include <sys/un.h>

#include "err.h"

/* Longest path: sun_path without its terminating zero. */
#define UNIX_PATH_MAX_LEN 107

/* A listening socket and the socket file that it created. */
struct unix_listener {
	int fd;	    /* -1 while closed */
	char *path; /* heap */
	dev_t dev;  /* device of our socket file: no other file is removed */
	ino_t ino;  /* inode of our socket file */
};

/*
 * Listens on @path (non-blocking, close-on-exec). The socket file gets
 * permissions @mode less the umask. A stale socket file is replaced; of several
 * processes that do this at once, one succeeds. Never waits for another
 * process. While a stale file is replaced, PATH.lock exists.
 * Returns 0; -EADDRINUSE if a process listens there or is about to; -EEXIST if
 * the file is no socket; -ENAMETOOLONG; or the system's -errno.
 */
int unix_listen(struct unix_listener *l, const char *key, const char *path,
		mode_t mode, struct err *err);

/* As unix_listen(), for a socket that receives datagrams. */
int unix_bind(struct unix_listener *l, const char *key, const char *path,
	      mode_t mode, struct err *err);

/* Makes @sa the address of @path. Returns 0, or -EINVAL or -ENAMETOOLONG with
 * @err. */
int unix_address(struct sockaddr_un *sa, const char *key, const char *path,
		 struct err *err);

/* Returns what unix_listen() would return because of the file at @path, or 0.
 * Changes nothing. */
int unix_check(const char *key, const char *path, struct err *err);

/* Closes the socket, and removes its file unless another file took the path. */
void unix_unlisten(struct unix_listener *l);

/* Returns a connected, blocking, close-on-exec socket, or -errno. Waits while
 * the listener's backlog is full: for the measuring tools and tests only. */
int unix_connect(const char *key, const char *path, struct err *err);

/* Returns a connected, non-blocking, close-on-exec socket, or -errno: -EAGAIN
 * if the listener's backlog is full. */
int unix_connect_nowait(const char *key, const char *path, struct err *err);

/* Returns the process at the other end of a connected socket: the one that
 * connected, or that called listen(); 0: not known. */
pid_t unix_peer_pid(int fd);

#endif

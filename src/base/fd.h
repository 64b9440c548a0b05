/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors with one owner: -1 means none. */
#ifndef RW_FD_H
#define RW_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes *@fd when it is open and leaves -1 there. */
void fd_close(int *fd);

/* Returns what *@fd held and leaves -1: ownership moves to the caller. */
int fd_take(int *fd);

int fd_set_nonblock(int fd); /* 0 or -errno */

/* A new eventfd, non-blocking and close-on-exec, or -errno. */
int fd_eventfd(void);

/* Adds one to an eventfd. A full counter (a peer that never reads) is no
 * error: the peer has its event. Returns 0 or -errno. */
int fd_signal(int fd);

/* Takes the eventfd's counter back to zero. */
void fd_drain(int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors with one owner: -1 means none. */
#ifndef RW_FD_H
#define RW_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes *@fd if it is open and sets it to -1. */
void fd_close(int *fd);

/* Returns *@fd and sets it to -1: ownership moves to the caller. */
int fd_take(int *fd);

int fd_set_nonblock(int fd); /* 0 or -errno */

/*
 * Descriptors that the process was started with, for options that name one.
 * fd_note_inherited() is called before the process opens anything. An
 * inherited descriptor is free until fd_use_inherited() takes it, once. [ctl]
 */
void fd_note_inherited(void);
bool fd_is_inherited(int fd);
void fd_use_inherited(int fd);

/* Returns a new eventfd, non-blocking and close-on-exec, or -errno. */
int fd_eventfd(void);

/* Adds one to an eventfd. Returns 0 or -errno. A full counter (a peer that
 * never reads) is no error: the peer has its event. */
int fd_signal(int fd);

/* Resets the eventfd's counter to zero. */
void fd_drain(int fd);

#endif

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

/* A descriptor and the number that options call it by. */
struct fd_named {
	int number;
	int fd; /* ours; -1: somebody has taken it */
};

/*
 * Descriptors for options that name one by its number: those that the process
 * was started with, or between fd_offer() and fd_offer(NULL, 0) only those
 * offered, which came along with a request. fd_note_inherited() is called
 * before the process opens anything. A descriptor is free until fd_use_named()
 * takes it, once; the caller owns it then. [ctl]
 */
void fd_note_inherited(void);
void fd_offer(struct fd_named *named, unsigned count);
bool fd_is_offering(void);
/* Returns our descriptor that options call @number, or -1. */
int fd_find_named(int number);
void fd_use_named(int fd);
/* Notes that @fd, a duplicate of one that was taken, is in use until
 * fd_close(). */
void fd_note_used(int fd);
/* Returns whether the socket @fd is in use so under another descriptor; not
 * noted are numbers from 65536 on. For sockets: other files share an inode, as
 * all taps do. */
bool fd_is_used(int fd);
/* Returns where they come from, as the end of "a socket ". */
const char *fd_named_from(void);

/* Stores the descriptors that came with @m (SCM_RIGHTS), at most @max, and
 * returns how many. Closes further ones; *@is_lost is set when there were some,
 * or when the kernel dropped some. */
struct msghdr;
unsigned fd_of_message(struct msghdr *m, int *fd, unsigned max, bool *is_lost);

/* Returns a new eventfd, non-blocking and close-on-exec, or -errno. */
int fd_eventfd(void);

/* Adds one to an eventfd. Returns 0 or -errno. A full counter (a peer that
 * never reads) is no error: the peer has its event. */
int fd_signal(int fd);

/* Resets the eventfd's counter to zero. */
void fd_drain(int fd);

#endif

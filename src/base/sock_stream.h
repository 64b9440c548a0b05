/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets by address, TCP and UNIX: listening, and connecting without
 * waiting. */
#ifndef RW_SOCK_STREAM_H
#define RW_SOCK_STREAM_H

#include "sock_addr.h"
#include "unix_sock.h"

/* Listens on @a, which gets the port that the kernel chose in place of 0. Error
 * texts name @key. Returns 0 or -errno with @err. unix_unlisten() ends it. */
int sock_stream_listen(struct unix_listener *l, const char *key,
		       struct sock_addr *a, struct err *err);

/* Returns a non-blocking socket that is connected to @to (*@is_done), or will
 * be: it becomes writable, and sock_stream_error() tells how it went. Returns
 * -errno when the peer is known not to be there. */
int sock_stream_connect(const struct sock_addr *to, bool *is_done);
int sock_stream_error(int fd); /* 0 or -errno */

/* Sets the options of a connection: no delays, probes of a silent peer; large
 * buffers on one host. */
void sock_stream_tune(int fd, int family);

/*
 * Returns whether the peer of a TCP connection owes an answer and has been
 * silent for half a minute, or for three probes of its closed window. The
 * kernel gives up an idle connection itself, but takes a quarter of an hour
 * when something is on its way. To be asked every SOCK_STREAM_CHECK_MS. A peer
 * that takes nothing for hours is not silent: it answers probes.
 */
bool sock_stream_is_silent(int fd);
#define SOCK_STREAM_CHECK_MS 10000

#endif

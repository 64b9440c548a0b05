/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket that this process listens on, for one client at a time, which
 * comes and goes: the other end of a console or of a serial port. Another
 * client is told that it is not alone, and let go. Control thread.
 *
 * A client that has closed its end is still there until the owner has read what
 * it wrote (its read returns 0), or until the next one comes.
 */
#ifndef RW_VMM_SOCK_SERVER_H
#define RW_VMM_SOCK_SERVER_H

#include "loop.h"
#include "unix_sock.h"

struct sock_server {
	/* Set by the owner. Without one they are NULL, and a client waits in
	 * @client for the next: */
	void *owner; /* for itself */
	/* There is a client, in @client. */
	void (*came)(struct sock_server *s);
	/* The client has closed its end and another one is here: the owner
	 * stops using @client and calls sock_server_drop(). */
	void (*replaced)(struct sock_server *s);
	struct unix_listener listener; /* opened by the owner; ours to close */
	int client;		       /* -1: none */
	struct loop *loop;
	struct loop_watch watch; /* of the listener */
	struct loop_timer rest;	 /* until the next try to accept */
};

/* Serves @s->listener, which is open; clients come from the loop's next step
 * on. Returns 0 or -errno. */
int sock_server_start(struct sock_server *s, struct loop *loop);
/* Closes the client, and waits for another. */
void sock_server_drop(struct sock_server *s);
/* Closes all. Also after a start that failed. */
void sock_server_stop(struct sock_server *s);

#endif

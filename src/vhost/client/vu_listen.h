/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path on which back-ends connect to us, one at a time: the next one stays in
 * the socket's backlog while nobody waits for it. Control thread, that of the
 * loop.
 */
#ifndef RW_VU_LISTEN_H
#define RW_VU_LISTEN_H

#include "loop.h"
#include "unix_sock.h"

/* For owners: time between the end of a back-end and the next one, so that one
 * that comes and goes again and again costs little. */
#define VU_LISTEN_REST_MS 100

struct vu_listen {
	struct unix_listener listener;
	struct loop_watch watch; /* while a back-end is waited for */
	struct loop_timer timer; /* until the next try to accept one */
	struct loop *loop;	 /* NULL: closed, as zeroed */
	void (*came)(struct vu_listen *l, int sock);
};

/* Listens on @path without waiting for anybody yet. Returns 0, or -errno of
 * unix_listen() with @err. *@l is zeroed before. */
int vu_listen_open(struct vu_listen *l, struct loop *loop, const char *path,
		   void (*came)(struct vu_listen *l, int sock),
		   struct err *err);
/* Accepts the next back-end when it comes: l->came() gets its socket and owns
 * it. */
void vu_listen_wait(struct vu_listen *l);
void vu_listen_close(struct vu_listen *l);

#endif

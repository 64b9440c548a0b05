/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that asked to be told what happens. */
#ifndef RW_DAEMON_WATCH_H
#define RW_DAEMON_WATCH_H

#include "daemon.h"

/* A client that leaves so much unread gets no further events until it reads. */
#define WATCH_MAX_UNREAD (1u << 20)

/*
 * From now on, notifications "event" tell @conn of what is in @kinds (bits 1 <<
 * enum event_kind), until the connection closes. Asked again, the new kinds
 * replace the old ones. An event carries "lost", how many the client missed
 * before it. 0 or -ENOMEM.
 */
int daemon_watch_start(struct daemon *d, struct rpc_conn *conn, unsigned kinds);

/* For the end of the daemon, while the switch is still there. */
void daemon_watch_end_all(struct daemon *d);

#endif

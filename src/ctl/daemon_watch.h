/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that get a notification for each event. Control thread. */
#ifndef RW_DAEMON_WATCH_H
#define RW_DAEMON_WATCH_H

#include "daemon.h"

/* A client with this many unread bytes gets no more events until it reads. */
#define WATCH_MAX_UNREAD (1u << 20)

/*
 * Sends @conn a notification "event" for each event of @kinds (bits 1 << enum
 * event_kind) until the connection closes. A second call for the same
 * connection replaces the kinds. The member "lost" of a notification is the
 * number of events that were dropped before it. Returns 0 or -ENOMEM.
 */
int daemon_watch_start(struct daemon *d, struct rpc_conn *conn, unsigned kinds);

/* Ends every watch. For the end of the daemon, before the switch's. */
void daemon_watch_end_all(struct daemon *d);

#endif

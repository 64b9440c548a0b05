/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon: the loop, the switch, the ports it was asked for and the control
 * socket. Control thread only.
 */
#ifndef RW_DAEMON_H
#define RW_DAEMON_H

#include "config.h"
#include "loop.h"
#include "netdev.h"
#include "rpc.h"
#include "switch.h"
#include "unix_sock.h"

/* A port with the options it was made from. */
struct daemon_port {
	struct port *port;
	struct netdev *netdev;
	struct daemon_capture *capture; /* NULL while not captured */
	struct daemon_port *next;	/* in the order they were added */
};

struct daemon {
	struct loop *loop;
	struct vswitch *sw;
	struct rpc_server *rpc;
	struct unix_listener control;
	struct daemon_port *ports;
	struct daemon_capture *captures; /* ended ones too: daemon_capture.c */
	struct daemon_watch *watches;	 /* clients that are told of events */
	struct loop_watch signals;
	struct loop_watch log; /* lines that were left out are to be told */
	int signal_fd;
	unsigned workers;
	uint64_t started_ms;
};

/*
 * Opens everything @c asks for; ports become live one after the other.
 * @control is the control socket's path. On error nothing is left behind: no
 * socket, no thread. SIGTERM, SIGINT and SIGHUP are blocked from here on and
 * end daemon_run(). @c is not needed any more afterwards; its netdevs move to
 * the daemon.
 */
int daemon_create(struct config *c, const char *control, struct daemon **out,
		  struct err *err);

/* Works until a signal or `down`. */
void daemon_run(struct daemon *d);

/* Takes everything down, in the opposite order. The last to go are the control
 * connections: who asked for `down` sees its connection close when all is
 * gone. */
void daemon_destroy(struct daemon *d);

/* Makes the port that @n describes and puts it into the switch. @n becomes the
 * daemon's, on error it is freed. Errors name the port. */
int daemon_add_port(struct daemon *d, struct netdev *n, struct err *err);

/* The port called @id, or NULL with @err that lists what there is. */
struct daemon_port *daemon_find_port(struct daemon *d, const char *id,
				     struct err *err);

void daemon_remove_port(struct daemon *d, struct daemon_port *p);

/* Makes the port work by @changed, a copy of its netdev that netdev_change()
 * was applied to. On success @changed replaces the netdev, else it is the
 * caller's still, and the port works as before. */
int daemon_change_port(struct daemon_port *p, struct netdev *changed,
		       struct err *err);

#endif

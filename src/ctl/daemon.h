/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon: the loop, the switch, the configured ports and the control
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

/* A port with the options that it has now. */
struct daemon_port {
	struct port *port;
	struct netdev *netdev;		/* owned */
	struct netdev *configured;	/* owned; as the configuration has it;
					 * NULL: added since the start */
	struct daemon_capture *capture; /* NULL while not captured */
	struct daemon_port *next;	/* list in the order of adding */
};

/* A machine beside the switch: what its commands do. Its owner (monitor/) sets
 * it. [ctl] */
enum machine_command {
	MACHINE_STOP,
	MACHINE_CONT,
	MACHINE_RESET,
	MACHINE_POWERDOWN,
};
struct daemon_machine {
	/* Returns 0, or 1 when the machine was so already, or -errno with
	 * @err. */
	int (*command)(void *arg, enum machine_command c, struct err *err);
	void (*show)(void *arg, struct show *s);
	/* Returns whether @id is a card or a -netdev that is no port, and sets
	 * @err to the reason and what to do. */
	bool (*refuse_port)(void *arg, const char *id, struct err *err);
	/* Adds what the -device line @text says and shows its id and slot.
	 * Returns 0, or -errno with @err and nothing left. */
	int (*device_add)(void *arg, const char *text, struct show *s,
			  struct err *err);
	/* Asks the guest to let go of the device @id; or takes it (@force). It
	 * is gone with EVENT_DEVICE_REMOVED. Returns 0 or -errno with @err. */
	int (*device_del)(void *arg, const char *id, bool force,
			  struct err *err);
	void (*device_list)(void *arg, struct show *s);
	/* Add a back-end for cards, as the -netdev line @text says; and take
	 * one away that has no card. Return 0 or -errno with @err. */
	int (*netdev_add)(void *arg, const char *text, struct err *err);
	int (*netdev_del)(void *arg, const char *id, struct err *err);
};

/* Where the configuration came from. Its owner sets it, and outlives the
 * daemon. [ctl] */
struct daemon_source {
	/* Reads it again into @out, which the caller frees even then. Returns 0
	 * or -errno with @err. */
	int (*read)(void *arg, struct config *out, struct err *err);
	/* Opens the log's file again. Returns 0, or -errno with @err: the old
	 * file stays. */
	int (*open_log)(void *arg, struct err *err);
	void *arg;
};

struct daemon {
	struct loop *loop;
	struct vswitch *sw;
	struct rpc_server *rpc;
	struct unix_listener control;
	struct daemon_port *ports;
	struct daemon_capture *captures; /* ended ones too: daemon_capture.c */
	struct device *devices;		 /* chardevs, for filters */
	struct daemon_watch *watches;	 /* clients that get events */
	struct loop_watch signals;
	struct loop_watch log; /* of the number of suppressed log lines */
	int signal_fd;
	const struct daemon_machine *machine; /* NULL: none */
	const struct daemon_source *source;   /* NULL: nothing to read again */
	struct daemon_conf conf;	      /* as read last */
	struct opt_list filter_lines;	      /* the same; in order */
	void *machine_arg;
	unsigned workers;
	uint64_t started_ms;
};

/*
 * Makes the daemon with the workers and ports of @c and a control socket at the
 * path @control. Returns 0 when all ports have started, or -errno with @err; on
 * error nothing is left behind: no socket, no thread. The daemon takes the
 * netdevs, objects and chardevs of @c and needs nothing else of it afterwards.
 * SIGTERM and SIGINT are blocked by this call and end daemon_run(). So does
 * SIGHUP, unless the process ignores it, or d->source is set: then it is the
 * same as the method `reload`, except when a terminal went away.
 */
int daemon_create(struct config *c, const char *control, struct daemon **out,
		  struct err *err);

/* Runs the loop until a signal or the method `down` ends it. */
void daemon_run(struct daemon *d);

/* Takes everything down, in reverse order. Control connections close last, so
 * the client of `down` sees its connection close when all else is gone. */
void daemon_destroy(struct daemon *d);

/* Makes the port that @n describes and adds it to the switch. Owns @n from now
 * on and frees it on error. Returns 0 or -errno with @err, which names the
 * port. */
int daemon_add_port(struct daemon *d, struct netdev *n, struct err *err);

/* The same for a port of the configuration. */
int daemon_add_configured(struct daemon *d, struct netdev *n, struct err *err);

/* Makes the filter that @spec describes, on the port that it names. Owns @spec
 * from now on and frees it on error. Returns 0 or -errno with @err. */
int daemon_add_filter(struct daemon *d, struct filter_spec *spec,
		      struct err *err);

/* Returns the filter called @id, or NULL with @err, which lists the filters. */
struct filter *daemon_find_filter(struct daemon *d, const char *id,
				  struct err *err);

/* Returns the port called @id, or NULL with @err, which lists the ports. */
struct daemon_port *daemon_find_port(struct daemon *d, const char *id,
				     struct err *err);

/* Removes the port @id if it can go alone. Returns 0 or -errno with @err. */
int daemon_del_port(struct daemon *d, const char *id, struct err *err);

/* Ends @p's capture and its filters, removes @p from the switch and frees it.
 */
void daemon_remove_port(struct daemon *d, struct daemon_port *p);

/* Applies @changed, a copy of the port's netdev after netdev_change(), to the
 * live port. Returns 0, and @changed replaces the netdev; or -errno with @err,
 * and the port works as before and the caller keeps @changed. */
int daemon_change_port(struct daemon_port *p, struct netdev *changed,
		       struct err *err);

#endif

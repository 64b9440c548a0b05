/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the vhost-user port, for vhost_user*.c only. */
#ifndef RW_PORT_VHOST_USER_H
#define RW_PORT_VHOST_USER_H

#include "log.h"
#include "types.h"
#include "unix_sock.h"
#include "vnet_ctrl.h"
#include "vnet_pair.h"
#include "vu_backend.h"

struct vhost_user_conf {
	char *path;
	bool server;
	uint32_t reconnect; /* seconds */
	uint32_t reconnect_ms;
	bool has_reconnect_ms; /* reconnect_ms replaces reconnect */
	uint32_t queues;       /* number of queue pairs */
	uint32_t mtu;	       /* 0: no MTU is announced */
	/* Of the socket's file, as typed; NULL: 0660 less the umask, ours */
	char *mode, *owner, *group;
};

/* The rows of struct vhost_user_conf, which is the first member of a type's
 * options. */
#define VHOST_USER_ROWS(path_is_needed)                                       \
	{ .key = "path",                                                      \
	  .kind = OPT_PATH,                                                   \
	  .offset = offsetof(struct vhost_user_conf, path),                   \
	  .required = (path_is_needed),                                       \
	  .arg = "PATH",                                                      \
	  .help = "UNIX socket where the front-end and the port meet" },      \
		{ .key = "server",                                            \
		  .kind = OPT_BOOL,                                           \
		  .offset = offsetof(struct vhost_user_conf, server),         \
		  .def = "on",                                                \
		  .help = "listen on the socket; off: connect to it" },       \
		{ .key = "reconnect",                                         \
		  .kind = OPT_UINT,                                           \
		  .offset = offsetof(struct vhost_user_conf, reconnect),      \
		  .min = 1,                                                   \
		  .max = 3600,                                                \
		  .def = "1",                                                 \
		  .runtime = true,                                            \
		  .arg = "SECONDS",                                           \
		  .help = "with server=off: time between two tries to "       \
			  "connect" },                                        \
		{ .key = "reconnect-ms",                                      \
		  .kind = OPT_UINT,                                           \
		  .offset = offsetof(struct vhost_user_conf, reconnect_ms),   \
		  .set_offset =                                               \
			  offsetof(struct vhost_user_conf, has_reconnect_ms), \
		  .min = 1,                                                   \
		  .max = 3600000,                                             \
		  .runtime = true,                                            \
		  .arg = "MS",                                                \
		  .help = "the same in milliseconds, instead of reconnect" }, \
		{ .key = "queues",                                            \
		  .kind = OPT_UINT,                                           \
		  .offset = offsetof(struct vhost_user_conf, queues),         \
		  .min = 1,                                                   \
		  .max = VU_MAX_QUEUE_PAIRS,                                  \
		  .def = "1",                                                 \
		  .arg = "N",                                                 \
		  .help = "queue pairs the front-end may use" },              \
		{ .key = "mode",                                              \
		  .kind = OPT_PATH,                                           \
		  .offset = offsetof(struct vhost_user_conf, mode),           \
		  .arg = "MODE",                                              \
		  .help = "permissions of the socket, whatever the umask "    \
			  "says (default 660 less the umask)" },              \
		{ .key = "owner",                                             \
		  .kind = OPT_PATH,                                           \
		  .offset = offsetof(struct vhost_user_conf, owner),          \
		  .arg = "USER",                                              \
		  .help = "user who owns the socket (default ours)" },        \
		{ .key = "group",                                             \
		  .kind = OPT_PATH,                                           \
		  .offset = offsetof(struct vhost_user_conf, group),          \
		  .arg = "GROUP",                                             \
		  .help = "group of the socket (default ours)" },             \
	{                                                                     \
		.key = "mtu", .kind = OPT_UINT,                               \
		.offset = offsetof(struct vhost_user_conf, mtu), .min = 68,   \
		.max = 65535, .runtime = true, .arg = "BYTES",                \
		.help = "MTU the guest is told, from its next start on "      \
			"(default "                                           \
			"none)"                                               \
	}

/* Creates a port as port_type.create does. A port of another @type shares the
 * operations: the struct of its options begins with a vhost_user_conf. */
int vhost_user_open(const struct port_env *env, const struct port_type *type,
		    const struct port_conf *common,
		    const struct vhost_user_conf *conf, struct port **out,
		    struct err *err);

/* Most front-ends that are accepted and wait for their turn; more stay in the
 * listener's backlog. */
#define VHOST_USER_WAITING_MAX 4

struct vhost_user_waiting {
	struct vhost_user_port *port;
	struct loop_watch watch; /* reports that the front-end leaves */
	int sock;
	int64_t pid;
	uint64_t since_ms;
};

/* The state of the path that the socket was bound to. */
enum vhost_user_path {
	VHOST_USER_PATH_OURS,
	VHOST_USER_PATH_DELETED,
	VHOST_USER_PATH_REPLACED,
};

struct vhost_user_port {
	struct port port;
	struct loop *loop;
	struct vhost_user_conf conf;   /* we own conf.path (heap) */
	struct log_limit log;	       /* of events front-ends can trigger */
	struct unix_listener listener; /* server=on */
	struct loop_watch watch;       /* watches the listener */
	/* server=off: next try to connect; server=on: end of a rest */
	struct loop_timer timer;
	uint64_t rest_ms;  /* server=on: rest after a short session */
	uint64_t refusals; /* server=on: failures to accept in a row */
	bool said_waiting; /* server=off: the missing front-end was logged */
	enum vhost_user_path path_said; /* the last logged state */
	int path_watch;			/* inotify watch; -1: none */
	struct vhost_user_waiting waiting[VHOST_USER_WAITING_MAX];
	unsigned waiting_count;
	struct vu_backend *backend;   /* NULL: no front-end */
	struct vhost_user_port *next; /* list of ports with a session */
	uint64_t since_ms;	      /* begin of the session */
	uint64_t features;	      /* negotiated; 0: not yet */
	uint64_t connections;	      /* sessions since the port's creation */
	int64_t peer_pid;	      /* process id of the front-end */
	uint32_t peer_mtu;	      /* from NET_SET_MTU; 0: not received */
	char last_reason[256];	      /* why the last front-end left */
	struct vnet_pairs pairs;      /* we own the array (heap) */
	struct vnet_ctrl control;     /* control queue of @pairs */
	/* list of ports whose path is watched */
	struct vhost_user_port *next_path;
};

/* vhost_user_access.c. Listens at c->path, for those whom the options name.
 * Returns 0, or -errno with @err and no socket. _check_access() returns
 * whether the options can be right, before a port is made or replaced: 0, or
 * -EINVAL with @err. */
int vhost_user_listen(const struct vhost_user_conf *c, struct unix_listener *l,
		      struct err *err);
int vhost_user_check_access(const struct vhost_user_conf *c, struct err *err);

/* vhost_user_peer.c. _open() starts to listen or to connect and returns 0 or
 * -errno with @err. _close() ends the session and closes all connections. */
int vhost_user_peer_open(struct vhost_user_port *v, struct err *err);
void vhost_user_peer_close(struct vhost_user_port *v);
void vhost_user_peer_show(const struct vhost_user_port *v, struct show *s);

/* vhost_user_report.c: workers' reports for ports with a session, through one
 * descriptor for all of them. _add() returns 0 or -errno. */
int vhost_user_report_add(struct vhost_user_port *v);
void vhost_user_report_remove(struct vhost_user_port *v);
const int *vhost_user_report_fd(void);

/* vhost_user_path.c: detects that the listener's path is not ours any more.
 * _show() looks at the path itself and so works without a watch. */
void vhost_user_path_add(struct vhost_user_port *v);
void vhost_user_path_remove(struct vhost_user_port *v);
void vhost_user_path_show(const struct vhost_user_port *v, struct show *s);

/* vhost_user_queue.c: vu_backend_ops of the queues; @ctx is the port. */
void vhost_user_queue_start(void *ctx, unsigned idx, const struct vu_ring *r);
void vhost_user_queue_enable(void *ctx, unsigned idx, bool enabled);
void vhost_user_queues_changed(void *ctx);
uint64_t vhost_user_queue_kicks(void *ctx, unsigned idx);
void vhost_user_fault(void *ctx, unsigned idx, const char *text);
void vhost_user_rarp(void *ctx, const uint8_t mac[6]);
void vhost_user_queues_stop(void *ctx, const unsigned *idx, unsigned n);

/* vhost_user_control.c: the control queue. _reset() is called when v->features
 * has changed. */
void vhost_user_control_init(struct vhost_user_port *v);
void vhost_user_control_reset(struct vhost_user_port *v);
void vhost_user_control_start(void *ctx, const struct vu_ring *r);
void vhost_user_control_stop(void *ctx);

/* vhost_user_qemu.c: port_ops.qemu_args. */
int vhost_user_qemu_args(const struct port *p, uint64_t memory, char *buf,
			 size_t size, struct err *err);

#endif

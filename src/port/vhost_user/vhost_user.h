/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user port's own structures; vhost_user*.c only. */
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
	bool has_reconnect_ms; /* it wins */
	uint32_t queues;       /* pairs */
	uint32_t mtu;	       /* 0: none is announced */
};

/* Front-ends that wait while another one has the socket, at most; more stay in
 * the listener's backlog. */
#define VHOST_USER_WAITING_MAX 4

struct vhost_user_waiting {
	struct vhost_user_port *port;
	struct loop_watch watch; /* tells when it leaves */
	int sock;
	int64_t pid;
	uint64_t since_ms;
};

/* What is where the socket was bound. */
enum vhost_user_path {
	VHOST_USER_PATH_OURS,
	VHOST_USER_PATH_DELETED,
	VHOST_USER_PATH_REPLACED,
};

struct vhost_user_port {
	struct port port;
	struct loop *loop;
	struct vhost_user_conf conf;   /* path is ours */
	struct log_limit log;	       /* of what front-ends can bring about */
	struct unix_listener listener; /* server=on */
	struct loop_watch watch;       /* of the listener */
	/* server=off: next try to connect; server=on: end of a rest */
	struct loop_timer timer;
	uint64_t rest_ms;  /* server=on: after a session that ended at once */
	uint64_t refusals; /* server=on: failures to accept in a row */
	bool said_waiting; /* server=off: logged that nobody is there */
	enum vhost_user_path path_said; /* as last logged */
	int path_watch;			/* of inotify; -1: none */
	struct vhost_user_waiting waiting[VHOST_USER_WAITING_MAX];
	unsigned waiting_count;
	struct vu_backend *backend;   /* NULL: no front-end */
	struct vhost_user_port *next; /* in the list of those that have one */
	uint64_t since_ms;	      /* when the front-end came */
	uint64_t features;	      /* negotiated; 0: not yet */
	uint64_t connections;	      /* so far */
	int64_t peer_pid;	      /* of the front-end's process */
	uint32_t peer_mtu;	      /* NET_SET_MTU; 0: not told */
	char last_reason[256];	      /* why the last front-end left */
	struct vnet_pairs pairs;      /* the array is ours; heap */
	struct vnet_ctrl control;     /* for pairs */
	/* in the list of those whose path is watched */
	struct vhost_user_port *next_path;
};

/* vhost_user_peer.c: takes front-ends from now on, or looks for one; 0 or
 * -errno with @err. / Ends the session and forgets everybody. */
int vhost_user_peer_open(struct vhost_user_port *v, struct err *err);
void vhost_user_peer_close(struct vhost_user_port *v);
void vhost_user_peer_show(const struct vhost_user_port *v, struct show *s);

/* vhost_user_report.c: workers' reports for the ports that have a session,
 * through one descriptor for all of them. 0 or -errno. */
int vhost_user_report_add(struct vhost_user_port *v);
void vhost_user_report_remove(struct vhost_user_port *v);
const int *vhost_user_report_fd(void);

/* vhost_user_path.c: notices when the listener's path is not ours any more.
 * Where that cannot be watched, vhost_user_path_show() still looks. */
void vhost_user_path_add(struct vhost_user_port *v);
void vhost_user_path_remove(struct vhost_user_port *v);
void vhost_user_path_show(const struct vhost_user_port *v, struct show *s);

/* vu_backend_ops of the queues; @ctx is the port. vhost_user_queue.c */
void vhost_user_queue_start(void *ctx, unsigned idx, const struct vu_ring *r);
void vhost_user_queue_enable(void *ctx, unsigned idx, bool enabled);
void vhost_user_queues_changed(void *ctx);
uint64_t vhost_user_queue_kicks(void *ctx, unsigned idx);
void vhost_user_fault(void *ctx, unsigned idx, const char *text);
void vhost_user_rarp(void *ctx, const uint8_t mac[6]);
void vhost_user_queues_stop(void *ctx, const unsigned *idx, unsigned n);

/* The control queue; vhost_user_control.c. _reset(): v->features is new. */
void vhost_user_control_init(struct vhost_user_port *v);
void vhost_user_control_reset(struct vhost_user_port *v);
void vhost_user_control_start(void *ctx, const struct vu_ring *r);
void vhost_user_control_stop(void *ctx);

/* port_ops.qemu_args; vhost_user_qemu.c */
int vhost_user_qemu_args(const struct port *p, uint64_t memory, char *buf,
			 size_t size, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user port's own structures; vhost_user*.c only. */
#ifndef RW_PORT_VHOST_USER_H
#define RW_PORT_VHOST_USER_H

#include "types.h"
#include "unix_sock.h"
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

struct vhost_user_port {
	struct port port;
	struct loop *loop;
	struct vhost_user_conf conf;   /* path is ours */
	struct unix_listener listener; /* server=on */
	struct loop_watch watch;       /* of the listener */
	struct loop_timer timer;       /* server=off: next try to connect */
	bool said_waiting; /* server=off: logged that nobody is there */
	struct vu_backend *backend;   /* NULL: no front-end */
	struct vhost_user_port *next; /* in the list of those that have one */
	uint64_t features;	      /* negotiated; 0: not yet */
	uint64_t connections;	      /* so far */
	int64_t peer_pid;	      /* of the front-end's process */
	uint32_t peer_mtu;	      /* NET_SET_MTU; 0: not told */
	char last_reason[128];	      /* why the last front-end left */
	struct vnet_pairs pairs;      /* the array is ours; heap */
};

/* vu_backend_ops of the queues; @ctx is the port. vhost_user_queue.c */
void vhost_user_queue_start(void *ctx, unsigned idx, const struct vu_ring *r);
void vhost_user_queue_enable(void *ctx, unsigned idx, bool enabled);
void vhost_user_queues_changed(void *ctx);
void vhost_user_queues_stop(void *ctx, const unsigned *idx, unsigned n);

/* port_ops.qemu_args; vhost_user_qemu.c */
int vhost_user_qemu_args(const struct port *p, uint64_t memory, char *buf,
			 size_t size, struct err *err);

#endif

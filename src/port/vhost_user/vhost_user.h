/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user port's own structures; vhost_user*.c only. */
#ifndef RW_PORT_VHOST_USER_H
#define RW_PORT_VHOST_USER_H

#include "types.h"
#include "unix_sock.h"
#include "vnet.h"
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

/* What the guest sends: its transmit queue 2i + 1. */
struct vu_rxq {
	struct rxq rxq __cacheline; /* queues may be of different workers */
	struct vq_dev *vq;	    /* [const while attached] the session's */
	unsigned offloads; /* [const while attached] OFFLOAD_* it may use */
	bool is_enabled;   /* [ctl -> worker, atomic] */
	uint64_t ahead;	   /* [worker] frames that were sent before others
			    * that wait, see ahead.h */
};

/* What the guest receives: its receive queue 2i. */
struct vu_txq {
	struct txq txq __cacheline;
	struct vq_dev *vq;	   /* [const while in the port's txq_set] */
	bool is_usable;		   /* [ctl] started and enabled */
	struct copy_choice choice; /* [holder of txq.lock] */
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
	unsigned pairs;
	struct vu_rxq *rx; /* pairs of them; heap */
	struct vu_txq *tx;
};

/* port_ops of the queues; vhost_user_queue.c */
unsigned vhost_user_rx_burst(struct rxq *rxq, struct burst *b);
void vhost_user_rx_done(struct rxq *rxq, struct burst *b);
bool vhost_user_rx_arm(struct rxq *rxq);
void vhost_user_rx_disarm(struct rxq *rxq);
unsigned vhost_user_tx_burst(struct txq *txq, struct frame *const *frames,
			     unsigned n);

/* vu_backend_ops of the queues; @ctx is the port */
void vhost_user_queue_start(void *ctx, unsigned idx, struct vq_dev *vq,
			    int kick_fd, bool enabled);
void vhost_user_queue_stop(void *ctx, unsigned idx);
void vhost_user_queue_enable(void *ctx, unsigned idx, bool enabled);

/* port_ops.qemu_args; vhost_user_qemu.c */
int vhost_user_qemu_args(const struct port *p, uint64_t memory, char *buf,
			 size_t size, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of a card on a vhost back-end: vhost_card.c has its start and end,
 * vhost_device.c the operations of the device, vhost_link.c the connection with
 * the back-end. Control thread.
 */
#ifndef RW_VMM_VHOST_IMPL_H
#define RW_VMM_VHOST_IMPL_H

#include "card_impl.h"
#include "log.h"
#include "retry.h"
#include "vhost_card.h"
#include "vu_client.h"

struct vhost_ring {
	struct virtio_ring given; /* by the transport; while is_enabled */
	bool is_enabled;	  /* the driver uses it */
	bool is_running;	  /* the back-end has it */
};

struct vhost_card {
	struct virtio_dev dev;
	struct loop *loop;
	struct card_config config;
	uint16_t rx_size, tx_size; /* [const] */
	unsigned pairs;		   /* [const] */
	const char *path;	   /* [const] NULL: vhost-net */
	struct tap_if tap;	   /* vhost-net */
	uint32_t poll_us;	   /* [const] vhost-net */
	int err_fd;		   /* vhost-net tells of bad rings by it */
	struct loop_watch err_watch;
	struct vu_client *client; /* NULL: no connection */
	bool is_ready;		  /* features are agreed */
	bool is_live;		  /* the driver set DRIVER_OK */
	struct vhost_ring *ring;  /* heap, 2 * pairs */
	struct rings rings;	  /* of which the control queue is used */
	struct vnet_ctrl control;
	struct loop_timer timer; /* next try to connect, or the end of one */
	struct retry retry;
	uint64_t since_ms, connections;
	struct err reason; /* of the last end; empty: none */
	struct log_limit log;
};

/* Whatever is on, the back-end has to know these itself. */
uint64_t vhost_backend_features(const struct vhost_card *v);

/* vhost_device.c */
extern const struct virtio_dev_ops vhost_dev_ops;
void vhost_control_changed(struct vnet_ctrl *c);
/* Gives the back-end the memory and all enabled rings. @is_resumed: rings go on
 * where their used index is. Returns 0 or -errno with v->reason. */
int vhost_start_all(struct vhost_card *v, bool is_resumed);

/* vhost_link.c: begins the connection over @vhost_fd or the socket, and waits
 * until features are agreed. Returns 0 or -errno with v->reason. */
int vhost_link_begin(struct vhost_card *v, const int *vhost_fd);
void vhost_link_end(struct vhost_card *v);
/* The back-end cannot go on for @v->reason: ends the connection from the loop,
 * and arranges the next. */
void vhost_link_fail(struct vhost_card *v);
bool vhost_is_up(const struct vhost_card *v);

#endif

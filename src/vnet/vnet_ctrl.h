/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control queue of a virtio-net device (virtio 1.2, clause 5.1.6.5), for
 * drivers whose front-end hands it over: what the driver said with it, and
 * serving it.
 *
 * Served: RX, MAC, VLAN, ANNOUNCE and MQ, each when its feature was negotiated;
 * everything else is answered with VIRTIO_NET_ERR, offloads and RSS among it,
 * which are not offered.
 *
 * vnet_ctrl_reset() and vnet_ctrl_serve() are pure; the rest runs on the
 * control thread.
 *
 * To be saved when the device moves to another process: all of struct
 * vnet_ctrl_state.
 */
#ifndef RW_VNET_CTRL_H
#define RW_VNET_CTRL_H

#include "loop.h"
#include "show.h"
#include "vnet_filter.h"
#include "vq_dev.h"

struct vnet_ctrl_state {
	uint64_t features;
	unsigned pairs_max; /* queue pairs of the device */
	unsigned pairs;	    /* of these: the driver listens to the first */
	struct vnet_filter filter;
	uint64_t commands; /* that were done */
	uint64_t refused;
};

/* Nothing is known of what the driver said: every frame passes, on all
 * @pairs_max queue pairs. */
void vnet_ctrl_reset(struct vnet_ctrl_state *s, uint64_t features,
		     unsigned pairs_max);

/* Does the command in @chain and returns what its last byte is to say:
 * VIRTIO_NET_OK or VIRTIO_NET_ERR. A refused command changes nothing. */
enum { VIRTIO_NET_OK = 0, VIRTIO_NET_ERR = 1 };
uint8_t vnet_ctrl_serve(struct vnet_ctrl_state *s,
			const struct vq_chain *chain);

struct vnet_ctrl {
	struct vnet_ctrl_state state;
	struct loop *loop;
	struct vq_dev *vq; /* NULL: there is no control queue */
	struct loop_watch watch;
	struct loop_timer timer; /* serves on, or polls without a kick */
	/* The state changed: on return it must have taken effect, since the
	 * driver is told then. */
	void (*changed)(struct vnet_ctrl *c);
};

/* @changed: see above. No queue is there yet, no feature negotiated. */
void vnet_ctrl_init(struct vnet_ctrl *c, struct loop *loop, unsigned pairs_max,
		    void (*changed)(struct vnet_ctrl *c));

/* Serves @vq until vnet_ctrl_stop(). @kick_fd (-1: it is polled) is borrowed
 * for the same time. A ring at its start, not @is_resumed there, is that of a
 * driver that begins: nothing it said before holds, and it listens to one queue
 * pair until it says more. With any
 * other ring a driver goes on, and c->state says what is known. */
void vnet_ctrl_start(struct vnet_ctrl *c, struct vq_dev *vq, int kick_fd,
		     bool is_resumed);
/* What the driver said goes on to hold. */
void vnet_ctrl_stop(struct vnet_ctrl *c);

void vnet_ctrl_show(const struct vnet_ctrl *c, struct show *s);

#endif

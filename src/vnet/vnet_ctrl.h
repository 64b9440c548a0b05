/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control queue of a virtio-net device (virtio 1.2, clause 5.1.6.5), for
 * drivers whose front-end passes it to the back-end: the state that the driver
 * set, and serving the queue.
 *
 * Served: RX, MAC, VLAN, ANNOUNCE, MQ with RSS and hashes, and GUEST_OFFLOADS,
 * each if its feature was negotiated. Any other command is answered with
 * VIRTIO_NET_ERR.
 *
 * vnet_ctrl_reset() and vnet_ctrl_serve() are pure; the other functions run on
 * the control thread.
 *
 * State to save when the device moves to another process: all of struct
 * vnet_ctrl_state.
 */
#ifndef RW_VNET_CTRL_H
#define RW_VNET_CTRL_H

#include "loop.h"
#include "show.h"
#include "vnet_filter.h"
#include "vnet_pair.h"
#include "vq_dev.h"

struct vnet_ctrl_state {
	uint64_t features;
	unsigned pairs_max; /* queue pairs of the device */
	unsigned pairs;	    /* the driver listens to the first @pairs of them */
	uint64_t off;	    /* negotiated offloads (GUEST_* features) that the
			     * driver switched off */
	bool announces; /* set by the owner that asks the driver to announce its
			 * addresses; ends with its acknowledgement */
	struct vnet_filter filter;
	struct rss_conf rss; /* as the driver set it; zeroed: no hashes */
	uint64_t commands;   /* commands done */
	uint64_t refused;
};

/* Forgets all commands: every frame passes, on all @pairs_max queue pairs. */
void vnet_ctrl_reset(struct vnet_ctrl_state *s, uint64_t features,
		     unsigned pairs_max);

/* Does the command in @chain and returns its answer: VIRTIO_NET_OK or
 * VIRTIO_NET_ERR. A refused command changes nothing. */
enum { VIRTIO_NET_OK = 0, VIRTIO_NET_ERR = 1 };
uint8_t vnet_ctrl_serve(struct vnet_ctrl_state *s,
			const struct vq_chain *chain);

struct vnet_ctrl {
	struct vnet_ctrl_state state;
	struct loop *loop;
	struct vq_dev *vq; /* NULL: no control queue runs */
	struct loop_watch watch;
	struct loop_timer timer; /* next batch, or the poll without a kick */
	/* Called when the state has changed. The change must take effect before
	 * the call returns: the driver gets its answer then. */
	void (*changed)(struct vnet_ctrl *c);
};

/* Prepares @c without a queue and without negotiated features. For @changed see
 * struct vnet_ctrl. */
void vnet_ctrl_init(struct vnet_ctrl *c, struct loop *loop, unsigned pairs_max,
		    void (*changed)(struct vnet_ctrl *c));

/* Serves @vq until vnet_ctrl_stop(); @kick_fd (-1: poll) is borrowed for that
 * time. A ring at its start belongs to a new driver unless @is_resumed: the
 * earlier state is forgotten, and the driver listens to one queue pair until
 * its first MQ command. With any other ring the driver goes on, and c->state
 * stays valid. */
void vnet_ctrl_start(struct vnet_ctrl *c, struct vq_dev *vq, int kick_fd,
		     bool is_resumed);
/* Stops serving; c->state stays in force. */
void vnet_ctrl_stop(struct vnet_ctrl *c);

/* Makes @p do what the driver's commands say. Returns 0, or -ENOMEM: the link
 * is down. */
int vnet_ctrl_apply(const struct vnet_ctrl *c, struct vnet_pairs *p);

void vnet_ctrl_show(const struct vnet_ctrl *c, struct show *s);

#endif

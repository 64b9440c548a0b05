/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the network card, for card*.c only. */
#ifndef RW_VMM_CARD_IMPL_H
#define RW_VMM_CARD_IMPL_H

#include "card.h"
#include "log.h"
#include "vnet_ctrl.h"
#include "vnet_pair.h"

/* struct virtio_net_config (virtio 1.2, clause 5.1.4), little-endian. */
struct card_config {
	uint8_t mac[6];
	le16 status;
	le16 max_pairs;
	le16 mtu;
	le32 speed;
	uint8_t duplex;
} __attribute__((packed));

/* A ring of the driver. */
struct card_ring {
	struct vq_dev vq;    /* its own rules */
	bool is_held;	     /* [ctl] the data path, or the control queue */
	enum vq_fault fault; /* [ctl] the fault that was told */
};

struct card {
	struct port port;
	struct virtio_dev dev;
	struct loop *loop;
	struct log_limit log;
	struct card_config config;
	uint16_t rx_size, tx_size; /* [const] descriptors of rings */
	bool is_live;		   /* [ctl] the driver set DRIVER_OK */
	int report_fd;		   /* eventfd of the workers: a fault */
	struct loop_watch report_watch;
	struct vnet_pairs pairs;
	struct vnet_pair *pair; /* heap: cache lines */
	struct vnet_ctrl control;
	struct card_ring *ring; /* heap: pairs * 2, and the control queue */
};

/* card_device.c */
extern const struct virtio_dev_ops card_dev_ops;
void card_control_changed(struct vnet_ctrl *c);
void card_on_report(struct loop_watch *w, uint32_t events);
/* Returns the index of the control queue with the present features. */
unsigned card_control_index(const struct card *c);

#endif

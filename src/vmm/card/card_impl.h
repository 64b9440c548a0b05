/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the network card, for card*.c only. */
#ifndef RW_VMM_CARD_IMPL_H
#define RW_VMM_CARD_IMPL_H

#include "card.h"
#include "rings.h"
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

struct card {
	struct port port;
	struct virtio_dev dev;
	struct loop *loop;
	struct card_config config;
	uint16_t rx_size, tx_size; /* [const] descriptors of rings */
	bool is_live;		   /* [ctl] the driver set DRIVER_OK */
	struct vnet_pairs pairs;
	struct vnet_pair *pair; /* heap: cache lines */
	struct vnet_ctrl control;
	struct rings rings; /* pairs * 2, and the control queue */
};

/* card.c: the features that @conf offers with @pairs queue pairs, and the
 * configuration space but for the address. */
uint64_t card_features(const struct card_conf *conf, unsigned pairs);
void card_fill_config(struct card_config *cfg, const struct card_conf *conf,
		      unsigned pairs);
#define CARD_LINK_UP 1 /* bit of card_config.status */

/* card_device.c */
extern const struct virtio_dev_ops card_dev_ops;
void card_control_changed(struct vnet_ctrl *c);
void card_ring_broken(struct rings *r, unsigned idx, const char *why);
/* Returns the index of the control queue with the present features. */
unsigned card_control_index(const struct card *c);

#endif

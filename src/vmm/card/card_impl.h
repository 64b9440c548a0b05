/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the network cards, for this folder only. */
#ifndef RW_VMM_CARD_IMPL_H
#define RW_VMM_CARD_IMPL_H

#include <assert.h>

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
	uint8_t rss_key_max;
	le16 rss_table_max;
	le32 hash_types;
};
static_assert(sizeof(struct card_config) == 24, "no padding");

/* What the driver sees of any card. */
struct card_face {
	struct virtio_dev dev;
	struct card_config config;
	uint16_t rx_size, tx_size;	 /* [const] descriptors of rings */
	unsigned pairs;			 /* [const] queue pairs */
	bool has_link;			 /* [ctl] */
	struct vnet_ctrl_state *control; /* [ctl] of the card */
	struct loop_timer announce;	 /* [ctl] armed: the next request */
	unsigned announces_left;	 /* [ctl] requests after the next */
};

struct card {
	struct port port;
	struct card_face face;
	struct loop *loop;
	bool is_live; /* [ctl] the driver set DRIVER_OK */
	struct vnet_pairs pairs;
	struct vnet_pair *pair; /* heap: cache lines */
	struct vnet_ctrl control;
	struct rings rings; /* pairs * 2, and the control queue */
};

/* card.c: returns the features that @conf offers with @pairs queue pairs. */
uint64_t card_features(const struct card_conf *conf, unsigned pairs);

/* card_face.c */
/* Fills in @f, but for the address and what the caller adds to f->dev: a device
 * called @name with the operations @ops, f->pairs queue pairs, and the options
 * @conf. */
void card_face_init(struct card_face *f, const char *name,
		    const struct virtio_dev_ops *ops, struct loop *loop,
		    const struct card_conf *conf);
/* Tells the driver whether there is a link, and soon asks it to announce its
 * addresses if that came back. */
void card_face_set_link(struct card_face *f, bool is_up);
/* Asks no more: the driver or the card goes. May be called for zeroed memory.
 */
void card_face_quiet(struct card_face *f);
/* Shows in the configuration space that the driver acknowledged, or is gone:
 * the state of its control queue has changed. */
void card_face_update(struct card_face *f);
/* Returns the index of the control queue with the present features. */
unsigned card_control_index(const struct card_face *f);
/* These operations of the device are the same for all cards. */
void card_config_read(struct virtio_dev *d, unsigned off, unsigned size,
		      void *data);
uint16_t card_ring_size(const struct virtio_dev *d, unsigned idx);

/* card_device.c */
extern const struct virtio_dev_ops card_dev_ops;
void card_control_changed(struct vnet_ctrl *c);
void card_ring_broken(struct rings *r, unsigned idx, const char *why);

#endif

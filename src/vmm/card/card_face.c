/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the driver sees of any network card: its configuration space, and the
 * number and sizes of its queues. Control thread, but for card_config_read()
 * and card_ring_size(), which vCPUs call.
 */
#include <string.h>

#include "card_impl.h"
#include "virtio.h"

#define TYPE_NET    1 /* virtio 1.2, clause 5 */
#define DUPLEX_FULL 1

/* Bits of the status, clause 5.1.4 */
#define LINK_UP	 1
#define ANNOUNCE 2

/* Linux sends nothing before it has seen the link, so a request that comes with
 * it is lost, and a slow guest may miss the first one. */
#define ANNOUNCE_MS	300
#define ANNOUNCE_ROUNDS 3

static const struct card_face *to_face(const struct virtio_dev *d)
{
	return container_of(d, const struct card_face, dev);
}

void card_face_init(struct card_face *f, const char *name,
		    const struct virtio_dev_ops *ops, struct loop *loop,
		    const struct card_conf *conf)
{
	struct card_config *cfg = &f->config;

	f->rx_size = (uint16_t)conf->rx_queue_size;
	f->tx_size = (uint16_t)conf->tx_queue_size;
	f->dev = (struct virtio_dev){
		.ops = ops,
		.name = name,
		.type = TYPE_NET,
		.ring_count = 2 * f->pairs + 1,
		.ring_size = MAX(f->rx_size, f->tx_size),
		.config_size = sizeof(f->config),
		.loop = loop,
	};
	f->has_link = true;
	cfg->status = cpu_to_le16(LINK_UP);
	cfg->max_pairs = cpu_to_le16((uint16_t)f->pairs);
	cfg->mtu = cpu_to_le16((uint16_t)conf->host_mtu);
	cfg->speed = cpu_to_le32(conf->speed ? conf->speed : UINT32_MAX);
	cfg->duplex = conf->speed ? DUPLEX_FULL : UINT8_MAX;
	cfg->rss_key_max = TOEPLITZ_KEY_SIZE;
	cfg->rss_table_max = cpu_to_le16(RSS_TABLE_MAX);
	cfg->hash_types = cpu_to_le32(RSS_TYPES);
}

void card_face_update(struct card_face *f)
{
	unsigned status = (f->has_link ? LINK_UP : 0) |
			  (f->control->announces ? ANNOUNCE : 0);

	shm_store(&f->config.status, cpu_to_le16((uint16_t)status));
}

static void tell(struct card_face *f)
{
	card_face_update(f);
	if (f->dev.transport)
		f->dev.transport->config_changed(&f->dev);
}

/* Clause 5.1.6.5.4. The driver acknowledges on the control queue. */
static void on_announce(struct loop_timer *t)
{
	struct card_face *f = container_of(t, struct card_face, announce);

	if (!feat_has(f->control->features, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	f->control->announces = true;
	tell(f);
	if (f->announces_left--)
		loop_timer_arm(f->dev.loop, t, ANNOUNCE_MS, on_announce);
}

void card_face_quiet(struct card_face *f)
{
	loop_timer_disarm(&f->announce);
}

void card_face_set_link(struct card_face *f, bool is_up)
{
	if (f->has_link == is_up)
		return;
	f->has_link = is_up;
	f->control->announces = false;
	tell(f);
	card_face_quiet(f);
	f->announces_left = ANNOUNCE_ROUNDS - 1;
	if (is_up)
		loop_timer_arm(f->dev.loop, &f->announce, ANNOUNCE_MS,
			       on_announce);
}

unsigned card_control_index(const struct card_face *f)
{
	uint64_t features = f->dev.driver_features;

	/* Clause 5.1.2: without these the driver knows of one pair only. */
	return feat_has(features, VIRTIO_NET_F_MQ) ||
			       feat_has(features, VIRTIO_NET_F_RSS)
		       ? 2 * f->pairs
		       : 2;
}

void card_config_read(struct virtio_dev *d, unsigned off, unsigned size,
		      void *data)
{
	memcpy(data, (const char *)&to_face(d)->config + off, size);
}

/* The index of the control queue depends on the driver's features, which it has
 * not set when it asks. That queue is small, so any of the two sizes fits. */
uint16_t card_ring_size(const struct virtio_dev *d, unsigned idx)
{
	return idx & 1 ? to_face(d)->tx_size : to_face(d)->rx_size;
}

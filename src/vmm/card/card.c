/* SPDX-License-Identifier: Apache-2.0 */
/* The network card as a port: its options, its start and its end. Control
 * thread. Calls card_device.c. */
#include "card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "card_impl.h"
#include "ether_text.h"
#include "virtio.h"

static struct card *to_card(const struct port *p)
{
	return container_of(p, struct card, port);
}

struct virtio_dev *card_device(struct port *p)
{
	return &to_card(p)->face.dev;
}

void card_set_link(struct port *p, bool is_up)
{
	struct card *c = to_card(p);

	card_face_set_link(&c->face, is_up);
}

static void card_destroy(struct port *p)
{
	struct card *c = to_card(p);

	card_face_quiet(&c->face);
	rings_fini(&c->rings);
	port_fini(p);
	free(c->pairs.rss_memory);
	free(c->pair);
	free(c);
}

static void card_show(const struct port *p, struct show *s)
{
	const struct card *c = to_card(p);

	show_mac(s, "mac", c->face.config.mac);
	show_num(s, "queue_pairs", c->pairs.count);
	if (c->control.vq)
		vnet_ctrl_show(&c->control, s);
}

static const struct port_ops card_ops = {
	VNET_PAIR_OPS,
	.destroy = card_destroy,
	.show = card_show,
};

/* Features that an option of the card switches; offset 0: always offered. */
static const struct {
	uint8_t bit;
	size_t offset;
} offered[] = {
#define OFFER(bit, member)                              \
	{                                               \
		bit, offsetof(struct card_conf, member) \
	}
#define ALWAYS(bit)    \
	{              \
		bit, 0 \
	}
	ALWAYS(VIRTIO_F_VERSION_1),
	ALWAYS(VIRTIO_F_RING_RESET),
	ALWAYS(VIRTIO_NET_F_MAC),
	ALWAYS(VIRTIO_NET_F_STATUS),
	OFFER(VIRTIO_F_RING_PACKED, packed),
	OFFER(VIRTIO_F_IN_ORDER, in_order),
	OFFER(VIRTIO_F_INDIRECT_DESC, indirect_desc),
	OFFER(VIRTIO_F_EVENT_IDX, event_idx),
	OFFER(VIRTIO_NET_F_MRG_RXBUF, mrg_rxbuf),
	OFFER(VIRTIO_NET_F_CSUM, csum),
	OFFER(VIRTIO_NET_F_HOST_TSO4, gso),
	OFFER(VIRTIO_NET_F_HOST_TSO6, gso),
	OFFER(VIRTIO_NET_F_HOST_ECN, gso),
	OFFER(VIRTIO_NET_F_HOST_USO, gso),
	OFFER(VIRTIO_NET_F_GUEST_CSUM, guest_csum),
	OFFER(VIRTIO_NET_F_GUEST_TSO4, guest_gso),
	OFFER(VIRTIO_NET_F_GUEST_TSO6, guest_gso),
	OFFER(VIRTIO_NET_F_GUEST_ECN, guest_gso),
	OFFER(VIRTIO_NET_F_GUEST_USO4, guest_gso),
	OFFER(VIRTIO_NET_F_GUEST_USO6, guest_gso),
	OFFER(VIRTIO_NET_F_CTRL_VQ, ctrl_vq),
	OFFER(VIRTIO_NET_F_CTRL_RX, ctrl_vq),
	OFFER(VIRTIO_NET_F_CTRL_RX_EXTRA, ctrl_vq),
	OFFER(VIRTIO_NET_F_CTRL_VLAN, ctrl_vq),
	OFFER(VIRTIO_NET_F_CTRL_MAC_ADDR, ctrl_vq),
	OFFER(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, ctrl_guest_offloads),
	OFFER(VIRTIO_NET_F_GUEST_ANNOUNCE, guest_announce),
	OFFER(VIRTIO_NET_F_RSS, rss),
	OFFER(VIRTIO_NET_F_HASH_REPORT, hash),
#undef OFFER
#undef ALWAYS
};

uint64_t card_features(const struct card_conf *conf, unsigned pairs)
{
	uint64_t f = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(offered); i++)
		if (!offered[i].offset ||
		    *(const bool *)((const char *)conf + offered[i].offset))
			f |= feat_bit(offered[i].bit);
	if (conf->host_mtu)
		f |= feat_bit(VIRTIO_NET_F_MTU);
	if (pairs > 1 && conf->ctrl_vq)
		f |= feat_bit(VIRTIO_NET_F_MQ);
	if (conf->speed)
		f |= feat_bit(VIRTIO_NET_F_SPEED_DUPLEX);
	return vnet_features_prune(f);
}

int card_check(const struct card_conf *conf, struct err *err)
{
	static const char *const keys[] = { "rx_queue_size", "tx_queue_size" };
	const uint32_t size[] = { conf->rx_queue_size, conf->tx_queue_size };
	uint8_t mac[6];
	int slot, rc = ether_from_text("mac", conf->common.mac, mac, err);

	if (!rc)
		rc = pci_conf_check(&conf->common.pci, &slot, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (!is_power_of_two(size[i]))
			return err_set(err, -EINVAL,
				       "%s=%u: must be a power of two", keys[i],
				       size[i]);
	if (conf->queues > 1 && !conf->ctrl_vq)
		return err_set(err, -EINVAL,
			       "queues=%u: a driver switches more than one "
			       "pair on by the control queue: needs ctrl_vq=on",
			       conf->queues);
	if ((conf->rss || conf->hash) && !conf->ctrl_vq)
		return err_set(err, -EINVAL,
			       "%s=on: the driver sets it up by the control "
			       "queue: needs ctrl_vq=on",
			       conf->rss ? "rss" : "hash");
	return 0;
}

static int start(struct card *c, const struct card_conf *conf, unsigned pairs)
{
	int rc;

	vnet_pairs_init(&c->pairs, &c->port, c->pair, pairs);
	if (conf->rss || conf->hash) {
		c->pairs.rss_memory = calloc(2, sizeof(struct rss));
		if (!c->pairs.rss_memory)
			return -ENOMEM;
	}
	vnet_pairs_set_mtu(&c->pairs, conf->host_mtu);
	vnet_ctrl_init(&c->control, c->loop, pairs, card_control_changed);
	c->face.pairs = pairs;
	c->face.control = &c->control.state;
	card_face_init(&c->face, c->port.name, &card_dev_ops, c->loop, conf);
	c->face.dev.features = card_features(conf, pairs);
	rc = rings_init(&c->rings, c->loop, &c->face.dev,
			c->face.dev.ring_count);
	c->rings.broken = card_ring_broken;
	return rc;
}

static int card_create(const struct port_env *env,
		       const struct port_conf *common, const void *conf_,
		       struct port **out, struct err *err)
{
	const struct card_conf *conf = conf_;
	unsigned pairs = conf->queues;
	struct card *c;
	int rc = card_check(conf, err);

	if (rc)
		return rc;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->loop = env->loop;
	rc = ether_from_text("mac", conf->common.mac, c->face.config.mac, err);
	if (rc)
		goto err_free;
	c->pair = aligned_alloc(CACHE_LINE, pairs * sizeof(*c->pair));
	if (!c->pair || port_init(&c->port, env, &port_card_type, &card_ops,
				  common, pairs)) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto err_free;
	}
	rc = start(c, conf, pairs);
	if (rc) {
		card_destroy(&c->port);
		return err_set(err, rc, "%s", strerror(-rc));
	}
	*out = &c->port;
	return 0;
err_free:
	free(c->pair);
	free(c);
	return rc;
}

#define OPT(k, member, t, ...)                                            \
	{                                                                 \
		.key = k, .kind = t,                                      \
		.offset = offsetof(struct card_conf, member), __VA_ARGS__ \
	}
#define ON(k, text)  OPT(#k, k, OPT_BOOL, .def = "on", .help = (text))
#define OFF(k, text) OPT(#k, k, OPT_BOOL, .def = "off", .help = (text))
#define RING(k, help_text)                                                  \
	OPT(#k, k, OPT_UINT, .min = 64, .max = CARD_RING_MAX, .def = "256", \
	    .arg = "N", .help = (help_text))

static const struct opt_row card_rows[] = {
	NETCARD_ROWS,
	PCI_CONF_ROWS(offsetof(struct card_conf, common.pci)),
	OFF(mq, "several queue pairs, one for each vCPU"),
	OPT("queues", queues, OPT_UINT, .min = 1, .max = VNET_PAIRS_MAX,
	    .set_offset = offsetof(struct card_conf, has_queues), .def = "1",
	    .arg = "N",
	    .help = "queue pairs; with mq=on one for each vCPU unless it is "
		    "given"),
	RING(rx_queue_size, "descriptors of a receive queue, a power of two"),
	RING(tx_queue_size, "descriptors of a transmit queue, a power of two"),
	OFF(packed, "offer packed rings"),
	OFF(in_order, "offer buffers in order"),
	ON(indirect_desc, "offer indirect descriptors"),
	ON(event_idx, "offer event indexes"),
	ON(mrg_rxbuf, "offer buffers that are merged"),
	ON(csum, "take frames without checksums from the guest"),
	ON(gso, "take large frames from the guest (TSO, USO)"),
	ON(guest_csum, "give the guest frames without checksums"),
	ON(guest_gso, "give the guest large frames"),
	ON(ctrl_vq, "offer the control queue"),
	ON(ctrl_guest_offloads,
	   "offer to switch offloads while the card is in use"),
	ON(guest_announce,
	   "have the guest announce its addresses when a link comes back"),
	OFF(rss,
	    "offer receive side scaling: the guest's table chooses queues"),
	OFF(hash, "offer to report a hash with each frame"),
	OPT("host_mtu", host_mtu, OPT_UINT, .min = 0, .max = 65535, .def = "0",
	    .arg = "BYTES", .help = "MTU that the guest is told; 0: none"),
	OPT("speed", speed, OPT_UINT, .min = 0, .max = 1000000, .def = "0",
	    .arg = "MBIT", .help = "speed that the guest is told; 0: unknown"),
	{ NULL },
};

const struct port_type port_card_type = {
	.name = "virtio-net-pci",
	.help = "a network card of the guest",
	.option = "device",
	.rows = card_rows,
	.conf_size = sizeof(struct card_conf),
	.create = card_create,
};

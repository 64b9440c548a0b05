/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the control queue, see vnet_ctrl.h. Pure; runs on the thread that
 * owns the state.
 *
 * A command is a class, a number and data, in any number of buffers. A reader
 * takes each byte once, in order, and ends with the chain. Only the entries of
 * a table that fit are kept.
 */
#include "vnet_ctrl.h"

#include "le.h"
#include "virtio.h"

enum {
	CLASS_RX,
	CLASS_MAC,
	CLASS_VLAN,
	CLASS_ANNOUNCE,
	CLASS_MQ,
	CLASS_GUEST_OFFLOADS
};

enum { MAC_TABLE_SET, MAC_ADDR_SET };
enum { VLAN_ADD, VLAN_DEL };
enum { ANNOUNCE_ACK };
enum { MQ_PAIRS_SET, MQ_RSS_CONFIG, MQ_HASH_CONFIG };
enum { GUEST_OFFLOADS_SET };

/* The RX class: each command sets or clears one mode. */
static const struct {
	unsigned mode;
	uint8_t feature;
} rx_modes[] = {
	{ VNET_FILTER_PROMISC, VIRTIO_NET_F_CTRL_RX },
	{ VNET_FILTER_ALLMULTI, VIRTIO_NET_F_CTRL_RX },
	{ VNET_FILTER_ALLUNI, VIRTIO_NET_F_CTRL_RX_EXTRA },
	{ VNET_FILTER_NOMULTI, VIRTIO_NET_F_CTRL_RX_EXTRA },
	{ VNET_FILTER_NOUNI, VIRTIO_NET_F_CTRL_RX_EXTRA },
	{ VNET_FILTER_NOBCAST, VIRTIO_NET_F_CTRL_RX_EXTRA },
};

/* The unread rest of the driver's part of a chain. */
struct reader {
	const struct iovec *iov;
	size_t off; /* offset in *iov */
	size_t left;
};

/* Copies the next @size bytes to @to (NULL: skips them). Returns false if fewer
 * are left. */
static bool take(struct reader *r, void *to, size_t size)
{
	uint8_t *dst = to;

	if (size > r->left)
		return false;
	r->left -= size;
	while (size) {
		size_t n = MIN(size, r->iov->iov_len - r->off);

		if (dst) {
			memcpy(dst, (uint8_t *)r->iov->iov_base + r->off, n);
			dst += n;
		}
		size -= n;
		r->off += n;
		if (r->off == r->iov->iov_len) {
			r->iov++;
			r->off = 0;
		}
	}
	/* From here on the copy is judged, and the guest's memory not read
	 * again. */
	if (to)
		shm_settle_memory(to);
	return true;
}

/* As take(), but also fails unless these are the last bytes of the command. */
static bool take_last(struct reader *r, void *to, size_t size)
{
	return r->left == size && take(r, to, size);
}

static bool do_rx(struct vnet_ctrl_state *s, uint8_t command, struct reader *r)
{
	uint8_t on;

	if (command >= ARRAY_SIZE(rx_modes) ||
	    !feat_has(s->features, rx_modes[command].feature) ||
	    !take_last(r, &on, sizeof(on)) || on > 1)
		return false;
	if (on)
		s->filter.modes |= rx_modes[command].mode;
	else
		s->filter.modes &= ~rx_modes[command].mode;
	return true;
}

static bool take_macs(struct reader *r, struct vnet_macs *m)
{
	le32 count;
	uint32_t kept;

	if (!take(r, &count, sizeof(count)))
		return false;
	m->count = le32_to_cpu(count);
	kept = MIN(m->count, VNET_FILTER_MACS);
	return take(r, m->mac, (size_t)kept * ETH_ALEN) &&
	       take(r, NULL, (size_t)(m->count - kept) * ETH_ALEN);
}

static bool set_table(struct vnet_ctrl_state *s, struct reader *r)
{
	struct vnet_macs uni = { 0 }, multi = { 0 };

	if (!feat_has(s->features, VIRTIO_NET_F_CTRL_RX) ||
	    !take_macs(r, &uni) || !take_macs(r, &multi) || r->left)
		return false;
	s->filter.uni = uni;
	s->filter.multi = multi;
	return true;
}

static bool do_mac(struct vnet_ctrl_state *s, uint8_t command, struct reader *r)
{
	uint8_t mac[ETH_ALEN];

	if (command == MAC_TABLE_SET)
		return set_table(s, r);
	if (command != MAC_ADDR_SET ||
	    !feat_has(s->features, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
	    !take_last(r, mac, sizeof(mac)) || mac[0] & 1)
		return false;
	memcpy(s->filter.mac, mac, sizeof(mac));
	s->filter.modes |= VNET_FILTER_MAC;
	return true;
}

static bool do_vlan(struct vnet_ctrl_state *s, uint8_t command,
		    struct reader *r)
{
	uint64_t bit;
	uint16_t vid;
	le16 raw;

	if (command > VLAN_DEL ||
	    !feat_has(s->features, VIRTIO_NET_F_CTRL_VLAN) ||
	    !take_last(r, &raw, sizeof(raw)))
		return false;
	vid = le16_to_cpu(raw);
	if (vid >= VNET_VLANS)
		return false;
	bit = 1ull << vid % 64;
	if (command == VLAN_ADD)
		s->filter.vlan[vid / 64] |= bit;
	else
		s->filter.vlan[vid / 64] &= ~bit;
	return true;
}

static bool take_u16(struct reader *r, uint16_t *v)
{
	le16 raw;

	if (!take(r, &raw, sizeof(raw)))
		return false;
	*v = le16_to_cpu(raw);
	return true;
}

/* Takes the number of pairs that the driver uses. */
static bool take_pairs(const struct vnet_ctrl_state *s, struct reader *r,
		       uint16_t *pairs)
{
	return take_u16(r, pairs) && *pairs >= 1 && *pairs <= s->pairs_max;
}

/* Clause 5.1.6.5.5; the last mode of several queues that the driver sets is in
 * force, so this ends RSS. Hashes are still reported as they were. */
static bool do_pairs(struct vnet_ctrl_state *s, struct reader *r)
{
	uint16_t pairs;

	if (!feat_has(s->features, VIRTIO_NET_F_MQ) ||
	    !take_pairs(s, r, &pairs) || r->left)
		return false;
	s->pairs = pairs;
	s->rss.steers = false;
	return true;
}

static bool take_types(struct reader *r, struct rss_conf *c)
{
	le32 raw;

	if (!take(r, &raw, sizeof(raw)))
		return false;
	c->types = le32_to_cpu(raw);
	return !(c->types & ~(uint32_t)RSS_TYPES);
}

/* Takes the key with its length, which end the command. Without a key nothing
 * can be hashed. */
static bool take_key(struct reader *r, struct rss_conf *c)
{
	uint8_t size;

	return take(r, &size, sizeof(size)) && size <= sizeof(c->key) &&
	       (size || !c->types) && take_last(r, c->key, size);
}

/* Takes the number of a receive queue; all pairs may get frames. */
static bool take_queue(const struct vnet_ctrl_state *s, struct reader *r,
		       uint16_t *queue)
{
	return take_u16(r, queue) && *queue < s->pairs_max;
}

/* Clause 5.1.6.5.6 */
static bool do_rss(struct vnet_ctrl_state *s, struct reader *r)
{
	struct rss_conf c = { .steers = true };
	uint16_t pairs;

	if (!feat_has(s->features, VIRTIO_NET_F_RSS) || !take_types(r, &c) ||
	    !take_u16(r, &c.mask) || c.mask >= RSS_TABLE_MAX ||
	    !is_power_of_two(c.mask + 1u) || !take_queue(s, r, &c.unclassified))
		return false;
	for (unsigned i = 0; i <= c.mask; i++)
		if (!take_queue(s, r, &c.table[i]))
			return false;
	if (!take_pairs(s, r, &pairs) || !take_key(r, &c))
		return false;
	s->rss = c;
	s->pairs = pairs;
	return true;
}

/* Clause 5.1.6.5.5: hashes for reports only. The four reserved words are not
 * looked at. */
static bool do_hash(struct vnet_ctrl_state *s, struct reader *r)
{
	struct rss_conf c = { .types = 0 };

	if (!feat_has(s->features, VIRTIO_NET_F_HASH_REPORT) ||
	    !take_types(r, &c) || !take(r, NULL, 4 * sizeof(le16)) ||
	    !take_key(r, &c))
		return false;
	s->rss = c;
	return true;
}

static bool do_mq(struct vnet_ctrl_state *s, uint8_t command, struct reader *r)
{
	switch (command) {
	case MQ_PAIRS_SET:
		return do_pairs(s, r);
	case MQ_RSS_CONFIG:
		return do_rss(s, r);
	case MQ_HASH_CONFIG:
		return do_hash(s, r);
	default:
		return false;
	}
}

/* Clause 5.1.6.5.7. An offload whose base is off counts as off. */
static bool do_offloads(struct vnet_ctrl_state *s, uint8_t command,
			struct reader *r)
{
	uint64_t may = s->features & vnet_features_to_driver, on;
	le64 raw;

	if (command != GUEST_OFFLOADS_SET ||
	    !feat_has(s->features, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    !take_last(r, &raw, sizeof(raw)))
		return false;
	on = le64_to_cpu(raw);
	if (on & ~may)
		return false;
	s->off = may & ~on;
	return true;
}

/* The front-end owns the status bit that asks for the announcement. */
static bool do_announce(struct vnet_ctrl_state *s, uint8_t command,
			const struct reader *r)
{
	if (command != ANNOUNCE_ACK || r->left ||
	    !feat_has(s->features, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return false;
	s->announces = false;
	return true;
}

static bool do_command(struct vnet_ctrl_state *s, const struct vq_chain *chain)
{
	struct reader r = { .iov = chain->iov, .left = chain->readable_size };
	uint8_t head[2]; /* class and command */

	if (!take(&r, head, sizeof(head)))
		return false;
	switch (head[0]) {
	case CLASS_RX:
		return do_rx(s, head[1], &r);
	case CLASS_MAC:
		return do_mac(s, head[1], &r);
	case CLASS_VLAN:
		return do_vlan(s, head[1], &r);
	case CLASS_ANNOUNCE:
		return do_announce(s, head[1], &r);
	case CLASS_MQ:
		return do_mq(s, head[1], &r);
	case CLASS_GUEST_OFFLOADS:
		return do_offloads(s, head[1], &r);
	default:
		return false;
	}
}

uint8_t vnet_ctrl_serve(struct vnet_ctrl_state *s, const struct vq_chain *chain)
{
	if (do_command(s, chain)) {
		s->commands++;
		return VIRTIO_NET_OK;
	}
	s->refused++;
	return VIRTIO_NET_ERR;
}

void vnet_ctrl_reset(struct vnet_ctrl_state *s, uint64_t features,
		     unsigned pairs_max)
{
	unsigned modes = VNET_FILTER_PROMISC;

	if (feat_has(features, VIRTIO_NET_F_CTRL_VLAN))
		modes |= VNET_FILTER_VLANS;
	*s = (struct vnet_ctrl_state){
		.features = features,
		.pairs_max = pairs_max,
		.pairs = pairs_max,
		.filter.modes = modes,
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Offloads and header size that follow from negotiated features, see vnet.h.
 * Pure; any thread. */
#include "vnet.h"

#include "vnet_hdr.h"

unsigned vnet_hdr_size(uint64_t features)
{
	if (feat_has(features, VIRTIO_NET_F_HASH_REPORT))
		return VNET_HDR_HASH;
	if (feat_has(features, VIRTIO_F_VERSION_1) ||
	    feat_has(features, VIRTIO_NET_F_MRG_RXBUF))
		return VNET_HDR_MAX;
	return VNET_HDR_LEGACY;
}

uint64_t vnet_features_prune(uint64_t features)
{
	static const struct {
		uint8_t bit, needs, or_needs;
	} rows[] = {
#define ROW(bit, needs, or_needs) \
	{ VIRTIO_NET_F_##bit, VIRTIO_NET_F_##needs, VIRTIO_NET_F_##or_needs }
		ROW(GUEST_TSO4, GUEST_CSUM, GUEST_CSUM),
		ROW(GUEST_TSO6, GUEST_CSUM, GUEST_CSUM),
		ROW(GUEST_UFO, GUEST_CSUM, GUEST_CSUM),
		ROW(GUEST_USO4, GUEST_CSUM, GUEST_CSUM),
		ROW(GUEST_USO6, GUEST_CSUM, GUEST_CSUM),
		ROW(GUEST_ECN, GUEST_TSO4, GUEST_TSO6),
		ROW(HOST_TSO4, CSUM, CSUM),
		ROW(HOST_TSO6, CSUM, CSUM),
		ROW(HOST_UFO, CSUM, CSUM),
		ROW(HOST_USO, CSUM, CSUM),
		ROW(HOST_ECN, HOST_TSO4, HOST_TSO6),
		ROW(CTRL_GUEST_OFFLOADS, CTRL_VQ, CTRL_VQ),
		ROW(GUEST_ANNOUNCE, CTRL_VQ, CTRL_VQ),
		ROW(RSS, CTRL_VQ, CTRL_VQ),
		ROW(HASH_REPORT, CTRL_VQ, CTRL_VQ),
#undef ROW
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (!feat_has(features, rows[i].needs) &&
		    !feat_has(features, rows[i].or_needs))
			features &= ~feat_bit(rows[i].bit);
	return features;
}

#define BIT(name) (1ull << VIRTIO_NET_F_##name)
const uint64_t vnet_features_to_driver =
	BIT(GUEST_CSUM) | BIT(GUEST_TSO4) | BIT(GUEST_TSO6) | BIT(GUEST_ECN) |
	BIT(GUEST_UFO) | BIT(GUEST_USO4) | BIT(GUEST_USO6);
#undef BIT

/* UFO has no row: it is never offered, and offload_is_valid() refuses it. */
unsigned vnet_offloads_from_driver(uint64_t features)
{
	unsigned o = 0;

	if (!feat_has(features, VIRTIO_NET_F_CSUM))
		return 0;
	if (feat_has(features, VIRTIO_NET_F_HOST_TSO4))
		o |= OFFLOAD_TSO4;
	if (feat_has(features, VIRTIO_NET_F_HOST_TSO6))
		o |= OFFLOAD_TSO6;
	if (o && feat_has(features, VIRTIO_NET_F_HOST_ECN))
		o |= OFFLOAD_ECN;
	if (feat_has(features, VIRTIO_NET_F_HOST_USO))
		o |= OFFLOAD_USO4 | OFFLOAD_USO6;
	return o | OFFLOAD_CSUM;
}

unsigned vnet_offloads_to_driver(uint64_t features)
{
	unsigned o = 0;

	if (!feat_has(features, VIRTIO_NET_F_GUEST_CSUM))
		return 0;
	if (feat_has(features, VIRTIO_NET_F_GUEST_TSO4))
		o |= OFFLOAD_TSO4;
	if (feat_has(features, VIRTIO_NET_F_GUEST_TSO6))
		o |= OFFLOAD_TSO6;
	if (o && feat_has(features, VIRTIO_NET_F_GUEST_ECN))
		o |= OFFLOAD_ECN;
	if (feat_has(features, VIRTIO_NET_F_GUEST_USO4))
		o |= OFFLOAD_USO4;
	if (feat_has(features, VIRTIO_NET_F_GUEST_USO6))
		o |= OFFLOAD_USO6;
	return o | OFFLOAD_CSUM;
}

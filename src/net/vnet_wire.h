/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-net header as it lies in front of a frame in memory or on a tap
 * (virtio 1.2, clause 5.1.6), little-endian.
 */
#ifndef RW_VNET_WIRE_H
#define RW_VNET_WIRE_H

#include "frame.h"
#include "le.h"

struct vnet_wire {
	uint8_t flags;
	uint8_t gso_type;
	le16 hdr_len;
	le16 gso_size;
	le16 csum_start;
	le16 csum_offset;
	le16 num_buffers; /* not there in the legacy header of 10 bytes */
};

static inline struct vnet_hdr vnet_hdr_from_wire(const struct vnet_wire *w)
{
	return (struct vnet_hdr){
		.flags = w->flags,
		.gso_type = w->gso_type,
		.hdr_len = le16_to_cpu(w->hdr_len),
		.gso_size = le16_to_cpu(w->gso_size),
		.csum_start = le16_to_cpu(w->csum_start),
		.csum_offset = le16_to_cpu(w->csum_offset),
	};
}

static inline struct vnet_wire vnet_hdr_to_wire(const struct vnet_hdr *h)
{
	return (struct vnet_wire){
		.flags = h->flags,
		.gso_type = h->gso_type,
		.hdr_len = cpu_to_le16(h->hdr_len),
		.gso_size = cpu_to_le16(h->gso_size),
		.csum_start = cpu_to_le16(h->csum_start),
		.csum_offset = cpu_to_le16(h->csum_offset),
	};
}

#endif

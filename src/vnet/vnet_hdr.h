/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct virtio_net_hdr (virtio 1.2, clause 5.1.6) between its form in guest
 * memory and struct vnet_hdr. Private to vnet/.
 */
#ifndef RW_VNET_HDR_H
#define RW_VNET_HDR_H

#include "frame.h"
#include "le.h"

#define VNET_HDR_MAX	12 /* with num_buffers */
#define VNET_HDR_LEGACY 10 /* without */

/* The two forms have the same layout and differ at most in byte order. */
_Static_assert(sizeof(struct vnet_hdr) == VNET_HDR_LEGACY, "layout");

static inline struct vnet_hdr vnet_hdr_swap(struct vnet_hdr h)
{
	h.hdr_len = le16_to_cpu(h.hdr_len);
	h.gso_size = le16_to_cpu(h.gso_size);
	h.csum_start = le16_to_cpu(h.csum_start);
	h.csum_offset = le16_to_cpu(h.csum_offset);
	return h;
}

/* Reads a header that its owner may be rewriting: each byte once. */
static inline struct vnet_hdr vnet_hdr_load(const void *src)
{
	struct vnet_hdr h;
	uint64_t first;
	uint16_t last;

	memcpy(&first, src, sizeof(first));
	memcpy(&last, (const uint8_t *)src + sizeof(first), sizeof(last));
	shm_settle(first);
	shm_settle(last);
	memcpy(&h, &first, sizeof(first));
	memcpy((uint8_t *)&h + sizeof(first), &last, sizeof(last));
	return vnet_hdr_swap(h);
}

/* Writes the header in @size bytes, 12 or 10. */
static inline void vnet_hdr_store(uint8_t *dst, struct vnet_hdr h,
				  uint16_t num_buffers, unsigned size)
{
	h = vnet_hdr_swap(h);
	memcpy(dst, &h, sizeof(h));
	if (likely(size == VNET_HDR_MAX)) {
		num_buffers = cpu_to_le16(num_buffers);
		memcpy(dst + sizeof(h), &num_buffers, sizeof(num_buffers));
	}
}

#endif

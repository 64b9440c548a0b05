/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversion of struct virtio_net_hdr (virtio 1.2, clause 5.1.6) between its
 * form in guest memory, or in front of a tap's frames, and struct vnet_hdr.
 */
#ifndef RW_VNET_HDR_H
#define RW_VNET_HDR_H

#include "frame.h"
#include "le.h"
#include "rss.h"

#define VNET_HDR_MAX	12 /* with num_buffers; the longest without a hash */
#define VNET_HDR_LEGACY 10 /* without num_buffers */
#define VNET_HDR_HASH	20 /* with num_buffers and hash (HASH_REPORT) */

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

/* A header as it lies in guest memory, in two words: each takes one move, and
 * no struct is written by members and then read as a whole. */
struct vnet_raw {
	uint64_t first;
	uint16_t csum_offset;
};

/* Return the first word of @h, and a mask for such words that keeps only @flags
 * of the flags. */
static inline uint64_t vnet_raw_word(struct vnet_hdr h)
{
	uint64_t v;

	h = vnet_hdr_swap(h);
	memcpy(&v, &h, sizeof(v));
	return v;
}

static inline uint64_t vnet_raw_mask(uint8_t flags)
{
	struct vnet_hdr h;

	memset(&h, 0xff, sizeof(h));
	h.flags = flags;
	return vnet_raw_word(h);
}

/* Reads a header once, byte by byte; its owner may be rewriting it. */
static inline struct vnet_raw vnet_raw_load(const void *src)
{
	struct vnet_raw raw;

	memcpy(&raw.first, src, sizeof(raw.first));
	memcpy(&raw.csum_offset, (const uint8_t *)src + sizeof(raw.first),
	       sizeof(raw.csum_offset));
	shm_settle(raw.first);
	shm_settle(raw.csum_offset);
	return raw;
}

/* As frame_has_offload(), of a raw header. */
static inline bool vnet_raw_has_offload(struct vnet_raw raw)
{
	return raw.first & vnet_raw_word((struct vnet_hdr){
				   .flags = VNET_HDR_F_NEEDS_CSUM,
				   .gso_type = 0xff,
			   });
}

static inline struct vnet_hdr vnet_raw_decode(struct vnet_raw raw)
{
	struct vnet_hdr h;

	memcpy(&h, &raw.first, sizeof(raw.first));
	memcpy(&h.csum_offset, &raw.csum_offset, sizeof(raw.csum_offset));
	return vnet_hdr_swap(h);
}

/* Writes the header in @size bytes, 12 or 10; of 20 the first 12. @mask is from
 * vnet_raw_mask(). */
static inline void vnet_hdr_store(uint8_t *dst, const struct vnet_hdr *h,
				  uint64_t mask, uint16_t num_buffers,
				  unsigned size)
{
	uint64_t first = vnet_raw_word(*h) & mask;
	uint16_t csum_offset = cpu_to_le16(h->csum_offset);

	memcpy(dst, &first, sizeof(first));
	memcpy(dst + 8, &csum_offset, sizeof(csum_offset));
	if (likely(size >= VNET_HDR_MAX)) {
		num_buffers = cpu_to_le16(num_buffers);
		memcpy(dst + 10, &num_buffers, sizeof(num_buffers));
	}
}

/* Writes the rest of a header of 20 bytes (clause 5.1.6.4.4): the hash of @f by
 * @rss; NULL: none. */
static inline void vnet_hdr_store_hash(uint8_t *dst, const struct rss *rss,
				       struct frame *f)
{
	uint32_t hash = 0;
	unsigned type = rss ? rss_hash(rss, f, &hash) : 0;
	/* VIRTIO_NET_HASH_REPORT_*: the number of the type's bit, from 1 on */
	le16 report = cpu_to_le16((uint16_t)__builtin_ffs((int)type));

	hash = cpu_to_le32(hash);
	memcpy(dst + 12, &hash, sizeof(hash));
	memcpy(dst + 16, &report, sizeof(report));
	memset(dst + 18, 0, 2);
}

/* Returns whether a header of @size bytes at @dst ends with a cache line, so
 * that the frame behind it begins on the next. Drivers that align the frame
 * (DPDK's, for one) place it so. */
static inline bool vnet_hdr_is_apart(const uint8_t *dst, unsigned size)
{
	return !(((uintptr_t)dst + size) & (CACHE_LINE - 1));
}

/* Does the work of vnet_hdr_store(), but writes nothing if @dst already holds
 * these bytes: most headers of a buffer are equal, and a line that nobody
 * writes stays in the caches of both sides. */
static inline void vnet_hdr_renew(uint8_t *dst, const struct vnet_hdr *h,
				  uint64_t mask, uint16_t num_buffers,
				  unsigned size)
{
	struct vnet_raw old = vnet_raw_load(dst);
	uint16_t old_count = num_buffers;

	if (likely(size == VNET_HDR_MAX)) {
		memcpy(&old_count, dst + 10, sizeof(old_count));
		old_count = le16_to_cpu(old_count);
	}
	if (unlikely(old.first != (vnet_raw_word(*h) & mask) ||
		     old.csum_offset != cpu_to_le16(h->csum_offset) ||
		     old_count != num_buffers))
		vnet_hdr_store(dst, h, mask, num_buffers, size);
}

#endif

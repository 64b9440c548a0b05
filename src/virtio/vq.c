/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of a virtqueue common to both sides and both formats, outside the data
 * path: names of faults, sizes of the areas, the position word. Pure functions,
 * any thread.
 */
#include "vq.h"
#include "virtio.h"

static const char *const fault_names[VQ_FAULT_COUNT] = {
	[VQ_FAULT_NONE] = "no fault",
	[VQ_FAULT_AVAIL_RANGE] = "available index out of range",
	[VQ_FAULT_HEAD_RANGE] = "head index out of range",
	[VQ_FAULT_NEXT_RANGE] = "next index out of range",
	[VQ_FAULT_LOOP] = "descriptor chain has a loop",
	[VQ_FAULT_ADDRESS] = "buffer outside guest memory",
	[VQ_FAULT_ORDER] = "readable buffer after a writable one",
	[VQ_FAULT_INDIRECT] = "indirect descriptor not allowed here",
	[VQ_FAULT_INDIRECT_SIZE] = "size of an indirect table not allowed",
	[VQ_FAULT_EMPTY] = "chain without a byte",
	[VQ_FAULT_SIZE] = "chain of 4 GiB or more",
	[VQ_FAULT_CALL] = "call descriptor blocks",
	[VQ_FAULT_USED_RANGE] = "used index out of range",
	[VQ_FAULT_USED_ID] = "used id not outstanding",
};

const char *vq_fault_name(enum vq_fault fault)
{
	return (unsigned)fault < VQ_FAULT_COUNT ? fault_names[fault]
						: "unknown fault";
}

bool vq_size_is_valid(uint64_t features, uint32_t count)
{
	if (count == 0 || count > VQ_MAX_SIZE)
		return false;
	return feat_has(features, VIRTIO_F_RING_PACKED) ||
	       is_power_of_two(count);
}

struct vq_area_sizes vq_area_sizes(uint64_t features, uint32_t count)
{
	if (feat_has(features, VIRTIO_F_RING_PACKED))
		return (struct vq_area_sizes){
			.desc = (uint64_t)count * sizeof(struct vq_packed_desc),
			.driver = sizeof(struct vq_event),
			.device = sizeof(struct vq_event),
		};
	/* The two event fields belong to the areas even without EVENT_IDX
	 * (clauses 2.7.6 and 2.7.8). */
	return (struct vq_area_sizes){
		.desc = (uint64_t)count * sizeof(struct vq_desc),
		.driver = sizeof(struct vq_avail) + 2ull * count + 2,
		.device = sizeof(struct vq_used) +
			  (uint64_t)count * sizeof(struct vq_used_elem) + 2,
	};
}

struct vq_area_sizes vq_area_aligns(uint64_t features)
{
	if (feat_has(features, VIRTIO_F_RING_PACKED))
		return (struct vq_area_sizes){ 16, 4, 4 };
	return (struct vq_area_sizes){ 16, 2, 4 };
}

uint32_t vq_position_encode(uint64_t features, struct vq_position p)
{
	if (!feat_has(features, VIRTIO_F_RING_PACKED))
		return p.avail;
	return (p.avail & 0x7fffu) | (uint32_t)p.avail_wrap << 15 |
	       (p.used & 0x7fffu) << 16 | (uint32_t)p.used_wrap << 31;
}

struct vq_position vq_position_decode(uint64_t features, uint32_t v)
{
	if (!feat_has(features, VIRTIO_F_RING_PACKED))
		return (struct vq_position){ .avail = (uint16_t)v,
					     .used = (uint16_t)v };
	return (struct vq_position){
		.avail = v & 0x7fff,
		.avail_wrap = v >> 15 & 1,
		.used = v >> 16 & 0x7fff,
		.used_wrap = v >> 31,
	};
}

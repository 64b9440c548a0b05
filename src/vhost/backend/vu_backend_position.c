/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The position at which a ring starts. Control thread, while no data path has
 * the queue; reads ring memory only.
 *
 * Theory of operation. Normally the front-end sets the position: 0 for a new
 * ring, the answer of GET_VRING_BASE for one that goes on. But a front-end that
 * outlives a back-end (killed or restarted) got no answer, and sets 0 for a
 * ring that goes on in its middle. Then only the ring itself shows the
 * position. The ring is the peer's memory, so it may lie; that harms this queue
 * only, because positions are checked as all values are.
 */
#include "log.h"
#include "shm.h"
#include "vu_backend_impl.h"

/* Position word of an unused packed ring: index 0, wrap counters 1. */
#define PACKED_START 0x80008000u

uint32_t vu_queue_position_word(const struct vu_backend *b,
				const struct vu_queue *q)
{
	if (q->base_from != VU_BASE_UNKNOWN)
		return q->base;
	return vu_is_packed(b) ? PACKED_START : 0;
}

static void say_corrected(const struct vu_backend *b, const struct vu_queue *q,
			  unsigned idx)
{
	log_limited(b->log, LOG_LEVEL_INFO,
		    "port=%s: queue %u: goes on at %u, not at 0 as said",
		    b->name, vu_queue_idx(b, q), idx);
}

/* Returns the used index, for which the driver waits: no other start can work.
 * Chains between it and the old position may be sent twice. */
static struct vq_position split_position(const struct vu_backend *b,
					 const struct vu_queue *q,
					 const struct vq_areas *area,
					 struct vq_position told)
{
	const struct vq_used *used = area->device;
	uint16_t idx;

	if (told.used || (uintptr_t)used % _Alignof(struct vq_used))
		return told; /* unaligned: vq_dev_activate() refuses it */
	idx = le16_to_cpu(shm_load(&used->idx));
	if (idx)
		say_corrected(b, q, idx);
	return vq_position_decode(b->features, idx);
}

/*
 * The device sets a descriptor's USED bit to its wrap counter; the driver sets
 * it to the opposite when it makes the descriptor available (virtio 1.2, clause
 * 2.8.1). So before the position all USED bits equal this lap's counter, and
 * from the position on all equal its opposite. In a new ring all are 0, which
 * gives slot 0 and counter 1. Chains of several slots without an indirect table
 * leave stale bits inside: bits that change more than once show no position.
 */
static struct vq_position packed_position(const struct vu_backend *b,
					  const struct vu_queue *q,
					  const struct vq_areas *area,
					  struct vq_position told)
{
	const struct vq_packed_desc *desc = area->desc;
	bool first = false, last = false, was = told.used_wrap;
	unsigned changes = 0;
	uint16_t at = 0;

	if ((uintptr_t)desc % _Alignof(struct vq_packed_desc))
		return told;
	for (uint32_t i = 0; i < q->num; i++) {
		bool used =
			le16_to_cpu(shm_load(&desc[i].flags)) & VQ_DESC_F_USED;

		if (i == 0) {
			first = used;
		} else if (used != last) {
			changes++;
			at = (uint16_t)i;
		}
		last = used;
	}
	if (changes > 1)
		return told;
	told.avail = told.used = at;
	told.avail_wrap = told.used_wrap = changes ? first : !first;
	if (at || told.used_wrap != was)
		say_corrected(b, q, at);
	return told;
}

/*
 * Returns whether a packed ring is in its first lap. A front-end that knows
 * only split rings (user-mode-linux 6.1) sets position 0 for a new ring, which
 * means the start of the second lap in a packed ring. In the second lap the
 * first descriptor has USED set, by the device in the first lap or by the
 * driver in the second. In the first lap USED is clear until the device uses
 * the descriptor.
 */
static bool is_first_lap(const struct vq_areas *area)
{
	const struct vq_packed_desc *desc = area->desc;

	if ((uintptr_t)desc % _Alignof(struct vq_packed_desc))
		return false; /* unaligned: vq_dev_activate() refuses it */
	return !(le16_to_cpu(shm_load(&desc->flags)) & VQ_DESC_F_USED);
}

struct vq_position vu_queue_position(const struct vu_backend *b,
				     const struct vu_queue *q,
				     const struct vq_areas *area)
{
	bool is_told = q->base_from == VU_BASE_TOLD;
	uint32_t word = vu_queue_position_word(b, q);
	struct vq_position p = vq_position_decode(b->features, word);

	if (!vu_is_packed(b))
		return split_position(b, q, area, p);
	/*
	 * The word has an available and a used half. Some front-ends fill in
	 * only the available half; then used equals available. If the halves
	 * differ, the chains between them were in flight in another back-end.
	 * This device may take a buffer twice, so it starts with the oldest.
	 */
	if (!(word >> 16)) {
		p.used = p.avail;
		p.used_wrap = p.avail_wrap;
	} else {
		p.avail = p.used;
		p.avail_wrap = p.used_wrap;
	}
	if (is_told && !word && is_first_lap(area))
		p.avail_wrap = p.used_wrap = true;
	/* A position of our own is exact; only one from the front-end may be a
	 * guess. */
	if (is_told && !p.used && (p.used_wrap || !word) &&
	    feat_has(b->features, VIRTIO_F_INDIRECT_DESC))
		return packed_position(b, q, area, p);
	return p;
}

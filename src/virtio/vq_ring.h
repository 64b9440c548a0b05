/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to descriptors and the suppression of notifications, common to the
 * device side and the driver side. Private to virtio/.
 *
 * Pairs of fences, each between one side's file and the other's:
 *
 *   vq:A  available: the driver releases avail idx (split) or the flags of a
 *         run's first descriptor (packed); the device acquires it. Orders
 *         descriptors and buffers before their publication.
 *   vq:U  used: the device releases used idx or flags, the driver acquires
 *         them. Orders data in buffers and used elements before their
 *         publication.
 *   vq:E  events, both directions: one side publishes work, fence, loads the
 *         other's wish for an event; the other side stores its wish, fence,
 *         looks for work. Without both fences, each side may miss the other's
 *         store and both sleep.
 *
 * vq:M (a miss, from the worker to any reader) is inside the device side.
 */
#ifndef RW_VQ_RING_H
#define RW_VQ_RING_H

#include "shm.h"
#include "vq.h"

/* Initial count of entries since the last should_notify(): more than any ring
 * has, so the first check returns true. */
#define VQ_UNSIGNALLED_ALL (UINT32_MAX / 2)

/*
 * With the event index a split ring has no "never", only the position that
 * comes last. Disarming stores a position so far behind that the peer has
 * surely passed it (the peer checks after each burst). It is renewed after so
 * many entries that the peer, up to 0x8000 ahead, does not come round to it.
 */
#define VQ_QUIET_BEHIND 0x2000
#define VQ_QUIET_SPAN	0x4000

/* The second eight bytes of a descriptor of either format. One load keeps
 * length and flags consistent, whatever the peer writes meanwhile. */
typedef le64 __attribute__((may_alias)) vq_word;

static inline uint64_t vq_desc_addr(const void *desc)
{
	return le64_to_cpu(shm_load((const vq_word *)desc));
}

static inline uint64_t vq_desc_word(const void *desc)
{
	return le64_to_cpu(shm_load((const vq_word *)desc + 1));
}

static inline uint64_t vq_desc_word_acquire(const void *desc)
{
	return le64_to_cpu(shm_load_acquire((const vq_word *)desc + 1));
}

static inline void vq_desc_set_addr(void *desc, uint64_t addr)
{
	shm_store((vq_word *)desc, cpu_to_le64(addr));
}

static inline void vq_desc_set_word(void *desc, uint64_t word)
{
	shm_store((vq_word *)desc + 1, cpu_to_le64(word));
}

static inline void vq_desc_set_word_release(void *desc, uint64_t word)
{
	shm_store_release((vq_word *)desc + 1, cpu_to_le64(word));
}

/* The word: 32 bits length, then flags and next (split) or id and flags
 * (packed). */
static inline uint64_t vq_word_make(uint32_t len, uint16_t lo, uint16_t hi)
{
	return len | (uint64_t)lo << 32 | (uint64_t)hi << 48;
}

static inline uint32_t vq_word_len(uint64_t word)
{
	return (uint32_t)word;
}

static inline uint16_t vq_word_lo(uint64_t word)
{
	return (uint16_t)(word >> 32);
}

static inline uint16_t vq_word_hi(uint64_t word)
{
	return (uint16_t)(word >> 48);
}

/* Flags that make a packed descriptor available or used in a round of the ring
 * (clause 2.8.1). */
#define VQ_PACKED_FLAGS (VQ_DESC_F_AVAIL | VQ_DESC_F_USED)

static inline uint16_t vq_packed_avail_flags(bool wrap)
{
	return wrap ? VQ_DESC_F_AVAIL : VQ_DESC_F_USED;
}

static inline uint16_t vq_packed_used_flags(bool wrap)
{
	return wrap ? VQ_PACKED_FLAGS : 0;
}

/* Advances a packed position. @slots is at most @count if the peer keeps the
 * rules; otherwise the position still stays inside the ring. */
static inline void vq_packed_advance(uint16_t *slot, bool *wrap, uint16_t count,
				     unsigned slots)
{
	unsigned next = *slot + slots;

	while (next >= count) {
		next -= count;
		*wrap = !*wrap;
	}
	*slot = (uint16_t)next;
}

static inline void vq_packed_retreat(uint16_t *slot, bool *wrap, uint16_t count,
				     unsigned slots)
{
	if (slots > *slot) {
		*slot = (uint16_t)(*slot + count - slots);
		*wrap = !*wrap;
	} else {
		*slot = (uint16_t)(*slot - slots);
	}
}

/* Returns whether [@pos - @pushed, @pos) holds @event (clause 2.7.7.2). */
static inline bool vq_event_is_crossed(uint16_t event, uint16_t pos,
				       uint32_t pushed)
{
	return (uint16_t)(pos - event - 1) < pushed;
}

/* One side's wish for events in a split ring: flags word and event field. */
struct vq_split_wish {
	le16 *flags;
	le16 *event;
};

static inline struct vq_split_wish vq_split_driver_wish(void *driver_area,
							uint16_t count)
{
	struct vq_avail *avail = driver_area;

	return (struct vq_split_wish){ &avail->flags, &avail->ring[count] };
}

static inline struct vq_split_wish vq_split_device_wish(void *device_area,
							uint16_t count)
{
	struct vq_used *used = device_area;

	return (struct vq_split_wish){ &used->flags,
				       (le16 *)&used->ring[count] };
}

/* Returns whether the peer wants an event for [@pos - @pushed, @pos). */
static inline bool vq_split_wants(struct vq_split_wish peer, bool has_event_idx,
				  uint16_t pos, uint32_t pushed)
{
	shm_fence(); /* vq:E  our idx store before the load of the wish */
	if (has_event_idx)
		return vq_event_is_crossed(le16_to_cpu(shm_load(peer.event)),
					   pos, pushed);
	return !(le16_to_cpu(shm_load(peer.flags)) & VQ_USED_F_NO_NOTIFY);
}

static inline void vq_split_arm(struct vq_split_wish own, bool has_event_idx,
				uint16_t pos)
{
	if (has_event_idx)
		shm_store(own.event, cpu_to_le16(pos));
	else
		shm_store(own.flags, cpu_to_le16(0));
	shm_fence(); /* vq:E  the wish before the caller's load of the ring */
}

static inline void vq_split_disarm(struct vq_split_wish own, bool has_event_idx,
				   uint16_t pos)
{
	if (has_event_idx)
		shm_store(own.event,
			  cpu_to_le16((uint16_t)(pos - VQ_QUIET_BEHIND)));
	else
		shm_store(own.flags, cpu_to_le16(VQ_USED_F_NO_NOTIFY));
}

/* As vq_split_wants() for @slot with its wrap counter (clause 2.8.10). */
static inline bool vq_packed_wants(const struct vq_event *peer, uint16_t count,
				   uint16_t slot, bool wrap, uint32_t pushed)
{
	uint16_t flags, event;

	shm_fence(); /* vq:E  our descriptor flags before the wish */
	flags = le16_to_cpu(shm_load_acquire(&peer->flags));
	if (flags != VQ_EVENT_DESC)
		return flags != VQ_EVENT_DISABLE;
	/* The acquire above orders this load: the peer writes off_wrap before
	 * the flags that make it valid. */
	event = le16_to_cpu(shm_load(&peer->off_wrap));
	if (event >> 15 == wrap)
		event &= 0x7fff;
	else
		event = (uint16_t)((event & 0x7fff) - count);
	return vq_event_is_crossed(event, slot, MIN(pushed, count));
}

static inline void vq_packed_arm(struct vq_event *own, bool has_event_idx,
				 uint16_t slot, bool wrap)
{
	if (has_event_idx) {
		shm_store(&own->off_wrap,
			  cpu_to_le16((uint16_t)(slot | wrap << 15)));
		shm_store_release(&own->flags, cpu_to_le16(VQ_EVENT_DESC));
	} else {
		shm_store(&own->flags, cpu_to_le16(VQ_EVENT_ENABLE));
	}
	shm_fence(); /* vq:E  the wish before the caller's load of the ring */
}

static inline void vq_packed_disarm(struct vq_event *own)
{
	shm_store(&own->flags, cpu_to_le16(VQ_EVENT_DISABLE));
}

#endif

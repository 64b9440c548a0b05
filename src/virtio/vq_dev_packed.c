/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device side of a packed ring (virtio 1.2, clause 2.8). Runs on whoever holds
 * the queue; calls only the walk in vq_dev_chain.c.
 *
 * Used descriptors overwrite the ring from next_used on, which never overtakes
 * next_avail: a chain gives back as many slots as it took.
 */
#include "vq_dev_impl.h"

/* Descriptors are fetched this many slots ahead: two lines of cache, enough to
 * hide a miss to the other core's cache behind the chains between. */
#define PREFETCH_AHEAD 8

/* One buffer list from the ring itself, from @slot on. */
static enum vq_fault walk_chain(struct vq_walk *w, uint16_t slot)
{
	const struct vq_dev *vq = w->vq;
	const struct vq_packed_desc *ring = vq->area.desc;
	struct vq_chain *c = w->chain;

	for (;;) {
		uint64_t addr = vq_desc_addr(&ring[slot]);
		uint64_t word = vq_desc_word(&ring[slot]);
		uint16_t flags = vq_word_hi(word);
		enum vq_fault fault = VQ_FAULT_NONE;

		c->id = vq_word_lo(word); /* the last one's counts */
		c->slot_count++;
		if (flags & VQ_DESC_F_INDIRECT) {
			/* alone, or not at all (clause 2.8.19) */
			w->detail = slot;
			if (flags & VQ_DESC_F_NEXT || c->slot_count > 1 ||
			    !vq->has_indirect)
				return VQ_FAULT_INDIRECT;
			return vq_walk_table(w, addr, vq_word_len(word));
		}
		/* Also a chain too long for its iovecs is walked to its end:
		 * its slots have to be given back. */
		if (!w->is_truncated)
			fault = vq_walk_buffer(w, addr, vq_word_len(word),
					       flags);
		if (fault || !(flags & VQ_DESC_F_NEXT))
			return fault;
		w->detail = slot;
		if (c->slot_count == vq->count)
			return VQ_FAULT_LOOP;
		if (++slot == vq->count)
			slot = 0;
	}
}

/* Returns whether @chain was filled; *@room shrinks by the iovecs it uses. */
static __attribute__((noinline)) bool take_chain(struct vq_dev *vq,
						 uint16_t slot,
						 struct vq_chain *chain,
						 struct iovec *iov,
						 unsigned *room, bool is_first)
{
	struct vq_walk w = {
		.vq = vq,
		.chain = chain,
		.iov = iov,
		.room = *room,
	};
	enum vq_fault fault;

	*chain = (struct vq_chain){ .iov = iov };
	fault = walk_chain(&w, slot);
	*room = w.room;
	return vq_walk_finish(&w, fault, is_first);
}

unsigned vq_dev_packed_pop(struct vq_dev *vq, struct vq_chain *chains,
			   unsigned n, struct iovec *iov, unsigned iov_count)
{
	const struct vq_packed_desc *ring = vq->area.desc;
	const struct gmem_region *hot = vq->hot;
	uint16_t slot = vq->next_avail, count = vq->count;
	bool wrap = vq->avail_wrap;
	unsigned i, room = iov_count, seen_flags = 0;

	for (i = 0; i < n && room > 0; i++) {
		const struct vq_packed_desc *d = &ring[slot];
		/* vq:A  flags before the rest of the descriptor, and a chain's
		 * first flags before its other descriptors. Without it an
		 * address of the round before may be used. */
		uint64_t word = vq_desc_word_acquire(d);
		uint16_t flags = vq_word_hi(word);
		uint32_t len = vq_word_len(word);
		uint64_t addr;

		if ((flags & VQ_PACKED_FLAGS) != vq_packed_avail_flags(wrap))
			break;
		addr = vq_desc_addr(d);
		/* past the end is harmless, it is only a hint */
		__builtin_prefetch(d + PREFETCH_AHEAD);
		if (likely(!(flags & (VQ_DESC_F_NEXT | VQ_DESC_F_INDIRECT)) &&
			   vq_dev_is_hot(hot, addr, len))) {
			vq_dev_set_single(&chains[i], iov++,
					  hot->host + (addr - hot->gpa), len,
					  vq_word_lo(word),
					  flags & VQ_DESC_F_WRITE);
			seen_flags |= flags;
			room--;
			if (++slot == count) {
				slot = 0;
				wrap = !wrap;
			}
			continue;
		}
		if (!take_chain(vq, slot, &chains[i], iov, &room, i == 0))
			break;
		iov += chains[i].readable_count + chains[i].writable_count;
		vq_packed_advance(&slot, &wrap, count, chains[i].slot_count);
		hot = vq->hot;
	}
	if (seen_flags & VQ_DESC_F_WRITE)
		vq->saw_writable = true;
	vq->next_avail = slot;
	vq->avail_wrap = wrap;
	return i;
}

static uint64_t used_word(const struct vq_done *done, bool wrap)
{
	uint16_t flags = vq_packed_used_flags(wrap);

	/* clause 2.8.5: WRITE says that the length counts */
	if (done->size)
		flags |= VQ_DESC_F_WRITE;
	return vq_word_make(done->size, done->id, flags);
}

void vq_dev_packed_push(struct vq_dev *vq, const struct vq_done *done,
			unsigned n)
{
	struct vq_packed_desc *ring = vq->area.desc, *head;
	uint16_t slot = vq->next_used;
	bool wrap = vq->used_wrap, is_batch = vq_dev_can_batch(vq);
	uint64_t head_word;
	unsigned slots = 0;

	/* The driver looks at the first used descriptor of the burst, and not
	 * at the others before it: so that one is written last. */
	head = &ring[slot];
	head_word = used_word(is_batch ? &done[n - 1] : &done[0], wrap);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0 && !is_batch)
			vq_desc_set_word(&ring[slot],
					 used_word(&done[i], wrap));
		vq_packed_advance(&slot, &wrap, vq->count, done[i].slot_count);
		slots += done[i].slot_count;
	}
	vq->next_used = slot;
	vq->used_wrap = wrap;
	vq->unsignalled += slots;
	/* vq:U  buffers and the other elements before the one that shows them.
	 * Without it the driver may take a chain whose data has not arrived. */
	shm_fence_release();
	vq_desc_set_word(head, head_word);
}

unsigned vq_dev_packed_pending(const struct vq_dev *vq, unsigned limit)
{
	const struct vq_packed_desc *ring = vq->area.desc;
	uint16_t slot = vq->next_avail;
	bool wrap = vq->avail_wrap, is_inside = false;
	unsigned chains = 0;

	for (unsigned i = 0; i < vq->count && chains < limit; i++) {
		uint64_t word = vq_desc_word_acquire(&ring[slot]); /* vq:A */
		uint16_t flags = vq_word_hi(word);

		if (!is_inside &&
		    (flags & VQ_PACKED_FLAGS) != vq_packed_avail_flags(wrap))
			break;
		is_inside = flags & VQ_DESC_F_NEXT;
		chains += !is_inside;
		vq_packed_advance(&slot, &wrap, vq->count, 1);
	}
	return chains;
}

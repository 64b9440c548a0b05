/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device side of a packed ring (virtio 1.2, clause 2.8). Runs on the queue's
 * holder; calls only the walk in vq_dev_chain.c.
 *
 * Used descriptors overwrite the ring from next_used on, which never overtakes
 * next_avail: a chain gives back as many slots as it took.
 */
#include "vq_dev_impl.h"

/* Distance of the prefetch in slots: two cache lines, enough to hide a miss to
 * the other core's cache behind the chains between. */
#define PREFETCH_AHEAD 8
/* Distance of the prefetch of indirect tables, in chains. */
#define TABLES_AHEAD 4

/* Walks one chain of the ring, from @slot on. */
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

		c->id = vq_word_lo(word); /* the last id counts */
		c->slot_count++;
		if (flags & VQ_DESC_F_INDIRECT) {
			/* must be alone (clause 2.8.19) */
			w->detail = slot;
			if (flags & VQ_DESC_F_NEXT || c->slot_count > 1 ||
			    !vq->has_indirect)
				return VQ_FAULT_INDIRECT;
			return vq_walk_table(w, addr, vq_word_len(word));
		}
		/* A truncated chain is also walked to its end: its slots have
		 * to be given back. */
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

/* Takes chains of one buffer from next_avail on, up to the first that is not
 * available or not of this shape. The @n slots do not wrap. */
static inline unsigned take_singles(struct vq_dev *vq, struct vq_chain *chains,
				    unsigned n, struct iovec *iov)
{
	const struct vq_packed_desc *ring = vq->area.desc;
	const struct vq_packed_desc *d = &ring[vq->next_avail];
	struct vq_shape shape = vq_shape_start(vq);
	uint16_t flags = shape.flags | vq_packed_avail_flags(vq->avail_wrap);
	unsigned i;

	for (i = 0; i < n; i++, d++) {
		/* vq:A  acquire: the flags before the rest of the descriptor.
		 * Without it an address of the previous round may be used. */
		uint64_t word = vq_desc_word_acquire(d);
		uint64_t addr = vq_desc_addr(d);
		uint32_t len = vq_word_len(word);

		/* only a hint, so harmless past the ring's end */
		__builtin_prefetch(d + PREFETCH_AHEAD);
		if (unlikely((vq_word_hi(word) &
			      (VQ_SHAPE_FLAGS | VQ_PACKED_FLAGS)) != flags ||
			     !vq_shape_holds(&shape, vq, addr, len)))
			break;
		iov[i] = vq_shape_iov(&shape, addr, len);
		vq_shape_set(&shape, &chains[i], &iov[i], 1, len,
			     vq_word_lo(word), 1);
	}
	return i;
}

/* As take_singles() for chains of two buffers, such as a header and its frame.
 * Their slots do not wrap, and @iov has room for all. */
static __attribute__((noinline)) unsigned take_pairs(struct vq_dev *vq,
						     struct vq_chain *chains,
						     unsigned n,
						     struct iovec *iov)
{
	const struct vq_packed_desc *ring = vq->area.desc;
	const struct vq_packed_desc *d = &ring[vq->next_avail];
	struct vq_shape shape = vq_shape_start(vq);
	uint16_t flags = shape.flags | VQ_DESC_F_NEXT |
			 vq_packed_avail_flags(vq->avail_wrap);
	unsigned i;

	for (i = 0; i < n; i++, d += 2, iov += 2) {
		/* vq:A  acquire: first flags before the other descriptors */
		uint64_t first = vq_desc_word_acquire(d);
		uint64_t last = vq_desc_word(d + 1);
		uint64_t addr[] = { vq_desc_addr(d), vq_desc_addr(d + 1) };
		uint32_t len[] = { vq_word_len(first), vq_word_len(last) };
		uint32_t size;

		__builtin_prefetch(d + 2 * PREFETCH_AHEAD);
		if (unlikely((vq_word_hi(first) &
			      (VQ_SHAPE_FLAGS | VQ_PACKED_FLAGS)) != flags ||
			     (vq_word_hi(last) & VQ_SHAPE_FLAGS) !=
				     shape.flags))
			break;
		size = vq_shape_pair(&shape, vq, iov, addr, len);
		if (unlikely(!size))
			break;
		/* the id is in the last descriptor (clause 2.8.7) */
		vq_shape_set(&shape, &chains[i], iov, 2, size, vq_word_lo(last),
			     2);
	}
	return i;
}

/* As take_singles() for chains of one indirect table each. Their buffers take
 * *@used of the @room iovecs. */
static __attribute__((noinline)) unsigned take_tables(
	struct vq_dev *vq, struct vq_chain *chains, unsigned n,
	struct iovec *iov, unsigned room, unsigned *used)
{
	const struct vq_packed_desc *ring = vq->area.desc;
	const struct vq_packed_desc *d = &ring[vq->next_avail];
	struct vq_shape shape = vq_shape_start(vq);
	uint16_t flags = vq_packed_avail_flags(vq->avail_wrap);
	unsigned i, left = room;

	for (i = 0; i < n; i++, d++) {
		/* vq:A  acquire: flags before the descriptor and table */
		uint64_t word = vq_desc_word_acquire(d);
		uint32_t size;
		uint16_t count;

		__builtin_prefetch(d + PREFETCH_AHEAD);
		if (i + TABLES_AHEAD < n)
			vq_shape_prefetch(&shape,
					  vq_desc_addr(d + TABLES_AHEAD));
		if (unlikely((vq_word_hi(word) & VQ_PACKED_FLAGS) != flags ||
			     !vq_shape_is_table(vq_word_hi(word))))
			break;
		size = vq_shape_table(&shape, vq, iov, left, vq_desc_addr(d),
				      vq_word_len(word), &count);
		if (unlikely(!size))
			break;
		vq_shape_set(&shape, &chains[i], iov, count, size,
			     vq_word_lo(word), 1);
		iov += count;
		left -= count;
	}
	*used = room - left;
	return i;
}

static bool is_available(const struct vq_dev *vq)
{
	const struct vq_packed_desc *ring = vq->area.desc;
	/* vq:A  acquire: first flags before the other descriptors */
	uint64_t word = vq_desc_word_acquire(&ring[vq->next_avail]);

	return (vq_word_hi(word) & VQ_PACKED_FLAGS) ==
	       vq_packed_avail_flags(vq->avail_wrap);
}

unsigned vq_dev_packed_pop(struct vq_dev *vq, struct vq_chain *chains,
			   unsigned n, struct iovec *iov, unsigned iov_count)
{
	unsigned i = 0, room = iov_count;

	while (i < n && room > 0) {
		unsigned left = (unsigned)vq->count - vq->next_avail;
		unsigned run = MIN(MIN(n - i, room), left);
		unsigned taken = take_singles(vq, &chains[i], run, iov);
		unsigned slots = taken, used = taken;

		if (taken == 0) {
			if (!is_available(vq))
				break;
			taken = take_pairs(vq, &chains[i],
					   MIN(MIN(run, room / 2), left / 2),
					   iov);
			used = slots = 2 * taken;
		}
		if (taken == 0 && vq->has_indirect)
			slots = taken = take_tables(vq, &chains[i], run, iov,
						    room, &used);
		if (taken == 0) {
			if (!take_chain(vq, vq->next_avail, &chains[i], iov,
					&room, i == 0))
				break;
			iov += chains[i].readable_count +
			       chains[i].writable_count;
			slots = chains[i++].slot_count;
		} else {
			i += taken;
			iov += used;
			room -= used;
		}
		vq_packed_advance(&vq->next_avail, &vq->avail_wrap, vq->count,
				  slots);
		if (taken < run && !is_available(vq))
			break;
	}
	return i;
}

static inline uint64_t used_word(const struct vq_done *done, uint16_t flags)
{
	/* clause 2.8.5: WRITE makes the length valid */
	if (done->size)
		flags |= VQ_DESC_F_WRITE;
	return vq_word_make(done->size, done->id, flags);
}

/* Writes used descriptors from @ring on, for up to @n chains that begin in its
 * next @room slots. Returns their number, and their slots in *@slots. */
static inline unsigned put_run(struct vq_packed_desc *ring, unsigned room,
			       bool wrap, const struct vq_done *done,
			       unsigned n, unsigned *slots)
{
	uint16_t flags = vq_packed_used_flags(wrap);
	unsigned singles = MIN(n, room), i, at;

	for (i = 0; i < singles && done[i].slot_count == 1; i++)
		vq_desc_set_word(&ring[i], used_word(&done[i], flags));
	for (at = i; i < n && at < room; i++) {
		vq_desc_set_word(&ring[at], used_word(&done[i], flags));
		at += done[i].slot_count;
	}
	*slots = at;
	return i;
}

/* Writes the used descriptors of all @n chains; returns their slots. */
static unsigned put_all(struct vq_dev *vq, const struct vq_done *done,
			unsigned n)
{
	struct vq_packed_desc *ring = vq->area.desc;
	unsigned i = 0, slots = 0;

	while (i < n) {
		unsigned step;

		i += put_run(&ring[vq->next_used],
			     (unsigned)vq->count - vq->next_used, vq->used_wrap,
			     &done[i], n - i, &step);
		slots += step;
		vq_packed_advance(&vq->next_used, &vq->used_wrap, vq->count,
				  step);
	}
	return slots;
}

/* Advances over @n chains. Writes the used descriptors of all but the first, or
 * none for a batch; the caller writes the first. Returns the slots of all. */
static unsigned put_others(struct vq_dev *vq, const struct vq_done *done,
			   unsigned n)
{
	unsigned slots = 0;

	vq_packed_advance(&vq->next_used, &vq->used_wrap, vq->count,
			  done[0].slot_count);
	if (!vq_dev_can_batch(vq))
		return done[0].slot_count + put_all(vq, done + 1, n - 1);
	for (unsigned i = 1; i < n; i++)
		slots += done[i].slot_count;
	vq_packed_advance(&vq->next_used, &vq->used_wrap, vq->count, slots);
	return done[0].slot_count + slots;
}

void vq_dev_packed_push(struct vq_dev *vq, const struct vq_done *done,
			unsigned n)
{
	struct vq_packed_desc *ring = vq->area.desc;
	struct vq_packed_desc *head = &ring[vq->next_used];
	uint16_t flags = vq_packed_used_flags(vq->used_wrap);
	const struct vq_done *shown =
		vq_dev_can_batch(vq) ? &done[n - 1] : &done[0];

	vq->unsignalled += put_others(vq, done, n);
	/* vq:U  release: buffers and the other used descriptors before the
	 * first of the burst, at which the driver looks first. Without it the
	 * driver may take a chain whose data has not arrived. */
	vq_desc_set_word_release(head, used_word(shown, flags));
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

bool vq_dev_packed_has(const struct vq_dev *vq, unsigned n)
{
	const struct vq_packed_desc *ring = vq->area.desc;
	uint16_t slot = vq->next_avail;
	bool wrap = vq->avail_wrap;
	uint16_t flags;

	vq_packed_advance(&slot, &wrap, vq->count, n - 1);
	flags = vq_word_hi(vq_desc_word_acquire(&ring[slot])); /* vq:A */
	return (flags & VQ_PACKED_FLAGS) == vq_packed_avail_flags(wrap);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device side of a split ring (virtio 1.2, clause 2.7). Runs on the queue's
 * holder; calls only the walk in vq_dev_chain.c.
 *
 * A burst loads the driver's idx at most once, takes chains of the common
 * shapes inline, and leaves all others to take_chain().
 */
#include "vq_dev_impl.h"

/* Distance of the prefetch in chains: enough to hide a miss to the other core's
 * cache behind the chains between. */
#define PREFETCH_AHEAD 8
/* Distance of the prefetch of indirect tables, in chains. */
#define TABLES_AHEAD 4

/* Returns how many chains are available, at most @n. Loads the shared idx only
 * when the chains seen before do not suffice. */
static unsigned look(struct vq_dev *vq, unsigned n)
{
	const struct vq_avail *avail = vq->area.driver;
	uint16_t pending = (uint16_t)(vq->avail_seen - vq->next_avail);

	if (pending >= n)
		return n;
	/* vq:A  acquire: the idx before ring slots and descriptors. Without it
	 * a slot may be read as it was before the driver filled it. */
	vq->avail_seen = le16_to_cpu(shm_load_acquire(&avail->idx));
	pending = (uint16_t)(vq->avail_seen - vq->next_avail);
	if (unlikely(pending > vq->count)) {
		uint16_t said = vq->avail_seen;

		vq->avail_seen = vq->next_avail;
		vq_dev_fail(vq, VQ_FAULT_AVAIL_RANGE, said);
		return 0;
	}
	if (vq->has_event_idx && !vq->is_armed &&
	    (uint16_t)(vq->next_avail - vq->quiet_at) >= VQ_QUIET_SPAN)
		vq_dev_put_off(vq);
	return MIN(pending, n);
}

static enum vq_fault walk_chain(struct vq_walk *w, uint16_t head)
{
	const struct vq_dev *vq = w->vq;
	const struct vq_desc *table = vq->area.desc;
	uint16_t idx = head;

	for (;;) {
		uint64_t addr = vq_desc_addr(&table[idx]);
		uint64_t word = vq_desc_word(&table[idx]);
		uint16_t flags = vq_word_lo(word);
		enum vq_fault fault;

		w->chain->slot_count++;
		if (flags & VQ_DESC_F_INDIRECT) {
			w->detail = idx;
			if (flags & VQ_DESC_F_NEXT || !vq->has_indirect)
				return VQ_FAULT_INDIRECT;
			return vq_walk_table(w, addr, vq_word_len(word));
		}
		fault = vq_walk_buffer(w, addr, vq_word_len(word), flags);
		if (fault || w->is_truncated || !(flags & VQ_DESC_F_NEXT))
			return fault;
		idx = vq_word_hi(word);
		w->detail = idx;
		if (idx > vq->mask)
			return VQ_FAULT_NEXT_RANGE;
		if (w->chain->slot_count == vq->count)
			return VQ_FAULT_LOOP;
	}
}

/* Returns whether @chain was filled; *@room shrinks by the iovecs it uses. */
static __attribute__((noinline)) bool take_chain(struct vq_dev *vq,
						 uint16_t head,
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

	*chain = (struct vq_chain){ .iov = iov, .id = head };
	if (head > vq->mask) {
		w.detail = head;
		fault = VQ_FAULT_HEAD_RANGE;
	} else {
		fault = walk_chain(&w, head);
	}
	*room = w.room;
	return vq_walk_finish(&w, fault, is_first);
}

/* Takes chains of one buffer from ring slot @slot on, up to the first of
 * another shape. */
static inline unsigned take_singles(struct vq_dev *vq, uint16_t slot,
				    struct vq_chain *chains, unsigned n,
				    struct iovec *iov)
{
	const struct vq_avail *avail = vq->area.driver;
	const struct vq_desc *table = vq->area.desc;
	const le16 *ring = &avail->ring[slot];
	struct vq_shape shape = vq_shape_start(vq);
	unsigned i, mask = vq->mask;

	for (i = 0; i < n; i++) {
		unsigned head = le16_to_cpu(shm_load(&ring[i]));
		/* masked, because it is read before the check of head */
		const struct vq_desc *d = &table[head & mask];
		uint64_t addr = vq_desc_addr(d), word = vq_desc_word(d);
		uint32_t len = vq_word_len(word);

		/* only a hint, so harmless past the table's end */
		__builtin_prefetch(d + PREFETCH_AHEAD);
		if (unlikely(head > mask ||
			     (vq_word_lo(word) & VQ_SHAPE_FLAGS) !=
				     shape.flags ||
			     !vq_shape_holds(&shape, vq, addr, len)))
			break;
		iov[i] = vq_shape_iov(&shape, addr, len);
		vq_shape_set(&shape, &chains[i], &iov[i], 1, len,
			     (uint16_t)head, 1);
	}
	return i;
}

/* As take_singles() for chains of two buffers, such as a header and its frame;
 * @iov has room for all. */
static __attribute__((noinline)) unsigned take_pairs(struct vq_dev *vq,
						     uint16_t slot,
						     struct vq_chain *chains,
						     unsigned n,
						     struct iovec *iov)
{
	const struct vq_avail *avail = vq->area.driver;
	const struct vq_desc *table = vq->area.desc;
	const le16 *ring = &avail->ring[slot];
	struct vq_shape shape = vq_shape_start(vq);
	unsigned i, mask = vq->mask;

	for (i = 0; i < n; i++, iov += 2) {
		unsigned head = le16_to_cpu(shm_load(&ring[i])), next;
		const struct vq_desc *d = &table[head & mask];
		uint64_t addr[2], word[2];
		uint32_t size;

		__builtin_prefetch(d + 2 * PREFETCH_AHEAD);
		addr[0] = vq_desc_addr(d);
		word[0] = vq_desc_word(d);
		next = vq_word_hi(word[0]);
		d = &table[next & mask];
		addr[1] = vq_desc_addr(d);
		word[1] = vq_desc_word(d);
		if (unlikely(head > mask || next > mask ||
			     (vq_word_lo(word[0]) & VQ_SHAPE_FLAGS) !=
				     (shape.flags | VQ_DESC_F_NEXT) ||
			     (vq_word_lo(word[1]) & VQ_SHAPE_FLAGS) !=
				     shape.flags))
			break;
		/* a ring of one descriptor has no second buffer */
		if (unlikely(!mask))
			break;
		size = vq_shape_pair(&shape, vq, iov, addr,
				     (uint32_t[]){ vq_word_len(word[0]),
						   vq_word_len(word[1]) });
		if (unlikely(!size))
			break;
		vq_shape_set(&shape, &chains[i], iov, 2, size, (uint16_t)head,
			     2);
	}
	return i;
}

/* As take_singles() for chains of one indirect table each. Their buffers take
 * *@used of the @room iovecs. */
static __attribute__((noinline)) unsigned take_tables(
	struct vq_dev *vq, uint16_t slot, struct vq_chain *chains, unsigned n,
	struct iovec *iov, unsigned room, unsigned *used)
{
	const struct vq_avail *avail = vq->area.driver;
	const struct vq_desc *table = vq->area.desc;
	const le16 *ring = &avail->ring[slot];
	struct vq_shape shape = vq_shape_start(vq);
	unsigned i, left = room, mask = vq->mask;

	for (i = 0; i < n; i++) {
		unsigned head = le16_to_cpu(shm_load(&ring[i]));
		const struct vq_desc *d = &table[head & mask];
		uint64_t word = vq_desc_word(d);
		uint32_t size;
		uint16_t count;

		__builtin_prefetch(d + PREFETCH_AHEAD);
		if (i + TABLES_AHEAD < n) {
			unsigned h =
				le16_to_cpu(shm_load(&ring[i + TABLES_AHEAD]));

			vq_shape_prefetch(&shape,
					  vq_desc_addr(&table[h & mask]));
		}
		if (unlikely(head > mask ||
			     !vq_shape_is_table(vq_word_lo(word))))
			break;
		size = vq_shape_table(&shape, vq, iov, left, vq_desc_addr(d),
				      vq_word_len(word), &count);
		if (unlikely(!size))
			break;
		vq_shape_set(&shape, &chains[i], iov, count, size,
			     (uint16_t)head, 1);
		iov += count;
		left -= count;
	}
	*used = room - left;
	return i;
}

unsigned vq_dev_split_pop(struct vq_dev *vq, struct vq_chain *chains,
			  unsigned n, struct iovec *iov, unsigned iov_count)
{
	const struct vq_avail *avail = vq->area.driver;
	unsigned i = 0, room = iov_count;

	n = look(vq, n);
	while (i < n && room > 0) {
		uint16_t slot = vq->next_avail & vq->mask;
		unsigned run = MIN(n - i, (unsigned)(vq->count - slot));
		unsigned used, taken;

		run = MIN(run, room);
		used = taken = take_singles(vq, slot, &chains[i], run, iov);
		if (taken == 0) {
			taken = take_pairs(vq, slot, &chains[i],
					   MIN(run, room / 2), iov);
			used = 2 * taken;
		}
		if (taken == 0 && vq->has_indirect)
			taken = take_tables(vq, slot, &chains[i], run, iov,
					    room, &used);
		if (taken == 0) {
			if (!take_chain(
				    vq,
				    le16_to_cpu(shm_load(&avail->ring[slot])),
				    &chains[i], iov, &room, i == 0))
				break;
			iov += chains[i].readable_count +
			       chains[i].writable_count;
			i++;
			vq->next_avail++;
			continue;
		}
		i += taken;
		iov += used;
		room -= used;
		vq->next_avail = (uint16_t)(vq->next_avail + taken);
	}
	return i;
}

void vq_dev_split_push(struct vq_dev *vq, const struct vq_done *done,
		       unsigned n)
{
	struct vq_used *used = vq->area.device;
	uint16_t pos = vq->next_used;
	unsigned first = 0;

	if (vq_dev_can_batch(vq))
		first = n - 1;
	for (unsigned i = first; i < n; i++) {
		struct vq_used_elem *e =
			&used->ring[(pos + i - first) & vq->mask];

		shm_store(&e->id, cpu_to_le32(done[i].id));
		shm_store(&e->len, cpu_to_le32(done[i].size));
	}
	vq->next_used = pos = (uint16_t)(pos + n);
	vq->unsignalled += n;
	/* vq:U  release: used elements and buffers before the idx that shows
	 * them. Without it the driver may take a chain whose data has not
	 * arrived. */
	shm_store_release(&used->idx, cpu_to_le16(pos));
}

unsigned vq_dev_split_pending(const struct vq_dev *vq, unsigned limit)
{
	const struct vq_avail *avail = vq->area.driver;
	uint16_t idx = le16_to_cpu(shm_load_acquire(&avail->idx)); /* vq:A */
	uint16_t pending = (uint16_t)(idx - vq->next_avail);

	return MIN(pending, limit);
}

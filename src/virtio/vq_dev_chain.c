/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The general walk over a chain of descriptors, device side, for all chains
 * that are not of a common shape; and short indirect tables, which are a common
 * shape. Runs on the queue's holder, out of line, called by the two formats.
 *
 * Each descriptor is copied once, and only the copy is judged. The room for
 * iovecs bounds the walk: every descriptor uses up at least one.
 */
#include <string.h>

#include "vq_dev_impl.h"

/* An indirect table may have as many descriptors as the longest ring. */
#define TABLE_MAX VQ_MAX_SIZE

static const struct gmem_region *region_of(struct vq_dev *vq, uint64_t addr)
{
	const struct gmem_region *r = vq->hot;

	if (gmem_region_holds(r, addr, 1))
		return r;
	r = vq->warm;
	if (!gmem_region_holds(r, addr, 1))
		r = gmem_find(vq->mem, addr);
	if (r) {
		vq->warm = vq->hot;
		vq->hot = r;
	}
	return r;
}

/* Handles [@gpa, @gpa + @size) outside the map: returns a fault or publishes a
 * miss. */
static enum vq_fault miss(struct vq_dev *vq, uint64_t gpa, uint64_t size,
			  uint8_t access)
{
	if (vq->on_miss == VQ_MISS_FAULTS)
		return VQ_FAULT_ADDRESS;
	vq_dev_ask(vq, gpa, size, access);
	return VQ_WALK_MISS;
}

static void add_iov(struct vq_walk *w, void *base, size_t size,
		    bool is_writable)
{
	struct vq_chain *c = w->chain;

	*w->iov++ = (struct iovec){ base, size };
	if (is_writable) {
		c->writable_size += (uint32_t)size;
		c->writable_count++;
	} else {
		c->readable_size += (uint32_t)size;
		c->readable_count++;
	}
}

enum vq_fault vq_walk_buffer(struct vq_walk *w, uint64_t addr, uint32_t len,
			     uint16_t flags)
{
	bool is_writable = flags & VQ_DESC_F_WRITE;

	w->detail = len;
	w->addr = addr;
	if (!is_writable && w->chain->writable_count)
		return VQ_FAULT_ORDER;
	if (len > UINT32_MAX - w->size)
		return VQ_FAULT_SIZE;
	if (len > UINT64_MAX - addr)
		return VQ_FAULT_ADDRESS;
	w->size += len;

	do {
		const struct gmem_region *r;
		uint64_t off, part;

		if (w->room == 0) {
			w->is_truncated = true;
			return VQ_FAULT_NONE;
		}
		w->room--;
		if (len == 0)
			return VQ_FAULT_NONE;
		r = region_of(w->vq, addr);
		if (!r)
			return miss(w->vq, addr, len,
				    is_writable ? VQ_ACCESS_WRITE
						: VQ_ACCESS_READ);
		off = addr - r->gpa;
		part = MIN(len, r->size - off);
		add_iov(w, r->host + off, part, is_writable);
		addr += part;
		len -= (uint32_t)part;
	} while (len > 0);
	return VQ_FAULT_NONE;
}

/* Copies the descriptor at @addr, which may be unaligned and may cross two
 * regions. @r caches the last region of the table, separately because tables
 * and buffers rarely lie together. Returns false with the first byte outside
 * all regions in *@missed. */
static bool read_desc(const struct gmem *m, const struct gmem_region **r,
		      uint64_t addr, struct vq_desc *desc, uint64_t *missed)
{
	uint8_t *to = (uint8_t *)desc;
	uint64_t left = sizeof(*desc);

	while (left > 0) {
		uint64_t off, part;

		if (!gmem_region_holds(*r, addr, 1)) {
			const struct gmem_region *found = gmem_find(m, addr);

			if (!found) {
				*missed = addr;
				return false;
			}
			*r = found;
		}
		off = addr - (*r)->gpa;
		part = MIN(left, (*r)->size - off);
		memcpy(to, (*r)->host + off, part);
		to += part;
		addr += part;
		left -= part;
	}
	shm_settle_object(desc);
	return true;
}

enum vq_fault vq_walk_table(struct vq_walk *w, uint64_t addr, uint32_t size)
{
	const struct gmem_region *r = w->vq->hot;
	uint32_t count = size / sizeof(struct vq_desc);
	uint32_t idx = 0, walked = 0;
	uint64_t missed;

	w->detail = size;
	w->addr = addr;
	if (count == 0 || count > TABLE_MAX || size % sizeof(struct vq_desc))
		return VQ_FAULT_INDIRECT_SIZE;
	if (size > UINT64_MAX - addr)
		return VQ_FAULT_ADDRESS;

	for (;;) {
		struct vq_desc desc;
		enum vq_fault fault;
		uint16_t flags;

		if (!read_desc(w->vq->mem, &r, addr + idx * sizeof(desc), &desc,
			       &missed)) {
			w->addr = addr;
			w->detail = size;
			return miss(w->vq, missed, addr + size - missed,
				    VQ_ACCESS_READ);
		}
		/* Packed tables have the flags in the place of next, and are
		 * read from end to end (clause 2.8.7). */
		flags = le16_to_cpu(w->vq->is_packed ? desc.next : desc.flags);
		w->detail = idx;
		if (flags & VQ_DESC_F_INDIRECT)
			return VQ_FAULT_INDIRECT;
		fault = vq_walk_buffer(w, le64_to_cpu(desc.addr),
				       le32_to_cpu(desc.len), flags);
		if (fault || w->is_truncated)
			return fault;
		walked++;
		if (w->vq->is_packed) {
			if (++idx == count)
				return VQ_FAULT_NONE;
			continue;
		}
		if (!(flags & VQ_DESC_F_NEXT))
			return VQ_FAULT_NONE;
		idx = le16_to_cpu(desc.next);
		w->detail = idx;
		if (idx >= count)
			return VQ_FAULT_NEXT_RANGE;
		if (walked == count)
			return VQ_FAULT_LOOP;
	}
}

uint32_t vq_shape_table(struct vq_shape *s, struct vq_dev *vq,
			struct iovec *iov, unsigned room, uint64_t addr,
			uint32_t size, uint16_t *count)
{
	unsigned n = size / sizeof(struct vq_desc);
	uint64_t sum = 0;
	const uint8_t *p;

	if (size % sizeof(struct vq_desc) || n > MIN(room, VQ_SHAPE_TABLE) ||
	    !vq_shape_holds(s, vq, addr, size))
		return 0;
	p = s->hot.host + (addr - s->hot.gpa);
	for (unsigned i = 0; i < n; i++, p += sizeof(struct vq_desc)) {
		bool is_last = i + 1 == n, is_odd;
		uint64_t v[2];

		/* @p may be unaligned */
		memcpy(v, p, sizeof(v));
		shm_settle(v[0]);
		shm_settle(v[1]);
		v[0] = le64_to_cpu(v[0]);
		v[1] = le64_to_cpu(v[1]);
		/* the flags of a packed table as in vq_walk_table() */
		if (vq->is_packed)
			is_odd = (vq_word_hi(v[1]) &
				  (VQ_DESC_F_WRITE | VQ_DESC_F_INDIRECT)) !=
				 s->flags;
		else
			is_odd = (vq_word_lo(v[1]) & VQ_SHAPE_FLAGS) !=
					 (s->flags |
					  (is_last ? 0 : VQ_DESC_F_NEXT)) ||
				 (!is_last && vq_word_hi(v[1]) != i + 1);
		if (is_odd || !vq_shape_holds(s, vq, v[0], vq_word_len(v[1])))
			return 0;
		iov[i] = vq_shape_iov(s, v[0], vq_word_len(v[1]));
		sum += vq_word_len(v[1]);
	}
	*count = (uint16_t)n;
	return sum <= UINT32_MAX ? (uint32_t)sum : 0;
}

bool vq_walk_finish(struct vq_walk *w, enum vq_fault fault, bool is_first)
{
	struct vq_chain *c = w->chain;

	if (fault == VQ_FAULT_NONE && !w->is_truncated && w->size == 0)
		fault = VQ_FAULT_EMPTY;
	if (fault == VQ_WALK_MISS)
		return false;
	if (fault) {
		w->vq->fault_addr = w->addr;
		vq_dev_fail(w->vq, fault, w->detail);
		return false;
	}
	if (c->writable_count || w->is_truncated)
		w->vq->saw_writable = true;
	if (!w->is_truncated)
		return true;
	c->readable_size = c->writable_size = 0;
	c->readable_count = c->writable_count = 0;
	c->flags = VQ_CHAIN_TRUNCATED;
	return is_first;
}

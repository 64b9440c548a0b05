/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the device side: the functions of each format that vq_dev.c calls,
 * and the walk over chains that both formats share. Private to virtio/.
 */
#ifndef RW_VQ_DEV_IMPL_H
#define RW_VQ_DEV_IMPL_H

#include "vq_dev.h"
#include "vq_ring.h"

/* As the functions of vq_dev.h without the format in their name; the caller has
 * checked vq->fault. */
unsigned vq_dev_split_pop(struct vq_dev *vq, struct vq_chain *chains,
			  unsigned n, struct iovec *iov, unsigned iov_count);
unsigned vq_dev_packed_pop(struct vq_dev *vq, struct vq_chain *chains,
			   unsigned n, struct iovec *iov, unsigned iov_count);
void vq_dev_split_push(struct vq_dev *vq, const struct vq_done *done,
		       unsigned n);
void vq_dev_packed_push(struct vq_dev *vq, const struct vq_done *done,
			unsigned n);
unsigned vq_dev_split_pending(const struct vq_dev *vq, unsigned limit);
unsigned vq_dev_packed_pending(const struct vq_dev *vq, unsigned limit);
bool vq_dev_packed_has(const struct vq_dev *vq, unsigned n);

/* Sets the fault, which stops the queue, and reports it. */
void vq_dev_fail(struct vq_dev *vq, enum vq_fault fault, uint32_t detail);
/* Publishes a miss and reports it. Does nothing while an earlier miss waits. */
void vq_dev_ask(struct vq_dev *vq, uint64_t gpa, uint64_t size, uint8_t access);

/* Disarms: tells the driver not to kick, armed or not. */
void vq_dev_put_off(struct vq_dev *vq);

/*
 * Returns whether a burst of used chains can be returned with one entry, that
 * of the last chain (IN_ORDER, clauses 2.7.9 and 2.8.11). The driver takes the
 * chains without an entry as completely used, which is true only if no buffer
 * was writable.
 */
static inline bool vq_dev_can_batch(const struct vq_dev *vq)
{
	return vq->has_in_order && !vq->saw_writable;
}

/*
 * Chain shapes that a burst takes inline: one buffer, two buffers, or the
 * buffers of one short indirect table. No buffer is empty, all have the queue's
 * usual direction, and each buffer and table lies inside one of the two regions
 * used last (memory below and above 4 GiB). Network queues do not mix
 * directions: a queue is writable once a writable buffer was seen. Any other
 * chain takes the general walk, which gives the same result.
 */
struct vq_shape {
	struct gmem_region hot;	     /* a copy that stays in registers */
	uint16_t flags;		     /* WRITE or none */
	uint32_t readable, writable; /* size mask: all bits or none */
};

static inline struct vq_shape vq_shape_start(const struct vq_dev *vq)
{
	bool is_writable = vq->saw_writable;

	return (struct vq_shape){
		.hot = *vq->hot,
		.flags = is_writable ? VQ_DESC_F_WRITE : 0,
		.readable = is_writable ? 0 : UINT32_MAX,
		.writable = is_writable ? UINT32_MAX : 0,
	};
}

/* Flags that tell the shape: the last buffer has exactly s->flags of them, the
 * buffer before it also NEXT. */
#define VQ_SHAPE_FLAGS (VQ_DESC_F_NEXT | VQ_DESC_F_WRITE | VQ_DESC_F_INDIRECT)

/* Returns whether the buffer is non-empty and lies in the hot region. @len - 1
 * turns 0 into a huge number, so one comparison suffices. */
static inline bool vq_shape_is_hot(const struct vq_shape *s, uint64_t addr,
				   uint32_t len)
{
	uint64_t off = addr - s->hot.gpa;

	return off < s->hot.size && (uint64_t)len - 1 < s->hot.size - off;
}

/* As vq_shape_is_hot(), but also tries the warm region. */
static inline bool vq_shape_holds(struct vq_shape *s, struct vq_dev *vq,
				  uint64_t addr, uint32_t len)
{
	const struct gmem_region *r;

	if (likely(vq_shape_is_hot(s, addr, len)))
		return true;
	r = vq->warm;
	if (!len || !gmem_region_holds(r, addr, len))
		return false;
	vq->warm = vq->hot;
	vq->hot = r;
	s->hot = *r;
	return true;
}

/* Returns the iovec of a buffer that vq_shape_holds() accepted. */
static inline struct iovec vq_shape_iov(const struct vq_shape *s, uint64_t addr,
					uint32_t len)
{
	return (struct iovec){ s->hot.host + (addr - s->hot.gpa), len };
}

/* Sets @c to the @count buffers at @iov: @size bytes, @slots descriptors. */
static inline void vq_shape_set(const struct vq_shape *s, struct vq_chain *c,
				struct iovec *iov, uint16_t count,
				uint32_t size, uint16_t id, uint16_t slots)
{
	c->iov = iov;
	c->readable_size = size & s->readable;
	c->writable_size = size & s->writable;
	c->readable_count = (uint16_t)s->readable & count;
	c->writable_count = (uint16_t)s->writable & count;
	c->id = id;
	c->slot_count = slots;
	c->flags = 0;
}

/* Sets the iovecs of two buffers of the shape and returns their bytes. Returns
 * 0 if they do not have the shape or together reach 4 GiB. */
static inline uint32_t vq_shape_pair(struct vq_shape *s, struct vq_dev *vq,
				     struct iovec *iov, const uint64_t addr[2],
				     const uint32_t len[2])
{
	if (unlikely(!vq_shape_holds(s, vq, addr[0], len[0])))
		return 0;
	iov[0] = vq_shape_iov(s, addr[0], len[0]);
	if (unlikely(!vq_shape_holds(s, vq, addr[1], len[1]) ||
		     len[0] > UINT32_MAX - len[1]))
		return 0;
	iov[1] = vq_shape_iov(s, addr[1], len[1]);
	return len[0] + len[1];
}

/* Longest table taken inline: Linux needs this for 64 KiB (17 fragments, header
 * and linear part). */
#define VQ_SHAPE_TABLE 19

/* Returns whether flags describe an indirect table. WRITE has no meaning
 * there. */
static inline bool vq_shape_is_table(uint16_t flags)
{
	return (flags & (VQ_DESC_F_INDIRECT | VQ_DESC_F_NEXT)) ==
	       VQ_DESC_F_INDIRECT;
}

/* Prefetches the table at @addr if it is in the hot region. */
static inline void vq_shape_prefetch(const struct vq_shape *s, uint64_t addr)
{
	if (vq_shape_is_hot(s, addr, 1))
		__builtin_prefetch(s->hot.host + (addr - s->hot.gpa));
}

/* As vq_shape_pair() for the indirect table of @size bytes at @addr, whose
 * buffers must be in order. Stores their number, at most @room, in *@count. */
uint32_t vq_shape_table(struct vq_shape *s, struct vq_dev *vq,
			struct iovec *iov, unsigned room, uint64_t addr,
			uint32_t size, uint16_t *count);

/* Result of a walk beside faults: an address has no translation yet. The miss
 * is published, and the chain stays in the ring. */
#define VQ_WALK_MISS VQ_FAULT_COUNT

/* State of a walk over one chain. */
struct vq_walk {
	struct vq_dev *vq;
	struct vq_chain *chain;
	struct iovec *iov; /* next iovec to fill */
	unsigned room;	 /* iovecs left; an empty buffer costs one too, so room
			  * bounds the walk */
	uint32_t size;	 /* bytes so far, both directions */
	uint64_t addr;	 /* guest address of the last buffer or table */
	uint32_t detail; /* index or length that a fault is about */
	bool is_truncated; /* the room did not suffice */
};

/* Adds one buffer to the chain. If no room is left, sets is_truncated
 * instead. */
enum vq_fault vq_walk_buffer(struct vq_walk *w, uint64_t addr, uint32_t len,
			     uint16_t flags);

/* Adds the buffers of an indirect table, @size bytes at @addr. */
enum vq_fault vq_walk_table(struct vq_walk *w, uint64_t addr, uint32_t size);

/*
 * Ends the walk of a chain. Returns whether the caller gets the chain. False:
 * the queue now has a fault or a miss, or only a part of the chain fits, and
 * the chain becomes the first of the next burst.
 */
bool vq_walk_finish(struct vq_walk *w, enum vq_fault fault, bool is_first);

#endif

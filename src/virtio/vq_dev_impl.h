/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the device side: what vq_dev.c calls in each format, and the walk
 * over chains that both formats share. Private to virtio/.
 */
#ifndef RW_VQ_DEV_IMPL_H
#define RW_VQ_DEV_IMPL_H

#include "vq_dev.h"
#include "vq_ring.h"

/* Same meaning as the functions of vq_dev.h without the format's name; the
 * caller has looked at vq->fault. */
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

/* Stops the queue and reports it. */
void vq_dev_fail(struct vq_dev *vq, enum vq_fault fault, uint32_t detail);
/* Publishes a miss and reports it. The first one counts until it was answered.
 */
void vq_dev_ask(struct vq_dev *vq, uint64_t gpa, uint64_t size, uint8_t access);

/* Tells the driver not to kick, whatever it was told before. */
void vq_dev_put_off(struct vq_dev *vq);

/*
 * May this burst of used chains be given back with one entry, that of the last
 * (IN_ORDER, clauses 2.7.9 and 2.8.11)? The driver takes those it was not told
 * about as used completely, which is only true when nothing was writable.
 */
static inline bool vq_dev_can_batch(const struct vq_dev *vq)
{
	return vq->has_in_order && !vq->saw_writable;
}

/*
 * The chain shapes that a burst takes inline: one buffer, or two, or those of
 * one short indirect table, which lies in memory as they do; none empty, all of
 * the queue's usual direction, each inside one of the two regions used last
 * (memory below and above 4 GiB). Directions do not mix in network queues:
 * writable once a writable one was seen. What is not so goes through the
 * general walk and comes out the same.
 */
struct vq_shape {
	struct gmem_region hot;	     /* copy: stays in registers */
	uint16_t flags;		     /* WRITE or none */
	uint32_t readable, writable; /* all bits or none */
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

/* Flags that tell the shape: just s->flags of them in the last buffer, NEXT as
 * well in the one before it. */
#define VQ_SHAPE_FLAGS (VQ_DESC_F_NEXT | VQ_DESC_F_WRITE | VQ_DESC_F_INDIRECT)

/* Is the buffer there? @len - 1 turns 0 into a huge number, so one comparison
 * is enough. */
static inline bool vq_shape_is_hot(const struct vq_shape *s, uint64_t addr,
				   uint32_t len)
{
	uint64_t off = addr - s->hot.gpa;

	return off < s->hot.size && (uint64_t)len - 1 < s->hot.size - off;
}

/* The same, after a look into the region before the last. */
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

/* The buffer's iovec; vq_shape_holds() it. */
static inline struct iovec vq_shape_iov(const struct vq_shape *s, uint64_t addr,
					uint32_t len)
{
	return (struct iovec){ s->hot.host + (addr - s->hot.gpa), len };
}

/* Makes @c the @count buffers at @iov, @size bytes, @slots descriptors. */
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

/* Are these two buffers of the shape? Then their iovecs are set.
 * Returns the bytes in both, 0: they are not (nor are 4 GiB and more). */
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

/* Tables up to this length are taken inline: what Linux needs for 64 KiB (17
 * fragments, header and linear part). */
#define VQ_SHAPE_TABLE 19

/* May this be a descriptor of an indirect table? WRITE means nothing there. */
static inline bool vq_shape_is_table(uint16_t flags)
{
	return (flags & (VQ_DESC_F_INDIRECT | VQ_DESC_F_NEXT)) ==
	       VQ_DESC_F_INDIRECT;
}

/* Brings the table at @addr near, if it is where the last one was. */
static inline void vq_shape_prefetch(const struct vq_shape *s, uint64_t addr)
{
	if (vq_shape_is_hot(s, addr, 1))
		__builtin_prefetch(s->hot.host + (addr - s->hot.gpa));
}

/* The indirect table of @size bytes at @addr as vq_shape_pair(): in order, and
 * all of the shape. *@count: its buffers, at most @room. */
uint32_t vq_shape_table(struct vq_shape *s, struct vq_dev *vq,
			struct iovec *iov, unsigned room, uint64_t addr,
			uint32_t size, uint16_t *count);

/* What a walk says beside faults: an address does not translate yet. The miss
 * was published, and the chain stays in the ring. */
#define VQ_WALK_MISS VQ_FAULT_COUNT

/* A chain while it is walked. */
struct vq_walk {
	struct vq_dev *vq;
	struct vq_chain *chain;
	struct iovec *iov; /* next one to fill */
	unsigned room;	   /* iovecs left; empty buffers cost one too, so
			    * it bounds the walk as well */
	uint32_t size;	   /* bytes so far, both directions */
	uint64_t addr;	   /* guest address of the last buffer or table */
	uint32_t detail;   /* what the fault is about */
	bool is_truncated; /* room came to its end */
};

/* Adds one buffer. Sets is_truncated, and adds no more, when there is no room
 * for it. */
enum vq_fault vq_walk_buffer(struct vq_walk *w, uint64_t addr, uint32_t len,
			     uint16_t flags);

/* Adds the buffers of an indirect table, @size bytes at @addr. */
enum vq_fault vq_walk_table(struct vq_walk *w, uint64_t addr, uint32_t size);

/*
 * After the last buffer: is there a chain for the caller? No: either the queue
 * has a fault or a miss now, or the chain is to be the first of the next burst
 * because room was left only for a part of it.
 */
bool vq_walk_finish(struct vq_walk *w, enum vq_fault fault, bool is_first);

#endif

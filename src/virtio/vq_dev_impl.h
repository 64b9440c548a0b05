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
 * The chain shape that a burst takes inline: one buffer, not empty, inside the
 * region of the buffer before it, of the queue's usual direction. Directions
 * do not mix in network queues: writable once a writable one was seen. What is
 * not so goes through the general walk and comes out the same.
 */
struct vq_single {
	struct gmem_region hot;	     /* copy: stays in registers */
	uint16_t flags;		     /* WRITE or none */
	uint32_t readable, writable; /* all bits or none */
};

static inline struct vq_single vq_single_start(const struct vq_dev *vq)
{
	bool is_writable = vq->saw_writable;

	return (struct vq_single){
		.hot = *vq->hot,
		.flags = is_writable ? VQ_DESC_F_WRITE : 0,
		.readable = is_writable ? 0 : UINT32_MAX,
		.writable = is_writable ? UINT32_MAX : 0,
	};
}

/* Flags that tell the shape; a single has just s->flags of them. */
#define VQ_SINGLE_FLAGS (VQ_DESC_F_NEXT | VQ_DESC_F_WRITE | VQ_DESC_F_INDIRECT)

/* @len - 1 turns 0 into a huge number, so one comparison is enough. */
static inline bool vq_single_is_hot(const struct vq_single *s, uint64_t addr,
				    uint32_t len)
{
	uint64_t off = addr - s->hot.gpa;

	return off < s->hot.size && (uint64_t)len - 1 < s->hot.size - off;
}

static inline void vq_single_set(const struct vq_single *s, struct vq_chain *c,
				 struct iovec *iov, uint64_t addr, uint32_t len,
				 uint16_t id)
{
	iov->iov_base = s->hot.host + (addr - s->hot.gpa);
	iov->iov_len = len;
	c->iov = iov;
	c->readable_size = len & s->readable;
	c->writable_size = len & s->writable;
	c->readable_count = s->readable & 1;
	c->writable_count = s->writable & 1;
	c->id = id;
	c->slot_count = 1;
	c->flags = 0;
}

/* A chain while it is walked. */
struct vq_walk {
	struct vq_dev *vq;
	struct vq_chain *chain;
	struct iovec *iov; /* next one to fill */
	unsigned room;	   /* iovecs left; empty buffers cost one too, so
			    * it bounds the walk as well */
	uint32_t size;	   /* bytes so far, both directions */
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
 * has a fault now, or the chain is to be the first of the next burst because
 * room was left only for a part of it.
 */
bool vq_walk_finish(struct vq_walk *w, enum vq_fault fault, bool is_first);

#endif

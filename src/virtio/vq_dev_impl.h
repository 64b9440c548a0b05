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
 * The one chain shape that a burst handles inline: a single buffer, not empty,
 * inside the region of the buffer before it. @len - 1 turns 0 into a huge
 * number, so one comparison is enough.
 */
static inline bool vq_dev_is_hot(const struct gmem_region *hot, uint64_t addr,
				 uint32_t len)
{
	uint64_t off = addr - hot->gpa;

	return off < hot->size && (uint64_t)len - 1 < hot->size - off;
}

static inline void vq_dev_set_single(struct vq_chain *c, struct iovec *iov,
				     void *base, uint32_t len, uint16_t id,
				     bool is_writable)
{
	iov->iov_base = base;
	iov->iov_len = len;
	*c = (struct vq_chain){
		.iov = iov,
		.readable_size = is_writable ? 0 : len,
		.writable_size = is_writable ? len : 0,
		.readable_count = !is_writable,
		.writable_count = is_writable,
		.id = id,
		.slot_count = 1,
	};
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

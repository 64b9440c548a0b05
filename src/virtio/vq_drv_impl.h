/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the driver side: its state, and the functions of each format that
 * vq_drv.c calls. Private to virtio/. One thread at a time per queue.
 *
 * Theory of operation. Private arrays record the buffer lists that the device
 * has; the ring is written and, except for used entries, never read. Split
 * descriptors and packed ids come from a free list in the order of their
 * return. IN_ORDER asks for the same: with it, and only with it, the split
 * table is used from its start to its end and over again.
 */
#ifndef RW_VQ_DRV_IMPL_H
#define RW_VQ_DRV_IMPL_H

#include "vq_drv.h"
#include "vq_ring.h"

/* A buffer list that the device may have. Split: indexed by head descriptor;
 * packed: by id. */
struct vq_drv_out {
	void *cookie; /* NULL: the device does not have it */
	uint32_t writable_size;
	uint16_t slot_count;
};

struct vq_drv {
	struct vq_drv_config config;
	uint16_t count;
	uint16_t mask; /* split: count - 1 */
	bool is_packed, has_event_idx, has_in_order;
	bool is_armed;
	bool avail_wrap, used_wrap; /* packed wrap counters */
	uint16_t next_avail;	    /* split: free-running; packed: slot */
	uint16_t next_used;
	uint16_t quiet_at;    /* split: next_used of the last put_off */
	uint32_t unsignalled; /* available slots since the last should_notify */
	unsigned free_slots;  /* slots of the ring that are free */
	enum vq_fault fault;

	/* free list of descriptors (split) or ids (packed); @count entries */
	uint16_t *next;
	uint16_t free_first, free_last;
	unsigned free_count;

	struct vq_drv_out *out; /* @count entries */

	/* IN_ORDER: ids in the order they were offered; @count entries */
	uint16_t *order;
	uint16_t order_slot; /* slot of the oldest id */
	unsigned order_count;
	/* a used entry stands for all buffer lists up to its own */
	bool is_in_batch;
	uint16_t batch_id;
	uint32_t batch_size;
};

/* The descriptors that a buffer list takes. */
struct vq_drv_plan {
	unsigned iov_count; /* buffers in total */
	unsigned direct;    /* buffers outside the table */
	unsigned slots;	    /* descriptors of the ring */
	uint32_t writable_size;
};

struct vq_drv_plan vq_drv_plan_make(const struct vq_drv *vq,
				    const struct vq_drv_buf *buf);

/* Returns the address of buffer @i of @buf for the device. */
uint64_t vq_drv_buf_addr(const struct vq_drv *vq, const struct vq_drv_buf *buf,
			 unsigned i);

/* Writes buffers [@first, @count) of @buf to the table of @id and returns the
 * table's address for the device. */
uint64_t vq_drv_fill_table(struct vq_drv *vq, const struct vq_drv_buf *buf,
			   unsigned first, unsigned count, uint16_t id);

/* Free list. Taking requires free_count > 0. */
uint16_t vq_drv_take_free(struct vq_drv *vq);
void vq_drv_put_free(struct vq_drv *vq, uint16_t id);

/* Record that the device has @id, and that it returned @id with @size. */
void vq_drv_note_out(struct vq_drv *vq, uint16_t id,
		     const struct vq_drv_buf *buf,
		     const struct vq_drv_plan *plan);
void vq_drv_note_used(struct vq_drv *vq, uint16_t id, uint32_t size,
		      struct vq_drv_used *used);

/* Returns whether a batch is open, with its next buffer list in @id and
 * @size. */
bool vq_drv_batch_next(struct vq_drv *vq, uint16_t *id, uint32_t *size);

/* Checks the id of a used entry and, with IN_ORDER, opens the batch that ends
 * with it. Returns false, with a fault set, if the device does not have @id. */
bool vq_drv_accept(struct vq_drv *vq, uint32_t id, uint32_t size);

void vq_drv_fail(struct vq_drv *vq, enum vq_fault fault);

unsigned vq_drv_split_push(struct vq_drv *vq, const struct vq_drv_buf *bufs,
			   unsigned n);
unsigned vq_drv_packed_push(struct vq_drv *vq, const struct vq_drv_buf *bufs,
			    unsigned n);
unsigned vq_drv_split_pop(struct vq_drv *vq, struct vq_drv_used *used,
			  unsigned n);
unsigned vq_drv_packed_pop(struct vq_drv *vq, struct vq_drv_used *used,
			   unsigned n);
bool vq_drv_split_has_used(const struct vq_drv *vq);
bool vq_drv_packed_has_used(const struct vq_drv *vq);

/* Disarms: tells the device not to interrupt, armed or not. */
void vq_drv_put_off(struct vq_drv *vq);

#endif

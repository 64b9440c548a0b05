/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the driver side: its state, and what vq_drv.c calls in each
 * format. Private to virtio/. One thread at a time per queue.
 *
 * Theory of operation. What is with the device is remembered in private
 * arrays; the ring is written and, but for used entries, never read. Split
 * descriptors and packed ids come from a free list in the order they came
 * back, which is also what IN_ORDER asks for: with it, and only with it, the
 * split table is used from its start to its end and over again.
 */
#ifndef RW_VQ_DRV_IMPL_H
#define RW_VQ_DRV_IMPL_H

#include "vq_drv.h"
#include "vq_ring.h"

/* A buffer list that may be with the device. Split: of its head descriptor;
 * packed: of its id. */
struct vq_drv_out {
	void *cookie; /* NULL: not with the device */
	uint32_t writable_size;
	uint16_t slot_count;
};

struct vq_drv {
	struct vq_drv_config config;
	uint16_t count;
	uint16_t mask; /* split */
	bool is_packed, has_event_idx, has_in_order;
	bool is_armed;
	bool avail_wrap, used_wrap; /* packed */
	uint16_t next_avail;	    /* split: free-running; packed: slot */
	uint16_t next_used;
	uint16_t quiet_at;    /* split: next_used when interrupts were put
			       * off */
	uint32_t unsignalled; /* available slots since should_notify */
	unsigned free_slots;  /* of the ring */
	enum vq_fault fault;

	/* free list: split of descriptors, packed of ids; count long */
	uint16_t *next;
	uint16_t free_first, free_last;
	unsigned free_count;

	struct vq_drv_out *out; /* count long */

	/* IN_ORDER: ids in the order they were offered, count long */
	uint16_t *order;
	uint16_t order_slot; /* oldest */
	unsigned order_count;
	/* a used entry stands for all buffer lists up to its own */
	bool is_in_batch;
	uint16_t batch_id;
	uint32_t batch_size;
};

/* What to write for a buffer list. */
struct vq_drv_plan {
	unsigned iov_count; /* in all */
	unsigned direct;    /* of these not in the table */
	unsigned slots;	    /* descriptors of the ring */
	uint32_t writable_size;
};

struct vq_drv_plan vq_drv_plan_make(const struct vq_drv *vq,
				    const struct vq_drv_buf *buf);

/* Address and size of buffer @i of @buf, as the device sees it. */
uint64_t vq_drv_buf_addr(const struct vq_drv *vq, const struct vq_drv_buf *buf,
			 unsigned i);

/* Writes buffers [@first, @count) of @buf to the table of @id and returns the
 * table's address. */
uint64_t vq_drv_fill_table(struct vq_drv *vq, const struct vq_drv_buf *buf,
			   unsigned first, unsigned count, uint16_t id);

/* Free list. Taking needs free_count > 0. */
uint16_t vq_drv_take_free(struct vq_drv *vq);
void vq_drv_put_free(struct vq_drv *vq, uint16_t id);

/* Notes that @id is with the device / takes it back as used with @size. */
void vq_drv_note_out(struct vq_drv *vq, uint16_t id,
		     const struct vq_drv_buf *buf,
		     const struct vq_drv_plan *plan);
void vq_drv_note_used(struct vq_drv *vq, uint16_t id, uint32_t size,
		      struct vq_drv_used *used);

/* The id a burst of used entries goes on with: inside a batch the next of it,
 * else @false. */
bool vq_drv_batch_next(struct vq_drv *vq, uint16_t *id, uint32_t *size);

/* A used entry was read: with IN_ORDER opens the batch that ends with it.
 * False (and a fault): that id is not with the device. */
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

/* Tells the device not to interrupt, whatever it was told before. */
void vq_drv_put_off(struct vq_drv *vq);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver side of a virtqueue: the mirror of vq_dev.h, with the same verbs. One
 * thread at a time per queue.
 *
 * Addresses: the driver publishes "guest physical" addresses. The caller's
 * buffers lie in one area whose first byte is @base in this process and @gpa
 * for the device.
 */
#ifndef RW_VQ_DRV_H
#define RW_VQ_DRV_H

#include "vq.h"

struct vq_drv; /* opaque, see vq_drv_impl.h */

struct vq_drv_config {
	uint64_t features;
	uint32_t count;
	struct vq_areas area; /* zeroed, of the sizes of vq_area_sizes() */
	uint8_t *base;	      /* host address of the buffer area */
	uint64_t gpa;	      /* the device's address of the buffer area */
	uint64_t size;	      /* bytes of the buffer area */
	/* Memory for indirect tables inside the buffer area: count *
	 * indirect_max descriptors. NULL: no indirect tables. */
	struct vq_desc *indirect;
	unsigned indirect_max; /* descriptors per table */
	int kick_fd;	       /* eventfd to the device, or -1 */
};

/* Returns a queue, or NULL when memory is short or when a size or alignment is
 * not allowed. */
struct vq_drv *vq_drv_create(const struct vq_drv_config *config);
void vq_drv_destroy(struct vq_drv *vq);

/* One buffer list for the device. */
struct vq_drv_buf {
	const struct iovec *iov; /* readable ones first */
	unsigned readable_count;
	unsigned writable_count;
	void *cookie; /* vq_drv_pop_burst() returns it; not NULL */
	/* Use an indirect table if the queue has tables. A list longer than the
	 * table starts with direct descriptors (split) or is all direct
	 * (packed, where the two do not mix). */
	bool indirect;
};

/* Makes up to @n buffer lists available with one publication. Returns how many
 * fitted. */
unsigned vq_drv_push_burst(struct vq_drv *vq, const struct vq_drv_buf *bufs,
			   unsigned n);

struct vq_drv_used {
	void *cookie;
	uint32_t size;	  /* bytes that the device wrote, as it says */
	bool is_too_long; /* it says more than the buffers hold; size is what
			   * they hold */
};

/* Takes back up to @n finished buffer lists and returns their number. */
unsigned vq_drv_pop_burst(struct vq_drv *vq, struct vq_drv_used *used,
			  unsigned n);

/* Interrupt suppression, like vq_dev_arm() and vq_dev_disarm(). */
bool vq_drv_arm(struct vq_drv *vq);
void vq_drv_disarm(struct vq_drv *vq);

/* Returns whether the device wants a kick for the buffer lists pushed since the
 * last call. */
bool vq_drv_should_notify(struct vq_drv *vq);
/* Writes once to kick_fd. A device that makes the write sleep is a fault. */
void vq_drv_notify(struct vq_drv *vq);

unsigned vq_drv_free_slots(const struct vq_drv *vq);
enum vq_fault vq_drv_fault(const struct vq_drv *vq);

#endif

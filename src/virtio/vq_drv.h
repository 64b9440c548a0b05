/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver side of a virtqueue: the mirror of vq_dev.h, same verbs seen from the
 * other end. Used by the tests and (later) the driver-side port. One thread at
 * a time per queue.
 *
 * Addresses: the driver publishes "guest physical" addresses. The caller's
 * buffers lie in one area whose first byte is @base here and @gpa for the
 * device.
 */
#ifndef RW_VQ_DRV_H
#define RW_VQ_DRV_H

#include "vq.h"

struct vq_drv; /* opaque; vq_drv.c */

struct vq_drv_config {
	uint64_t features;
	uint32_t count;
	struct vq_areas area; /* zeroed memory of vq_area_sizes() */
	uint8_t *base;	      /* buffers: host address ... */
	uint64_t gpa;  /* ... and the same byte's address for the device */
	uint64_t size; /* of the buffer area */
	/* Memory for indirect tables, in the buffer area: count * indirect_max
	 * descriptors. NULL: never indirect. */
	struct vq_desc *indirect;
	unsigned indirect_max; /* descriptors per table */
	int kick_fd;	       /* or -1 */
};

/* NULL: out of memory, or a size or alignment that is not allowed. */
struct vq_drv *vq_drv_create(const struct vq_drv_config *config);
void vq_drv_destroy(struct vq_drv *vq);

/* One buffer list to offer. */
struct vq_drv_buf {
	const struct iovec *iov; /* readable ones first */
	unsigned readable_count;
	unsigned writable_count;
	void *cookie; /* returned by vq_drv_pop_burst(); not NULL */
	/* Use an indirect table when there is one. A list longer than the
	 * table starts with direct descriptors (split), or is all direct
	 * (packed, where the two do not mix). */
	bool indirect;
};

/* Makes up to @n buffer lists available, one publication for all. Returns how
 * many fitted. */
unsigned vq_drv_push_burst(struct vq_drv *vq, const struct vq_drv_buf *bufs,
			   unsigned n);

struct vq_drv_used {
	void *cookie;
	uint32_t size; /* bytes the device says it wrote */
};

/* Takes back up to @n finished buffer lists. */
unsigned vq_drv_pop_burst(struct vq_drv *vq, struct vq_drv_used *used,
			  unsigned n);

/* Interrupt suppression, as vq_dev_arm() and vq_dev_disarm(). */
bool vq_drv_arm(struct vq_drv *vq);
void vq_drv_disarm(struct vq_drv *vq);

/* Does the device want a kick for what was pushed since the last call? */
bool vq_drv_should_notify(struct vq_drv *vq);
void vq_drv_notify(struct vq_drv *vq); /* one write to kick_fd */

unsigned vq_drv_free_slots(const struct vq_drv *vq);
enum vq_fault vq_drv_fault(const struct vq_drv *vq);

#endif

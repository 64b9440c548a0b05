/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue with both its sides in one process, for the ring tests. Each area has
 * exactly its size on the heap, so a sanitizer sees every step too far. The
 * buffers lie in a memfd that the device knows as several regions, adjacent in
 * guest physical space only.
 */
#ifndef VQ_RIG_H
#define VQ_RIG_H

#include "gmem.h"
#include "virtio.h"
#include "vq_dev.h"
#include "vq_drv.h"

#define RIG_GPA 0x40000000ull

struct vq_rig_config {
	uint64_t features;
	uint32_t count;
	uint64_t size;	       /* bytes of the buffer area; rounded up */
	unsigned regions;      /* regions of the buffer area */
	unsigned indirect_max; /* 0: no tables */
};

struct vq_rig {
	struct vq_rig_config config;
	struct vq_areas area;
	struct gmem *mem;
	uint64_t cut[8]; /* region borders, as offsets into the area */
	uint8_t *base;
	uint64_t size;
	int memfd, kick_fd, call_fd;
	struct vq_desc *indirect;
	struct vq_dev dev;
	struct vq_drv *drv;
};

/* Sets up @rig with an active device side, or fails the test. */
void vq_rig_init(struct vq_rig *rig, const struct vq_rig_config *config);
void vq_rig_fini(struct vq_rig *rig);

/* Activates the device side at @position. */
void vq_rig_activate(struct vq_rig *rig, struct vq_position position);

/* Returns the position at which the device side of a new ring starts. */
struct vq_position vq_rig_start(void);

/* Returns the number of iovecs that @size bytes at offset @off of the area
 * need. */
unsigned vq_rig_pieces(const struct vq_rig *rig, uint64_t off, uint64_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device of a machine (vmm/device) without a transport: the test is
 * the driver. Memory and loop are those of vmm_rig.h.
 */
#ifndef DEV_RIG_H
#define DEV_RIG_H

#include "device_types.h"
#include "vmm_rig.h"
#include "vq_drv.h"

#define DEV_RIG_RINGS 4
#define DEV_RIG_DATA  0x100000u /* guest memory from here on is the test's */

struct dev_rig {
	struct vmm_rig vm;
	const struct device_type *type;
	void *conf;
	struct virtio_dev *dev;
	struct virtio_ring ring[DEV_RIG_RINGS];
	struct vq_drv *drv[DEV_RIG_RINGS];
	/* what the device told its transport */
	unsigned config_changes, resets_needed;
	char why[200];
};

/* Makes a device of @type with the options @text ("key=value,..."). Returns 0,
 * or -errno with @err. dev_rig_close() is due in both cases. */
int dev_rig_open(struct dev_rig *r, const struct device_type *type,
		 const char *text, struct err *err);
void dev_rig_close(struct dev_rig *r);

/* The driver agrees on @features (all that are offered if it has no bit). */
void dev_rig_agree(struct dev_rig *r, uint64_t features);
/* Sets up ring @idx with @size descriptors and starts it. */
void dev_rig_start(struct dev_rig *r, unsigned idx, uint16_t size);
void dev_rig_stop(struct dev_rig *r, unsigned idx);

/* Makes a chain of @iov available in ring @idx, and kicks. @cookie as in
 * vq_drv_buf. */
void dev_rig_give(struct dev_rig *r, unsigned idx, const struct iovec *iov,
		  unsigned readable, unsigned writable, void *cookie);
/* Runs the loop until a chain of ring @idx is back, for @ms at most. Returns
 * whether one is. */
bool dev_rig_take(struct dev_rig *r, unsigned idx, unsigned ms,
		  struct vq_drv_used *used);

#endif

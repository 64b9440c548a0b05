/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a virtio device is: a device model (network card, disk) on one side, a
 * transport (virtio over PCI, pci/virtio_pci.h) on the other. The transport has
 * the registers, the status and the interrupts; the model has the configuration
 * space and serves the rings.
 *
 * Threads: the transport calls config_read() and config_write() on vCPU
 * threads, under its lock. It calls all other operations on the control thread,
 * while the vCPU that caused it waits.
 */
#ifndef RW_VMM_VIRTIO_DEV_H
#define RW_VMM_VIRTIO_DEV_H

#include "gmem.h"
#include "loop.h"
#include "show.h"
#include "vq_dev.h"

struct virtio_dev;

/* A ring that the driver set up. */
struct virtio_ring {
	uint16_t size;		       /* descriptors */
	uint64_t desc, driver, device; /* guest addresses of its areas */
	int kick_fd; /* eventfd of the driver's notifications */
	int call_fd; /* eventfd of its interrupt (MSI-X or not), or -1 */
};

struct virtio_dev_ops {
	/* Reads and writes the device's own configuration (virtio 1.2, clause
	 * 2.5): @size bytes at @off, inside config_size. NULL read: there is
	 * none (config_size 0); NULL write: it is read-only. */
	void (*config_read)(struct virtio_dev *d, unsigned off, unsigned size,
			    void *data);
	void (*config_write)(struct virtio_dev *d, unsigned off, unsigned size,
			     const void *data);
	/* Returns the largest size of ring @idx, at most ring_size, a power of
	 * two. NULL: that of all is ring_size. Any thread. */
	uint16_t (*ring_size)(const struct virtio_dev *d, unsigned idx);
	/* Returns whether the model works with @features, a subset of those
	 * that it offers; without VERSION_1 for a legacy driver, whose rings
	 * are split, whose frames may have the short header, and who may start
	 * rings before driver_ok(). They hold until reset(). NULL: it works
	 * with any. */
	bool (*set_features)(struct virtio_dev *d, uint64_t features);
	/* Serves ring @idx from now on: the driver enabled it and set
	 * DRIVER_OK, in whatever order. Chains may be there already, without a
	 * kick. @r is borrowed until stop_ring().
	 * Returns 0, or -errno: the transport sets DEVICE_NEEDS_RESET. */
	int (*start_ring)(struct virtio_dev *d, unsigned idx,
			  const struct virtio_ring *r);
	/* Leaves ring @idx alone from the return on; chains that were taken are
	 * given back first or forgotten. Called for running rings at a reset of
	 * the device or the ring (RING_RESET), and before destroy(). */
	void (*stop_ring)(struct virtio_dev *d, unsigned idx);
	/* The driver gave the running ring @idx another interrupt: @fd is its
	 * call_fd from now on. The old one stays open, so a signal on it
	 * meanwhile does no harm. NULL: the change is lost. */
	void (*set_call)(struct virtio_dev *d, unsigned idx, int fd);
	/* All rings that were enabled are started. Returns 0, or -errno: the
	 * transport sets DEVICE_NEEDS_RESET. May be NULL. */
	int (*driver_ok)(struct virtio_dev *d);
	/* The driver reset the device; its rings are stopped. May be NULL. */
	void (*reset)(struct virtio_dev *d);
	void (*show)(const struct virtio_dev *d, struct show *s); /* or NULL */
	void (*destroy)(struct virtio_dev *d);
};

/* The transport's side, for the model to call. Any thread; both take no lock
 * that is held during an operation of the model. */
struct virtio_transport_ops {
	/* Tells the driver that the configuration changed. Call it after the
	 * change, which config_read() may show before: the transport compares
	 * when the driver asks for the generation (virtio 1.2, clause 2.5.3).
	 */
	void (*config_changed)(struct virtio_dev *d);
	/* Sets DEVICE_NEEDS_RESET (virtio 1.2, clause 2.1.2) and tells the
	 * driver; @why goes to the log. */
	void (*needs_reset)(struct virtio_dev *d, const char *why);
};

/* Embedded in the model, which sets the members above the line. */
struct virtio_dev {
	const struct virtio_dev_ops *ops;
	const char *name;     /* id of the device, for messages; borrowed */
	uint16_t type;	      /* virtio device number: 1 network, 2 block */
	unsigned ring_count;  /* at most VIRTIO_DEV_RINGS */
	uint16_t ring_size;   /* largest size of a ring, power of two */
	uint64_t features;    /* offered, transport's own bits included */
	unsigned config_size; /* at most 232 */
	/* --- set by the transport or the machine --- */
	const struct virtio_transport_ops *transport;
	void *transport_arg;	  /* the transport's own */
	struct loop *loop;	  /* the control thread's */
	struct gmem *ram;	  /* the guest's memory; borrowed */
	uint64_t driver_features; /* [ctl] after set_features() */
};

static inline uint16_t virtio_dev_ring_size(const struct virtio_dev *d,
					    unsigned idx)
{
	return d->ops->ring_size ? d->ops->ring_size(d, idx) : d->ring_size;
}

#define VIRTIO_DEV_RINGS 130 /* 64 queue pairs and a control queue */

/* Activates @vq over the ring @r with the negotiated features. Returns 0, or
 * -EFAULT when an area is not in the guest's RAM, or -EINVAL for a size or
 * alignment that the format does not allow. @report_fd as in vq_dev_config. */
int virtio_dev_activate(const struct virtio_dev *d, const struct virtio_ring *r,
			const int *report_fd, struct vq_dev *vq);

/* What set_call() does for a ring that virtio_dev_activate() started; any
 * thread may hold @vq. */
void virtio_dev_set_call(struct vq_dev *vq, int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network device of the kernel's vDPA bus, reached by its /dev/vhost-vdpa-N
 * (linux/vhost.h): what may be asked of it beside its rings, which are served
 * through the transport of vu_vdpa.c. Control thread; calls the kernel.
 */
#ifndef RW_VDPA_H
#define RW_VDPA_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct vdpa {
	int fd;		  /* of /dev/vhost-vdpa-N; borrowed */
	const char *name; /* for messages; borrowed */
	/* As ioctl(2), for tests. NULL: ioctl(2). */
	int (*request)(int fd, unsigned long request, const void *arg);
};

/* What a device says of itself. */
struct vdpa_facts {
	uint64_t features;
	uint32_t config_size;		/* bytes of the configuration space */
	uint16_t ring_max;		/* descriptors of a ring */
	unsigned pairs;			/* queue pairs */
	bool has_control;		/* a control queue, behind the pairs */
	uint64_t iova_first, iova_last; /* addresses that it can reach */
};

/* Makes an ioctl. Returns 0 or -errno. */
int vdpa_ask(const struct vdpa *d, unsigned long request, const void *arg);

/* Finds out what the device is. Returns 0, or -errno with @err: it is none of
 * vhost-vdpa, or no network device. */
int vdpa_probe(const struct vdpa *d, struct vdpa_facts *out, struct err *err);

/* Read and write @size bytes at @off of the configuration space (virtio 1.2,
 * clause 5.1.4). Return 0 or -errno. A device may ignore what is written. */
#define VDPA_CONFIG_MAX 64
int vdpa_config_read(const struct vdpa *d, unsigned off, unsigned size,
		     void *to);
int vdpa_config_write(const struct vdpa *d, unsigned off, unsigned size,
		      const void *from);

/* Makes the device signal the eventfd @fd when its configuration has changed;
 * -1: it does not. Returns 0 or -errno. */
int vdpa_set_config_call(const struct vdpa *d, int fd);

/* Returns whether the device asks for a reset (virtio 1.2, clause 2.1). */
bool vdpa_needs_reset(const struct vdpa *d);

#endif

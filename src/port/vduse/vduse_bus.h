/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a VDUSE device on the kernel's vDPA bus and takes it off, as `vdpa dev
 * add` and `vdpa dev del` do (generic netlink, family "vdpa").
 *
 * The kernel answers such a request after it probed or removed the device's
 * driver, and both wait for answers of the VDUSE device. So the request runs in
 * a thread of its own, while the control thread answers.
 */
#ifndef RW_PORT_VDUSE_BUS_H
#define RW_PORT_VDUSE_BUS_H

#include <pthread.h>

#include "vduse_type.h"

enum vduse_bus_verb { VDUSE_BUS_ADD, VDUSE_BUS_DEL };

/* One request. */
struct vduse_bus {
	int done_fd; /* [const] eventfd, signalled when the request is done */
	pthread_t thread;
	enum vduse_bus_verb verb;   /* [const while it runs] */
	char name[VDUSE_NAME_SIZE]; /* [const while it runs] */
	int rc;			    /* [thread until done_fd] 0 or -errno */
	bool is_running;	    /* [ctl] from start to finish */
};

/* Starts a helper thread, which gets no signals. Returns 0 or -errno. */
int vduse_thread_start(pthread_t *thread, void *(*main)(void *), void *arg,
		       const char *name);

/* Makes @b ready without a request. Returns 0 or -errno. */
int vduse_bus_init(struct vduse_bus *b);
/* Ends @b; no request may be running. */
void vduse_bus_fini(struct vduse_bus *b);

/* Starts a request about the device @name. Returns 0 or -errno. */
int vduse_bus_start(struct vduse_bus *b, enum vduse_bus_verb verb,
		    const char *name);

/* Ends a request after done_fd became readable. Returns its result: 0 or
 * -errno. -EBUSY: a program has the device's /dev/vhost-vdpa-N open, and the
 * kernel would wait for its end. */
int vduse_bus_finish(struct vduse_bus *b);

/* Returns whether the device @name is on the bus. */
bool vduse_bus_has(const char *name);

/* Stores the name of the driver that is bound to the device @name, or "". */
void vduse_bus_driver(const char *name, char *driver, size_t size);

/* Stores the interface that the kernel made of the device @name, or "". */
void vduse_bus_ifname(const char *name, char *ifname, size_t size);

#endif

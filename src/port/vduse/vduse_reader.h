/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the kernel's messages to a VDUSE device in a thread of its own.
 *
 * The kernel's virtio-net starts its device (DRIVER_OK) with rtnl_lock held,
 * and sleeps until the message is answered. Control takes that lock itself in
 * many system calls about interfaces, such as those of tap ports, and would
 * wait for itself. So this thread answers each SET_STATUS at once, except a
 * reset, and tells control. All other messages go to control, which answers
 * them: the kernel sends them without that lock.
 */
#ifndef RW_PORT_VDUSE_READER_H
#define RW_PORT_VDUSE_READER_H

#include <linux/vduse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct vduse_reader {
	int fd;	     /* [const while it runs] the device, borrowed */
	int news_fd; /* eventfd: there is something for control */
	int go_fd;   /* eventfd: control took a message, or the thread shall
		      * end */
	pthread_t thread;
	bool is_running; /* [ctl] */
	pthread_mutex_t lock;
	/* the rest is guarded by the lock */
	bool has_status;  /* the driver has set @status, which was answered */
	uint8_t status;	  /* not 0 */
	bool has_request; /* @request waits for control; nothing is read */
	bool is_broken;	  /* the kernel gave the device up */
	bool shall_end;
	struct vduse_dev_request request;
};

/* What control takes from the reader at a time, in this order. */
struct vduse_news {
	bool has_status;
	uint8_t status;
	bool has_request;
	struct vduse_dev_request request;
	bool is_broken;
};

/* Makes @r ready. Returns 0 or -errno; call _fini() even then. */
int vduse_reader_init(struct vduse_reader *r);
void vduse_reader_fini(struct vduse_reader *r);

/* Starts to read from @fd. Returns 0 or -errno. */
int vduse_reader_start(struct vduse_reader *r, int fd);
/* Ends the thread. What it read may still be taken. */
void vduse_reader_stop(struct vduse_reader *r);

/* Takes what there is for control, after news_fd became readable. */
void vduse_reader_take(struct vduse_reader *r, struct vduse_news *news);

#endif

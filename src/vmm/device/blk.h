/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the disk, for blk*.c only. */
#ifndef RW_VMM_DEVICE_BLK_H
#define RW_VMM_DEVICE_BLK_H

#include <pthread.h>

#include "rings.h"

#define BLK_SECTOR	512
#define BLK_QUEUES_MAX	16
#define BLK_SERIAL_SIZE 20
/* Buffers of a request that the driver is told, and bytes of one that the
 * kernel's preadv() takes. */
#define BLK_SEG_MAX 254
/* Sectors of one DISCARD or WRITE_ZEROES, and ranges in it. */
#define BLK_ZERO_SECTORS (1u << 22)
#define BLK_ZERO_RANGES	 32

struct blk;

/* A queue: a thread that serves its ring. */
struct blk_queue {
	struct blk *blk;
	unsigned idx;
	pthread_t thread;
	bool is_running; /* [ctl] */
	int kick_fd;	 /* [const while it runs] borrowed */
	int stop_fd;	 /* [const] eventfd: the thread shall end */
};

struct blk {
	struct virtio_dev dev;
	struct rings rings;
	int fd;			      /* [const] the image */
	bool is_readonly, can_zero;   /* [const] */
	uint64_t sectors;	      /* [const] */
	char serial[BLK_SERIAL_SIZE]; /* [const] */
	unsigned count;		      /* [const] queues */
	struct blk_queue queue[BLK_QUEUES_MAX];
	uint64_t reads, writes, errors; /* [any, atomic] requests */
};

/* blk_io.c: starts the thread of a queue whose ring is active, and ends it: on
 * return no chain is out. _start() returns 0 or -errno. [ctl] */
int blk_queue_start(struct blk_queue *q, int kick_fd);
void blk_queue_stop(struct blk_queue *q);

#endif

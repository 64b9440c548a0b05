/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the disk, for blk*.c and its tests only. */
#ifndef RW_VMM_DEVICE_BLK_H
#define RW_VMM_DEVICE_BLK_H

#include <pthread.h>

#include "blk_options.h"
#include "device_types.h"
#include "log.h"
#include "rings.h"

#define BLK_SECTOR     512
#define BLK_QUEUES_MAX 16
/* Buffers of a request that the driver is told. */
#define BLK_SEG_MAX 254
/* Bytes that the kernel is asked to move at once: the end of a queue waits for
 * as much, not for a whole request. */
#define BLK_CHUNK (1u << 20)
/* Sectors of one DISCARD and ranges in it, and of one WRITE_ZEROES, which may
 * have to write them. */
#define BLK_DISCARD_SECTORS (1u << 22)
#define BLK_ZERO_SECTORS    (1u << 15)
#define BLK_RANGES	    32

enum { /* clause 5.2.3 */
       BLK_F_SEG_MAX = 2,
       BLK_F_RO = 5,
       BLK_F_BLK_SIZE = 6,
       BLK_F_FLUSH = 9,
       BLK_F_MQ = 12,
       BLK_F_DISCARD = 13,
       BLK_F_WRITE_ZEROES = 14,
};

enum { /* clause 5.2.6, types and status */
       BLK_T_IN = 0,
       BLK_T_OUT = 1,
       BLK_T_FLUSH = 4,
       BLK_T_GET_ID = 8,
       BLK_T_DISCARD = 11,
       BLK_T_WRITE_ZEROES = 13,
       BLK_S_OK = 0,
       BLK_S_IOERR = 1,
       BLK_S_UNSUPP = 2,
};

struct blk_conf {
	struct device_conf common;
	char *file, *serial;
	int cache, discard, aio; /* indices of their choices */
	bool readonly, packed;
	uint32_t queues, queue_size, block_size;
};

/* What lies behind a disk. [const] */
struct blk_image {
	int fd;	      /* with O_DIRECT if the cache of the host is passed by */
	int plain_fd; /* without it, for buffers that it does not take; the same
		       * as @fd if that has none */
	bool is_readonly;
	bool has_flush; /* the driver may ask when writes have to be safe;
			 * else each is before it is done */
	bool is_unsafe; /* nobody waits for the disk */
	bool can_discard;
	bool can_zero;	  /* a regular file that may be written */
	uint64_t sectors; /* of BLK_SECTOR */
	uint32_t block_size;
};

struct blk;

/* A queue: a thread that serves its ring. */
struct blk_queue {
	struct blk *blk;
	unsigned idx;
	pthread_t thread;
	bool is_running; /* [ctl] */
	bool is_ending;	 /* [ctl -> thread, atomic] */
	int kick_fd;	 /* [const while it runs] borrowed */
	int stop_fd;	 /* [const] eventfd: the thread shall end */
};

struct blk {
	struct virtio_dev dev;
	struct rings rings;
	struct blk_image image;
	bool is_write_through;	      /* [const while a queue runs] */
	char serial[BLK_SERIAL_SIZE]; /* [const] */
	unsigned count;		      /* [const] queues */
	struct blk_queue queue[BLK_QUEUES_MAX];
	uint64_t reads, writes, errors; /* [any, atomic] requests */
	struct log_limit log;
};

/* blk_image.c: opens, checks and locks the image of @conf, if nobody uses it in
 * a way that does not fit. Returns 0 or -errno with @err; blk_image_close() is
 * due in both cases. */
int blk_image_open(struct blk_image *i, const struct blk_conf *conf,
		   struct err *err);
void blk_image_close(struct blk_image *i);

/* blk_io.c: does the request @chain of queue @q and writes its status. Returns
 * the bytes that it wrote for the driver; or -EPROTO: there is no byte for the
 * status; or -ECANCELED: the queue is ending, and the request with it. */
int64_t blk_serve(struct blk_queue *q, const struct vq_chain *chain);

/* blk_queue.c: starts the thread of a queue whose ring is active, and ends it:
 * chains that are not done are forgotten. _start() returns 0 or -errno. [ctl]
 */
int blk_queue_start(struct blk_queue *q, int kick_fd);
void blk_queue_stop(struct blk_queue *q);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the vhost-user-front port, the driver side of somebody else's
 * vhost-user back-end: front_peer.c has the connection, front_queue.c the
 * memory and the rings (control thread); front_rx.c and front_tx.c move frames
 * (workers).
 *
 * Each connection has a memory file of its own: rings and buffers of all
 * queues, shared with the back-end as one region. The back-end may write to all
 * of it at any time. So what counts is private: which buffers it has, where
 * they are, how large they are. What it says (ids, lengths, the number of
 * buffers of a frame) is checked against that; a wrong answer ends the
 * connection. The file is sealed: it cannot shrink under us.
 */
#ifndef RW_FRONT_H
#define RW_FRONT_H

#include "fd.h"
#include "log.h"
#include "offload.h"
#include "port.h"
#include "retry.h"
#include "virtio.h"
#include "vnet.h"
#include "vnet_hdr.h"
#include "vq_drv.h"
#include "vu_client.h"
#include "vu_listen.h"
#include "waiting.h"

/* Descriptors of a ring, a power of two, and buffers of a queue: each takes
 * one.
 */
#define FRONT_RING 512

/* Distance of the buffers: no power of two, so that their first bytes do not
 * all fall into the same sets of a cache. A buffer begins so that the frame
 * behind its header is aligned. */
#define FRONT_STRIDE	(36 * CACHE_LINE)
#define FRONT_OFFSET	(CACHE_LINE - VNET_HDR_MAX)
#define FRONT_ROOM	(FRONT_STRIDE - FRONT_OFFSET)

#define FRONT_PAIRS_MAX VU_CLIENT_PAIRS_MAX

/* Why a queue cannot go on. */
enum front_fault {
	FRONT_GOOD,
	FRONT_BAD_RING,	   /* detail: enum vq_fault */
	FRONT_BAD_SIZE,	   /* detail: bytes said to be in a buffer */
	FRONT_BAD_BUFFERS, /* detail: buffers said to make a frame */
};

/* Why a queue cannot go on, told by its worker. */
struct front_health {
	int news_fd;	/* [const] the port's */
	uint64_t fault; /* [worker -> ctl, atomic] enum front_fault, and the
			 * detail << 32 */
};

/* A buffer that the back-end has filled. */
struct front_entry {
	uint8_t *data;
	uint32_t size;
};

/* A frame over @count buffers. */
struct front_frame {
	struct vnet_hdr hdr; /* zeroed: it has no offloads */
	uint16_t count;	     /* 0: unknown */
	uint32_t len;	     /* without the header */
};

/* Into the switch. Filled buffers stand in a ring, in order: first those of
 * frame[], then those that are no complete frame yet, or more than the burst
 * wanted. */
struct front_rx {
	struct rxq rxq;
	struct vq_drv *vq;
	unsigned offloads; /* OFFLOAD_* that the back-end may use */
	struct front_health health;
	struct front_entry entry[FRONT_RING];
	unsigned first, count;
	struct front_frame frame[BURST_MAX];
	unsigned frames; /* entries of frame; after rx_done those held */
	unsigned looked; /* of them, in this burst */
	unsigned framed; /* buffers of frame[] */
	struct front_frame next; /* the frame behind frame[] */
	struct waiting waiting;
};

/* Out of the switch. */
struct front_tx {
	struct txq txq;
	struct vq_drv *vq;
	struct front_health health;
	uint8_t *buffers;
	uint16_t free[FRONT_RING]; /* numbers of buffers, a stack */
	unsigned free_count;
	uint16_t link[FRONT_RING]; /* next buffer of the same frame; itself: the
				    * last */
};

struct front_pair {
	struct front_rx rx;
	struct front_tx tx;
	int kick_fd[2], call_fd[2]; /* rx, tx */
};

enum front_state {
	FRONT_NEGOTIATING,
	FRONT_STARTING, /* memory and queues */
	FRONT_UP,
	FRONT_ENDING,	/* ends the connection from the loop */
	FRONT_RETRYING, /* waits for the timer, or for the back-end to come */
	FRONT_DOWN,	/* the connection has ended, there will be no other */
};

struct front_port {
	struct port port;
	struct loop *loop;	 /* [const] */
	char *path;		 /* [const] heap */
	bool is_packed;		 /* [const] */
	bool is_server;		 /* [const] the back-end connects to us */
	unsigned pairs;		 /* [const] */
	struct front_pair *pair; /* [const] heap */
	int news_fd;		 /* [const] workers tell of faults */
	enum front_state state;	 /* [ctl] the rest too */
	struct vu_client *client;
	struct vu_listen listen; /* if is_server */
	uint64_t features;
	unsigned started; /* queues that run */
	int mem_fd;
	uint8_t *mem; /* NULL: none */
	uint64_t mem_size;
	struct loop_watch news;
	struct loop_timer timer;
	struct retry retry;
	uint64_t since_ms, connections;
	struct err reason; /* of the last end; empty: none */
	bool said_waiting;
	struct log_limit log;
};

/* Begins to connect. Returns 0, or -errno with @err when there is no back-end
 * and no further try. */
int front_peer_open(struct front_port *f, struct err *err);
/* Ends everything; the port is not in use any more. */
void front_peer_close(struct front_port *f);
void front_peer_show(const struct front_port *f, struct show *out);

/* Makes memory and rings for f->features; buffers to receive into are in the
 * rings. Returns 0 or -errno. */
int front_queues_open(struct front_port *f);
void front_queues_close(struct front_port *f);
/* Returns the region of f->mem; its fd is borrowed. */
struct gmem_desc front_region(const struct front_port *f);
/* Returns queue @idx as the back-end counts them: 2n receives, 2n + 1 sends. */
struct vu_client_ring front_ring(const struct front_port *f, unsigned idx);

unsigned front_rx_burst(struct rxq *rxq, struct burst *b);
void front_rx_done(struct rxq *rxq, struct burst *b);
bool front_rx_arm(struct rxq *rxq);
void front_rx_disarm(struct rxq *rxq);
/* Prepare a queue, whose ring is new, for a new connection; @buffers has room
 * for FRONT_RING buffers. */
void front_rx_reset(struct front_rx *q, uint8_t *buffers, uint64_t features);

unsigned front_tx_burst(struct txq *txq, struct frame *const *frames,
			unsigned n);
void front_tx_reset(struct front_tx *q, uint8_t *buffers);

/* Records that a queue cannot go on and tells the control thread. */
static inline void front_fail(struct front_health *h, enum front_fault fault,
			      uint32_t detail)
{
	shm_store(&h->fault, fault | (uint64_t)detail << 32);
	fd_signal(h->news_fd);
}

static inline bool front_is_bad(const struct front_health *h)
{
	return unlikely(shm_load(&h->fault) != FRONT_GOOD);
}

#endif

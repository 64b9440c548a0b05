/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back-end session and a scripted front-end in one thread. rig_send() passes
 * a message to the session and runs the loop; the rig records the session's
 * calls to its owner.
 */
#ifndef RW_VU_RIG_H
#define RW_VU_RIG_H

#include "test.h"

#include "vu_backend.h"

#define RIG_PAIRS 2
/* Index of the control queue, which follows the pairs. */
#define RIG_CONTROL  (2 * RIG_PAIRS)
#define RIG_QUEUES   (RIG_CONTROL + 1)
#define RIG_MEM_SIZE (1u << 20)
#define RIG_UVA	     0x7f0000000000ull /* front-end address of the memory */
#define RIG_GPA	     0x40000000ull

struct rig_queue {
	struct vq_dev *vq; /* not NULL while the queue runs */
	int kick_fd;
	bool enabled, is_resumed;
	unsigned starts, stops, enables;
};

struct rig {
	struct loop *loop;
	struct loop_timer timer;
	struct log_limit log;
	int report_fd;
	struct vu_backend *b; /* NULL after closed() */
	int sock;	      /* the front-end's end of the socket */
	int mem_fd;
	struct rig_queue queue[RIG_QUEUES];
	struct vu_backend_ops ops;
	uint64_t features;
	unsigned unsettled;  /* queue_start and queue_enable before
			      * queues_changed */
	unsigned changed;    /* calls of queues_changed */
	unsigned stop_calls; /* calls of queues_stop */
	unsigned features_set, closed;
	uint8_t mac[6];
	uint16_t mtu;
	char reason[512];
	char fault[256];	    /* text of the last fault */
	uint64_t kicks[RIG_QUEUES]; /* what queue_kicks returns */
};

/* Opens a session; its owner serves a control queue if @features has
 * CTRL_VQ. */
void rig_open(struct rig *r, uint64_t features);
void rig_close(struct rig *r);
/* Runs the loop until the session waits for a message. */
void rig_step(struct rig *r);
/* Replaces the front-end and its session by new ones. */
void rig_reconnect(struct rig *r, uint64_t features);

/* Sends @m, closes its descriptors and runs the loop. */
void rig_send(struct rig *r, struct vu_msg m);
/* As rig_send(), and returns the reply, which must exist. */
struct vu_msg rig_call(struct rig *r, struct vu_msg m);
bool rig_has_reply(struct rig *r);

struct vu_msg rig_u64(uint32_t request, uint64_t v);
struct vu_msg rig_state(uint32_t request, uint32_t idx, uint32_t num);
struct vu_msg rig_fd(uint32_t request, uint64_t idx, int fd);
struct vu_msg rig_mem_table(struct rig *r);
struct vu_msg rig_region(struct rig *r, uint32_t request, uint64_t off,
			 uint64_t size, bool with_fd);
/* Returns SET_VRING_ADDR for queue @idx: each queue has 64 KiB of its own. */
struct vu_msg rig_addr(uint32_t idx);

/* Negotiates @features and all offered protocol features. */
void rig_negotiate(struct rig *r, uint64_t features);
/* Sends size 256, addresses, base, call and kick of queue @idx; no enable. */
void rig_set_up_queue(struct rig *r, uint32_t idx);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The back-end session's own structures and handlers; inside vhost/ only. All
 * of it belongs to the control thread, except what struct vq_dev says. */
#ifndef RW_VU_BACKEND_IMPL_H
#define RW_VU_BACKEND_IMPL_H

#include "virtio.h"
#include "vu_backend.h"
#include "vu_request.h"

struct vu_queue {
	struct vq_dev vq
		__cacheline; /* the owner's data path has it while running */
	struct vu_vring_addr addr;    /* as SET_VRING_ADDR said */
	uint32_t num;		      /* descriptors; 0: not set */
	uint32_t base;		      /* position word where it starts next */
	uint32_t base_set;	      /* as SET_VRING_BASE last said */
	int kick_fd, call_fd, err_fd; /* owned; -1: none */
	bool has_addr;
	bool has_base;	   /* SET_VRING_BASE came, or it ran before */
	bool base_is_told; /* the base is the front-end's, not our own */
	bool is_kicked;	   /* SET_VRING_KICK came: the front-end wants it
			    * started */
	bool is_enabled;   /* SET_VRING_ENABLE */
	bool is_running;   /* handed to the owner */
	bool was_stopped;  /* GET_VRING_BASE since it last ran */
	bool fault_told;   /* logged and signalled */
};

struct vu_backend {
	const struct vu_backend_ops *ops;
	void *ctx;
	const char *name; /* of the port; borrowed */
	struct loop *loop;
	struct loop_watch watch;
	int sock;
	int backend_req_fd;	    /* SET_BACKEND_REQ_FD; owned; -1: none */
	uint64_t offered;	    /* device features */
	uint64_t features;	    /* negotiated */
	uint64_t protocol_features; /* negotiated */
	uint8_t status;		    /* virtio device status */
	bool has_features;	    /* SET_FEATURES came */
	struct gmem *mem;	    /* never NULL */
	struct vu_rx rx;
	unsigned queue_count;
	struct vu_queue queue[];
};

#define VU_PROTOCOL_FEATURES                                                   \
	(feat_bit(VU_PROTOCOL_F_MQ) | feat_bit(VU_PROTOCOL_F_RARP) |           \
	 feat_bit(VU_PROTOCOL_F_REPLY_ACK) | feat_bit(VU_PROTOCOL_F_NET_MTU) | \
	 feat_bit(VU_PROTOCOL_F_BACKEND_REQ) |                                 \
	 feat_bit(VU_PROTOCOL_F_RESET_DEVICE) |                                \
	 feat_bit(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS) |                         \
	 feat_bit(VU_PROTOCOL_F_STATUS))

static inline unsigned vu_queue_idx(const struct vu_backend *b,
				    const struct vu_queue *q)
{
	return (unsigned)(q - b->queue);
}

static inline bool vu_is_packed(const struct vu_backend *b)
{
	return feat_has(b->features, VIRTIO_F_RING_PACKED);
}

/* vu_backend_position.c */
/* Where @q starts, as SET_VRING_BASE said or as it stood when it stopped. */
uint32_t vu_queue_position_word(const struct vu_backend *b,
				const struct vu_queue *q);
/* The same, set right from the ring in @area where the front-end cannot know
 * it. */
struct vq_position vu_queue_position(const struct vu_backend *b,
				     const struct vu_queue *q,
				     const struct vq_areas *area);

/* vu_backend_queue.c */
void vu_queue_init(struct vu_queue *q);
void vu_queue_fini(struct vu_backend *b, struct vu_queue *q);
/* Hands @q to the owner when everything it needs is there. 0 also when
 * something is still missing; -EINVAL with @err for a ring that can never
 * start, -EFAULT for one outside the present memory. */
int vu_queue_start(struct vu_backend *b, struct vu_queue *q, struct err *err);
/* Takes @q back, keeping its position. */
void vu_queue_pause(struct vu_backend *b, struct vu_queue *q);
/* The same, until the next SET_VRING_KICK. */
void vu_queue_stop(struct vu_backend *b, struct vu_queue *q);
void vu_queue_enable(struct vu_backend *b, struct vu_queue *q, bool enable);
/* Takes @q back and forgets its ring; notification descriptors stay. */
void vu_queue_reset(struct vu_backend *b, struct vu_queue *q);
const char *vu_queue_state(const struct vu_queue *q);
void vu_queues_pause(struct vu_backend *b);
int vu_queues_resume(struct vu_backend *b, struct err *err);

int vu_on_set_vring_num(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_vring_addr(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_vring_base(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_get_vring_base(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_vring_kick(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_vring_call(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_vring_err(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_vring_enable(struct vu_backend *, struct vu_msg *, struct err *);

/* vu_backend_device.c */
int vu_on_get_features(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_features(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_get_protocol_features(struct vu_backend *, struct vu_msg *,
				struct err *);
int vu_on_set_protocol_features(struct vu_backend *, struct vu_msg *,
				struct err *);
int vu_on_set_owner(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_reset_owner(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_reset_device(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_get_queue_num(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_mem_table(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_get_max_mem_slots(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_add_mem_reg(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_rem_mem_reg(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_send_rarp(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_net_set_mtu(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_set_backend_req_fd(struct vu_backend *, struct vu_msg *,
			     struct err *);
int vu_on_set_status(struct vu_backend *, struct vu_msg *, struct err *);
int vu_on_get_status(struct vu_backend *, struct vu_msg *, struct err *);

#endif

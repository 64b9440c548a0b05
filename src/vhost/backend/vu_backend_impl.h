/* SPDX-License-Identifier: Apache-2.0 */
/* Structures and handlers of the back-end session. Private to vhost/. The
 * control thread owns everything, except what struct vq_dev says. */
#ifndef RW_VU_BACKEND_IMPL_H
#define RW_VU_BACKEND_IMPL_H

#include "virtio.h"
#include "vu_backend.h"
#include "vu_queue.h"
#include "vu_request.h"

/*
 * State to save when a session moves to another process: features and
 * has_features, protocol_features, status, the regions of mem with their
 * descriptors (gmem.h), rx (a message may be half received), backend_req_fd,
 * sock, and every queue. The new process has its own ops, ctx, name, loop,
 * watch and offered.
 */
struct vu_backend {
	const struct vu_backend_ops *ops;
	void *ctx;
	const char *name;      /* name of the port; borrowed */
	struct log_limit *log; /* limit of the port; borrowed */
	const int *report_fd;  /* borrowed */
	bool is_mute;	       /* [any, atomic] of all rings, see vq_dev.h */
	struct loop *loop;
	struct loop_watch watch;
	struct loop_timer second_look;
	int sock;
	int backend_req_fd;	    /* of SET_BACKEND_REQ_FD; owned; -1: none */
	uint64_t offered;	    /* device features offered */
	uint64_t features;	    /* device features negotiated */
	uint64_t protocol_features; /* protocol features negotiated */
	uint8_t status;		    /* virtio device status */
	bool has_features;	    /* SET_FEATURES was received */
	bool has_changes;	    /* queues_changed() is due */
	struct gmem *mem;	    /* never NULL */
	struct vu_rx rx;
	unsigned pair_count;
	unsigned queue_count; /* 2 * pair_count, plus 1 with a control queue */
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

/* vu_backend.c */
/* Ends the session for @reason. The owner may free @b inside closed(), so the
 * caller must not touch @b afterwards. */
void vu_backend_end(struct vu_backend *b, enum log_level level,
		    const char *reason);

/* vu_backend_watch.c */
/* Returns whether a warning about kicks without chains was logged for @q and
 * still applies. */
bool vu_queue_seems_private(const struct vu_backend *b,
			    const struct vu_queue *q);

/* vu_backend_position.c */
/* Returns the position word of @q for its next start, from SET_VRING_BASE or
 * from its last stop. */
uint32_t vu_queue_position_word(const struct vu_backend *b,
				const struct vu_queue *q);
/* Returns the position of @q for its next start. Corrects it from the ring in
 * @area where the front-end cannot know it. */
struct vq_position vu_queue_position(const struct vu_backend *b,
				     const struct vu_queue *q,
				     const struct vq_areas *area);

/* vu_backend_queue.c */
void vu_queue_init(struct vu_queue *q);
void vu_queue_fini(struct vu_backend *b, struct vu_queue *q);
/* Hands @q to the owner when everything it needs is there. Returns 0, also
 * while something is missing. -EINVAL with @err: the ring can never start.
 * -EFAULT with @err: the ring is outside the present memory. */
int vu_queue_start(struct vu_backend *b, struct vu_queue *q, struct err *err);
/* Takes @q back from the owner and keeps its position. */
void vu_queue_pause(struct vu_backend *b, struct vu_queue *q);
/* As vu_queue_pause() for all queues, with one wait for the workers. */
void vu_queues_pause(struct vu_backend *b);
/* As vu_queue_pause(), until the next SET_VRING_KICK. */
void vu_queue_stop(struct vu_backend *b, struct vu_queue *q);
void vu_queue_enable(struct vu_backend *b, struct vu_queue *q, bool enable);
/* Takes @q back and forgets its ring; call_fd and err_fd stay open. */
void vu_queue_reset(struct vu_backend *b, struct vu_queue *q);
int vu_queues_resume(struct vu_backend *b, struct err *err);
/* Makes the owner put pending starts and enables into effect. */
void vu_queues_settle(struct vu_backend *b);

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

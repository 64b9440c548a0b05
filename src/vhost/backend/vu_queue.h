/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of a back-end session and its states. Private to vhost/. The control
 * thread owns everything, except what struct vq_dev says. */
#ifndef RW_VU_QUEUE_H
#define RW_VU_QUEUE_H

#include "vq_dev.h"
#include "vu_msg.h"

/*
 * The state of a queue. The table in vu_state.c lists the steps that each state
 * allows; vu_state_set() refuses any other.
 *
 *             asked  owner   may be read          ends when
 *   IDLE      no     no      settings             SET_VRING_KICK: WAITING;
 *                                                 GET_VRING_BASE: STOPPED
 *   WAITING   yes    no      settings, kick_fd    everything is there: RUNNING
 *                                                 or DRAINING; a stop: IDLE;
 *                                                 GET_VRING_BASE: STOPPED
 *   RUNNING   yes    yes     all but vq's         SET_VRING_ENABLE 0: DRAINING;
 *                            private members      a pause: WAITING; a fault of
 *                                                 the guest: FAULTED
 *   DRAINING  yes    yes     as RUNNING           SET_VRING_ENABLE 1: RUNNING;
 *                                                 else as RUNNING
 *   FAULTED   yes    yes     as RUNNING,          a pause: WAITING
 *                            vq.fault
 *   STOPPED   no     no      settings             as IDLE; a reset: IDLE
 *
 * asked: the front-end wants the queue started (SET_VRING_KICK). owner: the
 * owner's data path has the ring, and base is out of date until the ring comes
 * back. A pause takes the ring back in order to change something under it. A
 * stop is a pause that also forgets SET_VRING_KICK.
 */
enum vu_queue_state {
	VU_QUEUE_IDLE,
	VU_QUEUE_WAITING,
	VU_QUEUE_RUNNING,
	VU_QUEUE_DRAINING,
	VU_QUEUE_FAULTED,
	VU_QUEUE_STOPPED,
	VU_QUEUE_STATE_COUNT,
};

/* Source of the position at which a ring starts. */
enum vu_base_from {
	VU_BASE_UNKNOWN, /* no source: the ring's start */
	VU_BASE_TOLD,	 /* SET_VRING_BASE: may be a guess */
	VU_BASE_OWN,	 /* the ring ran here before: exact */
};

/* Suspicion that the guest's memory is private: kicks without a chain. */
enum vu_suspicion {
	VU_SUSPICION_NONE,
	VU_SUSPICION_FRESH, /* waits for the second look */
	VU_SUSPICION_TOLD,  /* logged */
};

/* An address that no ring can have: SET_VRING_ADDR has not come yet. */
#define VU_ADDR_NONE UINT64_MAX

/*
 * State to save when a session moves to another process: state, addr, num, base
 * (vq_dev_deactivate() returns it for a paused ring), base_from, base_set,
 * enabled, and the three descriptors themselves. vq is made again from these.
 */
struct vu_queue {
	struct vq_dev vq
		__cacheline; /* the owner's data path has it while held */
	enum vu_queue_state state;
	struct vu_vring_addr addr;    /* desc VU_ADDR_NONE: not set */
	uint32_t num;		      /* descriptors of the ring; 0: not set */
	uint32_t base;		      /* position word of the next start */
	enum vu_base_from base_from;  /* source of base */
	uint32_t base_set;	      /* value of the last SET_VRING_BASE */
	bool enabled;		      /* value of the last SET_VRING_ENABLE */
	bool is_control;	      /* [while held] it is the control queue */
	enum vu_suspicion suspicion;  /* of kicks without a chain */
	uint64_t kicks_before;	      /* kicks of the queue before its start */
	int kick_fd, call_fd, err_fd; /* owned; -1: none */
};

/* vu_state.c */
/* Changes the state of @q to @state, which its present state must allow. */
void vu_state_set(struct vu_queue *q, enum vu_queue_state state);
/* Returns whether the front-end wants the queue started. */
bool vu_state_is_asked(enum vu_queue_state state);
/* Returns whether the owner's data path has the ring. */
bool vu_state_is_held(enum vu_queue_state state);
/* Returns the state in words: "running"; for IDLE "ready" or "unconfigured". */
const char *vu_state_name(const struct vu_queue *q);

#endif

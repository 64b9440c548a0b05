/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of a back-end session and its states; inside vhost/ only. All of it
 * belongs to the control thread, except what struct vq_dev says. */
#ifndef RW_VU_QUEUE_H
#define RW_VU_QUEUE_H

#include "vq_dev.h"
#include "vu_msg.h"

/*
 * The state of a queue. What each row allows is in the table of vu_state.c, and
 * vu_state_set() refuses any step that the table does not have.
 *
 *             asked  owner   may be read          ends when
 *   IDLE      no     no      what was set         SET_VRING_KICK: WAITING;
 *                                                 GET_VRING_BASE: STOPPED
 *   WAITING   yes    no      what was set,        everything is there: RUNNING
 *                            kick_fd              or DRAINING; a stop: IDLE;
 *                                                 GET_VRING_BASE: STOPPED
 *   RUNNING   yes    yes     all but vq's         SET_VRING_ENABLE 0: DRAINING;
 *                            private members      a pause: WAITING; a fault of
 *                                                 the guest: FAULTED
 *   DRAINING  yes    yes     as RUNNING           SET_VRING_ENABLE 1: RUNNING;
 *                                                 else as RUNNING
 *   FAULTED   yes    yes     as RUNNING,          a pause: WAITING
 *                            vq.fault
 *   STOPPED   no     no      what was set         as IDLE; a reset: IDLE
 *
 * asked: the front-end wants it started (SET_VRING_KICK). owner: the ring is
 * handed to the owner's data path, and base is out of date until it comes back.
 * A pause takes the ring back in order to change what it stands on, a stop is a
 * pause that forgets SET_VRING_KICK.
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

/* Who knows where a ring goes on. */
enum vu_base_from {
	VU_BASE_UNKNOWN, /* nobody: at the beginning */
	VU_BASE_TOLD,	 /* SET_VRING_BASE: perhaps a guess */
	VU_BASE_OWN,	 /* the ring ran here before: exact */
};

/* Whether kicks without a chain were noticed on a queue. */
enum vu_suspicion {
	VU_SUSPICION_NONE,
	VU_SUSPICION_FRESH, /* a second look is to come */
	VU_SUSPICION_TOLD,  /* logged */
};

/* An address that no ring can have: SET_VRING_ADDR did not come yet. */
#define VU_ADDR_NONE UINT64_MAX

/*
 * To be saved when a session moves to another process: state, addr, num, base
 * (of a ring that is paused: vq_dev_deactivate() says it), base_from, base_set,
 * enabled, and the three descriptors themselves. vq is made again from these.
 */
struct vu_queue {
	struct vq_dev vq
		__cacheline; /* the owner's data path has it while running */
	enum vu_queue_state state;
	struct vu_vring_addr addr;   /* as SET_VRING_ADDR said; desc
				      * VU_ADDR_NONE: not yet */
	uint32_t num;		     /* descriptors; 0: not set */
	uint32_t base;		     /* position word where it starts next */
	enum vu_base_from base_from; /* who said base */
	uint32_t base_set;	     /* as SET_VRING_BASE last said */
	bool enabled;		     /* as SET_VRING_ENABLE last said */
	bool is_control;	     /* [while held] not of a pair */
	enum vu_suspicion suspicion; /* that the guest's memory is private */
	uint64_t kicks_before;	     /* of the queue, when it was handed over */
	int kick_fd, call_fd, err_fd; /* owned; -1: none */
};

/* vu_state.c */
/* Takes @q to @state, which its present one must allow. */
void vu_state_set(struct vu_queue *q, enum vu_queue_state state);
/* Does the front-end want it started? */
bool vu_state_is_asked(enum vu_queue_state state);
/* Does the owner's data path have the ring? */
bool vu_state_is_held(enum vu_queue_state state);
/* For people: "running"; IDLE is "ready" or "unconfigured". */
const char *vu_state_name(const struct vu_queue *q);

#endif

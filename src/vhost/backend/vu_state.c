/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a back-end session's queue, see vu_queue.h. Control thread;
 * calls nothing.
 */
#include <assert.h>

#include "vu_queue.h"

#define TO(state) (1u << VU_QUEUE_##state)

static const struct {
	const char *name;
	bool is_asked, is_held;
	uint8_t next; /* set of the states that may follow */
} states[VU_QUEUE_STATE_COUNT] = {
	[VU_QUEUE_IDLE] = { "unconfigured", false, false,
			    TO(WAITING) | TO(STOPPED) },
	[VU_QUEUE_WAITING] = { "waiting", true, false,
			       TO(IDLE) | TO(RUNNING) | TO(DRAINING) },
	[VU_QUEUE_RUNNING] = { "running", true, true,
			       TO(WAITING) | TO(DRAINING) | TO(FAULTED) },
	[VU_QUEUE_DRAINING] = { "draining", true, true,
				TO(WAITING) | TO(RUNNING) | TO(FAULTED) },
	[VU_QUEUE_FAULTED] = { "faulted", true, true, TO(WAITING) },
	[VU_QUEUE_STOPPED] = { "stopped", false, false,
			       TO(WAITING) | TO(IDLE) },
};

void vu_state_set(struct vu_queue *q, enum vu_queue_state state)
{
	if (q->state == state)
		return;
	assert(states[q->state].next & 1u << state);
	q->state = state;
}

bool vu_state_is_asked(enum vu_queue_state state)
{
	return states[state].is_asked;
}

bool vu_state_is_held(enum vu_queue_state state)
{
	return states[state].is_held;
}

const char *vu_state_name(const struct vu_queue *q)
{
	if (q->state == VU_QUEUE_IDLE && q->num && q->addr.desc != VU_ADDR_NONE)
		return "ready";
	return states[q->state].name;
}

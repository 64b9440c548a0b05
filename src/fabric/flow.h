/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of flows of a port with several queue pairs. It names the pair that
 * the guest sends a flow on, so that frames towards the guest use the same
 * queue and therefore the same CPU in the guest. The idea comes from the
 * kernel's tun.
 *
 * The table has FLOW_SLOTS words, indexed by the hash. Workers that receive
 * from the port write them, workers that send to it read them. A word is
 * written whole, and any value is valid: at worst a frame takes the queue that
 * the hash alone would choose.
 *
 * A flow does not swing between queues: a word in use passes to another flow or
 * another queue only after its own flow was silent for a tick. This covers two
 * flows with one hash and a guest that sends one flow on two queues. A word
 * without a competitor never expires.
 */
#ifndef RW_FLOW_H
#define RW_FLOW_H

#include <stdint.h>

#include "clock.h"
#include "shm.h"
#include "util.h"

#define FLOW_SLOTS     1024
#define FLOW_NO_QUEUE  UINT32_MAX
#define FLOW_MAX_QUEUE 254

struct flow_table {
	/* [any, atomic] bits 31-16: upper half of the hash; 15-8: queue + 1;
	 * 7-0: tick. 0: free */
	uint32_t slot[FLOW_SLOTS];
};

/* Returns the time in ticks of 134 ms. */
static inline uint8_t flow_tick(void)
{
	return (uint8_t)(clock_coarse_ns() >> 27);
}

/* Records that a frame of the flow @hash came in on @queue at @tick. */
static inline void flow_learn(struct flow_table *t, uint32_t hash,
			      unsigned queue, uint8_t tick)
{
	uint32_t *slot = &t->slot[hash & (FLOW_SLOTS - 1)];
	uint32_t old = shm_load(slot);
	uint32_t new = (hash & 0xffff0000) | (queue + 1) << 8 | tick;

	if (likely(old == new) || queue > FLOW_MAX_QUEUE)
		return;
	if (old && (old ^ new) >> 8 && (uint8_t)(tick - old) < 2)
		return;
	shm_store(slot, new);
}

/* Returns the queue where the flow was last seen; FLOW_NO_QUEUE: unknown. */
static inline uint32_t flow_queue(const struct flow_table *t, uint32_t hash)
{
	uint32_t word = shm_load(&t->slot[hash & (FLOW_SLOTS - 1)]);

	if (!word || (word ^ hash) >> 16)
		return FLOW_NO_QUEUE;
	return (word >> 8 & 0xff) - 1;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: which of a port's queue pairs a flow uses, so that frames
 * towards a guest come in on the queue (and so, in the guest, on the CPU) that
 * the flow is sent from. The idea is that of the kernel's tun.
 *
 * A table of FLOW_SLOTS words, indexed by the hash. Workers that receive from
 * the port write it, those that send to it read it; a word is whole at any
 * time, and any value is a good one: at worst a frame takes the queue that the
 * hash alone would choose.
 *
 * What keeps a flow from being torn between queues: a word that is in use is
 * not given to another flow, nor to another queue, before the one it names was
 * silent for a tick. Two flows of one hash, or a guest that sends one flow on
 * two queues, therefore do not make it swing. A word that nobody else wants is
 * never forgotten.
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

/* Time in the table's unit, 134 ms. */
static inline uint8_t flow_tick(void)
{
	return (uint8_t)(clock_coarse_ns() >> 27);
}

/* A frame of the flow @hash came in on @queue at @tick. */
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

/* The queue that the flow was last seen on; FLOW_NO_QUEUE: not known. */
static inline uint32_t flow_queue(const struct flow_table *t, uint32_t hash)
{
	uint32_t word = shm_load(&t->slot[hash & (FLOW_SLOTS - 1)]);

	if (!word || (word ^ hash) >> 16)
		return FLOW_NO_QUEUE;
	return (word >> 8 & 0xff) - 1;
}

#endif

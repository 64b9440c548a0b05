/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which way of copying is best for one queue, found by trying.
 *
 * Theory of operation. Whether the buffers of two guests are in a cache, and in
 * which, depends on how many they use in turn, on what they do with the data,
 * and on who else is on the machine. All of it shows in one number: cycles a
 * byte. So a queue that carries large frames uses the way that was best, and
 * from time to time tries another for CHOICE_TRIAL bytes: the last bursts
 * before the trial and the last of the trial are timed, and the medians
 * compared. A trial is that long because a way leaves its traces: buffers
 * written past the caches are slow for any way the next time round, so only
 * what it costs when it is used for good says anything. One that is far behind
 * is ended at once. Medians, because a burst in which the worker was scheduled
 * away says nothing.
 *
 * Streaming stores. They save reading a line only to overwrite it all, and
 * throw it out to memory, where the receiver has to fetch it. For buffers in a
 * cache that sender and receiver share that is never right, though the copy
 * alone may be cheaper; for cold buffers, and between cores that share no
 * cache, it is. We cannot measure the receiver's side, therefore they have to
 * be better by what it was measured to lose, in part (STREAM_CHARGE).
 *
 * Bursts of small frames are not looked at, cost nothing and decide nothing.
 */
#ifndef RW_COPY_CHOICE_H
#define RW_COPY_CHOICE_H

#include "copy_large.h"
#include "util.h"

/* A burst counts when it moves this much, and so much a frame. */
#define CHOICE_BURST_MIN 4096
#define CHOICE_FRAME_MIN 1024

/* Bursts whose median is taken. */
#define CHOICE_SAMPLES 31
/* More than a core's nearest caches and any guest's ring of 1.5 KiB buffers. */
#define CHOICE_TRIAL (4u << 20)
/* The rest after a trial, in trials: 1/64 of all bytes are moved in one, so one
 * that costs half as much again makes the whole 0.8 percent slower; what costs
 * more is ended early. */
#define CHOICE_REST 64
/* Before the first one, in bytes: short transfers are to find their way too. */
#define CHOICE_FIRST (4 * CHOICE_TRIAL)

enum copy_phase {
	CHOICE_NEW,
	CHOICE_FIXED, /* by copy_choice_fix() */
	CHOICE_RESTING,
	CHOICE_TIMING,
	CHOICE_TRYING,
};

/* Of one queue; its holder's. Zeroed: not started. */
struct copy_choice {
	uint8_t best;	    /* enum copy_method; used while not trying */
	uint8_t other;	    /* of the present or next trial */
	uint8_t phase;	    /* enum copy_phase */
	uint32_t count;	    /* samples taken in this phase */
	uint64_t spent;	    /* bytes in this phase ... */
	uint64_t limit;	    /* ... and how many end it */
	uint32_t best_cost; /* median of the timed bursts */
	uint64_t since;	    /* cycle counter at the burst's start */
	uint32_t sample[CHOICE_SAMPLES]; /* cycles for 1024 bytes */
	uint32_t trials, changes;	 /* for tests and statistics */
};

/* Always @method from now on. For tests and benchmarks. */
void copy_choice_fix(struct copy_choice *c, enum copy_method method);

/* The way for the burst that begins. */
enum copy_method copy_choice_begin(struct copy_choice *c);

/* The burst is over, it moved @bytes in @frames frames. */
void copy_choice_end_large(struct copy_choice *c, uint64_t bytes);

static inline void copy_choice_end(struct copy_choice *c, unsigned frames,
				   uint64_t bytes)
{
	if (unlikely(bytes >= CHOICE_BURST_MIN &&
		     bytes >= (uint64_t)frames * CHOICE_FRAME_MIN))
		copy_choice_end_large(c, bytes);
}

/* copy_choice_end_large() for a burst that took @took cycles, for tests. */
void copy_choice_add(struct copy_choice *c, uint64_t bytes, uint64_t took);

#endif

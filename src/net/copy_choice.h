/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of the best way of copying for one queue, by trial.
 *
 * Theory of operation. Whether the buffers of two guests are in a cache, and in
 * which one, depends on how many buffers they use in turn, on what the guests
 * do with the data, and on the rest of the machine's load. All of it shows in
 * one number: cycles per byte. A queue that carries large frames uses the best
 * way so far. From time to time it tries another one for CHOICE_TRIAL bytes,
 * times the last bursts before the trial and the last bursts of it, and
 * compares the medians. A trial is that long because a way leaves traces:
 * buffers written past the caches are slow for every way in the next round, so
 * only the cost in lasting use is meaningful. A trial that is far behind ends
 * at once. Medians ignore the bursts in which the worker was scheduled away.
 *
 * Streaming stores avoid reading a line that is overwritten completely, but
 * they evict it to memory, where the receiver has to fetch it. For buffers in a
 * cache that sender and receiver share they are never right, although the copy
 * alone may be cheaper; for cold buffers, and between cores that share no
 * cache, they are. The receiver's side cannot be measured here. Streaming
 * stores must therefore win by a part of the loss that a benchmark found there
 * (STREAM_CHARGE).
 *
 * Bursts of small frames are not timed, cost nothing and decide nothing.
 */
#ifndef RW_COPY_CHOICE_H
#define RW_COPY_CHOICE_H

#include "copy_large.h"
#include "util.h"

/* A burst is timed if it moves this much, and COPY_LARGE per frame. */
#define CHOICE_BURST_MIN 4096

/* Bursts in a median. */
#define CHOICE_SAMPLES 31
/* Bytes of a trial: more than a core's nearest caches hold, and more than any
 * guest's ring of 1.5 KiB buffers. */
#define CHOICE_TRIAL (4u << 20)
/* The rest after a trial, in trials. Trials move 1/64 of all bytes, so a way
 * that costs half as much again slows the whole by 0.8 percent; a trial that
 * costs more ends early. */
#define CHOICE_REST 64
/* Bytes before the first trial: short transfers shall find their way too. */
#define CHOICE_FIRST (4 * CHOICE_TRIAL)

enum copy_phase {
	CHOICE_NEW,
	CHOICE_FIXED, /* set by copy_choice_fix() */
	CHOICE_RESTING,
	CHOICE_TIMING,
	CHOICE_TRYING,
};

/* The choice of one queue, owned by the holder of the queue. Zeroed: not
 * started. */
struct copy_choice {
	uint8_t best;	    /* enum copy_method; used outside trials */
	uint8_t other;	    /* enum copy_method of the present or next trial */
	uint8_t phase;	    /* enum copy_phase */
	uint32_t count;	    /* samples taken in this phase */
	uint64_t spent;	    /* bytes moved in this phase */
	uint64_t limit;	    /* bytes that end this phase */
	uint32_t best_cost; /* median cost of the timed bursts */
	uint64_t since;	    /* cycle counter at the burst's start */
	uint32_t sample[CHOICE_SAMPLES]; /* cycles for 1024 bytes */
	uint32_t trials, changes;	 /* counted for tests */
};

/* Fixes @method from now on. For tests and benchmarks. */
void copy_choice_fix(struct copy_choice *c, enum copy_method method);

/* Returns the way to use for the burst that begins. */
enum copy_method copy_choice_begin(struct copy_choice *c);

/* Ends a burst that moved @bytes bytes of large frames. */
void copy_choice_end_large(struct copy_choice *c, uint64_t bytes);

static inline void copy_choice_end(struct copy_choice *c, unsigned frames,
				   uint64_t bytes)
{
	if (unlikely(bytes >= CHOICE_BURST_MIN &&
		     bytes >= (uint64_t)frames * COPY_LARGE))
		copy_choice_end_large(c, bytes);
}

/* Does what copy_choice_end_large() does, for a burst that took @took cycles.
 * For tests. */
void copy_choice_add(struct copy_choice *c, uint64_t bytes, uint64_t took);

#endif

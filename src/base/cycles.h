/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a worker's time goes: cycles by stage of a burst's way.
 *
 * A worker begins its account with stage_begin() and ends it with stage_end();
 * between them whoever finishes a part of the work says so with stage_mark(),
 * which adds the time since the mark before to that part. One burst in
 * STAGE_SAMPLE is measured. In the others a mark is one load and a branch that
 * is not taken, so marks may sit wherever a burst passes, but where each
 * frame does only beside something as slow as a system call.
 */
#ifndef RW_CYCLES_H
#define RW_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "shm.h"
#include "util.h"

/* The finest clock that costs no system call: cycles of a constant frequency
 * (not of the core's present one) where the processor has such a counter. */
static inline uint64_t cycles_now(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return clock_ns();
#endif
}

/* Parts of a burst's way. Names in stage_name(). */
enum stage {
	STAGE_READ,	/* descriptors of both rings */
	STAGE_SNAPSHOT, /* headers into private memory, and their checks */
	STAGE_LOOKUP,	/* MAC table, grouping by receiver, its lock */
	STAGE_OFFLOAD,	/* checksums and segments made in software */
	STAGE_COPY,	/* payload into the receiver's buffers */
	STAGE_PUBLISH,	/* used rings of both sides */
	STAGE_NOTIFY,	/* does the peer want an event, and its system call */
	STAGE_SYSCALL,	/* other system calls of a back-end: tap */
	STAGE_OTHER,	/* counters, capture, what no mark names */
	STAGE_COUNT,
};
const char *stage_name(enum stage s);

/* One burst in so many. A prime: in step with no number of queues. */
#define STAGE_SAMPLE 61

/* Of the bursts that were measured. One writer; read by control. */
struct stage_totals {
	uint64_t frames;
	uint64_t bursts;
	uint64_t cycles[STAGE_COUNT];
};

struct stage_clock {
	bool is_sampling;
	unsigned until_sample;	      /* bursts that are not measured before */
	uint64_t last;		      /* cycles at the mark before */
	uint64_t cycles[STAGE_COUNT]; /* of this burst */
};

/* Initial-exec: one access relative to the thread's register, no call, though
 * the code is compiled to be position-independent. */
extern __thread struct stage_clock stage_clock
	__attribute__((tls_model("initial-exec")));

void stage_begin_sample(void);
void stage_end_sample(struct stage_totals *totals, unsigned frames);

static inline void stage_begin(void)
{
	if (unlikely(!stage_clock.until_sample--))
		stage_begin_sample();
}

/* What was done since the last mark was @s. */
static inline void stage_mark(enum stage s)
{
	uint64_t now;

	if (likely(!stage_clock.is_sampling))
		return;
	now = cycles_now();
	stage_clock.cycles[s] += now - stage_clock.last;
	stage_clock.last = now;
}

/* The burst is over; adds it to @totals when it was measured and had @frames
 * > 0. */
static inline void stage_end(struct stage_totals *totals, unsigned frames)
{
	if (unlikely(stage_clock.is_sampling))
		stage_end_sample(totals, frames);
}

#endif

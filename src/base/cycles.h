/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts of a worker's time: cycles spent in each stage of a burst.
 *
 * A worker opens the account of a burst with stage_begin() and closes it with
 * stage_end(). In between, stage_mark() adds the time since the previous mark
 * to the stage that has just finished. One burst in STAGE_SAMPLE is measured.
 * In the other bursts a mark costs one load and a branch that is not taken. So
 * marks may stand anywhere on the path of a burst, but on the path of a single
 * frame only beside something as slow as a system call.
 */
#ifndef RW_CYCLES_H
#define RW_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "shm.h"
#include "util.h"

/* Returns the finest clock that costs no system call: the processor's counter
 * of constant frequency (not of the core's present one), else nanoseconds. */
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

/* The stages of a burst. stage_name() has their names. */
enum stage {
	STAGE_READ,	/* descriptors of both rings */
	STAGE_SNAPSHOT, /* headers into private memory, and their checks */
	STAGE_LOOKUP,	/* MAC table, grouping by receiver, its lock */
	STAGE_OFFLOAD,	/* checksums and segments made in software */
	STAGE_COPY,	/* payload into the receiver's buffers */
	STAGE_PUBLISH,	/* used rings of both sides */
	STAGE_NOTIFY,	/* test if the peer wants an event, its write */
	STAGE_SYSCALL,	/* other system calls of a back-end: tap */
	STAGE_OTHER,	/* counters, capture, time that no mark names */
	STAGE_COUNT,
};
const char *stage_name(enum stage s);

/* One burst in STAGE_SAMPLE is measured. A prime does not fall into step with a
 * number of queues. */
#define STAGE_SAMPLE 61

/* Totals of the measured bursts. Written by one worker, read by control. */
struct stage_totals {
	uint64_t frames;
	uint64_t bursts;
	uint64_t cycles[STAGE_COUNT];
};

struct stage_clock {
	bool is_sampling;      /* this burst is measured */
	unsigned until_sample; /* bursts to skip before the next sample */
	uint64_t last;	       /* cycles_now() at the previous mark */
	uint64_t cycles[STAGE_COUNT]; /* cycles of this burst by stage */
};

/* The initial-exec model makes this one access relative to the thread register,
 * without a call, although the code is position-independent. */
extern __thread struct stage_clock stage_clock
	__attribute__((tls_model("initial-exec")));

void stage_begin_sample(void);
void stage_end_sample(struct stage_totals *totals, unsigned frames);

static inline void stage_begin(void)
{
	if (unlikely(!stage_clock.until_sample--))
		stage_begin_sample();
}

/* Adds the time since the previous mark to stage @s. */
static inline void stage_mark(enum stage s)
{
	uint64_t now;

	if (likely(!stage_clock.is_sampling))
		return;
	now = cycles_now();
	stage_clock.cycles[s] += now - stage_clock.last;
	stage_clock.last = now;
}

/* Ends the burst. Adds it to @totals if it was measured and @frames > 0. */
static inline void stage_end(struct stage_totals *totals, unsigned frames)
{
	if (unlikely(stage_clock.is_sampling))
		stage_end_sample(totals, frames);
}

#endif

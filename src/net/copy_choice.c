/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice between ways of copying, see copy_choice.h. Runs on the thread
 * that holds the queue; calls nothing but the clock.
 */
#include "copy_choice.h"

#include "cycles.h"

/*
 * Cycles per KiB charged to streaming stores for the receiver's cost: it finds
 * the data in memory instead of a cache. tests/bench/copy_bench, with the
 * reader on another core, measured 320 to 490 per KiB where the two cores share
 * a cache, and 30 to 110 where they do not and the lines of ordinary stores
 * come from far away too. The charge is a quarter of the former: a worker
 * serves several guests, so its own cycles count more.
 */
#define STREAM_CHARGE 80
/* In percent of the present way's cost: another way must cost less than
 * HYSTERESIS to replace it; a trial above HOPELESS ends early. */
#define HYSTERESIS 94
#define HOPELESS   150
/* Samples a trial must have before it can end as hopeless. */
#define HOPELESS_AFTER 7

static uint32_t median(const uint32_t *sample, unsigned n)
{
	uint32_t v[CHOICE_SAMPLES];

	for (unsigned i = 0; i < n; i++) {
		unsigned j = i;

		for (; j && v[j - 1] > sample[i]; j--)
			v[j] = v[j - 1];
		v[j] = sample[i];
	}
	return v[n / 2];
}

static uint64_t charged(uint8_t method, uint64_t cost)
{
	return method == COPY_STREAM ? cost + STREAM_CHARGE : cost;
}

/* Returns the next way to try; the present one when there is no other. */
static uint8_t next_other(const struct copy_choice *c)
{
	uint8_t m = c->other;

	do
		m = (uint8_t)((m + 1) % COPY_METHODS);
	while (m != c->other && (m == c->best || !copy_large_has(m)));
	return m;
}

static void enter(struct copy_choice *c, enum copy_phase phase, uint64_t limit)
{
	c->phase = phase;
	c->limit = limit;
	c->spent = 0;
	c->count = 0;
}

static void rest(struct copy_choice *c)
{
	c->other = next_other(c);
	enter(c, CHOICE_RESTING, CHOICE_REST * MAX(c->spent, CHOICE_TRIAL));
}

static void start(struct copy_choice *c)
{
	/* COPY_AHEAD is never far from the best way */
	c->best = c->other = COPY_AHEAD;
	c->other = next_other(c);
	enter(c, CHOICE_RESTING, CHOICE_FIRST);
}

static bool is_hopeless(const struct copy_choice *c)
{
	return (uint64_t)median(c->sample, c->count) * 100 >
	       (uint64_t)c->best_cost * HOPELESS;
}

static void decide(struct copy_choice *c)
{
	uint64_t now = charged(c->best, c->best_cost);
	uint64_t then = charged(c->other, median(c->sample, CHOICE_SAMPLES));

	if (then * 100 < now * HYSTERESIS) {
		c->best = c->other;
		c->changes++;
	}
	rest(c);
}

void copy_choice_fix(struct copy_choice *c, enum copy_method method)
{
	c->best = (uint8_t)(copy_large_has(method) ? method : COPY_PLAIN);
	c->phase = CHOICE_FIXED;
}

enum copy_method copy_choice_begin(struct copy_choice *c)
{
	if (unlikely(c->phase == CHOICE_NEW))
		start(c);
	if (likely(c->phase <= CHOICE_RESTING))
		return c->best;
	c->since = cycles_now();
	return c->phase == CHOICE_TRYING ? c->other : c->best;
}

/* Records a timed burst. */
static void add_sample(struct copy_choice *c, uint64_t bytes, uint64_t took)
{
	c->sample[c->count++ % CHOICE_SAMPLES] =
		(uint32_t)MIN(took * 1024 / bytes, UINT32_MAX);
	if (c->phase == CHOICE_TIMING) {
		if (c->count < CHOICE_SAMPLES)
			return;
		c->best_cost = median(c->sample, CHOICE_SAMPLES);
		c->trials++;
		enter(c, CHOICE_TRYING, CHOICE_TRIAL);
	} else if (c->count == HOPELESS_AFTER && is_hopeless(c)) {
		rest(c);
	} else if (c->spent >= c->limit && c->count >= CHOICE_SAMPLES) {
		decide(c);
	}
}

void copy_choice_add(struct copy_choice *c, uint64_t bytes, uint64_t took)
{
	c->spent += bytes;
	if (c->phase >= CHOICE_TIMING) {
		add_sample(c, bytes, took);
	} else if (c->phase == CHOICE_RESTING && c->spent >= c->limit) {
		if (c->other == c->best)
			rest(c); /* no other way is worth a trial yet */
		else
			enter(c, CHOICE_TIMING, 0);
	}
}

void copy_choice_end_large(struct copy_choice *c, uint64_t bytes)
{
	copy_choice_add(c, bytes,
			c->phase <= CHOICE_RESTING ? 0
						   : cycles_now() - c->since);
}

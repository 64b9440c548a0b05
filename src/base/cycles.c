/* SPDX-License-Identifier: Apache-2.0 */
/* The rare half of cycles.h: measured bursts. Each thread has an account of its
 * own. */
#include "cycles.h"

#include <string.h>

__thread struct stage_clock stage_clock;

static const char *const names[STAGE_COUNT] = {
	[STAGE_READ] = "ring-read", [STAGE_SNAPSHOT] = "header",
	[STAGE_LOOKUP] = "lookup",  [STAGE_OFFLOAD] = "offload",
	[STAGE_COPY] = "copy",	    [STAGE_PUBLISH] = "publish",
	[STAGE_NOTIFY] = "notify",  [STAGE_SYSCALL] = "syscall",
	[STAGE_OTHER] = "other",
};

const char *stage_name(enum stage s)
{
	return names[s];
}

void stage_begin_sample(void)
{
	stage_clock.until_sample = STAGE_SAMPLE - 1;
	stage_clock.is_sampling = true;
	memset(stage_clock.cycles, 0, sizeof(stage_clock.cycles));
	stage_clock.last = cycles_now();
}

void stage_end_sample(struct stage_totals *totals, unsigned frames)
{
	stage_mark(STAGE_OTHER);
	stage_clock.is_sampling = false;
	if (!frames)
		return; /* the poll found no frames */
	for (unsigned s = 0; s < STAGE_COUNT; s++)
		stat_add(&totals->cycles[s], stage_clock.cycles[s]);
	stat_inc(&totals->bursts);
	stat_add(&totals->frames, frames);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue whose reader may finish entries out of order, on top of one that
 * takes them back in order only.
 *
 * The reader looks at some entries from the front, finishes some of them and
 * wants to see the others again. Those before the first such entry are given
 * back for good; from there on all go back into the queue, and a mask remembers
 * which were finished ahead of it: bit i, the i-th entry from the front. The
 * reader passes over these when they come again.
 */
#ifndef RW_AHEAD_H
#define RW_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#define AHEAD_MAX 64 /* entries looked at in one go */

static inline bool ahead_is_finished(uint64_t ahead, unsigned entry)
{
	return ahead >> entry & 1;
}

/*
 * @looked entries were looked at (at most AHEAD_MAX), those in the mask @again
 * are to come again, all others are finished. Returns how many from the front
 * are to be given back; *@ahead is from then on relative to the next.
 */
static inline unsigned ahead_settle(uint64_t *ahead, unsigned looked,
				    uint64_t again)
{
	/* of entries behind those that were looked at this time */
	uint64_t behind = looked < AHEAD_MAX ? *ahead >> looked : 0;
	unsigned back, left;

	if (!again) {
		*ahead = behind;
		return looked;
	}
	back = (unsigned)__builtin_ctzll(again);
	left = looked - back;
	*ahead = ~again >> back & UINT64_MAX >> (AHEAD_MAX - left);
	if (left < AHEAD_MAX)
		*ahead |= behind << left;
	return back;
}

#endif

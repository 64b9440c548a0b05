/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of a receive queue for frames that wait for a full receiver: which
 * entries of its source come again.
 *
 * A source hands out entries (chains of a ring, messages, what was read) from
 * the front and takes them back in order only. A burst looks at some, makes
 * frames of them, and then some frames must wait. Entries before the first that
 * waits are given back for good; from there on all stay in the source, and a
 * mask remembers those that are finished already. The next burst passes over
 * these.
 *
 * The entries themselves stay where the source has them: nothing is copied.
 */
#ifndef RW_WAITING_H
#define RW_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#define WAITING_MAX 64 /* entries looked at in one go */

/* Belongs to the worker that has the queue. Zeroed: nothing waits. */
struct waiting {
	uint64_t ahead;	  /* bit i: entry i from the front is finished */
	uint64_t skipped; /* bit i: it makes no frame in this burst */
};

/* Begins a burst. Returns which entries make no frame, for waiting_skips(). */
static inline uint64_t waiting_begin(struct waiting *w)
{
	return w->skipped = w->ahead;
}

/* Does entry @i from the front make no frame? @mask from waiting_begin(). */
static inline bool waiting_skips(uint64_t mask, unsigned i)
{
	return __builtin_expect(mask != 0, 0) && (mask >> i & 1);
}

/* Entry @i makes no frame: it is not fit. The others make one each, in their
 * order. */
static inline void waiting_skip(struct waiting *w, unsigned i)
{
	w->skipped |= 1ull << i;
}

/* Ends a burst that looked at @looked entries (at most WAITING_MAX), of which
 * those in the mask @again come again. As waiting_end(). */
static inline unsigned waiting_settle(struct waiting *w, unsigned looked,
				      uint64_t again)
{
	/* of entries behind those that were looked at this time */
	uint64_t behind = looked < WAITING_MAX ? w->ahead >> looked : 0;
	unsigned back, left;

	if (!again) {
		w->ahead = behind;
		return looked;
	}
	back = (unsigned)__builtin_ctzll(again);
	left = looked - back;
	w->ahead = ~again >> back & UINT64_MAX >> (WAITING_MAX - left);
	if (left < WAITING_MAX)
		w->ahead |= behind << left;
	return back;
}

/*
 * Ends a burst that looked at @looked entries; the frames in the mask @held
 * wait. Returns how many entries from the front the source gets back. All
 * others are looked at again by the next burst.
 */
static inline unsigned waiting_end(struct waiting *w, unsigned looked,
				   uint64_t held)
{
	uint64_t again = 0;

	/* no frame waits, and none did */
	if (__builtin_expect(!(held | w->ahead), 1))
		return looked;
	/* the n-th frame was made of the n-th entry that makes one */
	for (unsigned i = 0; i < looked; i++) {
		if (w->skipped >> i & 1)
			continue;
		again |= (held & 1) << i;
		held >>= 1;
	}
	return waiting_settle(w, looked, again);
}

#endif

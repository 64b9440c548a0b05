/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a receive queue's entries that must be offered again, because
 * their frames wait for a full receiver.
 *
 * A source (chains of a ring, messages, data read) hands out entries from the
 * front and takes them back only in order. A burst looks at some entries and
 * makes frames of them; then some of the frames may have to wait. Entries
 * before the first waiting one are given back. All entries from there on stay
 * in the source; a mask remembers which of them are finished, and the next
 * burst passes over those.
 *
 * The entries stay in place: nothing is copied.
 */
#ifndef RW_WAITING_H
#define RW_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#define WAITING_MAX 64 /* most entries of one burst */

/* Owned by the worker of the queue. Zeroed: nothing waits. */
struct waiting {
	uint64_t ahead;	  /* bit i: entry i from the front is finished */
	uint64_t skipped; /* bit i: entry i makes no frame in this burst */
};

/* Begins a burst. Returns the mask of finished entries, for waiting_skips(). */
static inline uint64_t waiting_begin(struct waiting *w)
{
	return w->skipped = w->ahead;
}

/* Returns whether entry @i from the front makes no frame. @mask is the result
 * of waiting_begin(). */
static inline bool waiting_skips(uint64_t mask, unsigned i)
{
	return __builtin_expect(mask != 0, 0) && (mask >> i & 1);
}

/* Marks entry @i as unfit: it makes no frame. Each unmarked entry makes one, in
 * order. */
static inline void waiting_skip(struct waiting *w, unsigned i)
{
	w->skipped |= 1ull << i;
}

/* Ends a burst that looked at @looked entries (at most WAITING_MAX); those in
 * the mask @again are offered again. Returns how many entries from the front
 * the source gets back. */
static inline unsigned waiting_settle(struct waiting *w, unsigned looked,
				      uint64_t again)
{
	/* finished entries behind those of this burst */
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
 * Ends a burst that looked at @looked entries (at most WAITING_MAX); the frames
 * in the mask @held wait. Returns how many entries from the front the source
 * gets back. The next burst looks at all others again.
 */
static inline unsigned waiting_end(struct waiting *w, unsigned looked,
				   uint64_t held)
{
	uint64_t again = 0;

	/* no frame waits, and none waited before */
	if (__builtin_expect(!(held | w->ahead), 1))
		return looked;
	/* frame n was made of the n-th entry that makes one */
	for (unsigned i = 0; i < looked; i++) {
		if (w->skipped >> i & 1)
			continue;
		again |= (held & 1) << i;
		held >>= 1;
	}
	return waiting_settle(w, looked, again);
}

#endif

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
	uint64_t ahead; /* bit i: entry i from the front is finished */
	uint8_t entry_of[WAITING_MAX]; /* of each frame of this burst */
};

/* Is entry @i from the front finished? Then it makes no frame. */
static inline bool waiting_is_finished(const struct waiting *w, unsigned i)
{
	return w->ahead >> i & 1;
}

/* Frame @frame of this burst was made of entry @entry. */
static inline void waiting_note(struct waiting *w, unsigned frame,
				unsigned entry)
{
	w->entry_of[frame] = (uint8_t)entry;
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
	for (; held; held &= held - 1)
		again |= 1ull << w->entry_of[__builtin_ctzll(held)];
	return waiting_settle(w, looked, again);
}

#endif

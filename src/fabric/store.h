/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of a receive queue whose back-end receives into memory of its own.
 * Frames that have to wait for a full receiver stay where they were received;
 * the back-end receives nothing new before they are gone.
 */
#ifndef RW_STORE_H
#define RW_STORE_H

#include "offload.h"
#include "queue.h"
#include "waiting.h"

/* Owned by the worker of the queue. Zeroed: nothing is stored. */
struct store {
	struct iovec raw[BURST_MAX];	/* what was received for each frame */
	struct vnet_hdr hdr[BURST_MAX]; /* its offloads; zeroed: it has none */
	struct iovec iov[BURST_MAX];	/* views of the burst's frames */
	unsigned count;	 /* entries of raw; after store_done() those
			  * that are held */
	unsigned looked; /* of them, in this burst */
	struct waiting waiting;
};

/* Makes frame @n of the burst of entry @i. Returns whether its offloads are
 * valid. */
static inline bool store_frame(struct store *s, unsigned i, struct burst *b,
			       unsigned n, uint32_t snap)
{
	struct frame *f = &b->frame[n];

	f->hdr = s->hdr[i];
	s->iov[n] = s->raw[i];
	if (unlikely(frame_has_offload(f)))
		snap = FRAME_HEAD;
	frame_from_iov(f, &s->iov[n], 1, (uint32_t)s->raw[i].iov_len, snap);
	return likely(!frame_has_offload(f)) || offload_is_valid(f);
}

/* Makes frames of entries that the last burst held, in order and as many as
 * the burst takes. Returns how many. */
static inline unsigned store_again(struct store *s, struct burst *b,
				   uint32_t snap)
{
	uint64_t skips = waiting_begin(&s->waiting);
	unsigned n = 0, i;

	for (i = 0; i < s->count && n < b->want; i++)
		if (!waiting_skips(skips, i))
			store_frame(s, i, b, n++, snap);
	s->looked = i;
	return n;
}

/* Ends the receiving of a burst of @n new entries, each with its frame. */
static inline void store_received(struct store *s, unsigned n)
{
	s->count = s->looked = n;
}

/* Ends a burst: keeps the entries that have to wait. */
static inline void store_done(struct store *s, const struct burst *b)
{
	unsigned back = waiting_end(&s->waiting, s->looked, b->held_mask);

	s->count -= back;
	if (unlikely(s->count && back)) {
		memmove(s->raw, s->raw + back, s->count * sizeof(s->raw[0]));
		memmove(s->hdr, s->hdr + back, s->count * sizeof(s->hdr[0]));
	}
}

#endif

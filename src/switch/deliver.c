/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on their way out to one queue, see deliver.h. Runs on whoever has the
 * working memory; calls the port's tx_burst, the software offloads and the
 * capture. Allocates nothing, logs nothing.
 *
 * Layers, from the outside in: deliver() merges small frames where their source
 * wants that, send_group() looks whether the receiver takes the frames as they
 * are, transmit_soft() does for it what it cannot do, transmit() hands them
 * over and decides about what the receiver has no buffers for.
 */
#include "deliver.h"

#include "capture.h"
#include "clock.h"
#include "cycles.h"
#include "offload.h"
#include "probe.h"
#include "rcu.h"

/* May the sender wait for @q, which took @taken frames and then no more? As
 * long as there is progress; once a receiver has had its time without any,
 * every frame is dropped until it takes one again. */
static bool may_wait(struct txq *q, unsigned taken)
{
	uint64_t limit = shm_load(&q->port->full_ns), now;

	if (!limit)
		return false;
	now = clock_ns();
	if (taken || !q->full_since)
		q->full_since = now;
	return now - q->full_since < limit;
}

/* The back-end took @taken of @frames. */
static void count_tx(struct txq *q, struct frame *const *frames, unsigned taken)
{
	unsigned sent = taken - q->dropped;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < taken; i++)
		bytes += frames[i]->len;
	if (unlikely(q->dropped)) {
		bytes -= q->dropped_bytes;
		q->dropped = 0;
		q->dropped_bytes = 0;
	}
	if (unlikely(!sent))
		return;
	stat_add(&q->stats.frames, sent);
	stat_add(&q->stats.bytes, bytes);
	stat_inc(&q->stats.bursts);
}

/*
 * Gives frames that the receiver takes as they are to its queue. Returns with
 * how many it is done, sent or dropped; fewer than @n only when @can_hold: the
 * receiver is full and may be waited for.
 */
static unsigned transmit(struct txq *q, struct frame *const *frames, unsigned n,
			 bool can_hold)
{
	struct port *port = q->port;
	struct capture *cap = rcu_read(port->capture);
	unsigned taken, done = n;

	spin_lock(&q->lock);
	stage_mark(STAGE_LOOKUP);
	taken = port->ops->tx_burst(q, frames, n);
	count_tx(q, frames, taken);
	PROBE3(push, port->name, q->idx, taken);
	if (likely(taken == n)) {
		if (unlikely(q->full_since))
			q->full_since = 0;
	} else {
		if (can_hold && may_wait(q, taken))
			done = taken;
		stat_add(&q->stats.drops[DROP_TX_FULL], done - taken);
	}
	spin_unlock(&q->lock);
	if (unlikely(cap))
		capture_frames(cap, false, frames, taken);
	return done;
}

/* Cuts @f into what the receiver takes, batch by batch. False: the receiver
 * took none of it, and it is to wait. A frame of which a part was sent does not
 * wait: what is left of it is dropped. */
static bool transmit_segments(struct forward *fw, struct txq *q,
			      struct frame *f, unsigned offloads, bool can_hold)
{
	struct frame *batch[BURST_MAX];
	struct gso_iter it;
	unsigned n = 0, iov = 0;
	bool more = true, is_first = can_hold;

	gso_iter_init(&it, f, offloads);
	while (more) {
		int used = gso_iter_next(&it, &fw->segment[n], &fw->iov[iov],
					 SOFT_IOV - iov);

		if (used >= 0) {
			batch[n] = &fw->segment[n];
			n++;
			iov += (unsigned)used;
		} else if (used == -1) {
			more = false;
		} else if (!n) {
			/* one segment in over SOFT_IOV pieces */
			spin_lock(&q->lock);
			stat_inc(&q->stats.drops[DROP_TX_TOO_BIG]);
			spin_unlock(&q->lock);
			more = false;
		}
		if (n == BURST_MAX || (used < 0 && n)) {
			unsigned done = 0;

			stage_mark(STAGE_OFFLOAD);
			if (is_first)
				done = transmit(q, batch, 1, true);
			if (is_first && !done)
				return false;
			if (n > done)
				transmit(q, batch + done, n - done, false);
			is_first = false;
			n = iov = 0;
		}
	}
	shm_fetch_add(&q->stats.segmented, 1);
	return true;
}

/* Some frame needs an offload that the receiver lacks: do it here. As
 * transmit(). */
static unsigned transmit_soft(struct forward *fw, struct txq *q,
			      struct frame *const *frames, unsigned n,
			      bool can_hold, unsigned offloads)
{
	unsigned sent = 0; /* frames[sent..i) are ready to go */

	for (unsigned i = 0; i <= n; i++) {
		struct frame *f = i < n ? frames[i] : NULL;
		unsigned done;

		if (f && !(frame_offloads_needed(f) & ~offloads))
			continue;
		if (f && !f->hdr.gso_type) {
			offload_fill_csum(f);
			shm_fetch_add(&q->stats.checksummed, 1);
			stage_mark(STAGE_OFFLOAD);
			continue;
		}
		if (i > sent) {
			done = transmit(q, frames + sent, i - sent, can_hold);
			if (done < i - sent)
				return sent + done;
		}
		if (f && !transmit_segments(fw, q, f, offloads, can_hold))
			return i;
		sent = i + 1;
	}
	return n;
}

/* Sends @n frames, all for @q, in order; as transmit(). @needed: the union of
 * the offloads they need. */
static unsigned send_group(struct forward *fw, struct txq *q,
			   struct frame *const *frames, unsigned n,
			   bool can_hold, unsigned needed)
{
	unsigned offloads = shm_load(&q->port->tx_offloads);

	if (likely(!(needed & ~offloads)))
		return transmit(q, frames, n, can_hold);
	return transmit_soft(fw, q, frames, n, can_hold, offloads);
}

static void hold(struct forward *fw, const struct frame *f)
{
	fw->burst.held_mask |= 1ull << (f - fw->burst.frame);
}

/* As send_group() with small frames merged. What is held back are the parts of
 * a large frame that could not be sent. Merging adds no need for offloads that
 * the receiver lacks. */
static void send_merged(struct forward *fw, struct txq *q,
			struct frame *const *frames, unsigned n, bool can_hold,
			unsigned needed)
{
	unsigned offloads = shm_load(&q->port->tx_offloads), done, left;
	struct frame *large[BURST_MAX];
	uint64_t parts = 0;

	left = gro_merge(&fw->gro, frames, n, offloads, large);
	done = send_group(fw, q, large, left, can_hold, needed);
	for (unsigned i = done; i < left; i++)
		parts |= gro_parts(&fw->gro, large[i], frames, n);
	for (unsigned i = 0; i < n; i++)
		if (parts >> i & 1)
			hold(fw, frames[i]);
	n -= (unsigned)__builtin_popcountll(parts);
	stat_add(&fw->merging->merged, n - done);
}

void deliver(struct forward *fw, struct txq *q, struct frame *const *frames,
	     unsigned n, bool can_hold)
{
	unsigned needed = 0, done;

	for (unsigned i = 0; i < n; i++)
		needed |= frame_offloads_needed(frames[i]);
	if (unlikely(fw->merging)) {
		send_merged(fw, q, frames, n, can_hold, needed);
		return;
	}
	done = send_group(fw, q, frames, n, can_hold, needed);
	for (; unlikely(done < n); done++)
		hold(fw, frames[done]);
}

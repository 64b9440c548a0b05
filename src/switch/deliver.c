/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery of frames to one transmit queue, see deliver.h. Runs on the thread
 * that has the working memory; calls the port's tx_burst, the software offloads
 * and the capture. Allocates nothing, logs nothing.
 *
 * deliver() gives each frame the tags that the receiver wants (edit()), merges
 * small frames if their source wants that, and checks whether the receiver
 * takes the frames as they are. If not, transmit_soft() makes checksums and
 * segments. transmit() hands frames over and decides about those that the
 * receiver has no buffers for.
 */
#include "deliver.h"

#include "capture.h"
#include "chain.h"
#include "clock.h"
#include "cycles.h"
#include "edit.h"
#include "key.h"
#include "offload.h"
#include "probe.h"
#include "rcu.h"

/* Returns whether the sender may wait for @q, which took @taken frames and then
 * no more. It may while there is progress; after full_ns without progress every
 * frame is dropped until the receiver takes one again. */
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

static uint64_t bytes_of(struct frame *const *frames, unsigned n)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += frames[i]->len;
	return bytes;
}

/* Counts @taken frames of @bytes that the back-end took. */
static void count_tx(struct txq *q, unsigned taken, uint64_t bytes)
{
	unsigned sent = taken - q->dropped;

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
 * Hands @n frames of @bytes, which the receiver takes as they are, to its
 * queue, unless a filter takes them. Returns how many are finished, sent or
 * dropped. Fewer than @n only with @can_hold: the receiver is full and may be
 * waited for.
 */
static unsigned transmit(struct forward *fw, struct txq *q,
			 struct frame *const *frames, unsigned n,
			 uint64_t bytes, bool can_hold)
{
	struct port *port = q->port;
	struct capture *cap = rcu_read(port->capture);
	const struct filter_chain *chain = rcu_read(port->filters);
	unsigned taken, done = n;

	if (unlikely(chain) && chain_take(chain, fw->behind, false, frames, n))
		return n;
	spin_lock(&q->lock);
	stage_mark(STAGE_LOOKUP);
	taken = port->ops->tx_burst(q, frames, n);
	if (unlikely(taken < n))
		bytes = bytes_of(frames, taken);
	count_tx(q, taken, bytes);
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
	if (unlikely(chain))
		chain_see(chain, fw->behind, false, frames, taken);
	return done;
}

/* Cuts @f into segments and sends them, batch by batch. Returns false when the
 * receiver took nothing and the sender shall wait. After a first segment was
 * sent nothing waits: the rest is dropped if the receiver is full. */
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
			/* one segment consists of over SOFT_IOV pieces */
			spin_lock(&q->lock);
			stat_inc(&q->stats.drops[DROP_TX_TOO_BIG]);
			spin_unlock(&q->lock);
			more = false;
		}
		if (n == BURST_MAX || (used < 0 && n)) {
			unsigned done = 0;

			stage_mark(STAGE_OFFLOAD);
			if (is_first)
				done = transmit(fw, q, batch, 1, batch[0]->len,
						true);
			if (is_first && !done)
				return false;
			if (n > done)
				transmit(fw, q, batch + done, n - done,
					 bytes_of(batch + done, n - done),
					 false);
			is_first = false;
			n = iov = 0;
		}
	}
	shm_fetch_add(&q->stats.segmented, 1);
	return true;
}

/* Does the work of transmit() for frames of which some need an offload that the
 * receiver lacks. */
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
			done = transmit(fw, q, frames + sent, i - sent,
					bytes_of(frames + sent, i - sent),
					can_hold);
			if (done < i - sent)
				return sent + done;
		}
		if (f && !transmit_segments(fw, q, f, offloads, can_hold))
			return i;
		sent = i + 1;
	}
	return n;
}

/* Frames for one queue: as the receiver gets them, and as they are in the
 * burst. */
struct group {
	struct frame *const *frame;
	struct frame *const *of_burst;
	unsigned count;
	bool can_hold;
};

/* Sends a group with its small frames merged. Holds the parts of large frames
 * that could not be sent. @lacks: offloads that frames need and the receiver
 * lacks; merging adds none. */
static __attribute__((noinline)) void send_merged(struct forward *fw,
						  struct txq *q,
						  const struct group *g,
						  unsigned lacks,
						  unsigned offloads)
{
	struct frame *large[BURST_MAX];
	unsigned done, left;
	uint64_t parts = 0;

	left = gro_merge(&fw->gro, g->frame, g->count, offloads, large);
	if (lacks)
		done = transmit_soft(fw, q, large, left, g->can_hold, offloads);
	else
		done = transmit(fw, q, large, left, bytes_of(large, left),
				g->can_hold);
	for (unsigned i = done; i < left; i++)
		parts |= gro_parts(&fw->gro, large[i], g->frame, g->count);
	for (unsigned i = 0; i < g->count; i++)
		if (parts >> i & 1)
			forward_hold(fw, g->of_burst[i]);
	stat_add(&fw->merge_stats->merged,
		 g->count - (unsigned)__builtin_popcountll(parts) - done);
}

/* Returns the frame @f as a receiver with the rules @v gets it, if need be in
 * @copy; NULL when the receiver is not in the frame's VLAN. */
static struct frame *edit_for(const struct port_vlan *v, struct frame *f,
			      struct frame *copy)
{
	unsigned vlan = f->tci & VLAN_VID_MASK;
	uint16_t tpid = vlan == v->pvid ? 0 : v->tpid;

	if (unlikely(!port_vlan_has(v, vlan)))
		return NULL;
	/* @f already has the right tag. (A priority tag has VLAN 0.) */
	if (f->tpid == tpid &&
	    (!tpid || (key_tci(f, 0) & VLAN_VID_MASK) == vlan))
		return f;
	if (!f->tpid)
		edit_push_tag(copy, f, tpid, f->tci);
	else if (!tpid)
		edit_pop_tag(copy, f);
	else
		edit_set_tag(copy, f, tpid, f->tci);
	copy->tpid = tpid;
	return copy;
}

/* The edited frames of a group, and the frames of the burst they come from. */
struct edited {
	struct frame *frame[BURST_MAX];
	struct frame *of_burst[BURST_MAX];
};

/* The edit stage: gives each frame the tag that the receiver's rules want, on a
 * copy of the head if that differs from the frame's own. */
static __attribute__((noinline)) void edit(struct forward *fw, struct txq *q,
					   struct group *g, struct edited *e)
{
	const struct port_vlan *v = rcu_read(q->port->vlan);
	unsigned count = 0;

	if (!v)
		v = &port_vlan_plain;
	for (unsigned i = 0; i < g->count; i++) {
		struct frame *f = edit_for(v, g->frame[i], &fw->edited[i]);

		if (unlikely(!f))
			continue;
		e->of_burst[count] = g->frame[i];
		e->frame[count++] = f;
	}
	if (unlikely(count < g->count)) {
		spin_lock(&q->lock);
		stat_add(&q->stats.drops[DROP_TX_VLAN], g->count - count);
		spin_unlock(&q->lock);
	}
	g->frame = e->frame;
	g->of_burst = e->of_burst;
	g->count = count;
}

void deliver(struct forward *fw, struct txq *q, struct frame *const *frames,
	     unsigned n, bool can_hold)
{
	unsigned offloads = shm_load(&q->port->tx_offloads);
	unsigned needed = 0, done;
	uint64_t bytes = 0;
	struct group g = { .frame = frames,
			   .of_burst = frames,
			   .count = n,
			   .can_hold = can_hold };
	struct edited e;

	if (unlikely(fw->has_vlans)) {
		edit(fw, q, &g, &e);
		frames = g.frame;
		n = g.count;
		if (!n)
			return;
	}
	for (unsigned i = 0; i < n; i++) {
		needed |= frame_offloads_needed(frames[i]);
		bytes += frames[i]->len;
	}
	if (unlikely(fw->merge_stats)) {
		send_merged(fw, q, &g, needed & ~offloads, offloads);
		return;
	}
	if (likely(!(needed & ~offloads)))
		done = transmit(fw, q, frames, n, bytes, can_hold);
	else
		done = transmit_soft(fw, q, frames, n, can_hold, offloads);
	for (; unlikely(done < n); done++)
		forward_hold(fw, g.of_burst[done]);
}

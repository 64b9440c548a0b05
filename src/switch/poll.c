/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Polling of a receive queue: a burst is borrowed, forwarded, counted and given
 * back. Runs on workers; calls the queue's operations and forward_frames().
 * Allocates nothing, logs nothing.
 */
#include "capture.h"
#include "chain.h"
#include "cycles.h"
#include "flow.h"
#include "forward.h"
#include "key.h"
#include "probe.h"
#include "rcu.h"

/* Records the queue pair that the flows of @frames use. */
static void learn_flows(const struct rxq *q, struct frame *frames, unsigned n)
{
	const struct txq_set *set = rcu_read(q->port->txqs);
	struct flow_table *flows = q->port->flows;
	const unsigned idx = q->idx;
	uint8_t tick;

	if (!set || set->count <= 1)
		return;
	tick = flow_tick();
	for (struct frame *f = frames; f < frames + n; f++)
		flow_learn(flows, frame_flow_hash(f), idx, tick);
}

/* Stores in @f those of the @n frames from @first on that are not held. Returns
 * their number. */
static unsigned dealt_with(struct burst *b, unsigned first, unsigned n,
			   struct frame *f[BURST_MAX])
{
	unsigned count = 0;

	for (unsigned i = first; i < first + n; i++)
		if (!(b->held_mask >> i & 1))
			f[count++] = &b->frame[i];
	return count;
}

static void capture_rx(struct port *port, struct burst *b, unsigned first,
		       unsigned n)
{
	struct capture *cap = rcu_read(port->capture);
	struct frame *f[BURST_MAX];

	if (unlikely(cap))
		capture_frames(cap, true, f, dealt_with(b, first, n, f));
}

/*
 * Bound of bytes in a burst. While a burst is copied no other queue gets its
 * turn, and 64 frames of 65000 bytes would take a third of a millisecond. The
 * length of the next burst follows from this one, of @n frames and @bytes.
 */
#define BURST_BYTES (512 * 1024)

static void set_want(struct rxq *q, unsigned n, uint64_t bytes)
{
	if (unlikely(bytes > BURST_BYTES))
		q->want = MAX(1, (unsigned)(n * BURST_BYTES / bytes));
	else if (unlikely(q->want < BURST_MAX) && bytes < BURST_BYTES / 2)
		q->want = MIN(2 * q->want, BURST_MAX);
}

/* Counts frames[first..first + n) except those held. Returns all bytes. */
static uint64_t count_rx(struct queue_stats *s, const struct burst *b,
			 unsigned first, unsigned n)
{
	uint64_t all = 0, held_bytes = 0, mask;
	unsigned held = 0;

	for (unsigned i = first; i < first + n; i++)
		all += b->frame[i].len;
	mask = b->held_mask >> first;
	for (; unlikely(mask); mask &= mask - 1, held++)
		held_bytes += b->frame[first + __builtin_ctzll(mask)].len;
	stat_add(&s->frames, n - held);
	stat_add(&s->bytes, all - held_bytes);
	if (likely(n > held))
		stat_inc(&s->bursts);
	return all;
}

/* Counts and captures frames[first..first + n), which came in at @port and were
 * forwarded. Returns their bytes. */
static uint64_t account(struct port *port, struct queue_stats *s,
			struct burst *b, unsigned first, unsigned n)
{
	uint64_t bytes = count_rx(s, b, first, n);

	capture_rx(port, b, first, n);
	return bytes;
}

/* Forwards frames[first..first + n) of a burst, which come in at @port: by its
 * wire, or behind the filter @from. The other filters of @chain get them first.
 * Counts them and returns their bytes. */
static __attribute__((noinline)) uint64_t forward_filtered(
	struct forward *fw, struct port *port, const struct filter_chain *chain,
	const struct filter *from, unsigned first, unsigned n, bool can_hold,
	struct queue_stats *stats)
{
	struct burst *b = &fw->burst;
	struct frame *f[BURST_MAX];
	bool is_taken;
	uint64_t bytes;

	b->held_mask = 0;
	is_taken = chain_take(chain, from, true, f, dealt_with(b, first, n, f));
	if (!is_taken)
		forward_frames(fw, port, b->frame + first, n, can_hold, stats);
	bytes = from ? count_rx(stats, b, first, n)
		     : account(port, stats, b, first, n);
	if (!is_taken)
		chain_see(chain, from, true, f, dealt_with(b, first, n, f));
	return bytes;
}

/* Forwards frames[first..first + n), which came in at @port. Counts them and
 * returns their bytes. */
static uint64_t forward_of(struct forward *fw, struct port *port,
			   unsigned first, unsigned n, bool can_hold,
			   struct queue_stats *stats)
{
	const struct filter_chain *chain = rcu_read(port->filters);

	if (unlikely(chain))
		return forward_filtered(fw, port, chain, NULL, first, n,
					can_hold, stats);
	forward_frames(fw, port, fw->burst.frame + first, n, can_hold, stats);
	return account(port, stats, &fw->burst, first, n);
}

/* Forwards frames that a filter put into a port's path. They are no frames of
 * the port's wire: neither the port's counters nor a capture has them. */
static uint64_t forward_entering(struct forward *fw, struct rxq *q, unsigned n)
{
	const struct filter_entry *e = q->entry;
	const struct filter_chain *chain = rcu_read(e->port->filters);
	struct burst *b = &fw->burst;

	if (e->is_rx && chain)
		return forward_filtered(fw, e->port, chain, e->behind, 0, n,
					q->can_hold, &q->stats);
	if (e->is_rx)
		forward_frames(fw, e->port, b->frame, n, q->can_hold,
			       &q->stats);
	else
		forward_out(fw, e->port, e->behind, n, q->can_hold);
	return count_rx(&q->stats, b, 0, n);
}

/* Forwards the frames of a queue that serves several ports: neighbours from one
 * port together. If a frame waits, all frames behind it wait. */
static __attribute__((noinline)) uint64_t forward_shared(struct forward *fw,
							 struct rxq *q,
							 unsigned n)
{
	struct frame *f = fw->burst.frame;
	unsigned start = 0, end;
	uint64_t bytes = 0;

	if (q->entry)
		return forward_entering(fw, q, n);

	for (; start < n && !fw->burst.held_mask; start = end) {
		struct port *port = f[start].from;
		struct queue_stats *stats = &port->rxq[0]->stats;

		end = start + 1;
		while (end < n && f[end].from == port)
			end++;
		fw->merge_stats =
			shm_load(&port->rxq[0]->wants_gro) ? stats : NULL;
		bytes += forward_of(fw, port, start, end - start, q->can_hold,
				    stats);
	}
	for (; start < n; start++)
		forward_hold(fw, &f[start]);
	return bytes;
}

struct poll_result forward_poll(void *path, struct rxq *q)
{
	const struct port_ops *ops = q->port->ops;
	struct forward *fw = path;
	struct burst *b = &fw->burst;
	unsigned n, held = 0;
	uint64_t bytes;

	b->want = q->want;
	n = ops->rx_burst(q, b);
	b->held_mask = 0;
	if (n) {
		PROBE3(pop, q->port->name, q->idx, n);
		if (q->port->flows)
			learn_flows(q, b->frame, n);
		fw->merge_stats = shm_load(&q->wants_gro) ? &q->stats : NULL;
		if (unlikely(q->is_shared))
			bytes = forward_shared(fw, q, n);
		else
			bytes = forward_of(fw, q->port, 0, n, q->can_hold,
					   &q->stats);
		set_want(q, n, bytes);
		held = (unsigned)__builtin_popcountll(b->held_mask);
		PROBE3(forward, q->port->name, q->idx, n - held);
	}
	if (unlikely(held))
		stat_inc(&q->stats.waits);
	stage_mark(STAGE_OTHER);
	ops->rx_done(q, b);
	return (struct poll_result){ n - held, held };
}

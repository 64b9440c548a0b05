/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from the back-end, see front.h. Runs on the worker that has the queue.
 *
 * A frame is a view of the buffers that the back-end filled; they go back to
 * it, empty, when the burst is over. Header and number of buffers are read
 * once.
 */
#include <assert.h>
#include <string.h>

#include "front.h"
#include "probe.h"

static_assert(FRONT_RING * sizeof(struct iovec) <= BURST_SCRATCH,
	      "the views of a burst fit into the worker's memory");

static const struct front_entry *entry_at(const struct front_rx *q, unsigned at)
{
	return &q->entry[(q->first + at) & (FRONT_RING - 1)];
}

/* Takes up to @want filled buffers from the ring. Returns whether there were
 * some. */
static bool take_buffers(struct front_rx *q, unsigned want)
{
	struct vq_drv_used used[BURST_MAX];
	unsigned n = vq_drv_pop_burst(q->vq, used, MIN(want, BURST_MAX));

	for (unsigned i = 0; i < n; i++) {
		struct front_entry *e =
			&q->entry[(q->first + q->count) & (FRONT_RING - 1)];

		if (unlikely(used[i].is_too_long || !used[i].size)) {
			front_fail(&q->health, FRONT_BAD_SIZE, used[i].size);
			return false;
		}
		*e = (struct front_entry){ used[i].cookie, used[i].size };
		__builtin_prefetch(e->data);
		__builtin_prefetch(e->data + VNET_HDR_MAX);
		q->count++;
	}
	if (unlikely(!n && vq_drv_fault(q->vq)))
		front_fail(&q->health, FRONT_BAD_RING, vq_drv_fault(q->vq));
	return n;
}

/* Reads the header of q->next, whose first buffer is @e. Returns whether it is
 * valid. */
static bool read_header(struct front_rx *q, const struct front_entry *e)
{
	struct vnet_raw raw;
	uint16_t count;

	if (unlikely(e->size < VNET_HDR_MAX)) {
		front_fail(&q->health, FRONT_BAD_SIZE, e->size);
		return false;
	}
	raw = vnet_raw_load(e->data);
	memcpy(&count, e->data + VNET_HDR_LEGACY, sizeof(count));
	count = le16_to_cpu(count);
	shm_settle(count);
	if (unlikely(!count || count > FRONT_RING)) {
		front_fail(&q->health, FRONT_BAD_BUFFERS, count);
		return false;
	}
	q->next = (struct front_frame){ .count = count };
	if (unlikely(vnet_raw_has_offload(raw))) {
		q->next.hdr = vnet_raw_decode(raw);
		q->next.hdr.flags &= VNET_HDR_F_NEEDS_CSUM;
	}
	return true;
}

/* Moves the next frame to frame[]; all its buffers are there. */
static void finish_frame(struct front_rx *q)
{
	struct front_frame *r = &q->frame[q->frames++];

	*r = q->next;
	for (unsigned i = 0; i < r->count; i++)
		r->len += entry_at(q, q->framed + i)->size;
	r->len -= VNET_HDR_MAX;
	r->hdr.hdr_len = MIN(r->hdr.hdr_len, r->len);
	q->framed += r->count;
	q->next.count = 0;
}

/* Receives one more frame; @behind follow. Returns whether there is one. */
static bool receive(struct front_rx *q, unsigned behind)
{
	for (;;) {
		unsigned have = q->count - q->framed;

		if (have && !q->next.count &&
		    !read_header(q, entry_at(q, q->framed)))
			return false;
		if (have && have >= q->next.count) {
			finish_frame(q);
			return true;
		}
		if (!take_buffers(q, MAX(q->next.count, 1u) - have + behind))
			return false;
	}
}

/* Makes @iov the content of the @count buffers from @at on, without the header.
 * Returns the number of iovecs. */
static unsigned view(const struct front_rx *q, unsigned at, unsigned count,
		     struct iovec *iov)
{
	unsigned n = 0, skip = VNET_HDR_MAX;

	for (unsigned i = 0; i < count; i++, skip = 0) {
		const struct front_entry *e = entry_at(q, at + i);

		if (e->size > skip)
			iov[n++] = (struct iovec){ e->data + skip,
						   e->size - skip };
	}
	return n;
}

/* Makes @f frame @i, whose buffers begin at @at. Returns false, and counts it,
 * if it is unfit. Adds the iovecs used to *@iov. */
static bool make_frame(struct front_rx *q, unsigned i, unsigned at,
		       struct frame *f, struct iovec **iov)
{
	const struct front_frame *r = &q->frame[i];
	uint32_t snap = shm_load(&q->rxq.snap);
	struct iovec *v = *iov;
	unsigned n;

	if (unlikely(r->len < ETH_HLEN || r->len > FRAME_MAX)) {
		stat_inc(&q->rxq.stats.drops[DROP_RX_BAD_FRAME]);
		return false;
	}
	n = view(q, at, r->count, v);
	*iov = v + n;
	f->hdr = r->hdr;
	if (likely(!frame_has_offload(f))) {
		frame_from_iov(f, v, n, r->len, snap);
		return true;
	}
	frame_from_iov(f, v, n, r->len, FRAME_HEAD);
	if (likely(offload_is_valid(f) &&
		   !(frame_offloads_needed(f) & ~q->offloads)))
		return true;
	stat_inc(&q->rxq.stats.drops[DROP_RX_BAD_OFFLOAD]);
	return false;
}

unsigned front_rx_burst(struct rxq *rxq, struct burst *b)
{
	struct front_rx *q = container_of(rxq, struct front_rx, rxq);
	uint64_t skips = waiting_begin(&q->waiting);
	struct iovec *iov = (struct iovec *)b->scratch;
	unsigned n = 0, at = 0, i = 0;

	for (; n < b->want; at += q->frame[i++].count) {
		if (front_is_bad(&q->health))
			break;
		if (i == q->frames &&
		    (i == BURST_MAX || !receive(q, b->want - n - 1)))
			break;
		if (unlikely(waiting_skips(skips, i)))
			continue;
		if (likely(make_frame(q, i, at, &b->frame[n], &iov)))
			n++;
		else
			waiting_skip(&q->waiting, i);
	}
	q->looked = i;
	return n;
}

/* Gives the first @count buffers back, empty. Returns whether the back-end was
 * told. */
static bool give_back(struct front_rx *q, unsigned count)
{
	struct vq_drv_buf buf[BURST_MAX];
	struct iovec iov[BURST_MAX];

	q->framed -= count;
	while (count) {
		unsigned n = MIN(count, BURST_MAX);

		for (unsigned i = 0; i < n; i++) {
			uint8_t *data = entry_at(q, i)->data;

			iov[i] = (struct iovec){ data, FRONT_ROOM };
			buf[i] = (struct vq_drv_buf){ .iov = &iov[i],
						      .writable_count = 1,
						      .cookie = data };
		}
		vq_drv_push_burst(q->vq, buf, n);
		q->first = (q->first + n) & (FRONT_RING - 1);
		q->count -= n;
		count -= n;
	}
	if (!vq_drv_should_notify(q->vq))
		return false;
	vq_drv_notify(q->vq);
	return true;
}

void front_rx_done(struct rxq *rxq, struct burst *b)
{
	struct front_rx *q = container_of(rxq, struct front_rx, rxq);
	unsigned back, buffers = 0;

	if (!q->looked)
		return;
	back = waiting_end(&q->waiting, q->looked, b->held_mask);
	for (unsigned i = 0; i < back; i++)
		buffers += q->frame[i].count;
	q->frames -= back;
	q->looked = 0;
	if (unlikely(q->frames && back))
		memmove(q->frame, q->frame + back,
			q->frames * sizeof(q->frame[0]));
	if (buffers && give_back(q, buffers)) {
		stat_inc(&rxq->stats.calls);
		PROBE3(call, rxq->port->name, rxq->idx, PROBE_IN);
	}
}

/* Returns whether a frame can be made of buffers that were taken. */
static bool has_frame(const struct front_rx *q)
{
	unsigned have = q->count - q->framed;

	return q->frames || (have && have >= q->next.count);
}

bool front_rx_arm(struct rxq *rxq)
{
	struct front_rx *q = container_of(rxq, struct front_rx, rxq);

	if (front_is_bad(&q->health))
		return true;
	return !has_frame(q) && vq_drv_arm(q->vq);
}

void front_rx_disarm(struct rxq *rxq)
{
	vq_drv_disarm(container_of(rxq, struct front_rx, rxq)->vq);
}

void front_rx_reset(struct front_rx *q, uint8_t *buffers, uint64_t features)
{
	q->offloads = vnet_offloads_to_driver(features);
	q->health.fault = FRONT_GOOD;
	q->frames = q->looked = 0;
	q->next.count = 0;
	q->waiting = (struct waiting){ 0 };
	q->first = 0;
	q->count = q->framed = FRONT_RING;
	for (unsigned i = 0; i < FRONT_RING; i++)
		q->entry[i].data = buffers + i * FRONT_STRIDE + FRONT_OFFSET;
	give_back(q, FRONT_RING);
}

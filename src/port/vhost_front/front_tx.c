/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames to the back-end, see front.h. Runs on any worker, with the lock of the
 * queue. A frame is copied into free buffers, as many as it needs: one chain.
 */
#include <string.h>

#include "front.h"
#include "probe.h"

static uint8_t *buffer_at(const struct front_tx *q, unsigned number)
{
	return q->buffers + number * FRONT_STRIDE + FRONT_OFFSET;
}

/* Takes back the buffers that the back-end has read. */
static void reclaim(struct front_tx *q)
{
	struct vq_drv_used used[BURST_MAX];
	unsigned n;

	do {
		n = vq_drv_pop_burst(q->vq, used, BURST_MAX);
		for (unsigned i = 0; i < n; i++) {
			uint8_t *first = used[i].cookie;
			unsigned at = (first - q->buffers) / FRONT_STRIDE;

			q->free[q->free_count++] = at;
			while (q->link[at] != at) {
				at = q->link[at];
				q->free[q->free_count++] = at;
			}
		}
	} while (n == BURST_MAX);
	if (unlikely(vq_drv_fault(q->vq) && !front_is_bad(&q->health)))
		front_fail(&q->health, FRONT_BAD_RING, vq_drv_fault(q->vq));
}

static unsigned buffers_of(const struct frame *f)
{
	return (VNET_HDR_MAX + f->len + FRONT_ROOM - 1) / FRONT_ROOM;
}

/* Copies @f into @count free buffers. Stores them in @iov, and the chain in
 * @buf. */
static void put_frame(struct front_tx *q, const struct frame *f, unsigned count,
		      struct iovec *iov, struct vq_drv_buf *buf)
{
	uint32_t off = 0, hdr = VNET_HDR_MAX;
	uint64_t mask = vnet_raw_mask(VNET_HDR_F_NEEDS_CSUM);

	*buf = (struct vq_drv_buf){ .iov = iov, .readable_count = count };
	for (unsigned i = 0; i < count; i++, hdr = 0) {
		unsigned at = q->free[--q->free_count];
		uint8_t *data = buffer_at(q, at);
		uint32_t n = MIN(FRONT_ROOM - hdr, f->len - off);

		if (!i) {
			/* a driver leaves num_buffers zero */
			vnet_hdr_renew(data, &f->hdr, mask, 0, VNET_HDR_MAX);
			buf->cookie = data;
		} else {
			q->link[((uint8_t *)iov[i - 1].iov_base - q->buffers) /
				FRONT_STRIDE] = at;
		}
		q->link[at] = at;
		frame_copy(f, off, data + hdr, n);
		iov[i] = (struct iovec){ data, hdr + n };
		off += n;
	}
}

static unsigned drop_all(struct txq *txq, struct frame *const *frames,
			 unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		txq_drop(txq, DROP_TX_DOWN, 1, frames[i]->len);
	return n;
}

unsigned front_tx_burst(struct txq *txq, struct frame *const *frames,
			unsigned n)
{
	struct front_tx *q = container_of(txq, struct front_tx, txq);
	struct vq_drv_buf buf[BURST_MAX];
	struct iovec iov[FRONT_RING];
	unsigned i, used = 0;

	reclaim(q);
	if (front_is_bad(&q->health))
		return drop_all(txq, frames, n);
	for (i = 0; i < n; i++) {
		unsigned count = buffers_of(frames[i]);

		if (count > q->free_count)
			break;
		put_frame(q, frames[i], count, iov + used, &buf[i]);
		used += count;
	}
	if (!i)
		return 0;
	vq_drv_push_burst(q->vq, buf, i);
	stat_add(&txq->stats.copies, i);
	if (vq_drv_should_notify(q->vq)) {
		vq_drv_notify(q->vq);
		stat_inc(&txq->stats.calls);
		PROBE3(call, txq->port->name, txq->idx, PROBE_OUT);
	}
	return i;
}

void front_tx_reset(struct front_tx *q, uint8_t *buffers)
{
	q->health.fault = FRONT_GOOD;
	q->buffers = buffers;
	q->free_count = FRONT_RING;
	for (unsigned i = 0; i < FRONT_RING; i++)
		q->free[i] = FRONT_RING - 1 - i;
}

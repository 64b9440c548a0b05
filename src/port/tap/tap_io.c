/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of a tap's queues, see tap.h. Workers.
 *
 * A read returns one frame, up to 64 KiB large, and its size is known only
 * afterwards. So each queue has an arena into which the frames of a burst are
 * read one behind the other: a burst of small frames stays in a few pages, and
 * a burst of large frames ends at the end of the arena. Pages that were never
 * used are never resident.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cycles.h"
#include "gro.h"
#include "offload.h"
#include "tap.h"
#include "vnet_hdr.h"

#define TX_IOV	(1 + GRO_IOV)	/* iovecs of a merged frame */
#define BAD_MAX (4 * BURST_MAX) /* invalid frames dropped in a burst */

/* Makes frame @n of the @size bytes read to @data. Returns whether it is valid.
 */
static bool take_frame(struct tap_queue *q, uint8_t *data, size_t size,
		       struct burst *b, unsigned n, uint32_t snap)
{
	size_t len = size - q->hdr_size;
	struct vnet_hdr *hdr = &q->store.hdr[n];

	if (size < q->hdr_size + ETH_HLEN || len > FRAME_MAX) {
		stat_inc(&q->rx.stats.drops[DROP_RX_BAD_FRAME]);
		return false;
	}
	*hdr = (struct vnet_hdr){ 0 };
	if (q->hdr_size)
		*hdr = vnet_raw_decode(vnet_raw_load(data));
	hdr->flags &= VNET_HDR_F_NEEDS_CSUM | VNET_HDR_F_DATA_VALID;
	q->store.raw[n] = (struct iovec){ data + q->hdr_size, len };
	if (likely(store_frame(&q->store, n, b, n, snap)))
		return true;
	stat_inc(&q->rx.stats.drops[DROP_RX_BAD_OFFLOAD]);
	return false;
}

/* Called after a failed read. Netlink does not tell us when the interface was
 * deleted in another namespace. */
static void tell_if_gone(struct tap_queue *q)
{
	if (likely(errno != EBADFD) || q->is_gone)
		return;
	q->is_gone = true;
	link_events_wake();
}

/* Returns whether the kernel (before 5.11) cannot do @result's call without
 * waiting. Then the plain calls remain. */
static bool must_trust(struct tap_queue *q, ssize_t result)
{
	if (likely(result >= 0) || errno != EOPNOTSUPP)
		return false;
	shm_store(&q->is_shared, false);
	return true;
}

/* Reads a frame to @to and returns its size, or -1 with errno. Who passed us
 * the descriptor can make it blocking at any time; this does not wait then. */
static ssize_t read_frame(struct tap_queue *q, void *to, bool is_shared)
{
	struct iovec iov = { to, TAP_READ_ROOM };
	ssize_t got;

	if (unlikely(is_shared)) {
		got = preadv2(q->fd, &iov, 1, -1, RWF_NOWAIT);
		if (!must_trust(q, got))
			return got;
	}
	return read(q->fd, to, TAP_READ_ROOM);
}

/* As writev(), and does not wait either. */
static ssize_t write_vector(struct tap_queue *q, const struct iovec *iov,
			    int count)
{
	ssize_t sent;

	if (unlikely(shm_load(&q->is_shared))) {
		sent = pwritev2(q->fd, iov, count, -1, RWF_NOWAIT);
		if (!must_trust(q, sent))
			return sent;
	}
	return writev(q->fd, iov, count);
}

/* Reads until the kernel has no more frames: the event is edge-triggered. */
unsigned tap_rx_burst(struct rxq *rx, struct burst *b)
{
	struct tap_queue *q = container_of(rx, struct tap_queue, rx);
	uint32_t snap = shm_load(&rx->snap);
	bool is_shared = shm_load(&q->is_shared);
	unsigned n = 0, bad = 0;
	size_t off = 0;

	if (unlikely(q->store.count))
		return store_again(&q->store, b, snap);
	waiting_begin(&q->store.waiting);
	while (n < b->want && off + TAP_READ_ROOM <= TAP_ARENA_SIZE) {
		ssize_t got = read_frame(q, q->arena + off, is_shared);

		stage_mark(STAGE_SYSCALL);
		stat_inc(&rx->stats.calls);
		if (got < 0) {
			tell_if_gone(q);
			break;
		}
		if (likely(take_frame(q, q->arena + off, (size_t)got, b, n,
				      snap))) {
			off = align_up(off + (size_t)got, CACHE_LINE);
			n++;
		} else if (++bad == BAD_MAX) {
			q->has_more = true;
			break;
		}
		stage_mark(STAGE_SNAPSHOT);
	}
	store_received(&q->store, n);
	return n;
}

/* The descriptor is the event, so there is nothing to arm. Returns false after
 * a burst that stopped early: another one must follow. */
bool tap_rx_arm(struct rxq *rx)
{
	struct tap_queue *q = container_of(rx, struct tap_queue, rx);
	bool had_more = q->has_more;

	q->has_more = false;
	return !had_more;
}

void tap_rx_done(struct rxq *rx, struct burst *b)
{
	store_done(&container_of(rx, struct tap_queue, rx)->store, b);
}

/* Writes one frame. Returns 0 or -errno. */
static int write_frame(struct tap_queue *q, const struct frame *f)
{
	struct iovec iov[1 + TX_IOV];
	struct vnet_hdr hdr = f->hdr;
	uint8_t wire[VNET_HDR_MAX];
	unsigned count;
	bool has_hdr = q->hdr_size != 0;
	int rc = 0;

	/* The kernel refuses a header length beyond the frame's end, and
	 * does not take DATA_VALID. */
	hdr.hdr_len = (uint16_t)MIN(hdr.hdr_len, f->len);
	vnet_hdr_store(wire, &hdr, vnet_raw_mask(VNET_HDR_F_NEEDS_CSUM), 0,
		       sizeof(wire));
	iov[0] = (struct iovec){ wire, sizeof(wire) };
	count = frame_to_iov(f, iov + 1, TX_IOV);
	if (unlikely(!count)) {
		uint8_t *bounce = q->arena + TAP_ARENA_SIZE;

		frame_copy(f, 0, bounce, f->len);
		stat_inc(&q->tx.stats.copies);
		iov[1] = (struct iovec){ bounce, f->len };
		count = 1;
	}
	if (write_vector(q, has_hdr ? iov : iov + 1, (int)(count + has_hdr)) <
	    0)
		rc = -errno;
	stage_mark(STAGE_SYSCALL);
	stat_inc(&q->tx.stats.calls);
	return rc;
}

unsigned tap_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n)
{
	struct tap_queue *q = container_of(tx, struct tap_queue, tx);
	struct queue_stats *s = &tx->stats;
	unsigned i;

	for (i = 0; i < n; i++) {
		int rc = write_frame(q, frames[i]);

		if (rc == -EAGAIN || rc == -ENOBUFS)
			break;
		if (likely(!rc))
			stat_inc(&s->copies);
		else /* -EIO: the interface is down */
			txq_drop(tx, rc == -EIO ? DROP_TX_DOWN : DROP_TX_ERROR,
				 1, frames[i]->len);
	}
	return i;
}

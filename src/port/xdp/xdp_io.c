/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data path of a port over AF_XDP, see xdp.h. Workers.
 *
 * Frames that come in are lent where they lie in the UMEM, and their chunks go
 * back to the kernel in rx_done. Frames that go out are copied into chunks.
 */
#include <errno.h>
#include <sys/socket.h>

#include "cycles.h"
#include "fd.h"
#include "key.h"
#include "xdp_impl.h"

/* The kernel sends this many frames in a call at least, where it copies. */
#define SENT_PER_CALL 32

/* Gives @n chunks back to the kernel. The ring has room for all. */
static void refill(struct xdp_queue *q, const uint32_t *chunk, unsigned n)
{
	uint32_t at = 0;

	if (!n || !xsk_ring_prod__reserve(&q->fill, n, &at))
		return;
	for (unsigned i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&q->fill, at + i) = chunk[i];
	xsk_ring_prod__submit(&q->fill, n);
}

/* Stores the frame that @d describes as entry @n. Returns whether it is one. */
static bool take_frame(struct xdp_queue *q, const struct xdp_desc *d,
		       struct burst *b, unsigned n, uint32_t snap)
{
	uint32_t chunk = (uint32_t)d->addr & ~(uint32_t)(XDP_CHUNK - 1);

	if (unlikely(d->len < ETH_HLEN)) {
		stat_inc(&q->rx.stats.drops[DROP_RX_BAD_FRAME]);
		refill(q, &chunk, 1);
		return false;
	}
	q->chunk[n] = chunk;
	q->store.raw[n] = (struct iovec){ q->memory + d->addr, d->len };
	store_frame(&q->store, n, b, n, snap);
	return true;
}

unsigned xdp_rx_burst(struct rxq *rx, struct burst *b)
{
	struct xdp_queue *q = container_of(rx, struct xdp_queue, rx);
	uint32_t snap = shm_load(&rx->snap), at = 0;
	unsigned n = 0, got;

	if (unlikely(q->store.count))
		return store_again(&q->store, b, snap);
	waiting_begin(&q->store.waiting);
	got = xsk_ring_cons__peek(&q->rx_ring, b->want, &at);
	for (unsigned i = 0; i < got; i++)
		n += take_frame(q, xsk_ring_cons__rx_desc(&q->rx_ring, at + i),
				b, n, snap);
	if (got)
		xsk_ring_cons__release(&q->rx_ring, got);
	else if (unlikely(xsk_ring_prod__needs_wakeup(&q->fill))) {
		stat_inc(&rx->stats.calls);
		recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	}
	stage_mark(STAGE_SNAPSHOT);
	store_received(&q->store, n);
	return n;
}

void xdp_rx_done(struct rxq *rx, struct burst *b)
{
	struct xdp_queue *q = container_of(rx, struct xdp_queue, rx);
	unsigned before = q->store.count, back;

	store_done(&q->store, b);
	back = before - q->store.count;
	refill(q, q->chunk, back);
	if (unlikely(q->store.count && back))
		memmove(q->chunk, q->chunk + back,
			q->store.count * sizeof(q->chunk[0]));
}

/* The descriptor is the event: it comes for frames that arrive after this look.
 */
bool xdp_rx_arm(struct rxq *rx)
{
	struct xdp_queue *q = container_of(rx, struct xdp_queue, rx);

	return !xsk_cons_nb_avail(&q->rx_ring, 1);
}

/* Takes the chunks back that were sent. */
static void reap(struct xdp_queue *q)
{
	uint32_t at = 0;
	unsigned n = xsk_ring_cons__peek(&q->done, XDP_CHUNKS, &at);

	for (unsigned i = 0; i < n; i++)
		q->spare[q->spares++] =
			(uint32_t)*xsk_ring_cons__comp_addr(&q->done, at + i);
	if (n)
		xsk_ring_cons__release(&q->done, n);
}

/* Returns whether the interface sends frames of this length. */
static bool fits(const struct xdp_queue *q, struct frame *f)
{
	uint32_t max = shm_load(&q->mtu) + ETH_HLEN;

	if (likely(f->len <= max))
		return f->len <= XDP_FRAME_MAX;
	return f->len <= MIN(max + XDP_TAG, XDP_FRAME_MAX) &&
	       frame_key(f, KEY_L2)->tags;
}

/* Returns how many frames the kernel has not looked at. */
static uint32_t unsent(const struct xdp_queue *q)
{
	return shm_load(q->tx_ring.producer) - shm_load(q->tx_ring.consumer);
}

bool xdp_send(struct xdp_queue *q, uint64_t *made)
{
	uint32_t left = unsent(q);
	unsigned calls = left / SENT_PER_CALL + 1;

	if (!left || !xsk_ring_prod__needs_wakeup(&q->tx_ring))
		return false;
	for (; calls && left; calls--) {
		stat_inc(made);
		if (sendto(q->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EBUSY && errno != ENOBUFS)
			return false; /* the interface is down or gone */
		left = unsent(q);
	}
	return left != 0;
}

/* Copies @f into a chunk and the ring. Returns false when they are full. */
static bool put(struct xdp_queue *q, const struct frame *f)
{
	struct xdp_desc *d;
	uint32_t at = 0, chunk;

	if (unlikely(!q->spares ||
		     !xsk_ring_prod__reserve(&q->tx_ring, 1, &at)))
		return false;
	chunk = q->spare[--q->spares];
	frame_copy(f, 0, q->memory + chunk, f->len);
	d = xsk_ring_prod__tx_desc(&q->tx_ring, at);
	*d = (struct xdp_desc){ .addr = chunk, .len = f->len };
	return true;
}

unsigned xdp_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n)
{
	struct xdp_queue *q = container_of(tx, struct xdp_queue, tx);
	unsigned i, count = 0;

	reap(q);
	for (i = 0; i < n; i++) {
		if (unlikely(!fits(q, frames[i]))) {
			txq_drop(tx, DROP_TX_TOO_BIG, 1, frames[i]->len);
			continue;
		}
		if (!put(q, frames[i]))
			break;
		count++;
	}
	if (count)
		xsk_ring_prod__submit(&q->tx_ring, count);
	stat_add(&tx->stats.copies, count);
	if (unlikely(xdp_send(q, &tx->stats.calls)))
		fd_signal(q->lag_fd);
	stage_mark(STAGE_SYSCALL);
	return i;
}

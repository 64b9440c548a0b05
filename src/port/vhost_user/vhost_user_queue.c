/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of a vhost-user port. The burst operations and arming run on workers,
 * the session's callbacks on the control thread. Calls vnet/ for the frames.
 *
 * Theory of operation. The session hands over queues that work and takes them
 * back before anything under them changes; here each becomes an rxq attached
 * to a worker, or a txq in the port's set. Both ways out of the data path
 * (rxq_detach(), port_set_txqs()) wait for the workers, so on return from
 * queue_stop() nobody can still hold the queue: not a worker in rx_burst, not
 * one in tx_burst, and not the control thread, which runs this.
 */
#include <assert.h>

#include "log.h"
#include "probe.h"
#include "vhost_user.h"
#include "workers.h"

static_assert(sizeof(struct vnet_rx_scratch) <= BURST_SCRATCH,
	      "a burst's working memory fits into the worker's");

unsigned vhost_user_rx_burst(struct rxq *rxq, struct burst *b)
{
	struct vu_rxq *q = container_of(rxq, struct vu_rxq, rxq);
	struct vnet_rx_stats bad = { 0 };
	unsigned n;

	n = vnet_rx_burst(q->vq, q->offloads, (void *)b->scratch, q->ahead,
			  b->frame, b->want, &b->borrowed, &bad);
	if (unlikely(bad.bad_frame | bad.bad_offload)) {
		stat_add(&rxq->stats.drops[DROP_RX_BAD_FRAME], bad.bad_frame);
		stat_add(&rxq->stats.drops[DROP_RX_BAD_OFFLOAD],
			 bad.bad_offload);
	}
	if (unlikely(!shm_load(&q->is_enabled)) && n) {
		/* "Must process and discard any TX packets" */
		stat_add(&rxq->stats.drops[DROP_RX_DISABLED], n);
		return 0;
	}
	return n;
}

void vhost_user_rx_done(struct rxq *rxq, struct burst *b)
{
	struct vu_rxq *q = container_of(rxq, struct vu_rxq, rxq);

	if (b->borrowed && vnet_rx_done(q->vq, (void *)b->scratch, &q->ahead,
					b->borrowed, b->held_mask)) {
		stat_inc(&rxq->stats.calls);
		PROBE3(call, rxq->port->name, rxq->idx, PROBE_IN);
	}
}

bool vhost_user_rx_arm(struct rxq *rxq)
{
	return vq_dev_arm(container_of(rxq, struct vu_rxq, rxq)->vq);
}

void vhost_user_rx_disarm(struct rxq *rxq)
{
	vq_dev_disarm(container_of(rxq, struct vu_rxq, rxq)->vq);
}

unsigned vhost_user_tx_burst(struct txq *txq, struct frame *const *frames,
			     unsigned n)
{
	struct vu_txq *q = container_of(txq, struct vu_txq, txq);
	struct vnet_tx_result r = vnet_tx_burst(q->vq, &q->choice, frames, n);
	unsigned sent = r.taken - r.too_big;

	if (likely(sent)) {
		stat_add(&txq->stats.frames, sent);
		stat_add(&txq->stats.bytes, r.bytes);
		stat_add(&txq->stats.copies, sent);
		stat_inc(&txq->stats.bursts);
	}
	if (r.notified) {
		stat_inc(&txq->stats.calls);
		PROBE3(call, txq->port->name, txq->idx, PROBE_OUT);
	}
	if (unlikely(r.too_big))
		stat_add(&txq->stats.drops[DROP_TX_TOO_BIG], r.too_big);
	return r.taken;
}

/* Publishes the transmit queues that can be used now. */
static void update_txqs(struct vhost_user_port *v)
{
	struct txq *usable[VU_MAX_QUEUE_PAIRS];
	unsigned n = 0;

	for (unsigned i = 0; i < v->pairs; i++)
		if (v->tx[i].is_usable)
			usable[n++] = &v->tx[i].txq;
	if (!port_set_txqs(&v->port, usable, n,
			   vnet_offloads_to_driver(v->features)))
		return;
	/* Out of memory. None at all needs no memory, and the queue that is
	 * about to go must not stay in the set. */
	log_err("port=%s: out of memory: link down", v->port.name);
	port_set_txqs(&v->port, NULL, 0, 0);
}

static void start_rx(struct vhost_user_port *v, struct vu_rxq *q,
		     struct vq_dev *vq, int kick_fd, bool enabled)
{
	q->vq = vq;
	q->offloads = vnet_offloads_from_driver(v->features);
	q->rxq.event_fd = kick_fd;
	q->ahead = 0;
	shm_store(&q->is_enabled, enabled);
	if (!rxq_attach(&q->rxq))
		return;
	/* Something that cannot be waited for; it can be polled. */
	q->rxq.event_fd = -1;
	if (rxq_attach(&q->rxq))
		log_err("port=%s: queue %u: no worker takes it", v->port.name,
			q->rxq.idx);
}

void vhost_user_queue_start(void *ctx, unsigned idx, struct vq_dev *vq,
			    int kick_fd, bool enabled)
{
	struct vhost_user_port *v = ctx;

	if (idx & 1) {
		start_rx(v, &v->rx[idx / 2], vq, kick_fd, enabled);
		return;
	}
	v->tx[idx / 2].vq = vq;
	v->tx[idx / 2].is_usable = enabled;
	if (enabled)
		update_txqs(v);
}

void vhost_user_queue_stop(void *ctx, unsigned idx)
{
	struct vhost_user_port *v = ctx;

	if (idx & 1) {
		rxq_detach(&v->rx[idx / 2].rxq);
	} else if (v->tx[idx / 2].is_usable) {
		v->tx[idx / 2].is_usable = false;
		update_txqs(v);
	}
}

void vhost_user_queue_enable(void *ctx, unsigned idx, bool enabled)
{
	struct vhost_user_port *v = ctx;

	if (idx & 1) {
		shm_store(&v->rx[idx / 2].is_enabled, enabled);
	} else {
		v->tx[idx / 2].is_usable = enabled;
		update_txqs(v);
	}
}

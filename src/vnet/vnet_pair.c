/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue pairs over rings, see vnet_pair.h. The burst operations and arming run
 * on workers, the other functions on the control thread. Calls work/ to attach
 * queues and fabric/ to publish them.
 *
 * Theory of operation. The owner hands over working rings and takes them back
 * before it changes anything under them. Each ring becomes an rxq attached to a
 * worker, or a txq in the port's set. Both ways out of the data path
 * (rxq_detach_many(), port_set_txqs()) wait for the workers. So after
 * vnet_pairs_stop() nobody holds the ring: no worker in rx_burst or tx_burst,
 * nor the control thread, which runs the stop.
 *
 * State to save with the port: none. The vq_dev holds a ring's position, and
 * waiting frames are in the ring. Frames sent ahead of them (waiting.ahead)
 * would be sent twice, as after any restart.
 */
#include "vnet_pair.h"

#include <assert.h>

#include "probe.h"
#include "rcu.h"
#include "workers.h"

static_assert(sizeof(struct vnet_rx_scratch) <= BURST_SCRATCH,
	      "a burst's working memory fits into the worker's");

unsigned vnet_pair_rx_burst(struct rxq *rxq, struct burst *b)
{
	struct vnet_rxq *q = container_of(rxq, struct vnet_rxq, rxq);
	struct vnet_rx_stats bad = { 0 };
	unsigned n;

	n = vnet_rx_burst(q->vq, q->offloads, (void *)b->scratch, &q->waiting,
			  shm_load(&rxq->snap), b->frame, b->want, &b->borrowed,
			  &bad);
	if (unlikely(bad.bad_frame | bad.bad_offload)) {
		stat_add(&rxq->stats.drops[DROP_RX_BAD_FRAME], bad.bad_frame);
		stat_add(&rxq->stats.drops[DROP_RX_BAD_OFFLOAD],
			 bad.bad_offload);
	}
	if (unlikely(shm_load(&q->state) != VNET_QUEUE_RUNNING) && n) {
		/* "Must process and discard any TX packets" (vhost-user, "Ring
		 * states") */
		stat_add(&rxq->stats.drops[DROP_RX_DISABLED], n);
		return 0;
	}
	return n;
}

void vnet_pair_rx_done(struct rxq *rxq, struct burst *b)
{
	struct vnet_rxq *q = container_of(rxq, struct vnet_rxq, rxq);

	if (b->borrowed && vnet_rx_done(q->vq, (void *)b->scratch, &q->waiting,
					b->borrowed, b->held_mask)) {
		stat_inc(&rxq->stats.calls);
		PROBE3(call, rxq->port->name, rxq->idx, PROBE_IN);
	}
}

bool vnet_pair_rx_arm(struct rxq *rxq)
{
	return vq_dev_arm(container_of(rxq, struct vnet_rxq, rxq)->vq);
}

void vnet_pair_rx_disarm(struct rxq *rxq)
{
	vq_dev_disarm(container_of(rxq, struct vnet_rxq, rxq)->vq);
}

/* A burst of a small ring is full with a quarter of its chains: a driver that
 * waits for the return of the rest would never make more available. */
bool vnet_pair_rx_has_burst(struct rxq *rxq)
{
	const struct vq_dev *vq = container_of(rxq, struct vnet_rxq, rxq)->vq;
	unsigned full = MAX(MIN(BURST_MAX, vq->count / 4u), 1u);

	return vq_dev_has(vq, full);
}

/* Returns why the guest does not get @f, or DROP_COUNT if it gets it. */
static enum drop_reason refusal(struct frame *f,
				const struct vnet_filter *filter, uint32_t max)
{
	if (max && f->len > max && f->hdr.gso_type == VNET_GSO_NONE)
		return DROP_TX_TOO_BIG;
	if (filter && !vnet_filter_passes(filter, f))
		return DROP_TX_UNWANTED;
	return DROP_COUNT;
}

/* The frames of a burst that the guest wants, and why it does not want
 * others. */
struct wanted {
	struct frame *frame[BURST_MAX];
	unsigned at[BURST_MAX]; /* position of each wanted frame in the burst */
	enum drop_reason why[BURST_MAX]; /* verdict on each frame */
	unsigned count;
};

static __attribute__((noinline)) void pick_wanted(
	struct wanted *w, const struct vnet_filter *filter, uint32_t max,
	struct frame *const *frames, unsigned n)
{
	assert(n <= BURST_MAX);
	w->count = 0;
	for (unsigned i = 0; i < n; i++) {
		w->why[i] = refusal(frames[i], filter, max);
		if (w->why[i] != DROP_COUNT)
			continue;
		w->at[w->count] = i;
		w->frame[w->count++] = frames[i];
	}
}

/* Drops the unwanted frames among those sent. @taken: how many wanted frames
 * were sent. Returns how many of the @n frames are done. */
static __attribute__((noinline)) unsigned drop_unwanted(
	struct txq *txq, const struct wanted *w, struct frame *const *frames,
	unsigned n, unsigned taken)
{
	unsigned done = taken < w->count ? w->at[taken] : n;

	for (unsigned i = 0; i < done; i++)
		if (w->why[i] != DROP_COUNT)
			txq_drop(txq, w->why[i], 1, frames[i]->len);
	return done;
}

unsigned vnet_pair_tx_burst(struct txq *txq, struct frame *const *frames,
			    unsigned n)
{
	struct vnet_txq *q = container_of(txq, struct vnet_txq, txq);
	const struct vnet_filter *filter = rcu_read(q->filter);
	const struct rss *rss = rcu_read(q->rss);
	uint32_t max = shm_load(&q->frame_max);
	bool is_picky = filter || max;
	struct vnet_tx_result r;
	struct wanted w;

	if (unlikely(is_picky)) {
		pick_wanted(&w, filter, max, frames, n);
		r = vnet_tx_hashed_burst(q->vq, &q->choice, rss, w.frame,
					 w.count);
	} else {
		r = vnet_tx_hashed_burst(q->vq, &q->choice, rss, frames, n);
	}
	stat_add(&txq->stats.copies, r.taken - r.too_big);
	if (r.notified) {
		stat_inc(&txq->stats.calls);
		PROBE3(call, txq->port->name, txq->idx, PROBE_OUT);
	}
	if (unlikely(r.too_big))
		txq_drop(txq, DROP_TX_TOO_BIG, r.too_big, r.too_big_bytes);
	if (unlikely(is_picky))
		return drop_unwanted(txq, &w, frames, n, r.taken);
	return r.taken;
}

void vnet_pairs_set_mtu(struct vnet_pairs *p, uint32_t mtu)
{
	/* "plus low level ethernet header length"; 4 bytes for a tag */
	uint32_t max = mtu ? mtu + ETH_HLEN + 4 : 0;

	for (unsigned i = 0; i < p->count; i++)
		shm_store(&p->pair[i].tx.frame_max, max);
}

void vnet_pairs_init(struct vnet_pairs *p, struct port *port,
		     struct vnet_pair *array, unsigned count)
{
	assert(count >= 1 && count <= VNET_PAIRS_MAX);
	*p = (struct vnet_pairs){
		.port = port, .pair = array, .count = count, .active = count
	};
	for (unsigned i = 0; i < count; i++) {
		array[i].rx = (struct vnet_rxq){ .rxq = { .port = port,
							  .idx = (uint16_t)i,
							  .can_spin = true,
							  .can_hold = true,
							  .event_fd = -1 } };
		array[i].tx =
			(struct vnet_txq){ .txq = { .port = port,
						    .idx = (uint16_t)i } };
		port->rxq[i] = &array[i].rx.rxq;
		port->txq[i] = &array[i].tx.txq;
	}
}

/* Does the work of vnet_pairs_publish() for a driver that names the queues. */
static int publish_steered(struct vnet_pairs *p)
{
	struct txq *txq[VNET_PAIRS_MAX] = { NULL };
	unsigned running = 0, offloads = 0;

	for (unsigned i = 0; i < p->count; i++) {
		struct vnet_txq *q = &p->pair[i].tx;

		if (q->state != VNET_QUEUE_RUNNING)
			continue;
		offloads = vnet_offloads_to_driver(q->vq->features & ~p->off);
		txq[i] = &q->txq;
		running++;
	}
	return port_set_steered_txqs(p->port, txq, running ? p->count : 0,
				     offloads, p->rss);
}

/* With one pair a table has nothing to choose. */
static bool is_steered(const struct vnet_pairs *p)
{
	return p->count > 1 && p->rss && p->rss->conf.steers;
}

static int publish(struct vnet_pairs *p)
{
	struct txq *running[VNET_PAIRS_MAX];
	unsigned n = 0, offloads = 0;

	for (unsigned i = 0; i < p->active; i++) {
		struct vnet_txq *q = &p->pair[i].tx;

		if (q->state != VNET_QUEUE_RUNNING)
			continue;
		/* all rings of a device have the same features */
		offloads = vnet_offloads_to_driver(q->vq->features & ~p->off);
		running[n++] = &q->txq;
	}
	return port_set_txqs(p->port, running, n, offloads);
}

int vnet_pairs_publish(struct vnet_pairs *p)
{
	int rc;

	if (!p->is_changed)
		return 0;
	p->is_changed = false;
	for (unsigned i = 0; i < p->count; i++)
		rcu_publish(p->pair[i].tx.rss, p->rss);
	/* Waits for the workers that use the set before, and so for those that
	 * use an rss before. */
	rc = is_steered(p) ? publish_steered(p) : publish(p);
	/* After a failure sets no queues, which needs no memory: the queue that
	 * is about to go must not stay in the set. */
	if (rc)
		port_set_txqs(p->port, NULL, 0, 0);
	return rc;
}

static enum vnet_queue_state started(bool enabled)
{
	return enabled ? VNET_QUEUE_RUNNING : VNET_QUEUE_DRAINING;
}

static int start_rx(struct vnet_rxq *q, const struct vnet_ring *ring)
{
	q->vq = ring->vq;
	q->offloads = vnet_offloads_from_driver(q->vq->features);
	q->rxq.event_fd = ring->kick_fd;
	/* Relative to the ring's position: valid if the ring goes on, else
	 * about other frames. */
	if (!ring->is_resumed)
		q->waiting = (struct waiting){ 0 };
	shm_store(&q->state, started(ring->enabled));
	if (!rxq_attach(&q->rxq))
		return 0;
	/* a kick_fd that cannot be waited for: poll the ring */
	q->rxq.event_fd = -1;
	return rxq_attach(&q->rxq);
}

int vnet_pairs_start(struct vnet_pairs *p, unsigned idx,
		     const struct vnet_ring *ring)
{
	struct vnet_pair *pair = &p->pair[idx / 2];

	if (idx & 1)
		return start_rx(&pair->rx, ring);
	pair->tx.vq = ring->vq;
	pair->tx.state = started(ring->enabled);
	p->is_changed |= ring->enabled;
	return 0;
}

int vnet_pairs_stop(struct vnet_pairs *p, const unsigned *idx, unsigned n)
{
	struct rxq *rxq[VNET_PAIRS_MAX];
	unsigned rxq_count = 0;

	assert(n <= 2 * p->count);
	for (unsigned i = 0; i < n; i++) {
		struct vnet_pair *pair = &p->pair[idx[i] / 2];

		if (idx[i] & 1) {
			rxq[rxq_count++] = &pair->rx.rxq;
			continue;
		}
		p->is_changed |= pair->tx.state == VNET_QUEUE_RUNNING;
		pair->tx.state = VNET_QUEUE_STOPPED;
	}
	if (rxq_count)
		rxq_detach_many(rxq, rxq_count);
	for (unsigned i = 0; i < n; i++)
		if (idx[i] & 1)
			shm_store(&p->pair[idx[i] / 2].rx.state,
				  VNET_QUEUE_STOPPED);
	return vnet_pairs_publish(p);
}

void vnet_pairs_enable(struct vnet_pairs *p, unsigned idx, bool enabled)
{
	struct vnet_pair *pair = &p->pair[idx / 2];

	if (idx & 1) {
		shm_store(&pair->rx.state, started(enabled));
		return;
	}
	p->is_changed |= pair->tx.state != started(enabled);
	pair->tx.state = started(enabled);
}

void vnet_pairs_set_active(struct vnet_pairs *p, unsigned active)
{
	p->is_changed |= p->active != active;
	p->active = active;
}

void vnet_pairs_set_off(struct vnet_pairs *p, uint64_t off)
{
	p->is_changed |= p->off != off;
	p->off = off;
}

void vnet_pairs_set_rss(struct vnet_pairs *p, const struct rss_conf *conf)
{
	if (!conf) {
		p->is_changed |= p->rss != NULL;
		p->rss = NULL;
		return;
	}
	if (p->rss && !memcmp(&p->rss->conf, conf, sizeof(*conf)))
		return;
	p->rss = &p->rss_memory[p->pair[0].tx.rss == &p->rss_memory[0]];
	rss_init(p->rss, conf);
	p->is_changed = true;
}

void vnet_pairs_set_filter(struct vnet_pairs *p,
			   const struct vnet_filter *filter)
{
	const struct vnet_filter *old = p->pair[0].tx.filter;
	struct vnet_filter *spare = &p->filter[old == &p->filter[0]];

	if (old == filter ||
	    (old && filter && !memcmp(old, filter, sizeof(*old))))
		return;
	if (filter) {
		*spare = *filter;
		filter = spare;
	}
	for (unsigned i = 0; i < p->count; i++)
		rcu_publish(p->pair[i].tx.filter, filter);
	/* Workers in the middle of a tx_burst may still read the old filter,
	 * which is the next spare one. */
	rcu_wait_workers();
}

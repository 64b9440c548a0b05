/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving a control queue, see vnet_ctrl.h. Control thread.
 *
 * Theory of operation. The kick is watched edge-triggered, as in the workers:
 * the front-end shares its descriptor, and reading it could block, so it is
 * never read. A kick serves one batch of commands: all of them are done and
 * take effect together before any is answered. A driver that keeps the queue
 * full is served one batch per millisecond.
 */
#include "vnet_ctrl.h"

#include "shm.h"
#include "virtio.h"

#define BATCH 16
#define BATCH_IOV                                                         \
	512	   /* buffers of a batch; a longer command gets no answer \
		    */
#define NEXT_MS 1  /* pause between batches, for the other users of the loop */
#define POLL_MS 20 /* period without a kick descriptor */

static void on_timer(struct loop_timer *t);

/* Writes the answer into the chain's first writable byte; returns the bytes
 * written. */
static uint32_t answer(const struct vq_chain *chain, uint8_t ack)
{
	if (!chain->writable_size)
		return 0;
	shm_store((uint8_t *)chain->iov[chain->readable_count].iov_base, ack);
	return sizeof(ack);
}

/* Serves a batch of commands. Returns false if there was none. */
static bool serve_batch(struct vnet_ctrl *c)
{
	struct iovec iov[BATCH_IOV];
	struct vq_chain chain[BATCH];
	struct vq_done done[BATCH];
	uint8_t ack[BATCH];
	uint64_t commands = c->state.commands;
	unsigned n = vq_dev_pop_burst(c->vq, chain, BATCH, iov, BATCH_IOV);

	if (!n)
		return false;
	for (unsigned i = 0; i < n; i++)
		ack[i] = vnet_ctrl_serve(&c->state, &chain[i]);
	if (c->state.commands != commands)
		c->changed(c);
	for (unsigned i = 0; i < n; i++)
		done[i] = (struct vq_done){ chain[i].id, chain[i].slot_count,
					    answer(&chain[i], ack[i]) };
	vq_dev_push_burst(c->vq, done, n);
	if (vq_dev_should_notify(c->vq))
		vq_dev_notify(c->vq);
	return true;
}

static void serve(struct vnet_ctrl *c)
{
	bool is_watched = c->watch.loop;

	if (serve_batch(c) || !vq_dev_arm(c->vq))
		loop_timer_arm(c->loop, &c->timer, NEXT_MS, on_timer);
	else if (!is_watched)
		loop_timer_arm(c->loop, &c->timer, POLL_MS, on_timer);
}

static void on_timer(struct loop_timer *t)
{
	serve(container_of(t, struct vnet_ctrl, timer));
}

static void on_kick(struct loop_watch *w, uint32_t events)
{
	struct vnet_ctrl *c = container_of(w, struct vnet_ctrl, watch);

	(void)events;
	/* A batch was served within the last NEXT_MS, and the timer serves the
	 * next: a guest that kicks all the time gets no more of this thread. */
	if (!c->timer.loop)
		serve(c);
}

void vnet_ctrl_init(struct vnet_ctrl *c, struct loop *loop, unsigned pairs_max,
		    void (*changed)(struct vnet_ctrl *c))
{
	*c = (struct vnet_ctrl){ .loop = loop, .changed = changed };
	vnet_ctrl_reset(&c->state, 0, pairs_max);
}

void vnet_ctrl_start(struct vnet_ctrl *c, struct vq_dev *vq, int kick_fd,
		     bool is_resumed)
{
	bool is_at_start =
		!vq->next_avail && (!vq->is_packed || vq->avail_wrap);

	c->vq = vq;
	if (!is_resumed && is_at_start) {
		vnet_ctrl_reset(&c->state, c->state.features,
				c->state.pairs_max);
		/* clause 5.1.6.5.6: one pair until the driver asks for more */
		c->state.pairs = 1;
	}
	c->changed(c);
	if (kick_fd >= 0)
		loop_watch_add(c->loop, &c->watch, kick_fd, EPOLLIN | EPOLLET,
			       on_kick);
	/* serves the commands already there, outside the owner's call */
	loop_timer_arm(c->loop, &c->timer, 0, on_timer);
}

void vnet_ctrl_stop(struct vnet_ctrl *c)
{
	loop_watch_remove(&c->watch);
	loop_timer_disarm(&c->timer);
	c->vq = NULL;
}

/* Returns NULL if no frame needs a hash. */
static const struct rss_conf *rss_wanted(const struct vnet_ctrl_state *s)
{
	return s->rss.steers || s->rss.types ? &s->rss : NULL;
}

int vnet_ctrl_apply(const struct vnet_ctrl *c, struct vnet_pairs *p)
{
	const struct vnet_filter *filter = &c->state.filter;

	/* without a filter, promiscuous mode costs nothing */
	if (filter->modes & VNET_FILTER_PROMISC)
		filter = NULL;
	vnet_pairs_set_filter(p, filter);
	vnet_pairs_set_active(p, c->state.pairs);
	vnet_pairs_set_off(p, c->state.off);
	if (p->rss_memory)
		vnet_pairs_set_rss(p, rss_wanted(&c->state));
	return vnet_pairs_publish(p);
}

/* Shows the offloads that the driver switched off, @off. */
static void show_offloads(struct show *s, uint64_t off)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} rows[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, "csum" },
		{ VIRTIO_NET_F_GUEST_TSO4, "tso4" },
		{ VIRTIO_NET_F_GUEST_TSO6, "tso6" },
		{ VIRTIO_NET_F_GUEST_ECN, "ecn" },
		{ VIRTIO_NET_F_GUEST_USO4, "uso4" },
		{ VIRTIO_NET_F_GUEST_USO6, "uso6" },
	};

	show_array(s, "offloads_off");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (feat_has(off, rows[i].bit))
			show_str(s, NULL, rows[i].name);
	show_end(s);
}

void vnet_ctrl_show(const struct vnet_ctrl *c, struct show *s)
{
	static const char *const names[] = { "promiscuous", "all_multicast",
					     "all_unicast", "no_multicast",
					     "no_unicast",  "no_broadcast" };
	const struct vnet_filter *f = &c->state.filter;
	unsigned vlans = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(f->vlan); i++)
		vlans += (unsigned)__builtin_popcountll(f->vlan[i]);
	show_object(s, "control_queue");
	show_num(s, "commands", c->state.commands);
	show_num(s, "refused", c->state.refused);
	show_num(s, "pairs", c->state.pairs);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (f->modes >> i & 1)
			show_flag(s, names[i], true);
	if (f->modes & VNET_FILTER_MAC)
		show_mac(s, "mac", f->mac);
	show_num(s, "unicast_addresses", f->uni.count);
	show_num(s, "multicast_addresses", f->multi.count);
	if (c->state.rss.steers)
		show_num(s, "rss_table", c->state.rss.mask + 1u);
	if (c->state.rss.types)
		show_num(s, "hash_types", c->state.rss.types);
	if (c->state.off)
		show_offloads(s, c->state.off);
	if (f->modes & VNET_FILTER_VLANS)
		show_num(s, "vlans", vlans);
	show_end(s);
}

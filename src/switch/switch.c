/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch, see switch.h: its start and end, ageing, addresses. Control
 * thread only; switch_ports.c has the ports. The objects that workers read
 * (net, topology, MAC table) are published with RCU.
 */
#include "switch_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cycles.h"
#include "fd.h"
#include "log.h"
#include "key.h"
#include "rcu.h"

#define AGE_TICKS 60 /* ticks in the life of a MAC: ageing is exact to 1/60 */

static void on_age(struct loop_timer *timer)
{
	struct vswitch *sw = container_of(timer, struct vswitch, age_timer);
	struct net *net;

	cds_list_for_each_entry(net, &sw->nets, node)
		for (struct domain *d = NULL; (d = net_next_domain(net, d));)
			if (fdb_count(d->fdb))
				fdb_age(d->fdb, sw->mac_age_s / sw->tick_s + 1,
					net_mac_gone, net);
	loop_timer_arm(sw->loop, timer, sw->tick_s * 1000ull, on_age);
}

/* A port whose link was down for this long is dead: its addresses are
 * forgotten, so frames to them find their new place. A front-end that only
 * changes its memory is back much sooner. */
#define DEAD_MS 1000

static void look_for_dead(struct loop_timer *timer)
{
	struct vswitch *sw = container_of(timer, struct vswitch, dead_timer);
	uint64_t now = loop_now_ms(), next = UINT64_MAX;

	for (unsigned i = 0; i < sw->port_count; i++) {
		struct port *p = sw->port[i];

		if (!p->down_ms || !shm_load(&p->mac_count))
			continue;
		if (now - p->down_ms >= DEAD_MS)
			net_flush(p->net, p);
		else
			next = MIN(next, p->down_ms + DEAD_MS - now);
	}
	if (next != UINT64_MAX)
		loop_timer_arm(sw->loop, timer, next, look_for_dead);
}

static void on_link(struct observer *o, const struct event *e)
{
	struct vswitch *sw = container_of(o, struct vswitch, links);

	if (!e->is_up && !sw->dead_timer.due_ms)
		loop_timer_arm(sw->loop, &sw->dead_timer, DEAD_MS,
			       look_for_dead);
}

static void on_grow(struct loop_watch *w, uint32_t events)
{
	struct vswitch *sw = container_of(w, struct vswitch, grow_watch);
	static struct log_limit limit;
	struct net *net;

	(void)events;
	fd_drain(sw->grow_fd);
	cds_list_for_each_entry(net, &sw->nets, node)
		for (struct domain *d = NULL; (d = net_next_domain(net, d));)
			if (fdb_wants_growth(d->fdb) && fdb_grow(d->fdb))
				log_limited(&limit, LOG_LEVEL_WARN,
					    "network %s: no memory for a "
					    "larger MAC table",
					    net->name);
	shm_store_release(&sw->grow_wanted, false);
}

static struct forward *forward_init(struct vswitch *sw, struct forward *fw)
{
	fw->grow_wanted = &sw->grow_wanted;
	fw->grow_fd = sw->grow_fd;
	fw->merge_stats = NULL;
	fw->behind = NULL;
	fw->has_vlans = false;
	fw->mac_news = &sw->mac_news;
	memset(&fw->pairs, 0, sizeof(fw->pairs));
	return fw;
}

static void *path_of(void *ctx, unsigned i)
{
	struct vswitch *sw = ctx;

	return forward_init(sw, &sw->path[i]);
}

static int start_workers(struct vswitch *sw, const struct switch_config *c)
{
	const struct workers_config config = {
		.loop = sw->loop,
		.count = c->workers,
		.cpus = c->cpus,
		.cpu_count = c->cpu_count,
		.poll_us = c->poll_us,
		.rebalance = c->rebalance,
		.observers = &sw->observers,
		.poll = forward_poll,
		.path = path_of,
		.ctx = sw,
	};
	size_t size = (c->workers + 1) * sizeof(struct forward);

	/* No memset(): the kernel's fresh pages stay untouched until used. */
	sw->path = aligned_alloc(4096, align_up(size, 4096));
	if (!sw->path)
		return -ENOMEM;
	sw->forward = forward_init(sw, &sw->path[c->workers]);
	return workers_create(&config, &sw->workers);
}

int switch_create(const struct switch_config *c, struct loop *loop,
		  struct vswitch **out, struct err *err)
{
	struct vswitch *sw = calloc(1, sizeof(*sw));
	int rc = -ENOMEM;

	if (!sw)
		return err_set(err, rc, "out of memory");
	CDS_INIT_LIST_HEAD(&sw->nets);
	sw->loop = loop;
	sw->mac_news.fd = -1;
	sw->mac_age_s = MAX(c->mac_age_s, 1u);
	sw->tick_s = MAX(sw->mac_age_s / AGE_TICKS, 1u);
	sw->grow_fd = fd_eventfd();
	rc = sw->grow_fd < 0 ? -errno
			     : loop_watch_add(loop, &sw->grow_watch,
					      sw->grow_fd, EPOLLIN, on_grow);
	if (rc)
		goto err_destroy;
	sw->links =
		(struct observer){ .fn = on_link, .kinds = 1 << EVENT_LINK };
	observer_add(&sw->observers, &sw->links);
	rc = mac_news_init(&sw->mac_news, loop, &sw->observers);
	if (rc)
		goto err_destroy;
	rc = start_workers(sw, c);
	if (rc)
		goto err_destroy;
	loop_timer_arm(loop, &sw->age_timer, sw->tick_s * 1000ull, on_age);
	*out = sw;
	return 0;

err_destroy:
	switch_destroy(sw);
	return err_set(err, rc, "cannot start %u workers: %s", c->workers,
		       strerror(-rc));
}

void switch_destroy(struct vswitch *sw)
{
	struct net *net, *next;

	workers_destroy(sw->workers);
	cds_list_for_each_entry_safe(net, next, &sw->nets, node)
		net_destroy(net);
	loop_timer_disarm(&sw->age_timer);
	loop_timer_disarm(&sw->dead_timer);
	loop_watch_remove(&sw->grow_watch);
	mac_news_fini(&sw->mac_news);
	fd_close(&sw->grow_fd);
	free(sw->path);
	free(sw->port);
	free(sw);
}

struct port_env switch_port_env(struct vswitch *sw)
{
	return (struct port_env){ .loop = sw->loop,
				  .workers = sw->workers,
				  .sw = sw,
				  .observers = &sw->observers,
				  .drain = switch_drain };
}

struct observers *switch_observers(struct vswitch *sw)
{
	return &sw->observers;
}

struct workers *switch_workers(struct vswitch *sw)
{
	return sw->workers;
}

struct each_mac {
	struct vswitch *sw;
	struct net *net;
	const struct domain *domain;
	bool (*fn)(const struct mac_entry *, void *);
	void *arg;
	bool go_on;
};

static bool each_mac_entry(uint64_t mac, uint16_t slot, unsigned ticks,
			   void *arg)
{
	struct each_mac *each = arg;
	const struct topology *t = each->net->all;
	struct mac_entry e = { .net = each->net->name,
			       .vlan = each->domain->vlan,
			       .age_s = ticks * each->sw->tick_s };

	if (slot >= t->count || !t->port[slot])
		return true;
	e.port = t->port[slot]->name;
	mac_from_u64(e.mac, mac);
	each->go_on = each->fn(&e, each->arg);
	return each->go_on;
}

void switch_each_mac(struct vswitch *sw, const char *name,
		     bool (*fn)(const struct mac_entry *, void *), void *arg)
{
	struct each_mac each = {
		.sw = sw, .fn = fn, .arg = arg, .go_on = true
	};

	cds_list_for_each_entry(each.net, &sw->nets, node) {
		if (name && strcmp(each.net->name, name))
			continue;
		each.domain = NULL;
		while ((each.domain = net_next_domain(each.net, each.domain))) {
			fdb_each(each.domain->fdb, each_mac_entry, &each);
			if (!each.go_on)
				return;
		}
	}
}

unsigned switch_flush_macs(struct vswitch *sw, const char *name,
			   const struct port *p)
{
	unsigned n = 0;
	struct net *net;

	if (p)
		return p->net ? net_flush(p->net, p) : 0;
	cds_list_for_each_entry(net, &sw->nets, node)
		if (!name || !strcmp(net->name, name))
			n += net_flush(net, NULL);
	return n;
}

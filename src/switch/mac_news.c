/* SPDX-License-Identifier: Apache-2.0 */
/* News of addresses, see mac_news.h. mac_news_put() runs on workers, the rest
 * on the control thread. */
#include "mac_news.h"

#include <errno.h>

#include "fd.h"
#include "key.h"
#include "net.h"

#define RING_SIZE 65536 /* room for some 2,000 news */
#define AT_A_TIME 100	/* news told before each pause */
#define PAUSE_MS  100	/* so at most 1,000 news a second */

struct news {
	const struct net *net;
	uint64_t mac;
	uint16_t vlan, slot, old_slot;
};

void mac_news_put(struct mac_news *n, const struct net *net, uint16_t vlan,
		  uint64_t mac, uint16_t slot, uint16_t old_slot)
{
	struct news *m = mring_reserve(n->ring, sizeof(*m));

	if (!m) {
		shm_fetch_add(&n->lost, 1);
		return;
	}
	*m = (struct news){ net, mac, vlan, slot, old_slot };
	if (mring_commit(n->ring))
		fd_signal(n->fd);
}

static const char *port_name(const struct net *net, uint16_t slot)
{
	if (slot >= net->all->count || !net->all->port[slot])
		return NULL;
	return net->all->port[slot]->name;
}

static void tell(struct mac_news *n, const struct news *m)
{
	struct event e = { .kind = EVENT_MAC,
			   .port = port_name(m->net, m->slot),
			   .net = m->net->name };

	/* the port was removed meanwhile */
	if (!e.port)
		return;
	mac_from_u64(e.mac.mac, m->mac);
	e.mac.vlan = m->vlan;
	e.mac.from = port_name(m->net, m->old_slot);
	e.mac.lost = shm_exchange(&n->lost, 0);
	observers_tell(n->observers, &e);
}

/* Tells at most @at_most news. Returns true when none are left. */
static bool tell_some(struct mac_news *n, unsigned at_most)
{
	while (at_most--) {
		uint32_t size;
		const struct news *m = mring_peek(n->ring, &size);

		if (!m)
			return true;
		tell(n, m);
		mring_release(n->ring);
	}
	return false;
}

void mac_news_drain(struct mac_news *n)
{
	/* as many as there can be now; workers may add others meanwhile */
	tell_some(n, RING_SIZE / sizeof(struct news));
}

static void go_on(struct mac_news *n);

static void on_pause_over(struct loop_timer *t)
{
	go_on(container_of(t, struct mac_news, timer));
}

static void go_on(struct mac_news *n)
{
	tell_some(n, AT_A_TIME);
	/* Only an empty ring can be armed; the timer goes on with the rest. */
	if (!mring_arm(n->ring))
		loop_timer_arm(n->loop, &n->timer, PAUSE_MS, on_pause_over);
}

static void on_news(struct loop_watch *w, uint32_t events)
{
	struct mac_news *n = container_of(w, struct mac_news, watch);

	(void)events;
	fd_drain(n->fd);
	mring_disarm(n->ring);
	go_on(n);
}

int mac_news_init(struct mac_news *n, struct loop *loop,
		  struct observers *observers)
{
	n->loop = loop;
	n->observers = observers;
	n->fd = fd_eventfd();
	if (n->fd < 0)
		return -errno;
	n->ring = mring_create(RING_SIZE);
	if (!n->ring)
		return -ENOMEM;
	mring_arm(n->ring);
	return loop_watch_add(loop, &n->watch, n->fd, EPOLLIN, on_news);
}

void mac_news_fini(struct mac_news *n)
{
	loop_timer_disarm(&n->timer);
	loop_watch_remove(&n->watch);
	fd_close(&n->fd);
	mring_destroy(n->ring);
}

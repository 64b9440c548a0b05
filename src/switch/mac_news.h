/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: news of learned and moved addresses, from the workers to the
 * observers. Workers write them into a bounded ring while an observer wants
 * them; control tells a few at a time. News that find no room are counted and
 * reported as lost.
 */
#ifndef RW_MAC_NEWS_H
#define RW_MAC_NEWS_H

#include "loop.h"
#include "mring.h"
#include "observer.h"
#include "shm.h"

struct net;

struct mac_news {
	struct loop *loop;
	struct observers *observers;
	struct mring *ring;
	int fd; /* eventfd that wakes control */
	struct loop_watch watch;
	struct loop_timer timer; /* ends the pause between batches */
	uint64_t lost;		 /* [any, atomic] news lost, not told yet */
};

/* Returns 0 or -errno; mac_news_fini() cleans up in both cases. [ctl] */
int mac_news_init(struct mac_news *n, struct loop *loop,
		  struct observers *observers);
void mac_news_fini(struct mac_news *n);

/* Reports that @mac of @vlan is behind @slot of @net now, and was behind
 * @old_slot before (FDB_NO_SLOT: unknown). [worker] */
void mac_news_put(struct mac_news *n, const struct net *net, uint16_t vlan,
		  uint64_t mac, uint16_t slot, uint16_t old_slot);

/* Returns whether an observer wants news of addresses. [worker] */
static inline bool mac_news_wanted(const struct mac_news *n)
{
	return shm_load(&n->observers->kinds) & 1u << EVENT_MAC;
}

/* Tells all news in the ring, while their slots and networks are still valid.
 * [ctl] */
void mac_news_drain(struct mac_news *n);

#endif

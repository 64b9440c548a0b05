/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: addresses that were learned or moved, on their way from the
 * workers to the observers. Workers write into a bounded ring while somebody
 * wants to know; control tells a few at a time. What is too much is counted and
 * told as lost.
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
	int fd; /* wakes control */
	struct loop_watch watch;
	struct loop_timer timer; /* goes on with what is left */
	uint64_t lost;		 /* [any, atomic] since the last one told */
};

/* 0 or -errno; then mac_news_fini() cleans up. [ctl] */
int mac_news_init(struct mac_news *n, struct loop *loop,
		  struct observers *observers);
void mac_news_fini(struct mac_news *n);

/* @mac of @vlan is behind @slot of @net; it was behind @old_slot (FDB_NO_SLOT:
 * nowhere). Worker. */
void mac_news_put(struct mac_news *n, const struct net *net, uint16_t vlan,
		  uint64_t mac, uint16_t slot, uint16_t old_slot);

/* Does anybody want to know? Worker. */
static inline bool mac_news_wanted(const struct mac_news *n)
{
	return shm_load(&n->observers->kinds) & 1u << EVENT_MAC;
}

/* Tells all there are, while the slots and networks in them still mean what
 * they did. [ctl] */
void mac_news_drain(struct mac_news *n);

#endif

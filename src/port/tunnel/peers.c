/* SPDX-License-Identifier: Apache-2.0 */
/* The other ends of a tunnel, see peers.h. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "util.h"

#define PEER_SHIFT 48
#define MAC_MASK   ((1ull << PEER_SHIFT) - 1)

int peers_init(struct peers *p, unsigned listed, uint32_t ageing)
{
	*p = (struct peers){ .listed = listed, .ageing = ageing };
	p->peer = calloc(listed ? listed : PEERS_MAX, sizeof(*p->peer));
	if (listed != 1)
		p->mac = calloc(PEERS_MACS, sizeof(*p->mac));
	if (p->peer && (p->mac || listed == 1))
		return 0;
	peers_fini(p);
	return -ENOMEM;
}

void peers_fini(struct peers *p)
{
	free(p->peer);
	free(p->mac);
	p->peer = NULL;
	p->mac = NULL;
}

uint32_t peers_now(void)
{
	return (uint32_t)(clock_coarse_ns() / 1000000000) + 1;
}

/* Returns a number below @count, a power of two. Any bits of @v may be those
 * that differ. */
static unsigned spread(uint64_t v, unsigned count)
{
	v = (v ^ v >> 32) * 0x9e3779b97f4a7c15;
	return (unsigned)(v >> 40) & (count - 1);
}

static bool is_same_host(const struct sock_addr *a, const struct sock_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
	return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

static uint64_t host_bits(const struct sock_addr *a)
{
	uint64_t half[2];

	if (a->sa.sa_family != AF_INET6)
		return a->in.sin_addr.s_addr;
	memcpy(half, &a->in6.sin6_addr, sizeof(half));
	return half[0] ^ half[1] * 31;
}

static int find_listed(const struct peers *p, const struct sock_addr *a)
{
	for (unsigned i = 0; i < p->listed; i++)
		if (is_same_host(&p->peer[i].addr, a))
			return (int)i;
	return -1;
}

bool peers_is_listed(const struct peers *p, const struct sock_addr *a)
{
	return find_listed(p, a) >= 0;
}

/* Returns a member of the group, a new one if there is room for it. */
static int find_member(struct peers *p, const struct sock_addr *from,
		       uint32_t now)
{
	unsigned first =
		spread(host_bits(from), PEERS_MAX / PEERS_WAYS) * PEERS_WAYS;
	int room = -1;

	for (unsigned i = first; i < first + PEERS_WAYS; i++) {
		const struct peer *peer = &p->peer[i];

		if (peer->addr.len && is_same_host(&peer->addr, from))
			return (int)i;
		if (!peer->addr.len ||
		    now - peer->seen > p->ageing + PEERS_GRACE)
			room = (int)i;
	}
	if (room < 0)
		return -1;
	p->peer[room].addr = *from;
	return room;
}

int peers_find(struct peers *p, const struct sock_addr *from, uint32_t now)
{
	struct peer *recent = &p->peer[p->recent];
	int i = (int)p->recent;

	if (unlikely(!recent->addr.len || !is_same_host(&recent->addr, from)))
		i = p->listed ? find_listed(p, from)
			      : find_member(p, from, now);
	if (i < 0)
		return i;
	p->peer[i].seen = now;
	p->recent = (unsigned)i;
	return i;
}

static bool is_old(const struct peers *p, const struct peer_mac *e,
		   uint32_t now)
{
	/* Another thread may have read the clock a little later. */
	return (int32_t)(now - shm_load(&e->seen)) > (int32_t)p->ageing;
}

static struct peer_mac *place_of(const struct peers *p, uint64_t mac)
{
	return &p->mac[spread(mac, PEERS_MACS / PEERS_WAYS) * PEERS_WAYS];
}

void peers_learn(struct peers *p, uint64_t mac, unsigned peer, uint32_t now)
{
	uint64_t word = mac | (uint64_t)peer << PEER_SHIFT;
	struct peer_mac *e, *place, *end;

	/* 0 is not an address: it marks a free entry */
	if (!p->mac || !mac)
		return;
	place = e = place_of(p, mac);
	for (end = e + PEERS_WAYS; e < end; e++) {
		if (shm_load(&e->word) == word) {
			if (shm_load(&e->seen) != now)
				shm_store(&e->seen, now);
			return;
		}
		if ((shm_load(&e->word) & MAC_MASK) == mac) {
			place = e;
			break;
		}
		/* else the oldest makes room */
		if (shm_load(&e->seen) < shm_load(&place->seen))
			place = e;
	}
	shm_store(&place->seen, now);
	/* peers:A  release: a reader of the word finds its peer's address. */
	shm_store_release(&place->word, word);
}

const struct sock_addr *peers_lookup(const struct peers *p, uint64_t mac,
				     uint32_t now)
{
	const struct peer_mac *e, *end;

	if (!p->mac)
		return &p->peer[0].addr;
	e = place_of(p, mac);
	for (end = e + PEERS_WAYS; e < end; e++) {
		/* peers:A  acquire: pairs with the release in peers_learn() */
		uint64_t word = shm_load_acquire(&e->word);

		if ((word & MAC_MASK) == mac && mac && !is_old(p, e, now))
			return &p->peer[word >> PEER_SHIFT].addr;
	}
	return NULL;
}

unsigned peers_count(const struct peers *p, uint32_t now)
{
	unsigned count = 0;

	for (unsigned i = 0; p->mac && i < PEERS_MACS; i++)
		count += shm_load(&p->mac[i].word) &&
			 !is_old(p, &p->mac[i], now);
	return count;
}

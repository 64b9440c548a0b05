/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other ends of a tunnel, and which MAC addresses are behind which.
 *
 * A tunnel to listed remotes has these and no others. A tunnel to a multicast
 * group learns its members from what they send, at most PEERS_MAX; frames to
 * addresses behind others are sent to the group. What was silent for `ageing`
 * seconds is forgotten.
 *
 * The worker that receives is the only writer; those that send read. A word
 * (address and number of its peer) is read and written whole. A peer's address
 * is replaced only when all words that name it are too old to be used, by
 * PEERS_GRACE seconds.
 */
#ifndef RW_PEERS_H
#define RW_PEERS_H

#include "shm.h"
#include "sock_addr.h"

#define PEERS_LISTED 64	  /* remotes that options may list */
#define PEERS_MAX    1024 /* members of a group known at a time */
#define PEERS_WAYS   4	  /* places that an address or a peer may take */
#define PEERS_MACS   4096
#define PEERS_GRACE  2

struct peers {
	unsigned listed; /* [const] remotes in the list; 0: a group */
	uint32_t ageing; /* [const] seconds */
	unsigned recent; /* [worker] the last one found */
	struct peer {
		struct sock_addr addr; /* [worker -> any] len 0: free */
		uint32_t seen;	       /* [worker] seconds */
	} * peer;		       /* [const] heap; listed, or PEERS_MAX */
	struct peer_mac {
		uint64_t word; /* [worker -> any, atomic] mac_to_u64(), and in
				* the upper 16 bits the peer; 0: free */
		uint32_t seen; /* [worker -> any, atomic] seconds */
	} * mac; /* [const] heap, PEERS_MACS; NULL with one listed remote */
};

/* Returns 0 or -ENOMEM. The caller stores the addresses of @listed remotes.
 * [ctl] */
int peers_init(struct peers *p, unsigned listed, uint32_t ageing);
void peers_fini(struct peers *p);

/* Returns the number of the peer that @from is, or -1: it is none. @now is
 * peers_now(). [worker] */
int peers_find(struct peers *p, const struct sock_addr *from, uint32_t now);
/* Records that @mac (mac_to_u64) is behind @peer. [worker] */
void peers_learn(struct peers *p, uint64_t mac, unsigned peer, uint32_t now);
/* Returns where to send a frame to @mac: a peer's address, or NULL: to all. Any
 * worker. */
const struct sock_addr *peers_lookup(const struct peers *p, uint64_t mac,
				     uint32_t now);
/* Returns how many addresses are known. Any thread. */
unsigned peers_count(const struct peers *p, uint32_t now);

/* Returns whether one of the listed remotes has the host of @a. [ctl] */
bool peers_is_listed(const struct peers *p, const struct sock_addr *a);

uint32_t peers_now(void); /* seconds, not 0 */

#endif

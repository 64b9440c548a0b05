/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive side scaling as a virtio-net driver sets it up (virtio 1.2, clauses
 * 5.1.6.4.3 and 5.1.6.5.6): the hash of a frame by the driver's key, and the
 * queue that its table names. Pure; any thread.
 */
#ifndef RW_RSS_H
#define RW_RSS_H

#include "frame.h"
#include "toeplitz.h"

/* What a hash is made of, in the numbers of virtio: VIRTIO_NET_HASH_TYPE_*. The
 * types without ports have addresses only. */
enum {
	RSS_IPV4 = 1 << 0,
	RSS_TCPV4 = 1 << 1,
	RSS_UDPV4 = 1 << 2,
	RSS_IPV6 = 1 << 3,
	RSS_TCPV6 = 1 << 4,
	RSS_UDPV6 = 1 << 5,
	RSS_TYPES = (1 << 6) - 1,
};

#define RSS_TABLE_MAX 128

struct rss_conf {
	uint32_t types; /* RSS_*: frames without any of them have no hash */
	bool steers;	/* the hash chooses the queue; if not, the members
			 * below but key have no meaning */
	uint16_t mask;	/* entries of table, less one; a power of two, less one
			 */
	uint16_t unclassified; /* queue of frames without a hash */
	uint16_t table[RSS_TABLE_MAX];
	uint8_t key[TOEPLITZ_KEY_SIZE]; /* a shorter one ends with zeroes */
};

/* Immutable while workers see it. */
struct rss {
	struct rss_conf conf;
	struct toeplitz toeplitz;
};

void rss_init(struct rss *r, const struct rss_conf *conf);

/* Stores the hash of @f in *@hash and returns of which type it is; 0: it has
 * none, and *@hash is 0. Headers beyond the head of @f do not count. */
unsigned rss_hash(const struct rss *r, struct frame *f, uint32_t *hash);

/* Returns the number of the queue for @f. */
unsigned rss_queue(const struct rss *r, struct frame *f);

#endif

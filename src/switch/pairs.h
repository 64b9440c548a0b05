/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: a worker's cache of address pairs in front of the MAC table,
 * for bursts in which flows alternate. A hit saves learning and a lookup: two
 * hashes and two buckets.
 *
 * An entry was true of the MAC table at a version (fdb_version()) and is valid
 * while the table has that version. Every event that could make it untrue
 * changes the version: an address that moves, is aged out, or is flushed, also
 * because its port goes. Each tick of ageing changes it, too, so addresses
 * found here stay young in the table.
 *
 * Private to the thread that has the struct forward; no locks.
 */
#ifndef RW_PAIRS_H
#define RW_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

#define PAIRS_BITS  8
#define PAIRS_COUNT (1 << PAIRS_BITS) /* 8 KiB, a quarter of an L1 cache */

struct pair {
	uint64_t from;	  /* source address << 16 | slot of its port */
	uint64_t to;	  /* destination address << 16 | slot of its port */
	uint64_t version; /* 0: free */
	uint64_t unused;
};

struct pairs {
	struct pair pair[PAIRS_COUNT];
} __cacheline;

static inline struct pair *pairs_place(struct pairs *p, uint64_t src,
				       uint64_t dst)
{
	/* The last byte of an address is in bits 40-47, which reach only the
	 * upper bits of a product. So these are the index. */
	uint64_t h = (src + (dst << 8 | dst >> 40)) * 0x9e3779b97f4a7c15ull;

	return &p->pair[h >> (64 - PAIRS_BITS)];
}

/* Returns whether @src (not 0) is known behind @src_slot and @dst is known,
 * with the slot of @dst in *@dst_slot. */
static inline bool pairs_find(struct pairs *p, uint64_t version, uint64_t src,
			      uint16_t src_slot, uint64_t dst,
			      uint16_t *dst_slot)
{
	const struct pair *e = pairs_place(p, src, dst);

	if (e->version != version || e->from != (src << 16 | src_slot) ||
	    e->to >> 16 != dst)
		return false;
	*dst_slot = (uint16_t)e->to;
	return true;
}

/* Records a pair. Both addresses were found in the table after @version was
 * read. */
static inline void pairs_add(struct pairs *p, uint64_t version, uint64_t src,
			     uint16_t src_slot, uint64_t dst, uint16_t dst_slot)
{
	*pairs_place(p, src, dst) = (struct pair){
		.from = src << 16 | src_slot,
		.to = dst << 16 | dst_slot,
		.version = version,
	};
}

#endif

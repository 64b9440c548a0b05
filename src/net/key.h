/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a frame: what its headers say, parsed from the private head. This
 * is the only parser of headers in the tree; struct key stands in frame.h,
 * since each frame carries its own. Pure; any thread.
 */
#ifndef RW_KEY_H
#define RW_KEY_H

#include "frame.h"
#include "le.h"

enum {
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_V4 = 0x0800,
	ETHERTYPE_V6 = 0x86dd,
	ETHERTYPE_RARP = 0x8035
};

#define VLAN_HLEN    4 /* bytes of a tag */
#define KEY_MAX_TAGS 2 /* tags that are looked behind */
#define KEY_L4_SNAP \
	86 /* Ethernet, two tags, IPv6, eight bytes of its payload */

/* frame_key() of a frame whose key is not filled that far. */
const struct key *frame_key_fill(struct frame *f, enum key_depth depth);

/*
 * Returns the key of @f, filled at least to @depth. Parses at most once, never
 * fails, and knows only what the head holds: KEY_L4 wants a head with all
 * headers. IPv6 extension headers are walked up to 8 deep.
 */
static inline const struct key *frame_key(struct frame *f, enum key_depth depth)
{
	if (likely(f->key.depth >= depth))
		return &f->key;
	return frame_key_fill(f, depth);
}

/* Tag @i of a frame whose key is filled: priority and VLAN, host order. */
static inline uint16_t key_tci(const struct frame *f, unsigned i)
{
	return get_be16(frame_head_const(f) + 2 * ETH_ALEN + VLAN_HLEN * i + 2);
}

/* Source and destination address, one behind the other: twice 4 bytes with
 * key.ip == 4, twice 16 with 6. */
static inline const uint8_t *key_addresses(const struct frame *f)
{
	return frame_head_const(f) + f->key.l3_off + (f->key.ip == 4 ? 12 : 8);
}

/* Source and destination port, one behind the other; NULL: there are none (a
 * fragment, another protocol), or they are not in the head. */
const uint8_t *key_ports(const struct frame *f);

/*
 * The flow's Toeplitz hash by the symmetric key (toeplitz.h), the same for both
 * directions: of addresses and ports, as virtio hashes TCPv4, UDPv4, TCPv6 and
 * UDPv6; of the addresses where there are no ports or the datagram is in
 * fragments, as it hashes IPv4 and IPv6; of the MAC addresses for what is not
 * IP.
 */
uint32_t flow_hash(struct frame *f);

/* The same, worked out once. For frames as frame_from_iov() makes them. */
static inline uint32_t frame_flow_hash(struct frame *f)
{
	if (!f->hash)
		f->hash = flow_hash(f);
	return f->hash;
}

static inline bool mac_is_multicast(const uint8_t *mac)
{
	return mac[0] & 1;
}

/* The six bytes as a number, first byte in the lowest bits. */
static inline uint64_t mac_to_u64(const uint8_t *mac)
{
	uint32_t lo;
	uint16_t hi;

	memcpy(&lo, mac, sizeof(lo));
	memcpy(&hi, mac + 4, sizeof(hi));
	return le32_to_cpu(lo) | (uint64_t)le16_to_cpu(hi) << 32;
}

static inline void mac_from_u64(uint8_t mac[ETH_ALEN], uint64_t v)
{
	for (unsigned i = 0; i < ETH_ALEN; i++)
		mac[i] = (uint8_t)(v >> 8 * i);
}

#endif

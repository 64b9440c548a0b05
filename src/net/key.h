/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a frame: the content of its headers, parsed from the private head.
 * This is the only header parser in the tree. struct key is in frame.h, because
 * each frame carries its own. Pure; any thread.
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

#define VLAN_HLEN  4 /* bytes of a tag */
#define FRAME_TAGS 2 /* tags that a frame with segmentation may come with */
/* Tags that the parser looks behind: one more may have been pushed. */
#define KEY_MAX_TAGS (FRAME_TAGS + 1)
#define KEY_L4_SNAP \
	86 /* Ethernet, two tags, IPv6, eight bytes of its payload */

/* Does the work of frame_key() for a key that is not filled to @depth. */
const struct key *frame_key_fill(struct frame *f, enum key_depth depth);

/*
 * Returns the key of @f, filled at least to @depth. Parses at most once, never
 * fails, and knows only the bytes in the head: KEY_L4 needs a head with all
 * headers. Walks at most 8 IPv6 extension headers.
 */
static inline const struct key *frame_key(struct frame *f, enum key_depth depth)
{
	if (likely(f->key.depth >= depth))
		return &f->key;
	return frame_key_fill(f, depth);
}

/* Returns tag @i (priority and VLAN, host order) of a frame whose key is
 * filled. */
static inline uint16_t key_tci(const struct frame *f, unsigned i)
{
	return get_be16(frame_head_const(f) + 2 * ETH_ALEN + VLAN_HLEN * i + 2);
}

/* Returns the source address, followed by the destination address: 4 bytes each
 * with key.ip == 4, 16 bytes each with 6. */
static inline const uint8_t *key_addresses(const struct frame *f)
{
	return frame_head_const(f) + f->key.l3_off + (f->key.ip == 4 ? 12 : 8);
}

/* Returns the source port, followed by the destination port; NULL for a packet
 * without ports (a fragment, another protocol) or with its ports beyond the
 * head. */
const uint8_t *key_ports(const struct frame *f);

/*
 * Returns the flow's Toeplitz hash with the symmetric key (toeplitz.h), which
 * is equal for both directions. Its input is addresses and ports, as virtio
 * hashes TCPv4, UDPv4, TCPv6 and UDPv6; the addresses alone for packets without
 * ports and for fragments, as virtio hashes IPv4 and IPv6; the MAC addresses
 * for anything but IP.
 */
uint32_t flow_hash(struct frame *f);

/* Returns flow_hash() of @f and computes it at most once. Wants the hash and
 * key as frame_from_iov() leaves them. */
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

/* Returns the six bytes as a number, the first byte in the lowest bits. */
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

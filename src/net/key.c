/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a frame, see key.h. Pure; any thread. The parser reads the private
 * head only; each step first checks that its bytes are there.
 */
#include "key.h"

#include <netinet/in.h>

#include "toeplitz.h"

#define MAX_EXTENSIONS 8

#define V4_FRAG_OFFSET 0x1fff
#define V4_FRAG_MORE   0x2000
#define V6_FRAG_OFFSET 0xfff8
#define V6_FRAG_MORE   1

static void parse_l4(const struct frame *f, struct key *k, unsigned off,
		     uint8_t proto)
{
	const uint8_t *p = frame_head_const(f) + off;
	unsigned left = f->head_len - off;

	k->proto = proto;
	if (!left)
		return;
	k->l4_off = off;
	if (proto == IPPROTO_UDP && left >= 8) {
		k->payload_off = off + 8;
	} else if (proto == IPPROTO_TCP && left >= 20) {
		unsigned size = (p[12] >> 4) * 4;

		if (size >= 20 && size <= left)
			k->payload_off = off + size;
	}
}

static void parse_v4(const struct frame *f, struct key *k, unsigned off)
{
	const uint8_t *p = frame_head_const(f) + off;
	unsigned left = f->head_len - off, size;
	uint16_t frag;

	if (left < 20 || p[0] >> 4 != 4)
		return;
	size = (p[0] & 15) * 4;
	if (size < 20 || size > left)
		return;
	k->ip = 4;
	k->l3_off = off;
	frag = get_be16(p + 6);
	k->is_fragment = frag & (V4_FRAG_OFFSET | V4_FRAG_MORE);
	if (frag & V4_FRAG_OFFSET)
		k->proto = p[9];
	else
		parse_l4(f, k, off + size, p[9]);
}

static void parse_v6(const struct frame *f, struct key *k, unsigned off)
{
	const uint8_t *head = frame_head_const(f);
	uint8_t proto;

	if (f->head_len - off < 40 || head[off] >> 4 != 6)
		return;
	k->ip = 6;
	k->l3_off = off;
	proto = head[off + 6];
	off += 40;
	for (int i = 0; i <= MAX_EXTENSIONS; i++) {
		const uint8_t *p = head + off;
		unsigned size;

		switch (proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT:
		case IPPROTO_AH:
			break;
		default:
			parse_l4(f, k, off, proto);
			return;
		}
		if (f->head_len - off < 8)
			return;
		size = 8 + p[1] * 8;
		if (proto == IPPROTO_AH)
			size = 8 + p[1] * 4; /* RFC 4302, 2.2 */
		if (proto == IPPROTO_FRAGMENT) {
			uint16_t frag = get_be16(p + 2);

			size = 8; /* p[1] is reserved in this header */
			k->is_fragment |=
				!!(frag & (V6_FRAG_OFFSET | V6_FRAG_MORE));
			if (frag & V6_FRAG_OFFSET) {
				k->proto = p[0];
				return;
			}
		}
		if (size > f->head_len - off)
			return;
		proto = p[0];
		off += size;
	}
}

const struct key *frame_key_fill(struct frame *f, enum key_depth depth)
{
	const uint8_t *p = frame_head_const(f);
	unsigned off = 2 * ETH_ALEN;
	struct key k = { .depth = depth };
	uint16_t type;

	f->key = k;
	if (f->head_len < ETH_HLEN)
		return &f->key;
	type = get_be16(p + off);
	while (k.tags < KEY_MAX_TAGS &&
	       (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ) &&
	       f->head_len >= off + VLAN_HLEN + 2) {
		k.tags++;
		off += VLAN_HLEN;
		type = get_be16(p + off);
	}
	k.ethertype = type;
	if (depth == KEY_L4 && type == ETHERTYPE_V4)
		parse_v4(f, &k, off + 2);
	else if (depth == KEY_L4 && type == ETHERTYPE_V6)
		parse_v6(f, &k, off + 2);
	f->key = k;
	return &f->key;
}

/* Returns the exclusive or of the 16-bit words at @p in four lanes, in memory
 * order. @size is a multiple of 4. */
static inline uint64_t add_words(const uint8_t *p, unsigned size)
{
	uint64_t sum = 0, eight;
	uint32_t four;

	for (; size >= sizeof(eight); size -= sizeof(eight)) {
		memcpy(&eight, p, sizeof(eight));
		sum ^= eight;
		p += sizeof(eight);
	}
	if (size) {
		memcpy(&four, p, sizeof(four));
		sum ^= four;
	}
	return sum;
}

static uint32_t hash_words(uint64_t sum)
{
	uint16_t word;

	sum ^= sum >> 32;
	word = (uint16_t)(sum ^ sum >> 16);
	return toeplitz_symmetric(get_be16(&word));
}

/* Returns whether the protocol's header begins with two ports. */
static inline bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
	       proto == IPPROTO_SCTP;
}

const uint8_t *key_ports(const struct frame *f)
{
	const struct key *k = &f->key;

	/* All fragments of a datagram must be treated alike, and only the first
	 * one has ports. */
	if (k->is_fragment || !k->l4_off || k->l4_off + 4u > f->head_len ||
	    !has_ports(k->proto))
		return NULL;
	return frame_head_const(f) + k->l4_off;
}

static __attribute__((noinline)) uint32_t hash_any(struct frame *f)
{
	const struct key *k = frame_key(f, KEY_L4);
	const uint8_t *ports;
	uint64_t sum;

	if (!k->ip) {
		if (f->head_len < ETH_HLEN)
			return 0;
		return hash_words(add_words(frame_head_const(f), 2 * ETH_ALEN));
	}
	sum = add_words(key_addresses(f), k->ip == 4 ? 2 * 4 : 2 * 16);
	ports = key_ports(f);
	if (ports)
		sum ^= add_words(ports, 2 * 2);
	return hash_words(sum);
}

uint32_t flow_hash(struct frame *f)
{
	const uint8_t *ip = frame_head_const(f) + ETH_HLEN;

	/* Fast path for common IPv4: addresses and ports are adjacent.
	 * hash_any() gives the same result in each case. */
	if (likely(f->head_len >= ETH_HLEN + 20 + 4 &&
		   get_be16(ip - 2) == ETHERTYPE_V4 && ip[0] == 0x45 &&
		   !(get_be16(ip + 6) & (V4_FRAG_OFFSET | V4_FRAG_MORE)) &&
		   has_ports(ip[9])))
		return hash_words(add_words(ip + 12, 2 * 4 + 2 * 2));
	return hash_any(f);
}

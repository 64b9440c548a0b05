/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header cursors, see key.h. Pure; any thread. Everything read lies in the
 * private head: each step first checks that its bytes are there.
 */
#include "key.h"

#include <netinet/in.h>

#include "toeplitz.h"

#define MAX_TAGS       2
#define MAX_EXTENSIONS 8

#define V4_FRAG_OFFSET 0x1fff
#define V4_FRAG_MORE   0x2000
#define V6_FRAG_OFFSET 0xfff8
#define V6_FRAG_MORE   1

static void parse_l4(const struct frame *f, struct headers *h, unsigned off,
		     uint8_t proto)
{
	const uint8_t *p = frame_head_const(f) + off;
	unsigned left = f->head_len - off;

	h->l4_proto = proto;
	if (!left)
		return;
	h->l4_off = off;
	if (proto == IPPROTO_UDP && left >= 8) {
		h->payload_off = off + 8;
	} else if (proto == IPPROTO_TCP && left >= 20) {
		unsigned size = (p[12] >> 4) * 4;

		if (size >= 20 && size <= left)
			h->payload_off = off + size;
	}
}

static void parse_v4(const struct frame *f, struct headers *h, unsigned off)
{
	const uint8_t *p = frame_head_const(f) + off;
	unsigned left = f->head_len - off, size;
	uint16_t frag;

	if (left < 20 || p[0] >> 4 != 4)
		return;
	size = (p[0] & 15) * 4;
	if (size < 20 || size > left)
		return;
	h->l3_off = off;
	frag = get_be16(p + 6);
	h->is_fragment = frag & (V4_FRAG_OFFSET | V4_FRAG_MORE);
	if (frag & V4_FRAG_OFFSET)
		h->l4_proto = p[9];
	else
		parse_l4(f, h, off + size, p[9]);
}

static void parse_v6(const struct frame *f, struct headers *h, unsigned off)
{
	const uint8_t *head = frame_head_const(f);
	uint8_t proto;

	if (f->head_len - off < 40 || head[off] >> 4 != 6)
		return;
	h->l3_off = off;
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
			parse_l4(f, h, off, proto);
			return;
		}
		if (f->head_len - off < 8)
			return;
		size = 8 + p[1] * 8;
		if (proto == IPPROTO_AH)
			size = 8 + p[1] * 4; /* RFC 4302, 2.2 */
		if (proto == IPPROTO_FRAGMENT) {
			uint16_t frag = get_be16(p + 2);

			size = 8; /* that byte is reserved here */
			h->is_fragment |=
				!!(frag & (V6_FRAG_OFFSET | V6_FRAG_MORE));
			if (frag & V6_FRAG_OFFSET) {
				h->l4_proto = p[0];
				return;
			}
		}
		if (size > f->head_len - off)
			return;
		proto = p[0];
		off += size;
	}
}

void headers_parse(const struct frame *f, struct headers *h)
{
	const uint8_t *p = frame_head_const(f);
	unsigned off = 2 * ETH_ALEN;
	uint16_t type;

	*h = (struct headers){ 0 };
	if (f->head_len < ETH_HLEN)
		return;
	type = get_be16(p + off);
	for (int tags = 0; tags < MAX_TAGS; tags++) {
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
		off += 4;
		if (f->head_len < off + 2)
			return;
		type = get_be16(p + off);
	}
	h->ethertype = type;
	if (type == ETHERTYPE_V4)
		parse_v4(f, h, off + 2);
	else if (type == ETHERTYPE_V6)
		parse_v6(f, h, off + 2);
}

/* The exclusive or of the 16-bit words at @p in four lanes, as they lie in
 * memory; @size is a multiple of 4. */
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

/* Protocols whose header begins with two ports. */
static inline bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
	       proto == IPPROTO_SCTP;
}

static __attribute__((noinline)) uint32_t hash_any(const struct frame *f)
{
	const uint8_t *p = frame_head_const(f);
	struct headers h;
	uint64_t sum;

	headers_parse(f, &h);
	if (!h.l3_off) {
		if (f->head_len < ETH_HLEN)
			return 0;
		return hash_words(add_words(p, 2 * ETH_ALEN));
	}
	if (h.ethertype == ETHERTYPE_V4)
		sum = add_words(p + h.l3_off + 12, 2 * 4);
	else
		sum = add_words(p + h.l3_off + 8, 2 * 16);
	/* all fragments of a datagram must go the same way, and only the first
	 * has ports */
	if (!h.is_fragment && h.l4_off && h.l4_off + 4u <= f->head_len &&
	    has_ports(h.l4_proto))
		sum ^= add_words(p + h.l4_off, 2 * 2);
	return hash_words(sum);
}

uint32_t flow_hash(const struct frame *f)
{
	const uint8_t *ip = frame_head_const(f) + ETH_HLEN;

	/* IPv4 as it mostly is: addresses and ports in a row. Every case has
	 * the same result in hash_any(). */
	if (likely(f->head_len >= ETH_HLEN + 20 + 4 &&
		   get_be16(ip - 2) == ETHERTYPE_V4 && ip[0] == 0x45 &&
		   !(get_be16(ip + 6) & (V4_FRAG_OFFSET | V4_FRAG_MORE)) &&
		   has_ports(ip[9])))
		return hash_words(add_words(ip + 12, 2 * 4 + 2 * 2));
	return hash_any(f);
}

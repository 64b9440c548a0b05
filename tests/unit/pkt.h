/* SPDX-License-Identifier: Apache-2.0 */
/* Packets for tests, built and checked in the obvious way, byte by byte. */
#ifndef RW_PKT_H
#define RW_PKT_H

#include <netinet/in.h>
#include <string.h>

#include "frame.h"
#include "le.h"
#include "test.h"

#define PKT_MAX (FRAME_MAX + 512)

/* The description of a packet. */
struct pkt_spec {
	unsigned tags; /* VLAN tags, 0..2 */
	bool v6;
	bool udp;
	unsigned l3_opt; /* v4: bytes of options; v6: of extensions, n*8 */
	unsigned l4_opt; /* TCP: bytes of options */
	unsigned payload;
	uint8_t tcp_flags;
};

struct pkt {
	uint8_t data[PKT_MAX];
	uint32_t len;
	unsigned l3_off, l4_off, payload_off;
};

/* Returns @sum plus the 16-bit one's complement sum in network order; an odd
 * byte is padded. */
static inline uint32_t pkt_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i & 1 ? p[i] : p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* Returns the sum of the pseudo header for the IP header at @l3. */
static inline uint32_t pkt_pseudo(const uint8_t *l3, uint8_t proto,
				  uint32_t l4_size)
{
	uint32_t sum = pkt_sum(0, l3[0] >> 4 == 4 ? l3 + 12 : l3 + 8,
			       l3[0] >> 4 == 4 ? 8 : 32);

	sum += proto + l4_size;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Fills @p with noise, up to 7 bytes past the end. */
static inline void pkt_noise(struct rng *rng, uint8_t *p, uint32_t size)
{
	for (uint32_t i = 0; i < size; i += 8) {
		uint64_t v = rng_next(rng);

		memcpy(p + i, &v, sizeof(v));
	}
}

/* Builds @s with random addresses, numbers and payload. The L4 checksum field
 * holds the sum of the pseudo header, as a sender with offload leaves it. */
static inline void pkt_build(struct pkt *k, const struct pkt_spec *s,
			     struct rng *rng)
{
	uint8_t *p = k->data, proto = s->udp ? IPPROTO_UDP : IPPROTO_TCP;
	unsigned off = 12, l4_size;

	pkt_noise(rng, p, 256 + s->payload);
	p[0] &= 0xfe;
	for (unsigned i = 0; i < s->tags; i++, off += 4)
		put_be16(p + off, i + 1 < s->tags ? 0x88a8 : 0x8100);
	put_be16(p + off, s->v6 ? 0x86dd : 0x0800);
	k->l3_off = off + 2;
	k->l4_off = k->l3_off + (s->v6 ? 40 : 20) + s->l3_opt;
	k->payload_off = k->l4_off + (s->udp ? 8 : 20 + s->l4_opt);
	k->len = k->payload_off + s->payload;
	l4_size = k->len - k->l4_off;
	p = k->data + k->l3_off;
	if (s->v6) {
		p[0] = 0x60;
		put_be16(p + 4, k->len - k->l3_off - 40);
		p[6] = s->l3_opt ? IPPROTO_DSTOPTS : proto;
		for (off = 0; off < s->l3_opt; off += 8) {
			p[40 + off] =
				off + 8 < s->l3_opt ? IPPROTO_DSTOPTS : proto;
			p[41 + off] = 0;
		}
	} else {
		p[0] = 0x45 + s->l3_opt / 4;
		put_be16(p + 2, k->len - k->l3_off);
		put_be16(p + 6, 0x4000);
		p[9] = proto;
		put_be16(p + 10, 0);
		put_be16(p + 10, ~pkt_sum(0, p, 20 + s->l3_opt));
	}
	p = k->data + k->l4_off;
	if (s->udp) {
		put_be16(p + 4, l4_size);
		put_be16(p + 6,
			 pkt_pseudo(k->data + k->l3_off, proto, l4_size));
	} else {
		p[12] = (5 + s->l4_opt / 4) << 4;
		p[13] = s->tcp_flags;
		put_be16(p + 16,
			 pkt_pseudo(k->data + k->l3_off, proto, l4_size));
	}
}

/* Returns the offload header of @k; @gso_size 0: checksum only. */
static inline struct vnet_hdr pkt_hdr(const struct pkt *k,
				      const struct pkt_spec *s,
				      uint16_t gso_size)
{
	uint8_t type = s->udp  ? VNET_GSO_UDP_L4
		       : s->v6 ? VNET_GSO_TCPV6
			       : VNET_GSO_TCPV4;

	return (struct vnet_hdr){
		.flags = VNET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_size ? type : VNET_GSO_NONE,
		.hdr_len = k->payload_off,
		.gso_size = gso_size,
		.csum_start = k->l4_off,
		.csum_offset = s->udp ? 6 : 16,
	};
}

/* Cuts @data into iovecs of random lengths <= @max_piece. Returns how many. */
static inline unsigned pkt_cut(struct rng *rng, uint8_t *data, uint32_t len,
			       uint32_t max_piece, struct iovec *iov,
			       unsigned iov_max)
{
	unsigned n = 0;

	while (len) {
		uint32_t piece = 1 + rng_below(rng, max_piece);

		if (piece > len || n + 1 == iov_max)
			piece = len;
		iov[n++] = (struct iovec){ data, piece };
		data += piece;
		len -= piece;
	}
	return n;
}

#endif

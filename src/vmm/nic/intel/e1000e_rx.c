/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the 82574 says of received frames (7.1): descriptors, checksums, the
 * hash and the queue. Workers, with the txq's lock held.
 *
 * The packet checksum (7.1.11) and the checksum of fragments are 0: they stand
 * where the hash does, and drivers of this card use neither.
 */
#include "e1000e.h"

#include <netinet/in.h>

#include "key.h"
#include "le.h"
#include "offload.h"

#define SPLIT_SIZE     32u	  /* bytes of a descriptor */
#define SPLIT_DONE     (1u << 15) /* HDRSP: headers are apart */

#define MRQC_IS_RSS(v) (((v)&7) == 1)
#define MRQC_TCP_V4    (1u << 16)
#define MRQC_V4	       (1u << 17)
#define MRQC_TCP_V6    (1u << 18)
#define MRQC_V6_EX     (1u << 19)
#define MRQC_V6	       (1u << 20)
#define TYPE_QUEUE(q)  ((q) << 8)
enum { TYPE_TCP_V4 = 1, TYPE_V4, TYPE_TCP_V6, TYPE_V6_EX, TYPE_V6 };

/* --- Descriptors (7.1.6.2 and 7.1.10). The status is written last. */

static void write_common(uint8_t *at, const struct e1000_mark *m,
			 uint32_t length)
{
	le32 *word = (le32 *)at;

	shm_store(&word[0], cpu_to_le32(m->type | TYPE_QUEUE(m->queue)));
	shm_store(&word[1], cpu_to_le32(m->hash));
	shm_store(&word[3], cpu_to_le32(length | (uint32_t)m->tci << 16));
	shm_store_release(&word[2], cpu_to_le32(m->status));
}

static void write_extended(uint8_t *at, const struct e1000_mark *m,
			   const uint32_t length[E1000_BUFFERS])
{
	write_common(at, m, length[0]);
}

static void write_split(uint8_t *at, const struct e1000_mark *m,
			const uint32_t length[E1000_BUFFERS])
{
	uint32_t header = m->header ? SPLIT_DONE | m->header : 0;
	le32 *word = (le32 *)at;

	shm_store(&word[4], cpu_to_le32(header | length[1] << 16));
	shm_store(&word[5], cpu_to_le32(length[2] | length[3] << 16));
	shm_store(&word[6], cpu_to_le32(0));
	shm_store(&word[7], cpu_to_le32(0));
	write_common(at, m, length[0]);
}

static const struct e1000_format extended = { .size = E1000_DESC,
					      .buffers = 1,
					      .write_back = write_extended };
static const struct e1000_format split = { .size = SPLIT_SIZE,
					   .buffers = E1000_BUFFERS,
					   .write_back = write_split };

/* --- Checksums (7.1.11) */

/* Returns the sum of @size bytes from @off, the last ones of the frame or all
 * in its head. False: it cannot be told. */
static bool sum_part(const struct frame *f, uint32_t off, uint32_t size,
		     uint64_t *sum)
{
	if (off > f->head_len || off + size > f->len)
		return false;
	if (off + size == f->len)
		*sum = csum_frame(f, off);
	else if (off + size <= f->head_len)
		*sum = csum_add(0, frame_head_const(f) + off, size);
	else
		return false;
	return true;
}

/* Returns RXD_IPCS, and RXD_IPE if the sum of the IPv4 header is wrong. */
static uint32_t check_ip(const struct frame *f, const struct key *k)
{
	const uint8_t *ip = frame_head_const(f) + k->l3_off;
	uint32_t size = (ip[0] & 15) * 4u, bad;
	uint64_t sum;

	if (!sum_part(f, k->l3_off, size, &sum))
		return 0;
	bad = csum_fold(sum) ? RXD_IPE : 0;
	return RXD_IPCS | bad;
}

/* Returns the bytes of TCP or UDP as IP says, or 0 for what the card does not
 * check: fragments, and IPv6 with headers between. */
static uint32_t size_of_l4(const struct frame *f, const struct key *k)
{
	const uint8_t *ip = frame_head_const(f) + k->l3_off;
	uint32_t header = k->l4_off - k->l3_off, size;

	if (!k->l4_off || k->is_fragment)
		return 0;
	if (k->ip == 6)
		return header == 40 ? get_be16(ip + 4) : 0;
	size = get_be16(ip + 2);
	return size > header ? size - header : 0;
}

/* Returns RXD_TCPCS (and RXD_UDPCS), and RXD_TCPE if the sum is wrong. */
static uint32_t check_l4(const struct frame *f, const struct key *k,
			 bool is_valid)
{
	bool is_udp = k->proto == IPPROTO_UDP;
	uint32_t size = size_of_l4(f, k);
	uint32_t status = RXD_TCPCS | (is_udp ? RXD_UDPCS : 0);
	const uint8_t *l4 = frame_head_const(f) + k->l4_off;
	uint64_t sum, pseudo = htobe16((uint16_t)size) + htobe16(k->proto);

	if ((!is_udp && k->proto != IPPROTO_TCP) || size < 8)
		return 0;
	if (is_valid)
		return status;
	if (k->l4_off + 8u > f->head_len || !sum_part(f, k->l4_off, size, &sum))
		return 0;
	if (is_udp && !get_be16(l4 + 6))
		return 0; /* the sender made none */
	sum += csum_add(pseudo, key_addresses(f), k->ip == 4 ? 8 : 32);
	return status | (csum_fold(sum) ? RXD_TCPE : 0);
}

static uint32_t check(const struct e1000_rules *r, struct frame *f,
		      bool is_valid)
{
	const struct key *k = frame_key(f, KEY_L4);
	uint32_t status = 0;

	is_valid |= f->hdr.flags & VNET_HDR_F_DATA_VALID;
	if (!k->ip || (k->ip == 6 && r->rfctl & RFCTL_IPV6_DIS))
		return 0;
	if (k->ip == 4 && r->rxcsum & RXCSUM_IPOFLD)
		status |= check_ip(f, k);
	if (r->rxcsum & RXCSUM_TUOFLD &&
	    !(k->ip == 6 && r->rfctl & RFCTL_IPV6XSUM_DIS))
		status |= check_l4(f, k, is_valid);
	return status;
}

/* --- Receive side scaling (7.1.12) */

void e1000e_build_rss(struct e1000e *x)
{
	uint32_t mrqc = e1000_get(&x->e, E1000E_MRQC);
	struct rss_conf c = { 0 };

	if (mrqc & MRQC_TCP_V4)
		c.types |= RSS_TCPV4;
	if (mrqc & MRQC_V4)
		c.types |= RSS_IPV4;
	if (mrqc & MRQC_TCP_V6)
		c.types |= RSS_TCPV6;
	if (mrqc & (MRQC_V6 | MRQC_V6_EX))
		c.types |= RSS_IPV6;
	for (unsigned i = 0; i < sizeof(c.key); i++)
		c.key[i] =
			(uint8_t)(e1000_get(&x->e, E1000E_RSSRK + i / 4 * 4) >>
				  i % 4 * 8);
	rss_init(&x->rss, &c);
}

static uint32_t type_of(unsigned type, uint32_t mrqc)
{
	switch (type) {
	case RSS_TCPV4:
		return TYPE_TCP_V4;
	case RSS_IPV4:
		return TYPE_V4;
	case RSS_TCPV6:
		return TYPE_TCP_V6;
	default:
		return mrqc & MRQC_V6 ? TYPE_V6 : TYPE_V6_EX;
	}
}

/* An entry of the table is a byte, whose bit 7 is the queue (10.2.9.3). */
static void choose_queue(const struct e1000 *e, struct frame *f,
			 struct e1000_mark *m)
{
	const struct e1000e *x = container_of(e, const struct e1000e, e);
	unsigned type = rss_hash(&x->rss, f, &m->hash), at = m->hash & 0x7f;

	if (!type)
		return;
	m->type = type_of(type, e1000_get(e, E1000E_MRQC));
	m->queue =
		e1000_get(e, E1000E_RETA + at / 4 * 4) >> (at % 4 * 8 + 7) & 1;
}

/* --- */

/* Returns the bytes of headers in front of what TCP or UDP carry, or 0 for what
 * is not split (7.1.10). */
static uint32_t headers_of(const struct e1000_rules *r, struct frame *f)
{
	const struct key *k = frame_key(f, KEY_L4);

	if ((k->proto != IPPROTO_TCP && k->proto != IPPROTO_UDP) ||
	    k->is_fragment || !k->payload_off ||
	    k->payload_off > r->buffer[0] || k->payload_off >= f->len)
		return 0;
	return k->payload_off;
}

static void classify(const struct e1000 *e, const struct e1000_rules *r,
		     struct frame *f, bool is_valid, struct e1000_mark *m)
{
	if (r->rxcsum & (RXCSUM_IPOFLD | RXCSUM_TUOFLD))
		m->status = (m->status & ~RXD_IXSM) | check(r, f, is_valid);
	if (r->queues > 1)
		choose_queue(e, f, m);
	if (r->format == &split)
		m->header = headers_of(r, f);
}

/* 10.2.5.1 and 10.2.5.2 */
void e1000e_add_rules(const struct e1000 *e, struct e1000_rules *r)
{
	uint32_t sizes = e1000_get(e, E1000E_PSRCTL);

	r->rxcsum = e1000_get(e, E1000_RXCSUM);
	r->rfctl = e1000_get(e, E1000E_RFCTL);
	r->classify = classify;
	if (MRQC_IS_RSS(e1000_get(e, E1000E_MRQC)) && r->rxcsum & RXCSUM_PCSD)
		r->queues = 2;
	if (RCTL_FLXBUF(r->rctl))
		r->buffer[0] = RCTL_FLXBUF(r->rctl) * 1024;
	if (!(r->rfctl & RFCTL_EXTEN))
		return;
	r->format = &extended;
	if (RCTL_DTYP(r->rctl) != RCTL_DTYP_SPLIT)
		return;
	r->format = &split;
	r->buffer[0] = (sizes & 0x7f) * 128;
	for (unsigned i = 1; i < E1000_BUFFERS; i++)
		r->buffer[i] = (sizes >> 8 * i & 0x3f) * 1024;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of an offload header, and checksums that a sender left out; see
 * offload.h. Pure; any thread. The header and the head are private copies, so
 * the result of a check stays true.
 */
#include "offload.h"

#include <netinet/in.h>

#include "key.h"

enum { TCP_CSUM_OFFSET = 16, UDP_CSUM_OFFSET = 6 };

/* Returns whether the length fields of the packet end exactly at the frame's
 * end. Segmentation computes the new ones from the frame's length. */
static bool lengths_agree(const struct frame *f, const struct key *k)
{
	const uint8_t *p = frame_head_const(f);
	uint32_t l3_size = f->len - k->l3_off;

	if (k->ethertype == ETHERTYPE_V4 &&
	    get_be16(p + k->l3_off + 2) != l3_size)
		return false;
	if (k->ethertype == ETHERTYPE_V6 &&
	    get_be16(p + k->l3_off + 4) + 40u != l3_size)
		return false;
	return k->proto == IPPROTO_TCP ||
	       get_be16(p + k->l4_off + 4) == f->len - k->l4_off;
}

static bool gso_type_fits(uint8_t gso_type, const struct key *k)
{
	switch (gso_type) {
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV4 | VNET_GSO_ECN:
		return k->ethertype == ETHERTYPE_V4 && k->proto == IPPROTO_TCP;
	case VNET_GSO_TCPV6:
	case VNET_GSO_TCPV6 | VNET_GSO_ECN:
		return k->ethertype == ETHERTYPE_V6 && k->proto == IPPROTO_TCP;
	case VNET_GSO_UDP_L4:
		return (k->ethertype == ETHERTYPE_V4 ||
			k->ethertype == ETHERTYPE_V6) &&
		       k->proto == IPPROTO_UDP;
	default:
		return false;
	}
}

static bool gso_is_valid(struct frame *f)
{
	const struct key *k = frame_key(f, KEY_L4);
	const struct vnet_hdr *hdr = &f->hdr;
	uint32_t payload;

	if (!k->payload_off || k->is_fragment || k->tags > FRAME_TAGS ||
	    !gso_type_fits(hdr->gso_type, k))
		return false;
	if (hdr->csum_start != k->l4_off ||
	    hdr->csum_offset != (k->proto == IPPROTO_TCP ? TCP_CSUM_OFFSET
							 : UDP_CSUM_OFFSET))
		return false;
	payload = f->len - k->payload_off;
	if (!payload || !hdr->gso_size ||
	    payload > hdr->gso_size * (uint32_t)GSO_MAX_SEGMENTS)
		return false;
	return lengths_agree(f, k);
}

bool offload_is_valid(struct frame *f)
{
	const struct vnet_hdr *hdr = &f->hdr;

	/* segmentation gives each segment a checksum, so it needs this flag
	 * (virtio 1.2, 5.1.6.2.1 and 5.1.6.4.1) */
	if (!(hdr->flags & VNET_HDR_F_NEEDS_CSUM))
		return hdr->gso_type == VNET_GSO_NONE;
	/* the inner header of a tunnel is allowed, too */
	if (hdr->csum_start <
		    ETH_HLEN + VLAN_HLEN * frame_key(f, KEY_L2)->tags ||
	    hdr->csum_start + hdr->csum_offset + 2 > f->head_len)
		return false;
	return hdr->gso_type == VNET_GSO_NONE || gso_is_valid(f);
}

uint64_t csum_frame(const struct frame *f, unsigned off)
{
	unsigned done = f->head_len - off;
	uint64_t sum = csum_add(0, frame_head_const(f) + off, done);

	for (unsigned i = 0; i < f->iov_count; i++) {
		const struct iovec *v = &f->iov[i];

		if (done & 1)
			sum = csum_add_odd(sum, v->iov_base, v->iov_len);
		else
			sum = csum_add(sum, v->iov_base, v->iov_len);
		done += v->iov_len;
	}
	return sum;
}

void offload_fill_csum(struct frame *f)
{
	uint8_t *field = frame_head(f) + f->hdr.csum_start + f->hdr.csum_offset;
	uint16_t csum = csum_fold(csum_frame(f, f->hdr.csum_start));

	/* 0 means "none" in UDP; 0xffff is equivalent in all protocols */
	if (!csum)
		csum = 0xffff;
	memcpy(field, &csum, sizeof(csum));
	f->hdr.flags &= ~VNET_HDR_F_NEEDS_CSUM;
	f->hdr.csum_start = 0;
	f->hdr.csum_offset = 0;
}

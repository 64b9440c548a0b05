/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of an offload header, and the checksum a sender left out; see
 * offload.h. Pure; any thread. The header and the head are private copies, so
 * what is checked here stays true.
 */
#include "offload.h"

#include <netinet/in.h>

#include "key.h"

enum { TCP_CSUM_OFFSET = 16, UDP_CSUM_OFFSET = 6 };

/* Do the length fields of the packet reach exactly to the end of the frame?
 * Segmentation computes the new ones from the frame's length. */
static bool lengths_agree(const struct frame *f, const struct headers *h)
{
	const uint8_t *p = frame_head_const(f);
	uint32_t l3_size = f->len - h->l3_off;

	if (h->ethertype == ETHERTYPE_V4 &&
	    get_be16(p + h->l3_off + 2) != l3_size)
		return false;
	if (h->ethertype == ETHERTYPE_V6 &&
	    get_be16(p + h->l3_off + 4) + 40u != l3_size)
		return false;
	return h->l4_proto == IPPROTO_TCP ||
	       get_be16(p + h->l4_off + 4) == f->len - h->l4_off;
}

static bool gso_type_fits(uint8_t gso_type, const struct headers *h)
{
	switch (gso_type) {
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV4 | VNET_GSO_ECN:
		return h->ethertype == ETHERTYPE_V4 &&
		       h->l4_proto == IPPROTO_TCP;
	case VNET_GSO_TCPV6:
	case VNET_GSO_TCPV6 | VNET_GSO_ECN:
		return h->ethertype == ETHERTYPE_V6 &&
		       h->l4_proto == IPPROTO_TCP;
	case VNET_GSO_UDP_L4:
		return (h->ethertype == ETHERTYPE_V4 ||
			h->ethertype == ETHERTYPE_V6) &&
		       h->l4_proto == IPPROTO_UDP;
	default:
		return false;
	}
}

static bool gso_is_valid(const struct frame *f)
{
	const struct vnet_hdr *hdr = &f->hdr;
	struct headers h;
	uint32_t payload;

	headers_parse(f, &h);
	if (!h.payload_off || h.is_fragment ||
	    !gso_type_fits(hdr->gso_type, &h))
		return false;
	if (hdr->csum_start != h.l4_off ||
	    hdr->csum_offset != (h.l4_proto == IPPROTO_TCP ? TCP_CSUM_OFFSET
							   : UDP_CSUM_OFFSET))
		return false;
	payload = f->len - h.payload_off;
	if (!payload || !hdr->gso_size ||
	    payload > hdr->gso_size * (uint32_t)GSO_MAX_SEGMENTS)
		return false;
	return lengths_agree(f, &h);
}

bool offload_is_valid(const struct frame *f)
{
	const struct vnet_hdr *hdr = &f->hdr;

	/* each segment gets a checksum of its own, so segmentation without is
	 * not allowed (virtio 1.2, 5.1.6.2.1 and 5.1.6.4.1) */
	if (!(hdr->flags & VNET_HDR_F_NEEDS_CSUM))
		return hdr->gso_type == VNET_GSO_NONE;
	/* the inner header of a tunnel is as good as any other here */
	if (hdr->csum_start < ETH_HLEN ||
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

	/* 0 would mean "none" in UDP; the other zero is as good everywhere */
	if (!csum)
		csum = 0xffff;
	memcpy(field, &csum, sizeof(csum));
	f->hdr.flags &= ~VNET_HDR_F_NEEDS_CSUM;
	f->hdr.csum_start = 0;
	f->hdr.csum_offset = 0;
}

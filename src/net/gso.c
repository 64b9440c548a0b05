/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segmentation in software, see offload.h. Pure; any thread.
 *
 * A segment is an ordinary frame: it has its own headers, and a view of its
 * payload in the large frame's memory. Nothing touches the payload before the
 * receiver's copy, except the sum for a receiver that wants filled checksums.
 */
#include "offload.h"

#include <netinet/in.h>

#include "key.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

void gso_iter_init(struct gso_iter *it, struct frame *f, unsigned offloads)
{
	const struct key *k = frame_key(f, KEY_L4);

	*it = (struct gso_iter){
		.src = f,
		.offloads = offloads,
		.l3_off = k->l3_off,
		.l4_off = k->l4_off,
		.payload_off = k->payload_off,
		.step = f->hdr.gso_size,
		.is_v4 = k->ethertype == ETHERTYPE_V4,
		.is_tcp = k->proto == IPPROTO_TCP,
		.part_off = k->payload_off,
	};
}

/* Returns part @idx of @src: 0 is the head, i + 1 is iov[i]. */
static struct iovec part_get(const struct frame *src, unsigned idx)
{
	if (idx)
		return src->iov[idx - 1];
	return (struct iovec){ (void *)frame_head_const(src), src->head_len };
}

/* Stores a view of the next @size payload bytes in @iov and advances. */
static int take_view(struct gso_iter *it, uint32_t size, struct iovec *iov,
		     unsigned iov_max)
{
	unsigned part = it->part, count = 0;
	size_t off = it->part_off;

	while (size) {
		struct iovec v = part_get(it->src, part);
		size_t n = MIN((size_t)size, v.iov_len - off);

		if (n) {
			if (count == iov_max)
				return -2;
			iov[count].iov_base = (uint8_t *)v.iov_base + off;
			iov[count++].iov_len = n;
		}
		size -= n;
		off += n;
		if (off == v.iov_len) {
			part++;
			off = 0;
		}
	}
	it->part = part;
	it->part_off = off;
	return count;
}

static void edit_l3(const struct gso_iter *it, struct frame *out)
{
	uint8_t *p = frame_head(out) + it->l3_off;
	uint32_t size = out->len - it->l3_off;
	uint16_t csum = 0;

	if (!it->is_v4) {
		put_be16(p + 4, size - 40);
		return;
	}
	put_be16(p + 2, size);
	put_be16(p + 4, get_be16(p + 4) + it->segment);
	memcpy(p + 10, &csum, sizeof(csum));
	csum = csum_fold(csum_add(0, p, (p[0] & 15) * 4));
	memcpy(p + 10, &csum, sizeof(csum));
}

static void edit_l4(const struct gso_iter *it, struct frame *out, bool is_last)
{
	uint8_t *p = frame_head(out) + it->l4_off;

	if (!it->is_tcp) {
		put_be16(p + 4, out->len - it->l4_off);
		return;
	}
	put_be32(p + 4, get_be32(p + 4) + it->offset);
	if (!is_last)
		p[13] &= ~(TCP_FIN | TCP_PSH);
	if (it->segment) /* RFC 3168, 6.1.2: one packet carries CWR */
		p[13] &= ~TCP_CWR;
}

/* Updates the partial checksum: the sender stored the sum of the pseudo header,
 * in which only the length changes. (This holds even where a routing header
 * makes the sum's destination differ from the one in the IPv6 header.) */
static void edit_csum(const struct gso_iter *it, struct frame *out)
{
	uint8_t *p =
		frame_head(out) + out->hdr.csum_start + out->hdr.csum_offset;
	uint16_t old_size = it->src->len - it->l4_off;
	uint16_t new_size = out->len - it->l4_off;
	uint16_t partial;
	uint64_t sum;

	memcpy(&partial, p, sizeof(partial));
	sum = partial + htobe16(new_size) + (uint16_t)~htobe16(old_size);
	partial = ~csum_fold(sum);
	memcpy(p, &partial, sizeof(partial));
}

int gso_iter_next(struct gso_iter *it, struct frame *out, struct iovec *iov,
		  unsigned iov_max)
{
	const struct frame *src = it->src;
	uint32_t left = src->len - it->payload_off - it->offset;
	uint32_t size = MIN(left, (uint32_t)it->step);
	int count;

	if (!left)
		return -1;
	count = take_view(it, size, iov, iov_max);
	if (count < 0)
		return count;
	/* a head that a tag was pushed into begins sooner, and may be longer
	 * than FRAME_HEAD by that */
	out->head_off = src->head_off;
	out->head_len = it->payload_off;
	out->len = it->payload_off + size;
	out->iov = iov;
	out->iov_count = count;
	out->hash = 0;
	out->key = src->key;
	out->tci = src->tci;
	out->tpid = src->tpid;
	memcpy(frame_head(out), frame_head_const(src), it->payload_off);
	out->hdr = (struct vnet_hdr){
		.flags = VNET_HDR_F_NEEDS_CSUM,
		.csum_start = src->hdr.csum_start,
		.csum_offset = src->hdr.csum_offset,
	};
	edit_l3(it, out);
	edit_l4(it, out, size == left);
	edit_csum(it, out);
	if (!(it->offloads & OFFLOAD_CSUM))
		offload_fill_csum(out);
	it->offset += size;
	it->segment++;
	return count;
}

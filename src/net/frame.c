/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: head snapshots and views, see frame.h. Pure; any thread. */
#include "frame.h"

#include "key.h"

void frame_gather_head(struct frame *f, struct iovec *iov, unsigned iov_count)
{
	uint8_t *dst = f->buf + f->head_off;
	size_t left = f->head_len;

	while (left) {
		size_t n = MIN(left, iov->iov_len);

		copy_bytes(dst, iov->iov_base, n);
		dst += n;
		left -= n;
		if (n < iov->iov_len) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= n;
			break;
		}
		iov++;
		iov_count--;
	}
	shm_settle_object(&f->buf);
	f->iov_count = iov_count;
	f->iov = iov_count ? iov : NULL;
}

void frame_copy(const struct frame *f, uint32_t off, void *dst, uint32_t size)
{
	const struct iovec *iov = f->iov;
	uint8_t *to = dst;

	if (off < f->head_len) {
		uint32_t n = MIN(size, (uint32_t)f->head_len - off);

		copy_bytes(to, frame_head_const(f) + off, n);
		to += n;
		size -= n;
		off = 0;
	} else {
		off -= f->head_len;
	}
	for (; size; iov++) {
		size_t n;

		if (off >= iov->iov_len) {
			off -= iov->iov_len;
			continue;
		}
		n = MIN((size_t)size, iov->iov_len - off);
		copy_bytes(to, (const uint8_t *)iov->iov_base + off, n);
		to += n;
		size -= n;
		off = 0;
	}
}

unsigned frame_to_iov(const struct frame *f, struct iovec *out, unsigned max)
{
	if (max < 1u + f->iov_count)
		return 0;
	out[0].iov_base = (void *)frame_head_const(f);
	out[0].iov_len = f->head_len;
	if (f->iov_count)
		memcpy(out + 1, f->iov, f->iov_count * sizeof(*out));
	return 1 + f->iov_count;
}

static unsigned uso_needed(struct frame *f)
{
	return frame_key(f, KEY_L4)->ethertype == ETHERTYPE_V6 ? OFFLOAD_USO6
							       : OFFLOAD_USO4;
}

unsigned frame_offloads_find(struct frame *f)
{
	unsigned need = 0;

	if (f->hdr.flags & VNET_HDR_F_NEEDS_CSUM)
		need |= OFFLOAD_CSUM;
	if (f->hdr.gso_type & VNET_GSO_ECN)
		need |= OFFLOAD_ECN;
	switch (f->hdr.gso_type & ~VNET_GSO_ECN) {
	case VNET_GSO_TCPV4:
		return need | OFFLOAD_TSO4;
	case VNET_GSO_TCPV6:
		return need | OFFLOAD_TSO6;
	case VNET_GSO_UDP:
		return need | OFFLOAD_UFO;
	case VNET_GSO_UDP_L4:
		return need | uso_needed(f);
	default:
		return need;
	}
}

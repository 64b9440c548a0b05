/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a stream, see wire.h. Any thread; pure. */
#include "wire.h"

#include "le.h"

/* Returns whether the offload header of a frame from outside is one that the
 * switch can serve. */
static bool is_valid(struct wire_frame *w)
{
	struct iovec iov = { (void *)(uintptr_t)w->data, w->len };
	struct frame f = { .hdr = w->hdr };

	if (!frame_has_offload(&f))
		return true;
	frame_from_iov(&f, &iov, 1, w->len, FRAME_HEAD);
	return offload_is_valid(&f);
}

enum wire_result wire_parse(const uint8_t *bytes, size_t size, bool has_hdr,
			    struct wire_frame *out)
{
	const size_t head = has_hdr ? 8 : 4;
	uint32_t len, hdr_len = 0;

	if (size < head)
		return WIRE_MORE;
	len = get_be32(bytes);
	if (has_hdr)
		hdr_len = get_be32(bytes + 4);
	if (len > WIRE_FRAME_MAX || hdr_len > len ||
	    (hdr_len && hdr_len != VNET_HDR_LEGACY && hdr_len != VNET_HDR_MAX))
		return WIRE_NONSENSE;
	if (size - head < len)
		return WIRE_MORE;
	*out = (struct wire_frame){ .data = bytes + head + hdr_len,
				    .len = len - hdr_len,
				    .used = (uint32_t)head + len };
	if (out->len < ETH_HLEN || out->len > FRAME_MAX)
		return WIRE_BAD;
	if (hdr_len)
		out->hdr = vnet_raw_decode(vnet_raw_load(bytes + head));
	out->hdr.flags &= VNET_HDR_F_NEEDS_CSUM;
	return is_valid(out) ? WIRE_FRAME : WIRE_BAD;
}

void wire_begin(struct wire_out *w, bool has_hdr, const struct vnet_hdr *hdr,
		void *data, uint32_t len)
{
	struct frame *f = &w->frame;

	w->has_hdr = has_hdr;
	w->is_done = false;
	w->iov = (struct iovec){ data, len };
	f->hdr = *hdr;
	frame_from_iov(f, &w->iov, 1, len, FRAME_HEAD);
	w->is_segmented = !has_hdr && hdr->gso_type;
	if (w->is_segmented)
		gso_iter_init(&w->it, f, 0);
	else if (!has_hdr && frame_has_offload(f))
		offload_fill_csum(f);
}

static uint32_t put(const struct frame *f, bool has_hdr, uint8_t *to)
{
	uint32_t hdr_len = has_hdr ? VNET_HDR_MAX : 0;
	uint8_t *at = to;

	put_be32(at, hdr_len + f->len);
	at += 4;
	if (has_hdr) {
		put_be32(at, hdr_len);
		vnet_hdr_store(at + 4, &f->hdr,
			       vnet_raw_mask(VNET_HDR_F_NEEDS_CSUM), 0,
			       VNET_HDR_MAX);
		at += 4 + hdr_len;
	}
	frame_copy(f, 0, at, f->len);
	return (uint32_t)(at - to) + f->len;
}

uint32_t wire_next(struct wire_out *w, uint8_t *to)
{
	if (w->is_done)
		return 0;
	if (!w->is_segmented) {
		w->is_done = true;
		return put(&w->frame, w->has_hdr, to);
	}
	/* The source is one piece, so a segment has few. */
	if (gso_iter_next(&w->it, &w->segment, w->segment_iov,
			  ARRAY_SIZE(w->segment_iov)) < 0) {
		w->is_done = true;
		return 0;
	}
	return put(&w->segment, false, to);
}

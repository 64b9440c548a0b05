/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of headers, see edit.h. Pure; any thread. */
#include "edit.h"

#include "key.h"

void edit_copy(struct frame *to, const struct frame *f)
{
	memcpy(to, f, offsetof(struct frame, buf));
	copy_bytes(frame_head(to), frame_head_const(f), f->head_len);
}

/* The headers behind the addresses are now @by bytes further from the frame's
 * start. The flow is the same, and so is its hash. */
static void move_headers(struct frame *f, int by)
{
	struct vnet_hdr *h = &f->hdr;
	uint32_t hash = f->hash;

	f->head_off = (uint16_t)(f->head_off - by);
	f->head_len = (uint16_t)(f->head_len + by);
	f->len = (uint32_t)((int64_t)f->len + by);
	if (h->flags & VNET_HDR_F_NEEDS_CSUM)
		h->csum_start = (uint16_t)(h->csum_start + by);
	if (h->gso_type && h->hdr_len)
		h->hdr_len = (uint16_t)(h->hdr_len + by);
	frame_forget(f);
	f->hash = hash;
}

void edit_push_tag(struct frame *f, uint16_t tpid, uint16_t tci)
{
	uint8_t *head = frame_head(f), *new = head - VLAN_HLEN;

	memmove(new, head, 2 * ETH_ALEN);
	put_be16(new + 2 * ETH_ALEN, tpid);
	put_be16(new + 2 * ETH_ALEN + 2, tci);
	move_headers(f, VLAN_HLEN);
}

void edit_pop_tag(struct frame *f)
{
	uint8_t *head = frame_head(f);

	memmove(head + VLAN_HLEN, head, 2 * ETH_ALEN);
	move_headers(f, -VLAN_HLEN);
}

void edit_set_tag(struct frame *f, uint16_t tpid, uint16_t tci)
{
	uint8_t *tag = frame_head(f) + 2 * ETH_ALEN;

	put_be16(tag, tpid);
	put_be16(tag + 2, tci);
	frame_forget(f);
}

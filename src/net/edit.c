/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of headers, see edit.h. Pure; any thread.
 *
 * The new head is put together from pieces of the old one: to copy it and then
 * move its beginning would read what was just written in other pieces, which
 * processors do slowly (twice the time of the whole edit).
 */
#include "edit.h"

#include "key.h"

#define ADDRESSES (2 * ETH_ALEN)

/* Everything but the head. What is behind the addresses is @by bytes further
 * from the start of the frame. The flow is the same, and so is its hash. */
static void begin(struct frame *to, const struct frame *f, int by)
{
	struct vnet_hdr *h = &to->hdr;

	memcpy(to, f, offsetof(struct frame, buf));
	to->head_off = (uint16_t)(f->head_off - by);
	to->head_len = (uint16_t)(f->head_len + by);
	to->len = (uint32_t)((int64_t)f->len + by);
	if (h->flags & VNET_HDR_F_NEEDS_CSUM)
		h->csum_start = (uint16_t)(h->csum_start + by);
	if (h->gso_type && h->hdr_len)
		h->hdr_len = (uint16_t)(h->hdr_len + by);
	frame_forget(to);
	to->hash = f->hash;
}

static void put_tag(uint8_t *at, uint16_t tpid, uint16_t tci)
{
	put_be16(at, tpid);
	put_be16(at + 2, tci);
}

/* The addresses, and what begins at @off in the head of @f at @to_off. */
static void copy_head(struct frame *to, unsigned to_off, const struct frame *f,
		      unsigned off)
{
	const uint8_t *from = frame_head_const(f);
	uint8_t *head = frame_head(to);

	copy_bytes(head, from, ADDRESSES);
	copy_bytes(head + to_off, from + off, f->head_len - off);
}

void edit_push_tag(struct frame *to, const struct frame *f, uint16_t tpid,
		   uint16_t tci)
{
	begin(to, f, VLAN_HLEN);
	copy_head(to, ADDRESSES + VLAN_HLEN, f, ADDRESSES);
	put_tag(frame_head(to) + ADDRESSES, tpid, tci);
}

void edit_pop_tag(struct frame *to, const struct frame *f)
{
	begin(to, f, -VLAN_HLEN);
	copy_head(to, ADDRESSES, f, ADDRESSES + VLAN_HLEN);
}

void edit_set_tag(struct frame *to, const struct frame *f, uint16_t tpid,
		  uint16_t tci)
{
	begin(to, f, 0);
	copy_head(to, ADDRESSES + VLAN_HLEN, f, ADDRESSES + VLAN_HLEN);
	put_tag(frame_head(to) + ADDRESSES, tpid, tci);
}

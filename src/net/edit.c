/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of headers, see edit.h. Pure; any thread.
 *
 * The new head is composed from pieces of the old one. Copying it whole and
 * then moving its beginning would read bytes in other pieces than they were
 * just written in, which processors do slowly: it doubled the time of the whole
 * edit.
 */
#include "edit.h"

#include "key.h"

#define ADDRESSES (2 * ETH_ALEN)

/* Copies all of @f but the head to @to. Everything behind the addresses moves
 * @by bytes away from the start of the frame. The flow and its hash stay. */
static void begin(struct frame *to, const struct frame *f, int by)
{
	struct vnet_hdr *h = &to->hdr;

	memcpy(to, f, offsetof(struct frame, buf));
	to->head_off = (uint16_t)(f->head_off - by);
	to->head_len = (uint16_t)(f->head_len + by);
	to->len = (uint32_t)((int64_t)f->len + by);
	if (h->flags & VNET_HDR_F_NEEDS_CSUM)
		h->csum_start = (uint16_t)(h->csum_start + by);
	/* a hint of the sender's, which may say anything */
	if (h->gso_type)
		h->hdr_len =
			h->hdr_len + by > 0 ? (uint16_t)(h->hdr_len + by) : 0;
	frame_forget(to);
	to->hash = f->hash;
}

static void put_tag(uint8_t *at, uint16_t tpid, uint16_t tci)
{
	put_be16(at, tpid);
	put_be16(at + 2, tci);
}

/* Copies the addresses, and the head of @f from @off on to offset @to_off. */
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

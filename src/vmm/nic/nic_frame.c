/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between the switch and buffers of a guest, for all emulated cards, see
 * nic_frame.h. Workers. */
#include "nic_frame.h"

#include "edit.h"
#include "offload.h"

void nic_add_piece(struct nic_pieces *p, const struct gmem *ram, uint64_t at,
		   uint32_t size)
{
	void *host = gmem_translate(ram, at, size);

	p->is_bad |= !host || p->count == NIC_PIECES_MAX ||
		     size > FRAME_MAX - p->len;
	if (p->is_bad || !size)
		return;
	p->iov[p->count++] = (struct iovec){ host, size };
	p->len += size;
}

bool nic_begin_frame(struct nic *n, struct frame *f, const struct nic_pieces *p,
		     bool has_offload)
{
	uint32_t snap = has_offload ? FRAME_HEAD : shm_load(&n->out.snap);

	if (p->is_bad || p->len < ETH_HLEN) {
		stat_inc(&n->out.stats.drops[DROP_RX_BAD_FRAME]);
		return false;
	}
	f->hdr = (struct vnet_hdr){ 0 };
	frame_from_iov(f, p->iov, p->count, p->len, snap);
	return true;
}

bool nic_end_frame(struct nic *n, struct frame *f, bool is_fit)
{
	if (is_fit && (!frame_has_offload(f) || offload_is_valid(f)))
		return true;
	stat_inc(&n->out.stats.drops[DROP_RX_BAD_OFFLOAD]);
	return false;
}

void nic_push_tag(struct frame *f, uint16_t tpid, uint16_t tci)
{
	struct frame tagged;

	edit_push_tag(&tagged, f, tpid, tci);
	*f = tagged;
}

bool nic_fill_ip_csum(struct frame *f, unsigned start, unsigned end,
		      unsigned field)
{
	uint8_t *head = frame_head(f);
	uint16_t sum = 0;

	if (end > f->head_len || start >= end || field + 2 > f->head_len)
		return false;
	memcpy(head + field, &sum, sizeof(sum));
	sum = csum_fold(csum_add(0, head + start, end - start));
	memcpy(head + field, &sum, sizeof(sum));
	return true;
}

void nic_fill(const struct frame *f, uint32_t off, uint8_t *to, uint32_t size)
{
	uint32_t n = off < f->len ? MIN(size, f->len - off) : 0;

	if (n)
		frame_copy(f, off, to, n);
	memset(to + n, 0, size - n);
}

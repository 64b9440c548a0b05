/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver side of a packed ring (virtio 1.2, clause 2.8). One thread at a time.
 */
#include "vq_drv_impl.h"

/* The first descriptor of a burst, which is written last: until then the device
 * sees none of the others. */
struct held_back {
	struct vq_packed_desc *desc;
	uint64_t word;
};

static void put_desc(struct vq_drv *vq, struct held_back *first, uint64_t addr,
		     uint32_t len, uint16_t id, uint16_t flags)
{
	struct vq_packed_desc *ring = vq->config.area.desc;
	struct vq_packed_desc *d = &ring[vq->next_avail];
	uint64_t word;

	flags |= vq_packed_avail_flags(vq->avail_wrap);
	word = vq_word_make(len, id, flags);
	vq_desc_set_addr(d, addr);
	if (first->desc)
		vq_desc_set_word(d, word);
	else
		*first = (struct held_back){ d, word };
	vq_packed_advance(&vq->next_avail, &vq->avail_wrap, vq->count, 1);
}

static void fill_chain(struct vq_drv *vq, const struct vq_drv_buf *buf,
		       const struct vq_drv_plan *plan, uint16_t id,
		       struct held_back *first)
{
	for (unsigned i = 0; i < plan->direct; i++) {
		uint16_t flags = i < buf->readable_count ? 0 : VQ_DESC_F_WRITE;

		if (i + 1 < plan->direct)
			flags |= VQ_DESC_F_NEXT;
		put_desc(vq, first, vq_drv_buf_addr(vq, buf, i),
			 (uint32_t)buf->iov[i].iov_len, id, flags);
	}
	if (plan->direct == 0)
		put_desc(vq, first,
			 vq_drv_fill_table(vq, buf, 0, plan->iov_count, id),
			 plan->iov_count * (uint32_t)sizeof(struct vq_desc), id,
			 VQ_DESC_F_INDIRECT);
}

unsigned vq_drv_packed_push(struct vq_drv *vq, const struct vq_drv_buf *bufs,
			    unsigned n)
{
	struct held_back first = { 0 };
	unsigned i;

	for (i = 0; i < n; i++) {
		struct vq_drv_plan plan = vq_drv_plan_make(vq, &bufs[i]);
		uint16_t id;

		if (plan.slots > vq->free_slots)
			break;
		id = vq_drv_take_free(vq);
		fill_chain(vq, &bufs[i], &plan, id, &first);
		vq_drv_note_out(vq, id, &bufs[i], &plan);
	}
	if (i > 0) {
		/* vq:A  release: all descriptors before the flags of the first.
		 * Without it the device may walk into the previous round. */
		vq_desc_set_word_release(first.desc, first.word);
	}
	return i;
}

static bool word_is_used(const struct vq_drv *vq, uint64_t word)
{
	return (vq_word_hi(word) & VQ_PACKED_FLAGS) ==
	       vq_packed_used_flags(vq->used_wrap);
}

static uint64_t used_word(const struct vq_drv *vq)
{
	const struct vq_packed_desc *ring = vq->config.area.desc;

	/* vq:U  acquire: the flags before id, length and buffers. Without it
	 * data may be read before the device has written it. */
	return vq_desc_word_acquire(&ring[vq->next_used]);
}

/* Takes a used descriptor. Returns false when there is none or its id is
 * wrong. */
static bool read_used(struct vq_drv *vq, uint16_t *id, uint32_t *size)
{
	uint64_t word = used_word(vq);

	if (!word_is_used(vq, word))
		return false;
	*id = vq_word_lo(word);
	/* clause 2.8.5: the length is valid only with WRITE */
	*size = vq_word_hi(word) & VQ_DESC_F_WRITE ? vq_word_len(word) : 0;
	return vq_drv_accept(vq, *id, *size);
}

unsigned vq_drv_packed_pop(struct vq_drv *vq, struct vq_drv_used *used,
			   unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		uint16_t id;
		uint32_t size;

		if (!vq_drv_batch_next(vq, &id, &size)) {
			if (!read_used(vq, &id, &size))
				break;
			/* in order: the descriptor marks the batch's end */
			vq_drv_batch_next(vq, &id, &size);
		}
		vq_packed_advance(&vq->next_used, &vq->used_wrap, vq->count,
				  vq->out[id].slot_count);
		vq_drv_note_used(vq, id, size, &used[i]);
		vq_drv_put_free(vq, id);
	}
	return i;
}

bool vq_drv_packed_has_used(const struct vq_drv *vq)
{
	return word_is_used(vq, used_word(vq));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver side of a split ring (virtio 1.2, clause 2.7). One thread at a time.
 */
#include "vq_drv_impl.h"

/* Writes @buf to free descriptors; returns the head. */
static uint16_t fill_chain(struct vq_drv *vq, const struct vq_drv_buf *buf,
			   const struct vq_drv_plan *plan)
{
	struct vq_desc *table = vq->config.area.desc;
	uint16_t head = vq->free_first;

	for (unsigned i = 0; i < plan->slots; i++) {
		uint16_t slot = vq_drv_take_free(vq);
		uint16_t next = vq->next[slot];
		uint64_t addr;
		uint32_t len;
		uint16_t flags = 0;

		if (i < plan->direct) {
			addr = vq_drv_buf_addr(vq, buf, i);
			len = (uint32_t)buf->iov[i].iov_len;
			if (i >= buf->readable_count)
				flags = VQ_DESC_F_WRITE;
			if (i + 1 < plan->slots)
				flags |= VQ_DESC_F_NEXT;
		} else {
			addr = vq_drv_fill_table(vq, buf, plan->direct,
						 plan->iov_count, head);
			len = (plan->iov_count - plan->direct) *
			      (uint32_t)sizeof(struct vq_desc);
			flags = VQ_DESC_F_INDIRECT;
		}
		vq_desc_set_addr(&table[slot], addr);
		vq_desc_set_word(&table[slot], vq_word_make(len, flags, next));
	}
	return head;
}

unsigned vq_drv_split_push(struct vq_drv *vq, const struct vq_drv_buf *bufs,
			   unsigned n)
{
	struct vq_avail *avail = vq->config.area.driver;
	unsigned i;

	for (i = 0; i < n; i++) {
		struct vq_drv_plan plan = vq_drv_plan_make(vq, &bufs[i]);
		uint16_t head;

		if (plan.slots > vq->free_slots)
			break;
		head = fill_chain(vq, &bufs[i], &plan);
		vq_drv_note_out(vq, head, &bufs[i], &plan);
		shm_store(&avail->ring[vq->next_avail++ & vq->mask],
			  cpu_to_le16(head));
	}
	if (i > 0)
		/* vq:A  release: ring slots and descriptors before the idx that
		 * shows them. Without it the device may read their old
		 * content. */
		shm_store_release(&avail->idx, cpu_to_le16(vq->next_avail));
	return i;
}

/* Returns the descriptors of a chain to the free list in the order they were
 * taken; vq->next still links them. */
static void free_chain(struct vq_drv *vq, uint16_t head, unsigned slots)
{
	uint16_t slot = head;

	while (slots--) {
		uint16_t next = vq->next[slot];

		vq_drv_put_free(vq, slot);
		slot = next;
	}
}

static bool read_used(struct vq_drv *vq, uint16_t *id, uint32_t *size)
{
	struct vq_used *used = vq->config.area.device;
	struct vq_used_elem *e = &used->ring[vq->next_used & vq->mask];
	uint32_t used_id = le32_to_cpu(shm_load(&e->id));

	*size = le32_to_cpu(shm_load(&e->len));
	*id = (uint16_t)used_id;
	return vq_drv_accept(vq, used_id, *size);
}

/* Returns the number of used entries; 0 with a fault if idx is out of range. */
static unsigned look(struct vq_drv *vq)
{
	const struct vq_used *used = vq->config.area.device;
	/* vq:U  acquire: the idx before used elements and buffers. Without it
	 * data may be read before the device has written it. */
	uint16_t idx = le16_to_cpu(shm_load_acquire(&used->idx));
	uint16_t pending = (uint16_t)(idx - vq->next_used);

	if (pending > vq->count) {
		vq_drv_fail(vq, VQ_FAULT_USED_RANGE);
		return 0;
	}
	if (vq->has_event_idx && !vq->is_armed &&
	    (uint16_t)(vq->next_used - vq->quiet_at) >= VQ_QUIET_SPAN)
		vq_drv_put_off(vq);
	return pending;
}

unsigned vq_drv_split_pop(struct vq_drv *vq, struct vq_drv_used *used,
			  unsigned n)
{
	unsigned i, pending = look(vq);

	n = MIN(n, pending);
	for (i = 0; i < n; i++) {
		uint16_t id;
		uint32_t size;
		unsigned slots;

		if (!vq_drv_batch_next(vq, &id, &size)) {
			if (!read_used(vq, &id, &size))
				break;
			/* in order: the entry marks the batch's end */
			vq_drv_batch_next(vq, &id, &size);
		}
		slots = vq->out[id].slot_count;
		vq_drv_note_used(vq, id, size, &used[i]);
		free_chain(vq, id, slots);
		vq->next_used++;
	}
	/* the batch is longer than the used entries the device announced */
	if (i == pending && vq->is_in_batch)
		vq_drv_fail(vq, VQ_FAULT_USED_ID);
	return i;
}

bool vq_drv_split_has_used(const struct vq_drv *vq)
{
	const struct vq_used *used = vq->config.area.device;

	/* vq:U */
	return le16_to_cpu(shm_load_acquire(&used->idx)) != vq->next_used;
}

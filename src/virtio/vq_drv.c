/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver side of a virtqueue: life, bookkeeping that both formats share,
 * notifications. One thread at a time per queue; nothing but create, destroy
 * and notify allocates or enters the kernel.
 */
#include "vq_drv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "peer_event.h"
#include "virtio.h"
#include "vq_drv_impl.h"

static bool config_is_valid(const struct vq_drv_config *c)
{
	struct vq_area_sizes align = vq_area_aligns(c->features);

	return vq_size_is_valid(c->features, c->count) &&
	       !((uintptr_t)c->area.desc & (align.desc - 1)) &&
	       !((uintptr_t)c->area.driver & (align.driver - 1)) &&
	       !((uintptr_t)c->area.device & (align.device - 1));
}

struct vq_drv *vq_drv_create(const struct vq_drv_config *c)
{
	struct vq_drv *vq;

	if (!config_is_valid(c))
		return NULL;
	vq = calloc(1, sizeof(*vq));
	if (!vq)
		return NULL;
	vq->config = *c;
	vq->count = (uint16_t)c->count;
	vq->mask = (uint16_t)(c->count - 1);
	vq->is_packed = feat_has(c->features, VIRTIO_F_RING_PACKED);
	vq->has_event_idx = feat_has(c->features, VIRTIO_F_EVENT_IDX);
	vq->has_in_order = feat_has(c->features, VIRTIO_F_IN_ORDER);
	vq->avail_wrap = vq->used_wrap = true;
	vq->free_slots = c->count;
	vq->unsignalled = VQ_UNSIGNALLED_ALL;
	vq->next = calloc(c->count, sizeof(*vq->next));
	vq->out = calloc(c->count, sizeof(*vq->out));
	vq->order = calloc(c->count, sizeof(*vq->order));
	if (!vq->next || !vq->out || !vq->order) {
		vq_drv_destroy(vq);
		return NULL;
	}
	if (!feat_has(c->features, VIRTIO_F_INDIRECT_DESC))
		vq->config.indirect = NULL;
	for (unsigned i = 0; i < c->count; i++)
		vq_drv_put_free(vq, (uint16_t)i);
	vq_drv_put_off(vq);
	return vq;
}

void vq_drv_destroy(struct vq_drv *vq)
{
	if (!vq)
		return;
	free(vq->next);
	free(vq->out);
	free(vq->order);
	free(vq);
}

struct vq_drv_plan vq_drv_plan_make(const struct vq_drv *vq,
				    const struct vq_drv_buf *buf)
{
	struct vq_drv_plan p = {
		.iov_count = buf->readable_count + buf->writable_count,
	};

	assert(p.iov_count > 0 && buf->cookie);
	p.direct = p.slots = p.iov_count;
	for (unsigned i = buf->readable_count; i < p.iov_count; i++)
		p.writable_size += (uint32_t)buf->iov[i].iov_len;
	if (!buf->indirect || !vq->config.indirect)
		return p;
	if (p.iov_count <= vq->config.indirect_max)
		p.direct = 0;
	else if (!vq->is_packed)
		p.direct = p.iov_count - vq->config.indirect_max;
	else
		return p;
	p.slots = p.direct + 1;
	return p;
}

uint64_t vq_drv_buf_addr(const struct vq_drv *vq, const struct vq_drv_buf *buf,
			 unsigned i)
{
	const uint8_t *p = buf->iov[i].iov_base;
	uint64_t off = (uint64_t)(p - vq->config.base);

	assert(range_is_inside(off, buf->iov[i].iov_len, vq->config.size));
	return vq->config.gpa + off;
}

uint64_t vq_drv_fill_table(struct vq_drv *vq, const struct vq_drv_buf *buf,
			   unsigned first, unsigned count, uint16_t id)
{
	struct vq_desc *table =
		vq->config.indirect + (size_t)id * vq->config.indirect_max;

	for (unsigned i = first; i < count; i++) {
		struct vq_desc *d = &table[i - first];
		uint32_t len = (uint32_t)buf->iov[i].iov_len;
		uint16_t flags = i < buf->readable_count ? 0 : VQ_DESC_F_WRITE;

		vq_desc_set_addr(d, vq_drv_buf_addr(vq, buf, i));
		if (vq->is_packed) {
			vq_desc_set_word(d, vq_word_make(len, 0, flags));
			continue;
		}
		if (i + 1 < count)
			flags |= VQ_DESC_F_NEXT;
		vq_desc_set_word(
			d, vq_word_make(len, flags, (uint16_t)(i + 1 - first)));
	}
	return vq->config.gpa + (uint64_t)((uint8_t *)table - vq->config.base);
}

uint16_t vq_drv_take_free(struct vq_drv *vq)
{
	uint16_t id = vq->free_first;

	vq->free_first = vq->next[id];
	vq->free_count--;
	return id;
}

void vq_drv_put_free(struct vq_drv *vq, uint16_t id)
{
	if (vq->free_count++ == 0)
		vq->free_first = id;
	else
		vq->next[vq->free_last] = id;
	vq->free_last = id;
}

void vq_drv_note_out(struct vq_drv *vq, uint16_t id,
		     const struct vq_drv_buf *buf,
		     const struct vq_drv_plan *plan)
{
	vq->out[id] = (struct vq_drv_out){
		.cookie = buf->cookie,
		.writable_size = plan->writable_size,
		.slot_count = (uint16_t)plan->slots,
	};
	vq->free_slots -= plan->slots;
	vq->unsignalled += vq->is_packed ? plan->slots : 1;
	if (vq->has_in_order) {
		unsigned slot = vq->order_slot + vq->order_count++;

		if (slot >= vq->count)
			slot -= vq->count;
		vq->order[slot] = id;
	}
}

void vq_drv_note_used(struct vq_drv *vq, uint16_t id, uint32_t size,
		      struct vq_drv_used *used)
{
	struct vq_drv_out *out = &vq->out[id];

	used->cookie = out->cookie;
	/* the device cannot have written beyond the buffer */
	used->size = MIN(size, out->writable_size);
	used->is_too_long = size > out->writable_size;
	vq->free_slots += out->slot_count;
	out->cookie = NULL;
}

bool vq_drv_accept(struct vq_drv *vq, uint32_t id, uint32_t size)
{
	if (id >= vq->count || !vq->out[id].cookie) {
		vq_drv_fail(vq, VQ_FAULT_USED_ID);
		return false;
	}
	if (vq->has_in_order) {
		vq->is_in_batch = true;
		vq->batch_id = (uint16_t)id;
		vq->batch_size = size;
	}
	return true;
}

bool vq_drv_batch_next(struct vq_drv *vq, uint16_t *id, uint32_t *size)
{
	if (!vq->is_in_batch)
		return false;
	*id = vq->order[vq->order_slot];
	if (++vq->order_slot == vq->count)
		vq->order_slot = 0;
	vq->order_count--;
	vq->is_in_batch = *id != vq->batch_id;
	/* no own entry: used completely (clause 2.7.9) */
	*size = vq->is_in_batch ? vq->out[*id].writable_size : vq->batch_size;
	return true;
}

void vq_drv_fail(struct vq_drv *vq, enum vq_fault fault)
{
	shm_store_release(&vq->fault, fault);
}

unsigned vq_drv_push_burst(struct vq_drv *vq, const struct vq_drv_buf *bufs,
			   unsigned n)
{
	if (vq->fault)
		return 0;
	return vq->is_packed ? vq_drv_packed_push(vq, bufs, n)
			     : vq_drv_split_push(vq, bufs, n);
}

unsigned vq_drv_pop_burst(struct vq_drv *vq, struct vq_drv_used *used,
			  unsigned n)
{
	if (vq->fault)
		return 0;
	return vq->is_packed ? vq_drv_packed_pop(vq, used, n)
			     : vq_drv_split_pop(vq, used, n);
}

static bool has_used(const struct vq_drv *vq)
{
	return vq->is_in_batch || (vq->is_packed ? vq_drv_packed_has_used(vq)
						 : vq_drv_split_has_used(vq));
}

bool vq_drv_arm(struct vq_drv *vq)
{
	if (vq->fault)
		return true; /* no pop will succeed */
	if (vq->is_packed)
		vq_packed_arm(vq->config.area.driver, vq->has_event_idx,
			      vq->next_used, vq->used_wrap);
	else
		vq_split_arm(
			vq_split_driver_wish(vq->config.area.driver, vq->count),
			vq->has_event_idx, vq->next_used);
	vq->is_armed = true;
	/* vq:E  the wish was stored before this load (fence in *_arm) */
	if (!has_used(vq))
		return true;
	vq_drv_put_off(vq);
	return false;
}

void vq_drv_disarm(struct vq_drv *vq)
{
	if (vq->is_armed)
		vq_drv_put_off(vq);
}

void vq_drv_put_off(struct vq_drv *vq)
{
	vq->is_armed = false;
	vq->quiet_at = vq->next_used;
	if (vq->is_packed)
		vq_packed_disarm(vq->config.area.driver);
	else
		vq_split_disarm(
			vq_split_driver_wish(vq->config.area.driver, vq->count),
			vq->has_event_idx, vq->next_used);
}

bool vq_drv_should_notify(struct vq_drv *vq)
{
	uint32_t pushed = vq->unsignalled;
	void *device = vq->config.area.device;

	if (pushed == 0)
		return false;
	vq->unsignalled = 0;
	if (vq->is_packed)
		return vq_packed_wants(device, vq->count, vq->next_avail,
				       vq->avail_wrap, pushed);
	return vq_split_wants(vq_split_device_wish(device, vq->count),
			      vq->has_event_idx, vq->next_avail, pushed);
}

void vq_drv_notify(struct vq_drv *vq)
{
	int fd = vq->config.kick_fd;

	if (fd >= 0 && unlikely(peer_event_signal(fd) == -EINTR))
		vq_drv_fail(vq, VQ_FAULT_CALL);
}

unsigned vq_drv_free_slots(const struct vq_drv *vq)
{
	return vq->free_slots;
}

enum vq_fault vq_drv_fault(const struct vq_drv *vq)
{
	return shm_load(&vq->fault);
}

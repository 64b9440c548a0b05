/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device side of a virtqueue: life, the choice of the format, notifications.
 *
 * activate and deactivate run on the control plane while no worker has the
 * queue, the other functions on the queue's holder. See vq_dev.h.
 */
#include "vq_dev.h"

#include <errno.h>

#include "fd.h"
#include "peer_event.h"
#include "virtio.h"
#include "vq_dev_impl.h"

/* Initial hot and warm region of a queue; it holds no address. */
static const struct gmem_region no_region;

static bool is_aligned(const void *p, uint64_t align)
{
	return p && !((uintptr_t)p & (align - 1));
}

static bool config_is_valid(const struct vq_dev_config *c)
{
	struct vq_area_sizes align = vq_area_aligns(c->features);

	if (!vq_size_is_valid(c->features, c->count))
		return false;
	if (!is_aligned(c->area.desc, align.desc) ||
	    !is_aligned(c->area.driver, align.driver) ||
	    !is_aligned(c->area.device, align.device))
		return false;
	return !feat_has(c->features, VIRTIO_F_RING_PACKED) ||
	       (c->position.avail < c->count && c->position.used < c->count);
}

int vq_dev_activate(struct vq_dev *vq, const struct vq_dev_config *c)
{
	if (!config_is_valid(c))
		return -EINVAL;
	*vq = (struct vq_dev){
		.area = c->area,
		.mem = gmem_get(c->mem),
		.hot = &no_region,
		.warm = &no_region,
		.next_avail = c->position.avail,
		.avail_seen = c->position.avail,
		.next_used = c->position.used,
		.mask = (uint16_t)(c->count - 1),
		.count = (uint16_t)c->count,
		.avail_wrap = c->position.avail_wrap,
		.used_wrap = c->position.used_wrap,
		.is_packed = feat_has(c->features, VIRTIO_F_RING_PACKED),
		.has_event_idx = feat_has(c->features, VIRTIO_F_EVENT_IDX),
		.has_in_order = feat_has(c->features, VIRTIO_F_IN_ORDER),
		.has_indirect = feat_has(c->features, VIRTIO_F_INDIRECT_DESC),
		.unsignalled = VQ_UNSIGNALLED_ALL,
		.call_fd = c->call_fd,
		.notifier = c->notifier,
		.report_fd = c->report_fd,
		.is_mute = c->is_mute,
		.on_miss = c->on_miss,
		.features = c->features,
	};
	vq_dev_put_off(vq);
	return 0;
}

struct vq_position vq_dev_deactivate(struct vq_dev *vq)
{
	struct vq_position p = {
		.avail = vq->next_avail,
		.used = vq->next_used,
		.avail_wrap = vq->avail_wrap,
		.used_wrap = vq->used_wrap,
	};

	gmem_put(vq->mem);
	vq->mem = NULL;
	vq->hot = vq->warm = &no_region;
	return p;
}

bool vq_dev_miss(const struct vq_dev *vq, struct vq_miss *miss)
{
	/* vq:M  acquire: size before the other members of the miss */
	miss->size = shm_load_acquire(&vq->miss.size);
	if (!miss->size)
		return false;
	miss->gpa = vq->miss.gpa;
	miss->access = vq->miss.access;
	return true;
}

void vq_dev_resume(struct vq_dev *vq, struct gmem *mem)
{
	struct gmem *old = vq->mem;

	vq->mem = gmem_get(mem);
	vq->hot = vq->warm = &no_region; /* regions of the old map */
	gmem_put(old);
	shm_store(&vq->miss.size, 0);
}

unsigned vq_dev_pop_burst(struct vq_dev *vq, struct vq_chain *chains,
			  unsigned n, struct iovec *iov, unsigned iov_count)
{
	if (unlikely(vq->fault))
		return 0;
	iov_count = MIN(iov_count, UINT16_MAX); /* chain counts have 16 bits */
	if (vq->is_packed)
		return vq_dev_packed_pop(vq, chains, n, iov, iov_count);
	return vq_dev_split_pop(vq, chains, n, iov, iov_count);
}

void vq_dev_unpop(struct vq_dev *vq, const struct vq_chain *chains, unsigned n)
{
	if (!vq->is_packed) {
		vq->next_avail = (uint16_t)(vq->next_avail - n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		vq_packed_retreat(&vq->next_avail, &vq->avail_wrap, vq->count,
				  chains[i].slot_count);
}

void vq_dev_push_burst(struct vq_dev *vq, const struct vq_done *done,
		       unsigned n)
{
	if (n == 0)
		return;
	if (vq->is_packed)
		vq_dev_packed_push(vq, done, n);
	else
		vq_dev_split_push(vq, done, n);
}

unsigned vq_dev_pending(const struct vq_dev *vq, unsigned limit)
{
	if (vq->is_packed)
		return vq_dev_packed_pending(vq, limit);
	return vq_dev_split_pending(vq, limit);
}

bool vq_dev_has(const struct vq_dev *vq, unsigned n)
{
	if (vq->is_packed)
		return vq_dev_packed_has(vq, n);
	return vq_dev_split_pending(vq, n) >= n;
}

void vq_dev_fail(struct vq_dev *vq, enum vq_fault fault, uint32_t detail)
{
	vq->fault_detail = detail;
	shm_store_release(&vq->fault, fault);
	if (vq->report_fd)
		fd_signal(*vq->report_fd);
}

void vq_dev_ask(struct vq_dev *vq, uint64_t gpa, uint64_t size, uint8_t access)
{
	if (shm_load(&vq->miss.size))
		return;
	vq->miss.gpa = gpa;
	vq->miss.access = access;
	/* vq:M  release: the other members of the miss before its size. Pairs
	 * with the acquire in vq_dev_miss(). */
	shm_store_release(&vq->miss.size, size);
	if (vq->report_fd)
		fd_signal(*vq->report_fd);
}

/* Returns whether nothing was popped or pushed since the ring started at its
 * first slot. */
static bool is_at_start(const struct vq_dev *vq)
{
	return vq->unsignalled == VQ_UNSIGNALLED_ALL && !vq->next_avail &&
	       (!vq->is_packed || vq->avail_wrap);
}

static void count_idle_look(struct vq_dev *vq)
{
	uint32_t n = vq->idle_looks + 1;

	shm_store(&vq->idle_looks, n);
	if (vq->report_fd && n % VQ_IDLE_LOOKS == 0 &&
	    is_power_of_two(n / VQ_IDLE_LOOKS))
		fd_signal(*vq->report_fd);
}

bool vq_dev_is_untouched(const struct vq_dev *vq)
{
	const struct vq_packed_desc *desc = vq->area.desc;
	const struct vq_avail *avail = vq->area.driver;

	if (vq->is_packed)
		return !(le16_to_cpu(shm_load(&desc->flags)) & VQ_DESC_F_AVAIL);
	return !le16_to_cpu(shm_load(&avail->idx));
}

bool vq_dev_arm(struct vq_dev *vq)
{
	if (vq->fault || shm_load(&vq->miss.size))
		return true; /* no pop succeeds until reset or resume */
	if (vq->is_packed)
		vq_packed_arm(vq->area.device, vq->has_event_idx,
			      vq->next_avail, vq->avail_wrap);
	else
		vq_split_arm(vq_split_device_wish(vq->area.device, vq->count),
			     vq->has_event_idx, vq->next_avail);
	vq->is_armed = true;
	/* vq:E  the wish was stored before this load (fence in *_arm) */
	if (vq_dev_pending(vq, 1) == 0) {
		if (unlikely(is_at_start(vq)))
			count_idle_look(vq);
		return true;
	}
	vq_dev_put_off(vq);
	return false;
}

void vq_dev_disarm(struct vq_dev *vq)
{
	if (vq->is_armed)
		vq_dev_put_off(vq);
}

void vq_dev_put_off(struct vq_dev *vq)
{
	vq->is_armed = false;
	vq->quiet_at = vq->next_avail;
	if (vq->is_packed)
		vq_packed_disarm(vq->area.device);
	else
		vq_split_disarm(
			vq_split_device_wish(vq->area.device, vq->count),
			vq->has_event_idx, vq->next_avail);
}

bool vq_dev_should_notify(struct vq_dev *vq)
{
	uint32_t pushed = vq->unsignalled;

	if (pushed == 0)
		return false;
	vq->unsignalled = 0;
	if (vq->is_packed)
		return vq_packed_wants(vq->area.driver, vq->count,
				       vq->next_used, vq->used_wrap, pushed);
	return vq_split_wants(vq_split_driver_wish(vq->area.driver, vq->count),
			      vq->has_event_idx, vq->next_used, pushed);
}

void vq_dev_notify(struct vq_dev *vq)
{
	/* vq:call  acquire: the descriptor was opened before its number is
	 * visible. Pairs with the release where the session exchanges it. */
	int fd = shm_load_acquire(&vq->call_fd);

	if (vq->notifier) {
		vq->notifier->notify_driver(vq->notifier);
		stat_inc(&vq->call_count);
		return;
	}
	if (vq->is_mute && unlikely(shm_load(vq->is_mute)))
		return;
	if (fd >= 0 && unlikely(peer_event_signal(fd) == -EINTR)) {
		if (vq->is_mute)
			shm_store(vq->is_mute, true);
		vq_dev_fail(vq, VQ_FAULT_CALL, 0);
	}
	stat_inc(&vq->call_count);
}

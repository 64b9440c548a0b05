/* SPDX-License-Identifier: Apache-2.0 */
/* What models of virtio devices share, see virtio_dev.h. Control thread. */
#include "virtio_dev.h"

#include <errno.h>

#include "shm.h"

int virtio_dev_activate(const struct virtio_dev *d, const struct virtio_ring *r,
			const int *report_fd, struct vq_dev *vq)
{
	struct vq_area_sizes size;
	struct vq_dev_config c;

	if (!vq_size_is_valid(d->driver_features, r->size))
		return -EINVAL;
	size = vq_area_sizes(d->driver_features, r->size);
	c = (struct vq_dev_config){
		.features = d->driver_features,
		.count = r->size,
		.area = { gmem_translate(d->ram, r->desc, size.desc),
			  gmem_translate(d->ram, r->driver, size.driver),
			  gmem_translate(d->ram, r->device, size.device) },
		.mem = d->ram,
		.position = { .avail_wrap = true, .used_wrap = true },
		.call_fd = r->call_fd,
		.report_fd = report_fd,
	};
	if (!c.area.desc || !c.area.driver || !c.area.device)
		return -EFAULT;
	return vq_dev_activate(vq, &c);
}

void virtio_dev_set_call(struct vq_dev *vq, int fd)
{
	/* vq:call  release: as where a session exchanges the descriptor. */
	shm_store_release(&vq->call_fd, fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The rings of a device model, see rings.h. */
#include "rings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fd.h"
#include "shm.h"
#include "virtio.h"

uint64_t rings_features(bool packed)
{
	return feat_bit(VIRTIO_F_VERSION_1) | feat_bit(VIRTIO_F_EVENT_IDX) |
	       feat_bit(VIRTIO_F_INDIRECT_DESC) |
	       feat_bit(VIRTIO_F_RING_RESET) |
	       (packed ? feat_bit(VIRTIO_F_RING_PACKED) : 0);
}

static void on_report(struct loop_watch *w, uint32_t events)
{
	struct rings *r = container_of(w, struct rings, watch);
	char why[120];

	(void)events;
	fd_drain(w->fd);
	for (unsigned i = 0; i < r->count; i++) {
		struct ring *ring = &r->ring[i];
		enum vq_fault fault;
		const char *broken;

		if (!ring->is_held || ring->is_told)
			continue;
		fault = shm_load_acquire(&ring->vq.fault);
		broken = shm_load_acquire(&ring->broken);
		if (!fault && !broken)
			continue;
		ring->is_told = true;
		snprintf(why, sizeof(why), "queue %u stopped: %s", i,
			 broken ? broken : vq_fault_name(fault));
		if (r->broken)
			r->broken(r, i, why);
		r->dev->transport->needs_reset(r->dev, why);
	}
}

int rings_init(struct rings *r, struct loop *loop, struct virtio_dev *dev,
	       unsigned count)
{
	int rc;

	*r = (struct rings){ .dev = dev, .count = count };
	r->report_fd = fd_eventfd();
	if (r->report_fd < 0)
		return r->report_fd;
	r->ring = calloc(count, sizeof(*r->ring));
	rc = r->ring ? loop_watch_add(loop, &r->watch, r->report_fd, EPOLLIN,
				      on_report)
		     : -ENOMEM;
	if (rc)
		rings_fini(r);
	return rc;
}

void rings_fini(struct rings *r)
{
	if (!r->dev)
		return;
	loop_watch_remove(&r->watch);
	fd_close(&r->report_fd);
	free(r->ring);
	*r = (struct rings){ 0 };
}

int rings_start(struct rings *r, unsigned idx, const struct virtio_ring *from)
{
	struct ring *ring;
	int rc;

	if (idx >= r->count || r->ring[idx].is_held)
		return -EINVAL;
	ring = &r->ring[idx];
	rc = virtio_dev_activate(r->dev, from, &r->report_fd, &ring->vq);
	if (rc)
		return rc;
	ring->is_held = true;
	ring->is_told = false;
	ring->broken = NULL;
	return 0;
}

void rings_stop(struct rings *r, unsigned idx)
{
	if (idx >= r->count || !r->ring[idx].is_held)
		return;
	vq_dev_deactivate(&r->ring[idx].vq);
	r->ring[idx].is_held = false;
}

void rings_break(struct rings *r, unsigned idx, const char *why)
{
	/* rings:A  release, for on_report() */
	shm_store_release(&r->ring[idx].broken, why);
	fd_signal(r->report_fd);
}

bool rings_is_broken(const struct rings *r, unsigned idx)
{
	return r->ring[idx].vq.fault || shm_load(&r->ring[idx].broken);
}

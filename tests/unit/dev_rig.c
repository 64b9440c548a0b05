/* SPDX-License-Identifier: Apache-2.0 */
/* See dev_rig.h. */
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dev_rig.h"
#include "fd.h"
#include "virtio.h"

#define RING_AREA 0x20000u /* of a ring's three areas and its tables */

static void config_changed(struct virtio_dev *d)
{
	((struct dev_rig *)d->transport_arg)->config_changes++;
}

static void needs_reset(struct virtio_dev *d, const char *why)
{
	struct dev_rig *r = d->transport_arg;

	r->resets_needed++;
	snprintf(r->why, sizeof(r->why), "%s", why);
}

static const struct virtio_transport_ops transport = {
	.config_changed = config_changed,
	.needs_reset = needs_reset,
};

static int read_options(struct dev_rig *r, const char *text, struct err *err)
{
	struct opt_pair *pairs;
	int count = opt_split(text, NULL, &pairs, err), rc;

	assert_true(count >= 0);
	rc = opt_defaults(r->type->rows, r->conf, err);
	for (int i = 0; i < count && !rc; i++)
		rc = opt_set(r->type->rows, r->conf, pairs[i].key,
			     pairs[i].value, err);
	opt_pairs_free(NULL, pairs, count);
	return rc ? rc : opt_check(r->type->rows, r->conf, err);
}

int dev_rig_open(struct dev_rig *r, const struct device_type *type,
		 const char *text, struct err *err)
{
	int rc;

	memset(r, 0, sizeof(*r));
	vmm_rig_init(&r->vm);
	r->type = type;
	r->conf = calloc(1, type->conf_size);
	assert_non_null(r->conf);
	rc = read_options(r, text, err);
	if (!rc)
		rc = type->create(r->conf, r->vm.vm.loop, &r->dev, err);
	if (rc) {
		r->dev = NULL;
		return rc;
	}
	r->dev->name = "rig";
	r->dev->transport = &transport;
	r->dev->transport_arg = r;
	r->dev->loop = r->vm.vm.loop;
	r->dev->ram = r->vm.vm.ram;
	assert_true(r->dev->ring_count <= VIRTIO_DEV_RINGS);
	return 0;
}

void dev_rig_close(struct dev_rig *r)
{
	for (unsigned i = 0; i < DEV_RIG_RINGS; i++)
		dev_rig_stop(r, i);
	if (r->dev)
		r->dev->ops->destroy(r->dev);
	opt_free(r->type->rows, r->conf);
	free(r->conf);
	vmm_rig_fini(&r->vm);
}

void dev_rig_agree(struct dev_rig *r, uint64_t features)
{
	if (!features)
		features = r->dev->features;
	features |= feat_bit(VIRTIO_F_VERSION_1);
	assert_int_equal(
		features & ~(r->dev->features | feat_bit(VIRTIO_F_VERSION_1)),
		0);
	if (r->dev->ops->set_features)
		assert_true(r->dev->ops->set_features(r->dev, features));
	r->dev->driver_features = features;
}

void dev_rig_start(struct dev_rig *r, unsigned idx, uint16_t size)
{
	uint64_t at = (idx + 1) * RING_AREA;
	struct virtio_ring *ring = &r->ring[idx];
	uint8_t *ram = r->vm.ram;
	struct vq_drv_config c;

	*ring = (struct virtio_ring){ .size = size,
				      .desc = at,
				      .driver = at + 0x4000,
				      .device = at + 0x8000,
				      .kick_fd = fd_eventfd(),
				      .call_fd = fd_eventfd() };
	memset(ram + at, 0, RING_AREA);
	c = (struct vq_drv_config){
		.features = r->dev->driver_features,
		.count = size,
		.area = { ram + ring->desc, ram + ring->driver,
			  ram + ring->device },
		.base = ram + DEV_RIG_DATA,
		.gpa = DEV_RIG_DATA,
		.size = RIG_RAM_SIZE - DEV_RIG_DATA,
		.kick_fd = ring->kick_fd,
	};
	r->drv[idx] = vq_drv_create(&c);
	assert_non_null(r->drv[idx]);
	vq_drv_arm(r->drv[idx]);
	assert_int_equal(r->dev->ops->start_ring(r->dev, idx, ring), 0);
}

void dev_rig_stop(struct dev_rig *r, unsigned idx)
{
	if (!r->drv[idx])
		return;
	r->dev->ops->stop_ring(r->dev, idx);
	vq_drv_destroy(r->drv[idx]);
	r->drv[idx] = NULL;
	fd_close(&r->ring[idx].kick_fd);
	fd_close(&r->ring[idx].call_fd);
}

void dev_rig_give(struct dev_rig *r, unsigned idx, const struct iovec *iov,
		  unsigned readable, unsigned writable, void *cookie)
{
	struct vq_drv_buf b = { .iov = iov,
				.readable_count = readable,
				.writable_count = writable,
				.cookie = cookie };

	assert_int_equal(vq_drv_push_burst(r->drv[idx], &b, 1), 1);
	if (vq_drv_should_notify(r->drv[idx]))
		vq_drv_notify(r->drv[idx]);
}

bool dev_rig_take(struct dev_rig *r, unsigned idx, unsigned ms,
		  struct vq_drv_used *used)
{
	for (unsigned t = 0;; t++) {
		struct pollfd p = { .fd = r->ring[idx].call_fd,
				    .events = POLLIN };

		rig_settle(&r->vm);
		if (vq_drv_pop_burst(r->drv[idx], used, 1) == 1)
			return true;
		if (t >= ms || r->resets_needed)
			return false;
		vq_drv_arm(r->drv[idx]);
		poll(&p, 1, 1);
		fd_drain(r->ring[idx].call_fd);
	}
}

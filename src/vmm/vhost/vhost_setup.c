/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver has set up, for a vhost back-end, see vhost_setup.h. Control
 * thread. */
#include "vhost_setup.h"

#include <errno.h>
#include <stdlib.h>

#include "shm.h"

static void on_done(void *arg, int rc, uint64_t value, const char *reason)
{
	struct vhost_outcome *o = arg;

	(void)value;
	if (!rc || rc == -ENOTCONN)
		return;
	err_set(o->reason, rc, "%s", reason);
	o->is_refused = true;
}

struct vu_client_done vhost_done(struct vhost_outcome *o)
{
	return (struct vu_client_done){ on_done, o };
}

/* A driver's request takes effect before its vCPU goes on, which waits so long
 * for the back-end. */
#define DRIVER_WAITS_MS 1000

int vhost_settle(struct vu_client *c, struct vhost_outcome *o, int rc)
{
	int waited = vu_client_wait_within(c, DRIVER_WAITS_MS);
	bool is_refused = o->is_refused;

	o->is_refused = false;
	return rc ? rc : waited ? waited : is_refused ? -EREMOTEIO : 0;
}

static int share_memory(struct vu_client *c, const struct gmem *ram,
			struct vhost_outcome *o)
{
	struct gmem_desc *region = calloc(ram->count, sizeof(*region));
	int rc;

	if (!region)
		return err_set(o->reason, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < ram->count; i++) {
		region[i] = gmem_desc_of(ram, i);
		region[i].uva = (uintptr_t)ram->region[i].host;
	}
	rc = vu_client_set_memory(c, region, ram->count, vhost_done(o),
				  o->reason);
	free(region);
	return rc;
}

int vhost_give_memory(struct vu_client *c, const struct virtio_dev *d,
		      uint64_t features, struct vhost_outcome *o)
{
	int rc = vu_client_set_features(c, features, vhost_done(o), o->reason);

	return rc ? rc : share_memory(c, d->ram, o);
}

/* Returns where a split ring goes on that another back-end served before. */
static uint32_t used_index(const struct virtio_dev *d,
			   const struct virtio_ring *r)
{
	const le16 *used = gmem_translate(d->ram, r->device, 4);

	return used ? le16_to_cpu(shm_load(&used[1])) : 0;
}

static uint64_t address(const struct virtio_dev *d, uint64_t gpa, uint64_t size)
{
	return (uintptr_t)gmem_translate(d->ram, gpa, size);
}

int vhost_ring_of(const struct virtio_dev *d, unsigned idx,
		  const struct virtio_ring *r, bool is_resumed,
		  struct vu_client_ring *out, struct err *err)
{
	const struct vq_position begin = { .avail_wrap = true,
					   .used_wrap = true };
	uint64_t features = d->driver_features;
	struct vq_area_sizes size;

	if (!vq_size_is_valid(features, r->size))
		return err_set(err, -EINVAL, "queue %u: size %u", idx, r->size);
	size = vq_area_sizes(features, r->size);
	*out = (struct vu_client_ring){
		.num = r->size,
		.base = is_resumed ? used_index(d, r)
				   : vq_position_encode(features, begin),
		.desc = address(d, r->desc, size.desc),
		.avail = address(d, r->driver, size.driver),
		.used = address(d, r->device, size.device),
		.kick_fd = r->kick_fd,
		.call_fd = r->call_fd,
	};
	if (!out->desc || !out->avail || !out->used)
		return err_set(err, -EFAULT,
			       "queue %u: is not in the guest's memory", idx);
	return 0;
}

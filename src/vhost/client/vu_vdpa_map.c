/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a vDPA device may reach, see vu_vdpa_impl.h: messages written
 * to its descriptor (struct vhost_msg_v2 of linux/vhost_types.h), each a change
 * of the kernel's I/O address space of the device. It ends with the descriptor.
 * Control thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vu_vdpa_impl.h"

static int tell(const struct vdpa *d, uint8_t type, const struct gmem_desc *r)
{
	struct vhost_msg_v2 m;
	ssize_t n;

	memset(&m, 0, sizeof(m));
	m.type = VHOST_IOTLB_MSG_V2;
	m.iotlb.type = type;
	if (r) {
		m.iotlb.iova = r->gpa;
		m.iotlb.size = r->size;
		m.iotlb.uaddr = r->uva;
		m.iotlb.perm = VHOST_ACCESS_RW;
	}
	n = write(d->fd, &m, sizeof(m));
	return n < 0 ? -errno : n == (ssize_t)sizeof(m) ? 0 : -EIO;
}

/* Begins or ends changes that take effect together. */
static int batch(const struct vdpa_map *m, const struct vdpa *d, uint8_t type)
{
	return m->can_batch ? tell(d, type, NULL) : 0;
}

static int check_range(const struct vdpa *d, const struct vdpa_facts *f,
		       const struct gmem_desc *r, struct err *err)
{
	if (r->gpa >= f->iova_first && r->gpa + (r->size - 1) <= f->iova_last)
		return 0;
	return err_set(err, -ERANGE,
		       "%s reaches addresses from %#" PRIx64 " to %#" PRIx64
		       " only, and the guest has memory from %#" PRIx64
		       " to %#" PRIx64 ": give it less (-m)",
		       d->name, f->iova_first, f->iova_last, r->gpa,
		       r->gpa + (r->size - 1));
}

static int explain(int rc, const struct vdpa *d, const struct gmem_desc *r,
		   struct err *err)
{
	struct rlimit limit = { 0 };

	if (rc != -ENOMEM)
		return err_set(err, rc, "%s: mapping %" PRIu64 " MiB: %s",
			       d->name, r->size >> 20, strerror(-rc));
	getrlimit(RLIMIT_MEMLOCK, &limit);
	return err_set(err, rc,
		       "%s: %" PRIu64 " MiB of the guest's memory cannot be "
		       "locked, the limit is %" PRIu64 " KiB: raise it "
		       "(`ulimit -l unlimited`, LimitMEMLOCK= of a unit)",
		       d->name, r->size >> 20, (uint64_t)limit.rlim_cur >> 10);
}

static int unmap_all(struct vdpa_map *m, const struct vdpa *d)
{
	int rc = 0;

	for (unsigned i = 0; i < m->count && !rc; i++)
		rc = tell(d, VHOST_IOTLB_INVALIDATE, &m->region[i]);
	m->count = 0;
	return rc;
}

static int map_all(struct vdpa_map *m, const struct vdpa *d, unsigned count,
		   struct err *err)
{
	int rc = 0;

	while (m->count < count && !rc) {
		rc = tell(d, VHOST_IOTLB_UPDATE, &m->region[m->count]);
		if (!rc)
			m->count++;
	}
	if (!rc)
		return 0;
	explain(rc, d, &m->region[m->count], err);
	unmap_all(m, d);
	return rc;
}

int vdpa_map_set(struct vdpa_map *m, const struct vdpa *d,
		 const struct vdpa_facts *facts, const struct gmem_desc *region,
		 unsigned count, struct err *err)
{
	struct gmem_desc *copy = NULL;
	int rc = 0;

	for (unsigned i = 0; i < count && !rc; i++)
		rc = check_range(d, facts, &region[i], err);
	if (rc)
		return rc;
	if (count)
		copy = malloc(count * sizeof(*copy));
	if (count && !copy)
		return err_set(err, -ENOMEM, "out of memory");
	if (count)
		memcpy(copy, region, count * sizeof(*copy));
	rc = batch(m, d, VHOST_IOTLB_BATCH_BEGIN);
	if (!rc)
		rc = unmap_all(m, d);
	free(m->region);
	m->region = copy;
	if (!rc)
		rc = map_all(m, d, count, err);
	if (!rc)
		rc = batch(m, d, VHOST_IOTLB_BATCH_END);
	else
		batch(m, d, VHOST_IOTLB_BATCH_END);
	return rc;
}

void vdpa_map_fini(struct vdpa_map *m)
{
	free(m->region);
	m->region = NULL;
	m->count = 0;
}

uint64_t vdpa_map_find(const struct vdpa_map *m, uint64_t uva)
{
	for (unsigned i = 0; i < m->count; i++)
		if (uva - m->region[i].uva < m->region[i].size)
			return m->region[i].gpa + (uva - m->region[i].uva);
	return UINT64_MAX;
}

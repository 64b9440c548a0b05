/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a driver shows to a VDUSE device, as a map of regions.
 * Control thread; calls the kernel and mem/.
 *
 * With the kernel's own virtio-net these are the rings, and one region of
 * bounce buffers, which appears with the first buffer. A guest behind
 * vhost-vdpa shows its memory. An IOVA takes the place of the guest's physical
 * address.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fd.h"
#include "gmem.h"
#include "vduse.h"

bool vduse_mem_describe(const struct vduse_iotlb_entry *e, int fd,
			struct gmem_desc *d)
{
	*d = (struct gmem_desc){ .gpa = e->start,
				 .size = e->last - e->start + 1,
				 .uva = e->start,
				 .mmap_offset = e->offset,
				 .fd = fd,
				 .is_kernels = true };
	return e->perm == VDUSE_ACCESS_RW && e->last >= e->start && d->size;
}

int vduse_mem_read(int fd, struct gmem **out, struct err *err)
{
	struct gmem_desc desc[GMEM_MAX_REGIONS], next;
	unsigned count = 0;
	uint64_t at = 0;
	int rc = 0;

	do {
		struct vduse_iotlb_entry e = { .start = at,
					       .last = UINT64_MAX };
		int file = ioctl(fd, VDUSE_IOTLB_GET_FD, &e);

		if (file < 0 && errno == EINVAL)
			break; /* there is no region from @at on */
		if (file < 0)
			rc = err_set(err, -errno,
				     "the kernel does not show the memory: %s",
				     strerror(errno));
		else if (!vduse_mem_describe(&e, file, &next))
			fd_close(&file);
		else if (count < GMEM_MAX_REGIONS)
			desc[count++] = next;
		else
			rc = err_set(err, -E2BIG,
				     "the driver shows more than %u regions of "
				     "memory",
				     GMEM_MAX_REGIONS);
		if (rc) {
			fd_close(&file);
			break;
		}
		if (e.last < at)
			break;
		at = e.last + 1;
	} while (at); /* 0: that was the last address */
	if (!rc)
		rc = gmem_create(desc, count, out, err);
	for (unsigned i = 0; i < count; i++)
		fd_close(&desc[i].fd);
	return rc;
}

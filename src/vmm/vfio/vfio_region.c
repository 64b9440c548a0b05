/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of a card's file: where they are, and which parts of them this
 * process may map. Control thread. Calls the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "vfio_impl.h"

#define PAGE 4096ull

static ssize_t read_at(int fd, void *data, size_t size, uint64_t at)
{
	ssize_t n = pread(fd, data, size, (off_t)at);

	return n < 0 ? -errno : n;
}

static ssize_t write_at(int fd, const void *data, size_t size, uint64_t at)
{
	ssize_t n = pwrite(fd, data, size, (off_t)at);

	return n < 0 ? -errno : n;
}

static void *map_at(int fd, uint64_t size, uint64_t at)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)at);

	return p == MAP_FAILED ? NULL : p;
}

const struct vfio_ops vfio_kernel = { .request = kvm_request,
				      .read = read_at,
				      .write = write_at,
				      .map = map_at };

/* Asks for a region with all that the kernel tells of it. Returns heap memory
 * or NULL. */
static struct vfio_region_info *ask(const struct vfio_dev *d, unsigned index)
{
	struct vfio_region_info head = { .argsz = sizeof(head),
					 .index = index };
	struct vfio_region_info *info;

	if (d->ops->request(d->fd, VFIO_DEVICE_GET_REGION_INFO, &head) < 0)
		return NULL;
	info = calloc(1, MAX(head.argsz, sizeof(head)));
	if (!info)
		return NULL;
	info->argsz = head.argsz;
	info->index = index;
	if (d->ops->request(d->fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0) {
		free(info);
		return NULL;
	}
	return info;
}

int vfio_region_read(struct vfio_dev *d, unsigned index, struct vfio_region *r,
		     struct err *err)
{
	struct vfio_region_info *info = ask(d, index);

	memset(r, 0, sizeof(*r));
	if (!info)
		return err_set(err, -EIO, "%s: VFIO does not tell of region %u",
			       d->address, index);
	r->size = info->size;
	r->at = info->offset;
	free(info);
	return 0;
}

static void add_area(struct vfio_dev *d, struct vfio_region *r, uint64_t begin,
		     uint64_t end)
{
	void *host;

	if (begin >= end)
		return;
	host = r->count < VFIO_AREAS
		       ? d->ops->map(d->fd, end - begin, r->at + begin)
		       : NULL;
	if (!host) {
		log_warn("device=%s: registers at 0x%llx cannot be mapped: "
			 "each access is slow",
			 d->name, (unsigned long long)begin);
		return;
	}
	r->area[r->count++] =
		(struct vfio_area){ begin, end - begin, host, -1 };
}

/* Returns whether the page at @off is one that @holes touch. */
static bool is_hole(unsigned index, uint64_t off,
		    const struct vfio_place *const *holes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (holes[i]->size && holes[i]->bar == index &&
		    holes[i]->off < off + PAGE &&
		    off < holes[i]->off + holes[i]->size)
			return true;
	return false;
}

/* Maps whole pages of [@off, @end), without those that @holes touch. */
static void map_part(struct vfio_dev *d, unsigned index, struct vfio_region *r,
		     uint64_t off, uint64_t end,
		     const struct vfio_place *const *holes, unsigned count)
{
	uint64_t begin = align_up(off, PAGE);

	end &= ~(PAGE - 1);
	for (uint64_t page = begin; page < end; page += PAGE) {
		if (!is_hole(index, page, holes, count))
			continue;
		add_area(d, r, begin, page);
		begin = page + PAGE;
	}
	add_area(d, r, begin, end);
}

/* Returns the list of parts that may be mapped, or NULL for all of it. */
static const struct vfio_region_info_cap_sparse_mmap *find_sparse(
	const struct vfio_region_info *info)
{
	uint32_t at =
		info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	while (at && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
		const struct vfio_info_cap_header *h =
			(const void *)((const uint8_t *)info + at);

		if (h->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			return (const void *)h;
		at = h->next;
	}
	return NULL;
}

void vfio_region_map(struct vfio_dev *d, unsigned index, struct vfio_region *r,
		     const struct vfio_place *const *holes, unsigned count)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_region_info *info = ask(d, index);

	if (!info)
		return;
	sparse = find_sparse(info);
	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP) ||
	    info->size & (PAGE - 1)) {
		free(info);
		return;
	}
	if (!sparse)
		map_part(d, index, r, 0, r->size, holes, count);
	for (uint32_t i = 0; sparse && i < sparse->nr_areas; i++)
		map_part(d, index, r, sparse->areas[i].offset,
			 sparse->areas[i].offset + sparse->areas[i].size, holes,
			 count);
	free(info);
}

void vfio_region_unmap(struct vfio_region *r)
{
	for (unsigned i = 0; i < r->count; i++)
		munmap(r->area[i].host, r->area[i].size);
	r->count = 0;
}

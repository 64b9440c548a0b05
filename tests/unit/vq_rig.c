/* SPDX-License-Identifier: Apache-2.0 */
/* See vq_rig.h. */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "vq_rig.h"

#define PAGE 4096ull

static void *area_alloc(uint64_t size, uint64_t align)
{
	void *p = NULL;

	/* own cache lines: threads on different queues must not share one */
	assert_int_equal(posix_memalign(&p, MAX(align, CACHE_LINE), size), 0);
	memset(p, 0, size);
	return p;
}

static void map_memory(struct vq_rig *rig, uint64_t table_size)
{
	unsigned n = rig->config.regions;
	struct gmem_desc desc[ARRAY_SIZE(rig->cut)];
	struct err err;
	uint64_t pages;

	rig->size =
		align_up(rig->config.size, PAGE) + align_up(table_size, PAGE);
	rig->size = MAX(rig->size, n * PAGE);
	pages = rig->size / PAGE;
	rig->memfd = memfd_create("rig", MFD_CLOEXEC);
	assert_true(rig->memfd >= 0);
	assert_int_equal(ftruncate(rig->memfd, (off_t)rig->size), 0);
	rig->base = mmap(NULL, rig->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 rig->memfd, 0);
	assert_true(rig->base != MAP_FAILED);
	for (unsigned i = 0; i < n; i++) {
		uint64_t start = pages * i / n * PAGE;
		uint64_t end = pages * (i + 1) / n * PAGE;

		rig->cut[i] = end;
		desc[i] = (struct gmem_desc){
			.gpa = RIG_GPA + start,
			.size = end - start,
			.uva = 0x7000000000 + 0x100000000 * i,
			.mmap_offset = start,
			.fd = rig->memfd,
		};
	}
	assert_int_equal(gmem_create(desc, n, &rig->mem, &err), 0);
}

void vq_rig_activate(struct vq_rig *rig, struct vq_position position)
{
	struct vq_dev_config c = {
		.features = rig->config.features,
		.count = rig->config.count,
		.area = rig->area,
		.mem = rig->mem,
		.position = position,
		.call_fd = rig->call_fd,
	};

	assert_int_equal(vq_dev_activate(&rig->dev, &c), 0);
}

struct vq_position vq_rig_start(void)
{
	return (struct vq_position){ .avail_wrap = true, .used_wrap = true };
}

void vq_rig_init(struct vq_rig *rig, const struct vq_rig_config *config)
{
	struct vq_area_sizes size =
		vq_area_sizes(config->features, config->count);
	struct vq_area_sizes align = vq_area_aligns(config->features);
	uint64_t table_size = (uint64_t)config->count * config->indirect_max *
			      sizeof(struct vq_desc);
	struct vq_drv_config c;

	*rig = (struct vq_rig){ .config = *config };
	rig->area.desc = area_alloc(size.desc, align.desc);
	rig->area.driver = area_alloc(size.driver, align.driver);
	rig->area.device = area_alloc(size.device, align.device);
	map_memory(rig, table_size);
	if (config->indirect_max)
		rig->indirect = (struct vq_desc *)(rig->base + rig->size -
						   align_up(table_size, PAGE));
	rig->kick_fd = fd_eventfd();
	rig->call_fd = fd_eventfd();
	c = (struct vq_drv_config){
		.features = config->features,
		.count = config->count,
		.area = rig->area,
		.base = rig->base,
		.gpa = RIG_GPA,
		.size = rig->size,
		.indirect = rig->indirect,
		.indirect_max = config->indirect_max,
		.kick_fd = rig->kick_fd,
	};
	rig->drv = vq_drv_create(&c);
	assert_non_null(rig->drv);
	vq_rig_activate(rig, vq_rig_start());
}

void vq_rig_fini(struct vq_rig *rig)
{
	vq_dev_deactivate(&rig->dev);
	vq_drv_destroy(rig->drv);
	gmem_put(rig->mem);
	munmap(rig->base, rig->size);
	fd_close(&rig->memfd);
	fd_close(&rig->kick_fd);
	fd_close(&rig->call_fd);
	free(rig->area.desc);
	free(rig->area.driver);
	free(rig->area.device);
}

unsigned vq_rig_pieces(const struct vq_rig *rig, uint64_t off, uint64_t size)
{
	unsigned n = 1;

	for (unsigned i = 0; i < rig->config.regions; i++)
		n += off < rig->cut[i] && rig->cut[i] < off + size;
	return n;
}

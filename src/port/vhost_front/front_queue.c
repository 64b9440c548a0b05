/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory and rings of a connection, see front.h. Control thread, while no
 * worker has the queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "front.h"

/* Where the back-end sees our memory. */
#define GPA	     0x100000000ull
#define PAGE	     4096u

#define BUFFERS_SIZE align_up(FRONT_RING *FRONT_STRIDE, PAGE)

/* The parts of a queue in the memory: offsets from its first byte. */
struct layout {
	uint64_t driver, device, buffers, size; /* the descriptors are first */
};

static struct layout layout_of(uint64_t features)
{
	struct vq_area_sizes size = vq_area_sizes(features, FRONT_RING);
	struct layout l;

	l.driver = align_up(size.desc, PAGE);
	l.device = l.driver + align_up(size.driver, PAGE);
	l.buffers = l.device + align_up(size.device, PAGE);
	l.size = l.buffers + BUFFERS_SIZE;
	return l;
}

/* Makes the memory file. Returns 0 or -errno. */
static int map_memory(struct front_port *f)
{
	f->mem_fd =
		memfd_create("ringway-front", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (f->mem_fd < 0 || ftruncate(f->mem_fd, (off_t)f->mem_size) ||
	    fcntl(f->mem_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	f->mem = mmap(NULL, f->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      f->mem_fd, 0);
	if (f->mem != MAP_FAILED)
		return 0;
	f->mem = NULL;
	return -errno;
}

/* Makes the ring at @at in the memory. Returns NULL: out of memory. */
static struct vq_drv *make_ring(const struct front_port *f,
				const struct layout *l, uint8_t *at,
				int kick_fd)
{
	const struct vq_drv_config config = {
		.features = f->features,
		.count = FRONT_RING,
		.area = { .desc = at,
			  .driver = at + l->driver,
			  .device = at + l->device },
		.base = f->mem,
		.gpa = GPA,
		.size = f->mem_size,
		.kick_fd = kick_fd,
	};

	return vq_drv_create(&config);
}

/* Makes the two queues of @p at @at in the memory. Returns 0 or -errno. */
static int open_pair(struct front_port *f, struct front_pair *p,
		     const struct layout *l, uint8_t *at)
{
	for (unsigned i = 0; i < 2; i++) {
		p->kick_fd[i] = fd_eventfd();
		p->call_fd[i] = fd_eventfd();
		if (p->kick_fd[i] < 0 || p->call_fd[i] < 0)
			return -EMFILE;
	}
	p->rx.vq = make_ring(f, l, at, p->kick_fd[0]);
	p->tx.vq = make_ring(f, l, at + l->size, p->kick_fd[1]);
	if (!p->rx.vq || !p->tx.vq)
		return -ENOMEM;
	p->rx.rxq.event_fd = p->call_fd[0];
	front_rx_reset(&p->rx, at + l->buffers, f->features);
	front_tx_reset(&p->tx, at + l->size + l->buffers);
	return 0;
}

int front_queues_open(struct front_port *f)
{
	struct layout l = layout_of(f->features);
	int rc;

	f->mem_size = 2 * f->pairs * l.size;
	rc = map_memory(f);
	for (unsigned i = 0; !rc && i < f->pairs; i++)
		rc = open_pair(f, &f->pair[i], &l, f->mem + 2 * i * l.size);
	return rc;
}

void front_queues_close(struct front_port *f)
{
	for (unsigned i = 0; i < f->pairs; i++) {
		struct front_pair *p = &f->pair[i];

		vq_drv_destroy(p->rx.vq);
		vq_drv_destroy(p->tx.vq);
		p->rx.vq = p->tx.vq = NULL;
		for (unsigned k = 0; k < 2; k++) {
			fd_close(&p->kick_fd[k]);
			fd_close(&p->call_fd[k]);
		}
	}
	if (f->mem)
		munmap(f->mem, f->mem_size);
	f->mem = NULL;
	fd_close(&f->mem_fd);
}

struct gmem_desc front_region(const struct front_port *f)
{
	return (struct gmem_desc){ .gpa = GPA,
				   .size = f->mem_size,
				   .uva = (uintptr_t)f->mem,
				   .fd = f->mem_fd };
}

struct vu_client_ring front_ring(const struct front_port *f, unsigned idx)
{
	const struct vq_position start = { .avail_wrap = true,
					   .used_wrap = true };
	const struct front_pair *p = &f->pair[idx / 2];
	struct layout l = layout_of(f->features);
	uintptr_t at = (uintptr_t)f->mem + idx * l.size;

	return (struct vu_client_ring){
		.num = FRONT_RING,
		.base = vq_position_encode(f->features, start),
		.desc = at,
		.avail = at + l.driver,
		.used = at + l.device,
		.kick_fd = p->kick_fd[idx & 1],
		.call_fd = p->call_fd[idx & 1],
		.enabled = true,
	};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See vu_guest.h. One memfd holds all memory that the device sees: first the
 * ring areas and the table of indirect descriptors of each queue, then the
 * buffers. It is announced as one region at GUEST_GPA.
 */
#include "vu_guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "virtio.h"
#include "vu_client.h"

#define GUEST_GPA    0x100000000ull
#define TIMEOUT_MS   2000
#define INDIRECT_MAX 16 /* descriptors per indirect table */
#define PAGE	     4096u

struct guest_queue {
	struct vq_drv *drv;
	struct vq_areas area;
	struct vq_desc *indirect; /* NULL: not negotiated */
	int kick_fd, call_fd;
};

struct vu_guest {
	struct loop *loop;
	struct vu_client *client;
	int sock; /* a duplicate of the client's socket */
	int mem_fd;
	uint8_t *mem;
	uint64_t mem_size;
	uint64_t buffers; /* offset of the buffer area */
	uint64_t features;
	uint32_t queue_size;
	unsigned queue_count;
	/* outcome of the request that is waited for */
	int rc;
	uint64_t value;
	struct err err;
	struct guest_queue queue[];
};

static void on_done(void *arg, int rc, uint64_t value, const char *reason)
{
	struct vu_guest *g = arg;

	g->rc = rc;
	g->value = value;
	if (rc)
		err_set(&g->err, rc, "%s", reason);
	loop_stop(g->loop);
}

static void on_ready(void *ctx)
{
	on_done(ctx, 0, 0, NULL);
}

static void on_closed(void *ctx, const char *reason)
{
	on_done(ctx, -ENOTCONN, 0, reason);
}

static const struct vu_client_ops client_ops = {
	.ready = on_ready,
	.closed = on_closed,
};

static struct vu_client_done done_of(struct vu_guest *g)
{
	return (struct vu_client_done){ on_done, g };
}

/* Waits for the outcome of a request whose call returned @rc. */
static int wait_done(struct vu_guest *g, int rc)
{
	if (rc)
		return rc;
	loop_run(g->loop);
	return g->rc;
}

/* Takes @size bytes from the front of the memory. NULL: it is used up. */
static void *carve(struct vu_guest *g, uint64_t size)
{
	uint64_t at = g->buffers;

	size = align_up(size, PAGE);
	if (size > g->mem_size - at)
		return NULL;
	g->buffers = at + size;
	return g->mem + at;
}

static int lay_out_queue(struct vu_guest *g, struct guest_queue *q)
{
	struct vq_area_sizes size = vq_area_sizes(g->features, g->queue_size);

	q->area.desc = carve(g, size.desc);
	q->area.driver = carve(g, size.driver);
	q->area.device = carve(g, size.device);
	if (feat_has(g->features, VIRTIO_F_INDIRECT_DESC))
		q->indirect = carve(g, (uint64_t)g->queue_size * INDIRECT_MAX *
					       sizeof(struct vq_desc));
	if (!q->area.desc || !q->area.driver || !q->area.device)
		return -ENOMEM;
	q->kick_fd = fd_eventfd();
	q->call_fd = fd_eventfd();
	return q->kick_fd < 0 || q->call_fd < 0 ? -EMFILE : 0;
}

static int create_driver(struct vu_guest *g, struct guest_queue *q)
{
	const struct vq_drv_config config = {
		.features = g->features,
		.count = g->queue_size,
		.area = q->area,
		.base = g->mem,
		.gpa = GUEST_GPA,
		.size = g->mem_size,
		.indirect = q->indirect,
		.indirect_max = q->indirect ? INDIRECT_MAX : 0,
		.kick_fd = q->kick_fd,
	};

	q->drv = vq_drv_create(&config);
	return q->drv ? 0 : -ENOMEM;
}

static int map_memory(struct vu_guest *g, uint64_t size)
{
	g->mem_size = align_up(size, PAGE);
	g->mem_fd = memfd_create("ringway-guest", MFD_CLOEXEC);
	if (g->mem_fd < 0 || ftruncate(g->mem_fd, (off_t)g->mem_size) < 0)
		return -errno;
	g->mem = mmap(NULL, g->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      g->mem_fd, 0);
	if (g->mem == MAP_FAILED) {
		g->mem = NULL;
		return -errno;
	}
	return 0;
}

static int share_memory(struct vu_guest *g)
{
	const struct gmem_desc region = { .gpa = GUEST_GPA,
					  .size = g->mem_size,
					  .uva = (uintptr_t)g->mem,
					  .fd = g->mem_fd };

	return wait_done(g, vu_client_set_memory(g->client, &region, 1,
						 done_of(g), &g->err));
}

int vu_guest_queue_start(struct vu_guest *g, unsigned idx, uint32_t base)
{
	const struct guest_queue *q = &g->queue[idx];
	const struct vu_client_ring ring = { .num = g->queue_size,
					     .base = base,
					     .desc = (uintptr_t)q->area.desc,
					     .avail = (uintptr_t)q->area.driver,
					     .used = (uintptr_t)q->area.device,
					     .kick_fd = q->kick_fd,
					     .call_fd = q->call_fd,
					     .enabled = true };

	return wait_done(g, vu_client_queue_start(g->client, idx, &ring,
						  done_of(g), &g->err));
}

static int set_up_queues(struct vu_guest *g)
{
	struct vq_position start = { .avail_wrap = true, .used_wrap = true };
	uint32_t base = vq_position_encode(g->features, start);
	int rc = 0;

	for (unsigned i = 0; !rc && i < g->queue_count; i++)
		rc = lay_out_queue(g, &g->queue[i]);
	for (unsigned i = 0; !rc && i < g->queue_count; i++)
		rc = create_driver(g, &g->queue[i]);
	if (rc)
		return err_set(&g->err, rc, "queues: %s", strerror(-rc));
	rc = share_memory(g);
	for (unsigned i = 0; !rc && i < g->queue_count; i++)
		rc = vu_guest_queue_start(g, i, base);
	return rc;
}

static int connect_client(struct vu_guest *g, int sock,
			  const struct vu_guest_config *c)
{
	const struct vu_client_config config = { .features = c->features,
						 .queue_pairs = c->queue_pairs,
						 .timeout_ms = TIMEOUT_MS };
	struct vu_transport *t;
	int rc;

	g->sock = dup(sock);
	t = vu_sock_create(g->loop, sock, c->protocol_features);
	g->client = vu_client_create(g->loop, t, &config, &client_ops, g);
	if (!g->client)
		return err_set(&g->err, -ENOMEM, "out of memory");
	rc = wait_done(g, 0);
	g->features = vu_client_features(g->client);
	return rc;
}

struct vu_guest *vu_guest_create(int sock, const struct vu_guest_config *config,
				 struct err *err)
{
	const unsigned queues = 2 * config->queue_pairs;
	struct vu_guest *g;
	int rc;

	g = calloc(1, sizeof(*g) + queues * sizeof(g->queue[0]));
	if (!g) {
		fd_close(&sock);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	g->sock = g->mem_fd = -1;
	g->queue_size = config->queue_size;
	g->queue_count = queues;
	for (unsigned i = 0; i < queues; i++)
		g->queue[i].kick_fd = g->queue[i].call_fd = -1;
	g->loop = loop_create();
	rc = g->loop ? map_memory(g, config->memory_size) : -ENOMEM;
	if (rc) {
		fd_close(&sock);
		err_set(&g->err, rc, "memory: %s", strerror(-rc));
	} else if (!connect_client(g, sock, config) && !set_up_queues(g)) {
		return g;
	}
	err_set(err, -EIO, "%s", g->err.msg);
	vu_guest_destroy(g);
	return NULL;
}

void vu_guest_destroy(struct vu_guest *g)
{
	if (!g)
		return;
	vu_client_destroy(g->client);
	fd_close(&g->sock);
	for (unsigned i = 0; i < g->queue_count; i++) {
		if (g->queue[i].drv)
			vq_drv_destroy(g->queue[i].drv);
		fd_close(&g->queue[i].kick_fd);
		fd_close(&g->queue[i].call_fd);
	}
	if (g->mem)
		munmap(g->mem, g->mem_size);
	fd_close(&g->mem_fd);
	loop_destroy(g->loop);
	free(g);
}

uint64_t vu_guest_features(const struct vu_guest *g)
{
	return g->features;
}

struct vq_drv *vu_guest_queue(struct vu_guest *g, unsigned idx)
{
	return g->queue[idx].drv;
}

uint8_t *vu_guest_memory(struct vu_guest *g, uint64_t *size)
{
	*size = g->mem_size - g->buffers;
	return g->mem + g->buffers;
}

int vu_guest_send(struct vu_guest *g, const struct vu_msg *m)
{
	return vu_msg_send(g->sock, m);
}

int64_t vu_guest_queue_stop(struct vu_guest *g, unsigned idx)
{
	int rc = wait_done(
		g, vu_client_queue_stop(g->client, idx, done_of(g), &g->err));

	return rc ? rc : (int64_t)g->value;
}

int vu_guest_queue_enable(struct vu_guest *g, unsigned idx, bool enable)
{
	return wait_done(g, vu_client_queue_enable(g->client, idx, enable,
						   done_of(g), &g->err));
}

int vu_guest_queue_call(struct vu_guest *g, unsigned idx)
{
	int old = g->queue[idx].call_fd, rc;

	g->queue[idx].call_fd = fd_eventfd();
	rc = wait_done(g, vu_client_queue_call(g->client, idx,
					       g->queue[idx].call_fd,
					       done_of(g), &g->err));
	fd_close(&old);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Front-end session of vhost-user, see vu_client.h. One thread; waits for
 * answers. Calls virtio/'s driver side.
 *
 * Theory of operation. One memfd holds everything the device may see: first
 * each queue's ring areas and table of indirect descriptors, then the buffers.
 * It is announced as a single region at FRONTEND_GPA. When the back-end speaks
 * REPLY_ACK every request asks for an answer, so that a refusal is known where
 * it happened.
 */
#include "vu_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "virtio.h"

#define FRONTEND_GPA	 0x100000000ull
#define REPLY_TIMEOUT_MS 2000
#define INDIRECT_MAX	 16 /* descriptors in an indirect table */
#define PAGE		 4096u

struct frontend_queue {
	struct vq_drv *drv;
	struct vq_areas area;
	struct vq_desc *indirect; /* NULL: not negotiated */
	int kick_fd, call_fd;
};

struct vu_client {
	int sock;
	int mem_fd;
	uint8_t *mem;
	uint64_t mem_size;
	uint64_t buffers; /* offset of the buffer area */
	uint64_t features, protocol_features;
	uint32_t queue_size;
	unsigned queue_count;
	struct vu_rx rx;
	struct frontend_queue queue[];
};

static int receive_reply(struct vu_client *f, uint32_t request,
			 struct vu_msg *reply)
{
	struct pollfd p = { .fd = f->sock, .events = POLLIN };

	for (;;) {
		int rc = vu_rx_poll(f->sock, &f->rx, NULL);

		if (rc == 0)
			return -ECONNRESET;
		if (rc > 0)
			break;
		if (rc != -EAGAIN)
			return rc;
		if (poll(&p, 1, REPLY_TIMEOUT_MS) == 0)
			return -ETIMEDOUT;
	}
	*reply = f->rx.msg;
	f->rx.msg.fd_count = 0;
	vu_rx_next(&f->rx);
	if (reply->hdr.request != request ||
	    !(reply->hdr.flags & VU_FLAG_REPLY)) {
		vu_msg_fini(reply);
		return -EPROTO;
	}
	return 0;
}

int vu_client_raw(struct vu_client *f, const struct vu_msg *m,
		  struct vu_msg *reply)
{
	int rc = vu_msg_send(f->sock, m, REPLY_TIMEOUT_MS);

	if (rc || !reply)
		return rc;
	return receive_reply(f, m->hdr.request, reply);
}

/* Sends a request without reply of its own; asks for an acknowledgement when
 * the back-end gives any. */
static int request(struct vu_client *f, uint32_t what, struct vu_msg *m,
		   uint32_t size)
{
	bool ack = feat_has(f->protocol_features, VU_PROTOCOL_F_REPLY_ACK);
	struct vu_msg reply;
	int rc;

	m->hdr = (struct vu_header){ .request = what,
				     .flags = VU_VERSION,
				     .size = size };
	if (ack)
		m->hdr.flags |= VU_FLAG_NEED_REPLY;
	rc = vu_client_raw(f, m, ack ? &reply : NULL);
	if (rc || !ack)
		return rc;
	vu_msg_fini(&reply);
	return reply.payload.u64 ? -EPROTO : 0;
}

static int request_u64(struct vu_client *f, uint32_t what, uint64_t v)
{
	struct vu_msg m = { .payload.u64 = v };

	return request(f, what, &m, sizeof(v));
}

static int request_state(struct vu_client *f, uint32_t what, unsigned idx,
			 uint32_t num)
{
	struct vu_msg m = { .payload.state = { idx, num } };

	return request(f, what, &m, sizeof(m.payload.state));
}

/* A negative @fd: none, the other side polls. */
static int request_fd(struct vu_client *f, uint32_t what, unsigned idx, int fd)
{
	struct vu_msg m = { .payload.u64 = idx };

	if (fd < 0) {
		m.payload.u64 |= VU_VRING_NOFD;
	} else {
		m.fd[0] = fd;
		m.fd_count = 1;
	}
	return request(f, what, &m, sizeof(m.payload.u64));
}

static int get_u64(struct vu_client *f, uint32_t what, uint64_t *v)
{
	const struct vu_msg m = { .hdr = { .request = what,
					   .flags = VU_VERSION } };
	struct vu_msg reply;
	int rc = vu_client_raw(f, &m, &reply);

	if (rc)
		return rc;
	vu_msg_fini(&reply);
	*v = reply.payload.u64;
	return reply.hdr.size == sizeof(*v) ? 0 : -EPROTO;
}

static int negotiate(struct vu_client *f, const struct vu_client_config *c,
		     struct err *err)
{
	const uint64_t protocol = feat_bit(VHOST_USER_F_PROTOCOL_FEATURES);
	uint64_t features, protocol_features, pairs = 1;
	int rc = get_u64(f, VU_GET_FEATURES, &features);

	if (rc)
		return err_set(err, rc, "GET_FEATURES: %s", strerror(-rc));
	f->features = features & c->features;
	if (features & c->features & protocol) {
		rc = get_u64(f, VU_GET_PROTOCOL_FEATURES, &protocol_features);
		protocol_features &= c->protocol_features;
		if (!rc)
			rc = request_u64(f, VU_SET_PROTOCOL_FEATURES,
					 protocol_features);
		if (!rc && feat_has(protocol_features, VU_PROTOCOL_F_MQ))
			rc = get_u64(f, VU_GET_QUEUE_NUM, &pairs);
		if (rc)
			return err_set(err, rc, "protocol features: %s",
				       strerror(-rc));
		f->protocol_features = protocol_features;
	}
	if (c->queue_pairs > pairs)
		return err_set(err, -EINVAL,
			       "%u queue pairs, the back-end has %" PRIu64,
			       c->queue_pairs, pairs);
	rc = request(f, VU_SET_OWNER, &(struct vu_msg){ .fd_count = 0 }, 0);
	if (!rc)
		rc = request_u64(f, VU_SET_FEATURES, f->features);
	if (rc)
		return err_set(err, rc, "SET_FEATURES 0x%" PRIx64 ": %s",
			       f->features, strerror(-rc));
	return 0;
}

/* Takes @size bytes from the memory's front. NULL: there is no more. */
static void *carve(struct vu_client *f, uint64_t size)
{
	uint64_t at = f->buffers;

	size = align_up(size, PAGE);
	if (size > f->mem_size - at)
		return NULL;
	f->buffers = at + size;
	return f->mem + at;
}

static int lay_out_queue(struct vu_client *f, struct frontend_queue *q)
{
	struct vq_area_sizes size = vq_area_sizes(f->features, f->queue_size);

	q->area.desc = carve(f, size.desc);
	q->area.driver = carve(f, size.driver);
	q->area.device = carve(f, size.device);
	if (feat_has(f->features, VIRTIO_F_INDIRECT_DESC))
		q->indirect = carve(f, (uint64_t)f->queue_size * INDIRECT_MAX *
					       sizeof(struct vq_desc));
	if (!q->area.desc || !q->area.driver || !q->area.device)
		return -ENOMEM;
	q->kick_fd = fd_eventfd();
	q->call_fd = fd_eventfd();
	return q->kick_fd < 0 || q->call_fd < 0 ? -EMFILE : 0;
}

static int create_driver(struct vu_client *f, struct frontend_queue *q)
{
	const struct vq_drv_config config = {
		.features = f->features,
		.count = f->queue_size,
		.area = q->area,
		.base = f->mem,
		.gpa = FRONTEND_GPA,
		.size = f->mem_size,
		.indirect = q->indirect,
		.indirect_max = q->indirect ? INDIRECT_MAX : 0,
		.kick_fd = q->kick_fd,
	};

	q->drv = vq_drv_create(&config);
	return q->drv ? 0 : -ENOMEM;
}

static int map_memory(struct vu_client *f, uint64_t size)
{
	f->mem_size = align_up(size, PAGE);
	f->mem_fd = memfd_create("ringway-frontend", MFD_CLOEXEC);
	if (f->mem_fd < 0 || ftruncate(f->mem_fd, (off_t)f->mem_size) < 0)
		return -errno;
	f->mem = mmap(NULL, f->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      f->mem_fd, 0);
	if (f->mem == MAP_FAILED) {
		f->mem = NULL;
		return -errno;
	}
	return 0;
}

static int share_memory(struct vu_client *f)
{
	const struct vu_mem_region region = {
		.gpa = FRONTEND_GPA,
		.size = f->mem_size,
		.uva = (uintptr_t)f->mem,
	};
	struct vu_msg m = { .fd = { f->mem_fd }, .fd_count = 1 };

	if (feat_has(f->protocol_features, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS)) {
		m.payload.mem_single.region = region;
		return request(f, VU_ADD_MEM_REG, &m,
			       sizeof(m.payload.mem_single));
	}
	m.payload.mem.count = 1;
	m.payload.mem.region[0] = region;
	return request(f, VU_SET_MEM_TABLE, &m, 8 + sizeof(region));
}

int vu_client_queue_start(struct vu_client *f, unsigned idx, uint32_t base)
{
	struct frontend_queue *q = &f->queue[idx];
	struct vu_msg m = { .payload.addr = {
				    .idx = idx,
				    .desc = (uintptr_t)q->area.desc,
				    .used = (uintptr_t)q->area.device,
				    .avail = (uintptr_t)q->area.driver,
			    } };
	int rc = request_state(f, VU_SET_VRING_NUM, idx, f->queue_size);

	if (!rc)
		rc = request_state(f, VU_SET_VRING_BASE, idx, base);
	if (!rc)
		rc = request(f, VU_SET_VRING_ADDR, &m, sizeof(m.payload.addr));
	if (!rc)
		rc = request_fd(f, VU_SET_VRING_CALL, idx, q->call_fd);
	if (!rc)
		rc = request_fd(f, VU_SET_VRING_KICK, idx, q->kick_fd);
	if (!rc && feat_has(f->features, VHOST_USER_F_PROTOCOL_FEATURES))
		rc = request_state(f, VU_SET_VRING_ENABLE, idx, 1);
	return rc;
}

static int set_up_queues(struct vu_client *f, struct err *err)
{
	const struct vq_position start = { .avail_wrap = true,
					   .used_wrap = true };
	uint32_t base = vq_position_encode(f->features, start);
	int rc = 0;

	for (unsigned i = 0; !rc && i < f->queue_count; i++)
		rc = lay_out_queue(f, &f->queue[i]);
	for (unsigned i = 0; !rc && i < f->queue_count; i++)
		rc = create_driver(f, &f->queue[i]);
	if (rc)
		return err_set(err, rc, "queues: %s", strerror(-rc));
	rc = share_memory(f);
	if (rc)
		return err_set(err, rc, "sharing memory: %s", strerror(-rc));
	for (unsigned i = 0; i < f->queue_count; i++) {
		rc = vu_client_queue_start(f, i, base);
		if (rc)
			return err_set(err, rc, "queue %u: %s", i,
				       strerror(-rc));
	}
	return 0;
}

struct vu_client *vu_client_create(int sock,
				   const struct vu_client_config *config,
				   struct err *err)
{
	const unsigned queues = 2 * config->queue_pairs;
	struct vu_client *f;
	int rc;

	f = calloc(1, sizeof(*f) + queues * sizeof(f->queue[0]));
	if (!f) {
		fd_close(&sock);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	f->sock = sock;
	f->mem_fd = -1;
	f->queue_size = config->queue_size;
	f->queue_count = queues;
	for (unsigned i = 0; i < queues; i++)
		f->queue[i].kick_fd = f->queue[i].call_fd = -1;
	rc = map_memory(f, config->memory_size);
	if (rc) {
		err_set(err, rc, "memory: %s", strerror(-rc));
		goto err_destroy;
	}
	if (negotiate(f, config, err) || set_up_queues(f, err))
		goto err_destroy;
	return f;
err_destroy:
	vu_client_destroy(f);
	return NULL;
}

void vu_client_destroy(struct vu_client *f)
{
	if (!f)
		return;
	fd_close(&f->sock);
	vu_msg_fini(&f->rx.msg);
	for (unsigned i = 0; i < f->queue_count; i++) {
		if (f->queue[i].drv)
			vq_drv_destroy(f->queue[i].drv);
		fd_close(&f->queue[i].kick_fd);
		fd_close(&f->queue[i].call_fd);
	}
	if (f->mem)
		munmap(f->mem, f->mem_size);
	fd_close(&f->mem_fd);
	free(f);
}

uint64_t vu_client_features(const struct vu_client *f)
{
	return f->features;
}

struct vq_drv *vu_client_queue(struct vu_client *f, unsigned idx)
{
	return f->queue[idx].drv;
}

int vu_client_call_fd(const struct vu_client *f, unsigned idx)
{
	return f->queue[idx].call_fd;
}

uint8_t *vu_client_memory(struct vu_client *f, uint64_t *size)
{
	*size = f->mem_size - f->buffers;
	return f->mem + f->buffers;
}

int64_t vu_client_queue_stop(struct vu_client *f, unsigned idx)
{
	const struct vu_msg m = {
		.hdr = { .request = VU_GET_VRING_BASE,
			 .flags = VU_VERSION,
			 .size = sizeof(m.payload.state) },
		.payload.state.idx = idx,
	};
	struct vu_msg reply;
	int rc = vu_client_raw(f, &m, &reply);

	if (rc)
		return rc;
	vu_msg_fini(&reply);
	return reply.payload.state.num;
}

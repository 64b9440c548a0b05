/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the device as a whole: features, memory, status, reset,
 * announcements. Control thread.
 */
#include <errno.h>
#include <inttypes.h>

#include "fd.h"
#include "log.h"
#include "vu_backend_impl.h"

/* RFC 791: the least MTU of any link. */
#define MTU_MIN 68
#define MTU_MAX 65535

int vu_on_get_features(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	(void)err;
	m->payload.u64 = b->offered;
	return 0;
}

int vu_on_set_features(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	uint64_t features = m->payload.u64;

	if (features & ~b->offered)
		return err_set(err, -EINVAL,
			       "features 0x%" PRIx64 " were not offered",
			       features & ~b->offered);
	/* A front-end with several queue pairs sends this once per pair; later
	 * ones arrive while the first pair runs. */
	if (b->has_features && features == b->features)
		return 0;
	vu_queues_pause(b);
	b->features = features;
	b->has_features = true;
	/* "Ring states": without the protocol bit there is no SET_VRING_ENABLE,
	 * so rings start enabled. With the bit rings start disabled, so nothing
	 * changes here. */
	if (!feat_has(features, VHOST_USER_F_PROTOCOL_FEATURES))
		for (unsigned i = 0; i < b->queue_count; i++)
			vu_queue_enable(b, &b->queue[i], true);
	b->ops->features_set(b->ctx, features);
	return vu_queues_resume(b, err);
}

int vu_on_get_protocol_features(struct vu_backend *b, struct vu_msg *m,
				struct err *err)
{
	(void)b;
	(void)err;
	m->payload.u64 = VU_PROTOCOL_FEATURES;
	return 0;
}

int vu_on_set_protocol_features(struct vu_backend *b, struct vu_msg *m,
				struct err *err)
{
	uint64_t unknown = m->payload.u64 & ~VU_PROTOCOL_FEATURES;

	if (unknown)
		return err_set(err, -EINVAL,
			       "protocol features 0x%" PRIx64
			       " were not offered",
			       unknown);
	b->protocol_features = m->payload.u64;
	return 0;
}

int vu_on_set_owner(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	/* The connection is the session; there is nothing else to own. */
	(void)b;
	(void)m;
	(void)err;
	return 0;
}

/* Deprecated: "either ignore this message, or use it to disable all rings". */
int vu_on_reset_owner(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	(void)m;
	(void)err;
	for (unsigned i = 0; i < b->queue_count; i++)
		vu_queue_enable(b, &b->queue[i], false);
	return 0;
}

int vu_on_reset_device(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	(void)m;
	(void)err;
	vu_queues_pause(b);
	for (unsigned i = 0; i < b->queue_count; i++) {
		vu_queue_reset(b, &b->queue[i]);
		b->queue[i].enabled = false;
	}
	b->status = 0;
	return 0;
}

int vu_on_get_queue_num(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	(void)err;
	/* For network devices this number counts pairs. */
	m->payload.u64 = b->pair_count;
	return 0;
}

/* Replaces the map of all queues; takes the caller's reference. */
static int set_mem(struct vu_backend *b, struct gmem *mem, struct err *err)
{
	vu_queues_pause(b);
	gmem_put(b->mem);
	b->mem = mem;
	return vu_queues_resume(b, err);
}

static struct gmem_desc region_desc(const struct vu_mem_region *r, int fd)
{
	return (struct gmem_desc){ .gpa = r->gpa,
				   .size = r->size,
				   .uva = r->uva,
				   .mmap_offset = r->mmap_offset,
				   .fd = fd };
}

int vu_on_set_mem_table(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	const struct vu_mem_table *t = &m->payload.mem;
	struct gmem_desc desc[VU_MEM_TABLE_MAX];
	struct gmem *mem;
	int rc;

	if (t->count > VU_MEM_TABLE_MAX)
		return err_set(err, -EINVAL, "%u regions, at most %u", t->count,
			       VU_MEM_TABLE_MAX);
	if (m->hdr.size < 8 + t->count * sizeof(t->region[0]))
		return err_set(err, -EINVAL, "%u bytes are no %u regions",
			       m->hdr.size, t->count);
	if (m->fd_count != t->count)
		return err_set(err, -EINVAL, "%u descriptors for %u regions",
			       m->fd_count, t->count);
	for (unsigned i = 0; i < t->count; i++)
		desc[i] = region_desc(&t->region[i], m->fd[i]);
	rc = gmem_create(desc, t->count, &mem, err);
	return rc ? rc : set_mem(b, mem, err);
}

int vu_on_get_max_mem_slots(struct vu_backend *b, struct vu_msg *m,
			    struct err *err)
{
	(void)b;
	(void)err;
	m->payload.u64 = GMEM_MAX_REGIONS;
	return 0;
}

int vu_on_add_mem_reg(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	struct gmem_desc desc =
		region_desc(&m->payload.mem_single.region, m->fd[0]);
	struct gmem *mem;
	int rc;

	if (gmem_has(b->mem, &desc))
		return 0; /* QEMU 7.2 repeats it for each queue pair */
	rc = gmem_add(b->mem, &desc, &mem, err);
	return rc ? rc : set_mem(b, mem, err);
}

int vu_on_rem_mem_reg(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	const struct vu_mem_region *r = &m->payload.mem_single.region;
	struct gmem *mem;
	int rc = gmem_remove(b->mem, r->gpa, r->size, r->uva, &mem, err);

	if (rc == -ENOENT) {
		/* QEMU 7.2 repeats it for each queue pair: the region is
		 * gone. */
		log_limited(b->log, LOG_LEVEL_DEBUG, "port=%s: REM_MEM_REG: %s",
			    b->name, err->msg);
		return 0;
	}
	return rc ? rc : set_mem(b, mem, err);
}

int vu_on_send_rarp(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	(void)err;
	/* "The first 6 bytes of the payload contain the mac address" */
	b->ops->rarp(b->ctx, m->payload.raw);
	return 0;
}

int vu_on_net_set_mtu(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	uint64_t mtu = m->payload.u64;

	if (mtu < MTU_MIN || mtu > MTU_MAX) {
		err_set(err, 0, "MTU %" PRIu64 ", must be %d..%d", mtu, MTU_MIN,
			MTU_MAX);
		return 1;
	}
	b->ops->mtu(b->ctx, (uint16_t)mtu);
	return 0;
}

int vu_on_set_backend_req_fd(struct vu_backend *b, struct vu_msg *m,
			     struct err *err)
{
	(void)err;
	/* Nothing is sent on it yet, but QEMU requires that it is accepted. */
	fd_close(&b->backend_req_fd);
	b->backend_req_fd = fd_take(&m->fd[0]);
	return 0;
}

int vu_on_set_status(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	if (m->payload.u64 > UINT8_MAX)
		return err_set(err, -EINVAL, "status 0x%" PRIx64,
			       m->payload.u64);
	b->status = (uint8_t)m->payload.u64;
	/* Writing 0 resets the device (virtio 1.2, clause 2.1.2): from now on
	 * no ring is touched. But QEMU 7.2 also writes 0 when it only pauses
	 * the guest, and asks for the positions afterwards. So the positions
	 * stay, and so does the value of SET_VRING_ENABLE. A front-end that
	 * starts again sends the other settings anew. */
	if (b->status)
		return 0;
	vu_queues_pause(b);
	for (unsigned i = 0; i < b->queue_count; i++)
		vu_queue_stop(b, &b->queue[i]);
	return 0;
}

int vu_on_get_status(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	(void)err;
	m->payload.u64 = b->status;
	return 0;
}

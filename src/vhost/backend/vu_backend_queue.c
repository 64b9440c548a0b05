/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of a back-end session. Control thread; calls the owner's queue_*
 * operations and the device side of virtio/.
 *
 * Theory of operation. A queue runs when everything it needs is there:
 * features, size, addresses inside the present memory map, and SET_VRING_KICK.
 * The specification starts a ring at its first kick. Starting it when the
 * descriptor arrives is the same for the front-end, which has set up everything
 * else before, and it loses no earlier kick. A change under a running queue
 * pauses it (the owner gives it back, its position is kept), makes the change,
 * and starts it again.
 *
 * A new size or position stops a running ring until the next SET_VRING_KICK:
 * the front-end is setting the ring up anew, and until then its parts do not
 * belong together.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "fd.h"
#include "log.h"
#include "peer_event.h"
#include "rcu.h"
#include "shm.h"
#include "vu_backend_impl.h"

void vu_queue_init(struct vu_queue *q)
{
	q->kick_fd = q->call_fd = q->err_fd = -1;
	q->addr.desc = VU_ADDR_NONE;
}

/* Translates the full extent of all three areas to host addresses. */
static int translate_areas(const struct vu_backend *b, const struct vu_queue *q,
			   struct vq_areas *area, struct err *err)
{
	struct vq_area_sizes size = vq_area_sizes(b->features, q->num);

	area->desc = gmem_translate_uva(b->mem, q->addr.desc, size.desc);
	area->driver = gmem_translate_uva(b->mem, q->addr.avail, size.driver);
	area->device = gmem_translate_uva(b->mem, q->addr.used, size.device);
	if (area->desc && area->driver && area->device)
		return 0;
	return err_set(err, -EFAULT,
		       "queue %u: ring of %u outside memory: "
		       "descriptors 0x%" PRIx64 " available 0x%" PRIx64
		       " used 0x%" PRIx64
		       ": is every memory object of the guest shared "
		       "(share=on)?",
		       vu_queue_idx(b, q), q->num, (uint64_t)q->addr.desc,
		       (uint64_t)q->addr.avail, (uint64_t)q->addr.used);
}

static int check_size(const struct vu_backend *b, unsigned idx, uint32_t num,
		      struct err *err)
{
	if (vq_size_is_valid(b->features, num))
		return 0;
	return err_set(
		err, -EINVAL, "queue %u: size %u is not allowed: %s", idx, num,
		vu_is_packed(b) ? "1 to 32768" : "a power of two up to 32768");
}

/* Returns whether @q is the control queue. Without MQ it follows the first
 * pair, with MQ the last (virtio 1.2, clause 5.1.2). A front-end without the
 * protocol feature MQ has one pair, even if its driver took MQ
 * (user-mode-linux). */
static bool is_control(const struct vu_backend *b, const struct vu_queue *q)
{
	bool has_mq = feat_has(b->features, VIRTIO_NET_F_MQ) &&
		      feat_has(b->protocol_features, VU_PROTOCOL_F_MQ);
	unsigned pairs = has_mq ? b->pair_count : 1;

	return b->ops->control_start &&
	       feat_has(b->features, VIRTIO_NET_F_CTRL_VQ) &&
	       vu_queue_idx(b, q) == 2 * pairs;
}

static void hand_over(struct vu_backend *b, struct vu_queue *q)
{
	struct vu_ring ring = { .vq = &q->vq,
				.kick_fd = q->kick_fd,
				.enabled = q->enabled,
				.is_resumed = q->base_from == VU_BASE_OWN };

	q->suspicion = VU_SUSPICION_NONE;
	q->is_control = is_control(b, q);
	if (q->is_control) {
		b->ops->control_start(b->ctx, &ring);
		return;
	}
	if (b->ops->queue_kicks)
		q->kicks_before =
			b->ops->queue_kicks(b->ctx, vu_queue_idx(b, q));
	b->ops->queue_start(b->ctx, vu_queue_idx(b, q), &ring);
	b->has_changes = true;
}

void vu_queues_settle(struct vu_backend *b)
{
	if (!b->has_changes)
		return;
	b->has_changes = false;
	b->ops->queues_changed(b->ctx);
}

static enum vu_queue_state held_state(const struct vu_queue *q)
{
	return q->enabled ? VU_QUEUE_RUNNING : VU_QUEUE_DRAINING;
}

int vu_queue_start(struct vu_backend *b, struct vu_queue *q, struct err *err)
{
	struct vq_dev_config config = { .features = b->features,
					.count = q->num,
					.mem = b->mem,
					.call_fd = q->call_fd,
					.report_fd = b->report_fd,
					.is_mute = &b->is_mute };
	unsigned idx = vu_queue_idx(b, q);
	int rc;

	if (q->state != VU_QUEUE_WAITING || !q->num ||
	    q->addr.desc == VU_ADDR_NONE || !b->has_features || !b->mem->count)
		return 0;
	if (idx == 2 * b->pair_count && !is_control(b, q))
		return err_set(err, -EINVAL,
			       "queue %u: neither of a pair nor, with these "
			       "features, the control queue",
			       idx);
	rc = check_size(b, idx, q->num, err);
	if (rc)
		return rc;
	rc = translate_areas(b, q, &config.area, err);
	if (rc)
		return rc;
	config.position = vu_queue_position(b, q, &config.area);
	if (vu_is_packed(b) && config.position.avail >= q->num)
		return err_set(err, -EINVAL,
			       "queue %u: position %u in a ring of %u", idx,
			       config.position.avail, q->num);
	rc = vq_dev_activate(&q->vq, &config);
	if (rc)
		return err_set(err, rc,
			       "queue %u: ring is not aligned, or its position "
			       "is wrong",
			       idx);
	vu_state_set(q, held_state(q));
	hand_over(b, q);
	return 0;
}

/* Takes back @count queues from @first on, with one wait for the workers. */
static void take_back(struct vu_backend *b, struct vu_queue *first,
		      unsigned count)
{
	unsigned idx[VU_MAX_RINGS], n = 0;

	for (struct vu_queue *q = first; q < first + count; q++) {
		if (!vu_state_is_held(q->state))
			continue;
		if (q->is_control)
			b->ops->control_stop(b->ctx);
		else
			idx[n++] = vu_queue_idx(b, q);
	}
	if (n)
		b->ops->queues_stop(b->ctx, idx, n);
	for (struct vu_queue *q = first; q < first + count; q++) {
		if (!vu_state_is_held(q->state))
			continue;
		vu_state_set(q, VU_QUEUE_WAITING);
		q->base = vq_position_encode(b->features,
					     vq_dev_deactivate(&q->vq));
		q->base_from = VU_BASE_OWN;
	}
}

void vu_queue_pause(struct vu_backend *b, struct vu_queue *q)
{
	take_back(b, q, 1);
}

void vu_queues_pause(struct vu_backend *b)
{
	take_back(b, b->queue, b->queue_count);
}

void vu_queue_stop(struct vu_backend *b, struct vu_queue *q)
{
	vu_queue_pause(b, q);
	if (vu_state_is_asked(q->state))
		vu_state_set(q, VU_QUEUE_IDLE);
	fd_close(&q->kick_fd);
}

void vu_queue_reset(struct vu_backend *b, struct vu_queue *q)
{
	vu_queue_stop(b, q);
	vu_state_set(q, VU_QUEUE_IDLE);
	q->num = 0;
	q->addr.desc = VU_ADDR_NONE;
	q->base_from = VU_BASE_UNKNOWN;
}

void vu_queue_fini(struct vu_backend *b, struct vu_queue *q)
{
	vu_queue_reset(b, q);
	fd_close(&q->call_fd);
	fd_close(&q->err_fd);
}

void vu_queue_enable(struct vu_backend *b, struct vu_queue *q, bool enable)
{
	if (q->enabled == enable)
		return;
	q->enabled = enable;
	if (!vu_state_is_held(q->state))
		return;
	if (q->state != VU_QUEUE_FAULTED)
		vu_state_set(q, held_state(q));
	if (q->is_control)
		return; /* it runs even when disabled: no frames to drain */
	b->ops->queue_enable(b->ctx, vu_queue_idx(b, q), enable);
	b->has_changes = true;
}

int vu_queues_resume(struct vu_backend *b, struct err *err)
{
	for (unsigned i = 0; i < b->queue_count; i++) {
		int rc = vu_queue_start(b, &b->queue[i], err);

		/* A front-end may replace its memory in several steps: the ring
		 * waits for the step that brings back its pages. */
		if (rc == -EFAULT)
			log_limited(b->log, LOG_LEVEL_DEBUG,
				    "port=%s: waiting: %s", b->name, err->msg);
		else if (rc)
			return rc;
	}
	return 0;
}

int vu_on_set_vring_num(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	struct vu_queue *q = &b->queue[m->payload.state.idx];
	uint32_t num = m->payload.state.num;
	int rc = 0;

	/* The valid sizes depend on the ring's format. */
	if (b->has_features)
		rc = check_size(b, m->payload.state.idx, num, err);
	if (rc)
		return rc;
	if (num == q->num)
		return 0;
	if (vu_state_is_held(q->state))
		vu_queue_stop(b, q);
	q->num = num;
	/* A new ring: the old ring's position says nothing about it. */
	if (q->base_from == VU_BASE_OWN)
		q->base_from = VU_BASE_TOLD;
	return vu_queue_start(b, q, err);
}

int vu_on_set_vring_addr(struct vu_backend *b, struct vu_msg *m,
			 struct err *err)
{
	const struct vu_vring_addr *a = &m->payload.addr;
	struct vu_queue *q = &b->queue[a->idx];

	if (a->flags)
		return err_set(err, -EINVAL,
			       "queue %u: flags 0x%x: logging was not offered",
			       a->idx, a->flags);
	if (q->addr.desc == a->desc && q->addr.used == a->used &&
	    q->addr.avail == a->avail)
		return 0;
	vu_queue_pause(b, q);
	q->addr = *a;
	return vu_queue_start(b, q, err);
}

int vu_on_set_vring_base(struct vu_backend *b, struct vu_msg *m,
			 struct err *err)
{
	struct vu_queue *q = &b->queue[m->payload.state.idx];
	uint32_t base = m->payload.state.num;

	(void)err;
	if (vu_state_is_held(q->state)) {
		if (base == q->base_set)
			return 0;
		vu_queue_stop(b, q);
	}
	q->base = q->base_set = base;
	q->base_from = VU_BASE_TOLD;
	return 0;
}

int vu_on_get_vring_base(struct vu_backend *b, struct vu_msg *m,
			 struct err *err)
{
	struct vu_queue *q = &b->queue[m->payload.state.idx];

	(void)err;
	vu_queue_stop(b, q);
	vu_state_set(q, VU_QUEUE_STOPPED);
	/* Also for rings that were never set up: QEMU asks for all. */
	m->payload.state.num = vu_queue_position_word(b, q);
	return 0;
}

/*
 * Takes the descriptor of @m, or -1 if there is none, into *@fd. Returns 0 or
 * -errno with @err. It must be a descriptor that epoll can wait for; it is made
 * non-blocking, because workers read and write it.
 */
static int take_event_fd(struct vu_msg *m, int *fd, struct err *err)
{
	struct stat st;
	int rc;

	*fd = -1;
	if (!m->fd_count)
		return 0;
	if (fstat(m->fd[0], &st) < 0)
		return err_set(err, -errno, "unusable descriptor");
	/* An eventfd has no file type. */
	if ((st.st_mode & S_IFMT) && !S_ISFIFO(st.st_mode) &&
	    !S_ISSOCK(st.st_mode))
		return err_set(err, -EINVAL,
			       "descriptor is neither eventfd nor pipe");
	rc = fd_set_nonblock(m->fd[0]);
	if (rc)
		return err_set(err, rc, "unusable descriptor");
	*fd = fd_take(&m->fd[0]);
	return 0;
}

static struct vu_queue *fd_queue(struct vu_backend *b, const struct vu_msg *m)
{
	return &b->queue[m->payload.u64 & VU_VRING_IDX_MASK];
}

int vu_on_set_vring_kick(struct vu_backend *b, struct vu_msg *m,
			 struct err *err)
{
	struct vu_queue *q = fd_queue(b, m);
	int fd, rc = take_event_fd(m, &fd, err);

	if (rc)
		return rc;
	vu_queue_stop(b, q);
	q->kick_fd = fd;
	vu_state_set(q, VU_QUEUE_WAITING);
	return vu_queue_start(b, q, err);
}

/* May come at any time: whenever a guest masks or unmasks its interrupt. The
 * queue goes on meanwhile. */
int vu_on_set_vring_call(struct vu_backend *b, struct vu_msg *m,
			 struct err *err)
{
	struct vu_queue *q = fd_queue(b, m);
	int old = q->call_fd;
	int fd, rc = take_event_fd(m, &fd, err);

	if (rc)
		return rc;
	q->call_fd = fd;
	if (vu_state_is_held(q->state)) {
		/* vq:call  release: pairs with vq_dev_notify(). Workers inside
		 * vq_dev_notify() may still use the old descriptor. */
		shm_store_release(&q->vq.call_fd, fd);
		if (old >= 0)
			rcu_wait_workers();
		/* Chains may have been used while there was no call
		 * descriptor. */
		else if (fd >= 0 && peer_event_signal(fd) == -EINTR)
			return err_set(err, -EPROTO, "queue %u: %s",
				       vu_queue_idx(b, q),
				       vq_fault_name(VQ_FAULT_CALL));
	}
	fd_close(&old);
	return 0;
}

int vu_on_set_vring_err(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	struct vu_queue *q = fd_queue(b, m);
	int fd, rc = take_event_fd(m, &fd, err);

	if (rc)
		return rc;
	fd_close(&q->err_fd);
	q->err_fd = fd;
	return 0;
}

int vu_on_set_vring_enable(struct vu_backend *b, struct vu_msg *m,
			   struct err *err)
{
	const struct vu_vring_state *s = &m->payload.state;

	if (s->num > 1)
		return err_set(err, -EINVAL, "queue %u: %u, must be 0 or 1",
			       s->idx, s->num);
	vu_queue_enable(b, &b->queue[s->idx], s->num);
	return 0;
}

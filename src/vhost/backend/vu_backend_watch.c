/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problems that a back-end session notices on its rings: faults of the guest,
 * memory that was cut, and memory that is not shared. Control thread.
 *
 * Theory of operation. Nothing is polled: a worker that finds a problem signals
 * the owner's report descriptor, and the owner calls vu_backend_check().
 *
 * Unshared memory is not visible directly: a private mapping of a file looks
 * like any other. But the driver then writes its ring into pages of its own: it
 * kicks, and the ring here never changes. A healthy front-end may also kick an
 * empty ring when it starts or resets the device. So the warning needs two
 * kicks or two such rings, and a second look later.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "peer_event.h"
#include "shm.h"
#include "vu_backend_impl.h"

#define SECOND_LOOK_MS 1000

static const char not_shared[] =
	"is every memory object of the guest shared (share=on)?";

/* Returns the region of @m nearest to @gpa, below or above; NULL if @m is
 * empty. */
static const struct gmem_region *nearest_region(const struct gmem *m,
						uint64_t gpa)
{
	const struct gmem_region *best = NULL;
	uint64_t best_distance = UINT64_MAX;

	for (unsigned i = 0; i < m->count; i++) {
		const struct gmem_region *r = &m->region[i];
		uint64_t off = gpa - r->gpa, distance = 0;

		if (gpa < r->gpa)
			distance = r->gpa - gpa;
		else if (off >= r->size)
			distance = off - (r->size - 1);
		if (best && distance >= best_distance)
			continue;
		best = r;
		best_distance = distance;
	}
	return best;
}

/* Writes to @text what is wrong with @q, which has @fault. */
static void describe_fault(const struct vu_backend *b, const struct vu_queue *q,
			   enum vq_fault fault, char *text, size_t size)
{
	const struct gmem_region *near;
	uint32_t detail = shm_load(&q->vq.fault_detail);
	uint64_t addr = shm_load(&q->vq.fault_addr);

	near = fault == VQ_FAULT_ADDRESS ? nearest_region(b->mem, addr) : NULL;
	if (near)
		snprintf(text, size,
			 "%s: 0x%" PRIx64 "+0x%" PRIx32
			 ", nearest is 0x%" PRIx64 "+0x%" PRIx64 ": %s",
			 vq_fault_name(fault), addr, detail, near->gpa,
			 near->size, not_shared);
	else
		snprintf(text, size, "%s (%" PRIu32 ")", vq_fault_name(fault),
			 detail);
}

/* Logs and reports a new fault of @q. Returns whether the session can go on: it
 * ends when an eventfd of the front-end blocks our threads. */
static bool check_fault(struct vu_backend *b, struct vu_queue *q)
{
	/* Acquire: the fault before its detail. Pairs with the release in
	 * vq_dev_fail(). */
	enum vq_fault fault = shm_load_acquire(&q->vq.fault);
	char text[256];

	if (q->state == VU_QUEUE_FAULTED || fault == VQ_FAULT_NONE)
		return true;
	vu_state_set(q, VU_QUEUE_FAULTED);
	describe_fault(b, q, fault, text, sizeof(text));
	log_limited(b->log, LOG_LEVEL_WARN, "port=%s: queue %u stopped: %s",
		    b->name, vu_queue_idx(b, q), text);
	if (b->ops->fault)
		b->ops->fault(b->ctx, vu_queue_idx(b, q), text);
	if (fault == VQ_FAULT_CALL)
		return false;
	return q->err_fd < 0 || peer_event_signal(q->err_fd) != -EINTR;
}

/* Returns how many kicks are no accident. A driver with a split ring and
 * EVENT_IDX that does not see our writes kicks only once in 65536 chains. One
 * kick suffices then if its receiveq is untouched too, which a driver fills
 * before it sends. */
static unsigned kicks_needed(const struct vu_backend *b,
			     const struct vu_queue *q)
{
	const struct vu_queue *receiveq = q - 1;

	if (vu_is_packed(b) || !feat_has(b->features, VIRTIO_F_EVENT_IDX))
		return 2;
	return vu_state_is_held(receiveq->state) &&
			       vq_dev_is_untouched(&receiveq->vq)
		       ? 1
		       : 2;
}

/* Returns whether the guest kicked @q without ever making a chain available. */
static bool is_kicked_in_vain(const struct vu_backend *b,
			      const struct vu_queue *q)
{
	unsigned idx = vu_queue_idx(b, q);

	return b->ops->queue_kicks && idx & 1 && vu_state_is_held(q->state) &&
	       shm_load(&q->vq.idle_looks) >= VQ_IDLE_LOOKS &&
	       vq_dev_is_untouched(&q->vq) &&
	       b->ops->queue_kicks(b->ctx, idx) - q->kicks_before >=
		       kicks_needed(b, q);
}

bool vu_queue_seems_private(const struct vu_backend *b,
			    const struct vu_queue *q)
{
	return q->suspicion == VU_SUSPICION_TOLD && is_kicked_in_vain(b, q);
}

static void second_look(struct loop_timer *t)
{
	struct vu_backend *b = container_of(t, struct vu_backend, second_look);

	for (unsigned i = 0; i < b->queue_count; i++) {
		struct vu_queue *q = &b->queue[i];

		if (q->suspicion != VU_SUSPICION_FRESH)
			continue;
		if (!is_kicked_in_vain(b, q)) {
			q->suspicion = VU_SUSPICION_NONE;
			continue;
		}
		q->suspicion = VU_SUSPICION_TOLD;
		log_limited(b->log, LOG_LEVEL_WARN,
			    "port=%s: queue %u: the guest kicks, and its ring "
			    "stays empty at position 0: %s",
			    b->name, i, not_shared);
	}
}

void vu_backend_check(struct vu_backend *b)
{
	for (unsigned i = 0; i < b->queue_count; i++) {
		struct vu_queue *q = &b->queue[i];

		if (!vu_state_is_held(q->state))
			continue;
		if (!check_fault(b, q)) {
			vu_backend_end(b, LOG_LEVEL_WARN,
				       "an eventfd of the front-end blocks "
				       "whoever writes to it");
			return;
		}
		if (q->suspicion != VU_SUSPICION_NONE ||
		    !is_kicked_in_vain(b, q))
			continue;
		q->suspicion = VU_SUSPICION_FRESH;
		loop_timer_arm(b->loop, &b->second_look, SECOND_LOOK_MS,
			       second_look);
	}
	if (b->mem && gmem_is_lost(b->mem))
		vu_backend_end(b, LOG_LEVEL_WARN,
			       "the file behind guest memory was cut short");
}

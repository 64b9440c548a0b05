/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of a disk: a thread, which takes a burst of requests, does them one
 * after the other with the kernel's plain calls, and returns them together.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "blk.h"
#include "fd.h"
#include "serve.h"
#include "shm.h"

#define BURST 16

/* Serves a burst. Returns whether there was one. */
static bool serve_burst(struct blk_queue *q)
{
	struct blk *b = q->blk;
	struct vq_dev *vq = &b->rings.ring[q->idx].vq;
	struct iovec iov[VQ_BURST_IOV];
	struct vq_chain chain[BURST];
	struct vq_done done[BURST];
	unsigned n, served = 0;
	int64_t size = 0;

	if (rings_is_broken(&b->rings, q->idx))
		return false;
	n = vq_dev_pop_burst(vq, chain, BURST, iov, VQ_BURST_IOV);
	for (; served < n; served++) {
		size = blk_serve(q, &chain[served]);
		if (size < 0)
			break;
		done[served] = (struct vq_done){ chain[served].id,
						 chain[served].slot_count,
						 (uint32_t)size };
	}
	if (served)
		serve_push(vq, done, served);
	if (size == -EPROTO)
		rings_break(&b->rings, q->idx,
			    "a request without a byte for the status");
	return n && served == n;
}

static void *queue_main(void *arg)
{
	struct blk_queue *q = arg;
	struct vq_dev *vq = &q->blk->rings.ring[q->idx].vq;
	struct pollfd p[2] = { { .fd = q->stop_fd, .events = POLLIN },
			       { .fd = q->kick_fd, .events = POLLIN } };

	pthread_setname_np(pthread_self(), "disk");
	for (;;) {
		bool has_more = serve_burst(q);

		if (!has_more)
			has_more = !rings_is_broken(&q->blk->rings, q->idx) &&
				   !vq_dev_arm(vq);
		poll(p, 2, has_more ? 0 : -1);
		if (p[0].revents)
			return NULL;
		if (p[1].revents)
			fd_drain(q->kick_fd);
	}
}

int blk_queue_start(struct blk_queue *q, int kick_fd)
{
	sigset_t all, old;
	int rc;

	q->kick_fd = kick_fd;
	q->is_ending = false;
	fd_drain(q->stop_fd);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&q->thread, NULL, queue_main, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	q->is_running = !rc;
	return rc;
}

void blk_queue_stop(struct blk_queue *q)
{
	if (!q->is_running)
		return;
	shm_store(&q->is_ending, true);
	fd_signal(q->stop_fd);
	pthread_join(q->thread, NULL);
	q->is_running = false;
}

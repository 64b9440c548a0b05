/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a disk (virtio 1.2, clause 5.2.6). A thread for each queue, which
 * takes a burst of requests, does them one after the other with the kernel's
 * plain calls, and returns them together.
 *
 * A chain has no frame but its order: 16 bytes of header come first, the status
 * is the last byte that the device may write, and data is what is between. How
 * these bytes are spread over buffers is the driver's choice.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "blk.h"
#include "fd.h"
#include "le.h"
#include "serve.h"
#include "shm.h"

#define BURST 16

enum { /* clause 5.2.6, types and status */
       BLK_T_IN = 0,
       BLK_T_OUT = 1,
       BLK_T_FLUSH = 4,
       BLK_T_GET_ID = 8,
       BLK_T_DISCARD = 11,
       BLK_T_WRITE_ZEROES = 13,
       BLK_S_OK = 0,
       BLK_S_IOERR = 1,
       BLK_S_UNSUPP = 2,
};

struct blk_header {
	le32 type, reserved;
	le64 sector;
};

struct blk_range {
	le64 sector;
	le32 sectors, flags;
};

/* Buffers of a chain. Taking moves its beginning forward. */
struct span {
	struct iovec *iov;
	unsigned count;
	uint64_t size;
};

/* Moves the beginning of @s forward by @n bytes, at most to the end of its
 * first buffer. */
static void skip(struct span *s, size_t n)
{
	s->size -= n;
	s->iov->iov_base = (uint8_t *)s->iov->iov_base + n;
	s->iov->iov_len -= n;
	if (!s->iov->iov_len) {
		s->iov++;
		s->count--;
	}
}

/* Takes the first @size bytes of @s off and copies them to @to. Returns whether
 * there were as many. */
static bool take(struct span *s, void *to, size_t size)
{
	uint8_t *at = to;

	if (s->size < size)
		return false;
	while (size) {
		size_t n = MIN(size, s->iov->iov_len);

		memcpy(at, s->iov->iov_base, n);
		shm_settle_memory(at);
		at += n;
		size -= n;
		skip(s, n);
	}
	return true;
}

/* Takes the last byte off and returns its address, or NULL. */
static uint8_t *take_last(struct span *s)
{
	struct iovec *last;
	uint8_t *byte;

	if (!s->size)
		return NULL;
	last = &s->iov[s->count - 1];
	byte = (uint8_t *)last->iov_base + --last->iov_len;
	s->size--;
	if (!last->iov_len)
		s->count--;
	return byte;
}

static bool is_inside(const struct blk *b, uint64_t sector, uint64_t bytes)
{
	return sector <= b->sectors &&
	       bytes <= (b->sectors - sector) * BLK_SECTOR;
}

/* Moves all bytes of @s from or to the image. Returns BLK_S_*. */
static uint8_t move(const struct blk *b, struct span *s, uint64_t sector,
		    bool is_write)
{
	off_t at = (off_t)(sector * BLK_SECTOR);

	if (s->size % BLK_SECTOR || !is_inside(b, sector, s->size))
		return BLK_S_IOERR;
	while (s->size) {
		int count = (int)MIN(s->count, (unsigned)IOV_MAX);
		ssize_t n = is_write ? pwritev(b->fd, s->iov, count, at)
				     : preadv(b->fd, s->iov, count, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* 0: somebody cut the image */
			return BLK_S_IOERR;
		at += n;
		while (n) {
			size_t part = MIN((size_t)n, s->iov->iov_len);

			skip(s, part);
			n -= (ssize_t)part;
		}
	}
	return BLK_S_OK;
}

static int punch(const struct blk *b, uint64_t sector, uint64_t sectors)
{
	int rc;

	do
		rc = fallocate(b->fd,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       (off_t)(sector * BLK_SECTOR),
			       (off_t)(sectors * BLK_SECTOR));
	while (rc < 0 && errno == EINTR);
	return rc;
}

/* DISCARD and WRITE_ZEROES, clause 5.2.6.2: both leave zeros, and holes where
 * the file system can. */
static uint8_t zero(const struct blk *b, struct span *s)
{
	struct blk_range range;
	unsigned n = 0;

	if (!b->can_zero)
		return BLK_S_UNSUPP;
	if (!s->size || s->size % sizeof(range))
		return BLK_S_IOERR;
	while (s->size) {
		uint64_t sector, sectors;

		take(s, &range, sizeof(range));
		sector = le64_to_cpu(range.sector);
		sectors = le32_to_cpu(range.sectors);
		if (++n > BLK_ZERO_RANGES || sectors > BLK_ZERO_SECTORS ||
		    !is_inside(b, sector, sectors * BLK_SECTOR))
			return BLK_S_IOERR;
		if (sectors && punch(b, sector, sectors) < 0)
			return errno == EOPNOTSUPP ? BLK_S_UNSUPP : BLK_S_IOERR;
	}
	return BLK_S_OK;
}

static uint8_t get_id(const struct blk *b, struct span *in)
{
	size_t size = MIN(in->size, (uint64_t)BLK_SERIAL_SIZE), at = 0;

	for (unsigned i = 0; i < in->count && at < size; i++) {
		size_t n = MIN(size - at, in->iov[i].iov_len);

		memcpy(in->iov[i].iov_base, b->serial + at, n);
		at += n;
	}
	return BLK_S_OK;
}

/* Does a request, but for its status. */
static uint8_t perform(struct blk *b, const struct blk_header *h,
		       struct span *out, struct span *in)
{
	uint32_t type = le32_to_cpu(h->type);
	uint64_t sector = le64_to_cpu(h->sector);
	bool is_change = type == BLK_T_OUT || type == BLK_T_DISCARD ||
			 type == BLK_T_WRITE_ZEROES;

	if (is_change && b->is_readonly)
		return BLK_S_IOERR;
	switch (type) {
	case BLK_T_IN:
		shm_fetch_add(&b->reads, 1);
		return move(b, in, sector, false);
	case BLK_T_OUT:
		shm_fetch_add(&b->writes, 1);
		return move(b, out, sector, true);
	case BLK_T_FLUSH:
		return fdatasync(b->fd) < 0 ? BLK_S_IOERR : BLK_S_OK;
	case BLK_T_GET_ID:
		return get_id(b, in);
	case BLK_T_DISCARD:
	case BLK_T_WRITE_ZEROES:
		return zero(b, out);
	default:
		return BLK_S_UNSUPP;
	}
}

/* Serves @chain and returns the bytes written, or -1 when the driver broke the
 * rules: there is no place for a status. */
static int64_t serve_chain(struct blk *b, const struct vq_chain *chain)
{
	struct span out = { chain->iov, chain->readable_count,
			    chain->readable_size };
	struct span in = { chain->iov + chain->readable_count,
			   chain->writable_count, chain->writable_size };
	uint8_t *status_at = take_last(&in), status = BLK_S_IOERR;
	uint64_t room = in.size;
	struct blk_header h;

	if (!status_at)
		return -1;
	if (take(&out, &h, sizeof(h)))
		status = perform(b, &h, &out, &in);
	if (status != BLK_S_OK)
		shm_fetch_add(&b->errors, 1);
	*status_at = status;
	/* The driver may believe the bytes up to the status (clause 5.2.6.1).
	 */
	return (int64_t)room + 1;
}

/* Serves a burst. Returns whether there was one. */
static bool serve_burst(struct blk_queue *q)
{
	struct blk *b = q->blk;
	struct vq_dev *vq = &b->rings.ring[q->idx].vq;
	struct iovec iov[VQ_BURST_IOV];
	struct vq_chain chain[BURST];
	struct vq_done done[BURST];
	unsigned n, served = 0;

	if (rings_is_broken(&b->rings, q->idx))
		return false;
	n = vq_dev_pop_burst(vq, chain, BURST, iov, VQ_BURST_IOV);
	for (; served < n; served++) {
		int64_t size = serve_chain(b, &chain[served]);

		if (size < 0)
			break;
		done[served] = (struct vq_done){ chain[served].id,
						 chain[served].slot_count,
						 (uint32_t)size };
	}
	if (served)
		serve_push(vq, done, served);
	if (served < n)
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
	fd_signal(q->stop_fd);
	pthread_join(q->thread, NULL);
	q->is_running = false;
}

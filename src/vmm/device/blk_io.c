/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a disk (virtio 1.2, clause 5.2.6). On the thread of a queue.
 *
 * A chain has no frame but its order: 16 bytes of header come first, the status
 * is the last byte that the device may write, and data is what is between. How
 * these bytes are spread over buffers is the driver's choice.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "blk.h"
#include "le.h"
#include "shm.h"

#define RANGE_F_UNMAP 1u

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

struct request {
	struct blk_queue *queue;
	struct blk *blk;
	uint32_t type;
	uint64_t sector;
	struct span out, in; /* data, without header and status */
	uint64_t written;    /* bytes from the beginning of @in */
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

static bool is_inside(const struct blk_image *i, uint64_t sector,
		      uint64_t bytes)
{
	return sector <= i->sectors &&
	       bytes <= (i->sectors - sector) * BLK_SECTOR;
}

/* The host's disk failed with @error. Returns BLK_S_IOERR. */
static int host_failed(const struct request *r, const char *what, int error)
{
	log_limited(&r->blk->log, LOG_LEVEL_ERR,
		    "device %s: %s at sector %llu: %s", r->blk->dev.name, what,
		    (unsigned long long)r->sector, strerror(error));
	return BLK_S_IOERR;
}

static bool is_ending(const struct request *r)
{
	return shm_load(&r->queue->is_ending);
}

/* Moves at most BLK_CHUNK bytes of @s. As preadv(2). */
static ssize_t move_some(int fd, const struct span *s, off_t at, bool is_write)
{
	uint64_t size = 0, cut = 0;
	int count = 0, error;
	ssize_t n;

	while (count < (int)MIN(s->count, (unsigned)IOV_MAX) &&
	       size < BLK_CHUNK)
		size += s->iov[count++].iov_len;
	if (size > BLK_CHUNK)
		cut = size - BLK_CHUNK;
	s->iov[count - 1].iov_len -= cut;
	n = is_write ? pwritev(fd, s->iov, count, at)
		     : preadv(fd, s->iov, count, at);
	error = errno;
	s->iov[count - 1].iov_len += cut;
	errno = error;
	return n;
}

/* Moves all bytes of @s from or to the image. Returns BLK_S_* or -ECANCELED. */
static int move(struct request *r, struct span *s, bool is_write)
{
	const struct blk_image *i = &r->blk->image;
	const char *what = is_write ? "write" : "read";
	off_t at = (off_t)(r->sector * BLK_SECTOR);
	int fd = i->fd;

	if (s->size % i->block_size ||
	    r->sector % (i->block_size / BLK_SECTOR) ||
	    !is_inside(i, r->sector, s->size))
		return BLK_S_IOERR;
	while (s->size) {
		ssize_t n = move_some(fd, s, at, is_write);

		if (n < 0 && errno == EINVAL && fd != i->plain_fd) {
			fd = i->plain_fd;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return host_failed(r, what, n ? errno : ENODATA);
		at += n;
		while (n) {
			size_t part = MIN((size_t)n, s->iov->iov_len);

			skip(s, part);
			n -= (ssize_t)part;
		}
		if (s->size && is_ending(r))
			return -ECANCELED;
	}
	return BLK_S_OK;
}

static int flush(const struct request *r)
{
	const struct blk_image *i = &r->blk->image;

	if (i->is_unsafe || !fdatasync(i->fd))
		return BLK_S_OK;
	return host_failed(r, "flush", errno);
}

/* Ends a request that changed the image with @status: its change is safe then,
 * unless the driver asks for that itself (clause 5.2.6.2). */
static int settle(const struct request *r, int status)
{
	return status == BLK_S_OK && r->blk->is_write_through ? flush(r)
							      : status;
}

/* Returns 0 or -errno. */
static int allocate(const struct blk_image *i, int mode, uint64_t sector,
		    uint64_t sectors)
{
	int rc;

	do
		rc = fallocate(i->fd, mode | FALLOC_FL_KEEP_SIZE,
			       (off_t)(sector * BLK_SECTOR),
			       (off_t)(sectors * BLK_SECTOR));
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

/* Returns 0 or -errno. */
static int write_zeros(const struct request *r, uint64_t sector,
		       uint64_t sectors)
{
	static const uint8_t zeros[64 << 10];
	off_t at = (off_t)(sector * BLK_SECTOR);
	uint64_t left = sectors * BLK_SECTOR;

	while (left) {
		ssize_t n = pwrite(r->blk->image.plain_fd, zeros,
				   MIN(left, sizeof(zeros)), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		at += n;
		left -= (uint64_t)n;
		if (left && is_ending(r))
			return -ECANCELED;
	}
	return 0;
}

/* Makes a range read as zeros. Returns 0 or -errno. */
static int zero(const struct request *r, uint64_t sector, uint64_t sectors,
		bool may_unmap)
{
	const struct blk_image *i = &r->blk->image;
	int rc = -EOPNOTSUPP;

	if (may_unmap && i->can_discard)
		rc = allocate(i, FALLOC_FL_PUNCH_HOLE, sector, sectors);
	if (rc == -EOPNOTSUPP)
		rc = allocate(i, FALLOC_FL_ZERO_RANGE, sector, sectors);
	return rc == -EOPNOTSUPP ? write_zeros(r, sector, sectors) : rc;
}

/* Does a range of a DISCARD or WRITE_ZEROES. Returns BLK_S_* or -ECANCELED. */
static int do_range(const struct request *r, const struct blk_range *range)
{
	const struct blk_image *i = &r->blk->image;
	bool is_discard = r->type == BLK_T_DISCARD;
	uint64_t sector = le64_to_cpu(range->sector);
	uint32_t sectors = le32_to_cpu(range->sectors);
	uint32_t flags = le32_to_cpu(range->flags);
	int rc;

	if (flags & ~(is_discard ? 0 : RANGE_F_UNMAP))
		return BLK_S_UNSUPP;
	if (sectors > (is_discard ? BLK_DISCARD_SECTORS : BLK_ZERO_SECTORS) ||
	    !is_inside(i, sector, (uint64_t)sectors * BLK_SECTOR))
		return BLK_S_IOERR;
	if (!sectors)
		return BLK_S_OK;
	rc = is_discard ? allocate(i, FALLOC_FL_PUNCH_HOLE, sector, sectors)
			: zero(r, sector, sectors, flags & RANGE_F_UNMAP);
	if (rc == -ECANCELED)
		return rc;
	if (rc == -EOPNOTSUPP)
		return BLK_S_UNSUPP;
	return rc ? host_failed(r, is_discard ? "discard" : "zeros", -rc)
		  : BLK_S_OK;
}

/* DISCARD and WRITE_ZEROES, clause 5.2.6.2. Returns BLK_S_* or -ECANCELED. */
static int do_ranges(struct request *r)
{
	const struct blk_image *i = &r->blk->image;
	bool is_discard = r->type == BLK_T_DISCARD;
	struct blk_range range;
	int status = BLK_S_OK;

	if (is_discard ? !i->can_discard : !i->can_zero)
		return BLK_S_UNSUPP;
	if (!r->out.size || r->out.size % sizeof(range) ||
	    r->out.size / sizeof(range) > (is_discard ? BLK_RANGES : 1))
		return BLK_S_IOERR;
	while (status == BLK_S_OK && take(&r->out, &range, sizeof(range))) {
		status = do_range(r, &range);
		if (status == BLK_S_OK && r->out.size && is_ending(r))
			status = -ECANCELED;
	}
	return status;
}

static int get_id(struct request *r)
{
	size_t size = MIN(r->in.size, (uint64_t)BLK_SERIAL_SIZE), at = 0;

	while (at < size) {
		size_t n = MIN(size - at, r->in.iov->iov_len);

		memcpy(r->in.iov->iov_base, r->blk->serial + at, n);
		at += n;
		skip(&r->in, n);
	}
	r->written = size;
	return BLK_S_OK;
}

static int read_sectors(struct request *r)
{
	uint64_t size = r->in.size;
	int status = move(r, &r->in, false);

	shm_fetch_add(&r->blk->reads, 1);
	if (status == BLK_S_OK)
		r->written = size;
	return status;
}

/* Does a request, but for its status. Returns that, or -ECANCELED. */
static int perform(struct request *r)
{
	bool is_change = r->type == BLK_T_OUT || r->type == BLK_T_DISCARD ||
			 r->type == BLK_T_WRITE_ZEROES;

	if (is_change && r->blk->image.is_readonly)
		return BLK_S_IOERR;
	switch (r->type) {
	case BLK_T_IN:
		return read_sectors(r);
	case BLK_T_OUT:
		shm_fetch_add(&r->blk->writes, 1);
		return settle(r, move(r, &r->out, true));
	case BLK_T_FLUSH:
		return flush(r);
	case BLK_T_GET_ID:
		return get_id(r);
	case BLK_T_DISCARD:
		return do_ranges(r);
	case BLK_T_WRITE_ZEROES:
		return settle(r, do_ranges(r));
	default:
		return BLK_S_UNSUPP;
	}
}

int64_t blk_serve(struct blk_queue *q, const struct vq_chain *chain)
{
	struct request r = {
		.queue = q,
		.blk = q->blk,
		.out = { chain->iov, chain->readable_count,
			 chain->readable_size },
		.in = { chain->iov + chain->readable_count,
			chain->writable_count, chain->writable_size },
	};
	uint8_t *status_at = take_last(&r.in);
	int status = BLK_S_IOERR;
	struct blk_header h;

	if (!status_at)
		return -EPROTO;
	if (take(&r.out, &h, sizeof(h))) {
		r.type = le32_to_cpu(h.type);
		r.sector = le64_to_cpu(h.sector);
		status = perform(&r);
	}
	if (status == -ECANCELED)
		return status;
	if (status != BLK_S_OK)
		shm_fetch_add(&q->blk->errors, 1);
	*status_at = (uint8_t)status;
	return (int64_t)r.written + 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the switch to the guest: frames are copied into chains of a receiveq,
 * the only copy of their payload. Runs on the holder of the port's transmit
 * lock; calls the ring and net/ only.
 *
 * A burst pops as many chains as it has frames and fills them in order. One
 * unpop gives the unused chains back, then one push publishes the filled ones.
 * A frame is begun only when all its buffers are at hand, so no partial frame
 * is ever taken back. A frame that needs more chains than the window has left
 * closes the window and comes first in the next.
 */
#include "vnet.h"

#include "cycles.h"
#include "vnet_hdr.h"

/* Most popped chains at a time. 64 KiB take 43 of the 1.5 KiB buffers of a
 * Linux guest; a frame that needs more than the whole window is too big. */
#define WINDOW 256

/* Distance of the prefetch for writing, in chains. Measured with a guest on the
 * other core, 64 bytes, on a busy machine: 153 to 165 TSC cycles a frame for
 * the whole path at 4 and at 8; 169 to 228 with a prefetch for reading. */
#define PREFETCH_AHEAD 6

struct window {
	struct vq_dev *vq;
	unsigned hdr_size;
	bool is_mergeable;
	bool is_full;	       /* more chains fit only after a flush */
	bool is_streaming;     /* whole lines are stored past the caches */
	bool is_plain;	       /* neither that nor hashes in the headers */
	uint64_t hdr_mask;     /* bits of a header that the guest may see */
	const struct rss *rss; /* of hashes in the headers, or NULL */
	unsigned popped;       /* chains popped */
	unsigned filled; /* popped chains that hold frames, from the first on */
	unsigned iov_used;
	copy_large_fn *copy; /* for large pieces */
	struct vq_chain chain[WINDOW];
	struct vq_done done[WINDOW];
	struct iovec iov[VQ_BURST_IOV];
};

static inline void prefetch_chain(const struct vq_chain *c, unsigned hdr_size,
				  bool is_streaming)
{
	uint8_t *p;

	if (unlikely(!c->writable_count))
		return;
	p = c->iov[c->readable_count].iov_base;
	if (vnet_hdr_is_apart(p, hdr_size))
		__builtin_prefetch(p); /* probably read only */
	else
		prefetch_write(p);
	if (!is_streaming)
		prefetch_write(p + CACHE_LINE);
}

/* Pops up to @want more chains. Returns false when none can be popped now, with
 * w->is_full set if a flush makes room for more. */
static bool pop_more(struct window *w, unsigned want)
{
	struct vq_chain *c = &w->chain[w->popped];
	unsigned room = VQ_BURST_IOV - w->iov_used;
	unsigned n;

	want = MIN(want, WINDOW - w->popped);
	stage_mark(STAGE_COPY); /* of earlier frames, if any */
	w->is_full = !want || !room;
	if (w->is_full)
		return false;
	n = vq_dev_pop_burst(w->vq, c, want, w->iov + w->iov_used, room);
	if (n && unlikely(c->flags & VQ_CHAIN_TRUNCATED) && w->popped) {
		/* it may fit into an empty window */
		vq_dev_unpop(w->vq, c, n);
		w->is_full = true;
		return false;
	}
	w->popped += n;
	if (n)
		w->iov_used = c[n - 1].iov + c[n - 1].readable_count +
			      c[n - 1].writable_count - w->iov;
	for (unsigned i = 0; i < MIN(n, PREFETCH_AHEAD); i++)
		prefetch_chain(&c[i], w->hdr_size, w->is_streaming);
	stage_mark(STAGE_READ);
	return n;
}

/* Publishes the filled chains and unpops the others; returns the filled
 * ones. */
static unsigned flush(struct window *w)
{
	unsigned filled = w->filled;

	if (w->popped > filled)
		vq_dev_unpop(w->vq, w->chain + filled, w->popped - filled);
	if (filled)
		vq_dev_push_burst(w->vq, w->done, filled);
	w->popped = w->filled = w->iov_used = 0;
	return filled;
}

static inline void copy_piece(const struct window *w, uint8_t *dst,
			      const uint8_t *src, size_t size,
			      struct copy_next next)
{
	if (size < COPY_LARGE && !w->is_streaming)
		copy_bytes(dst, src, size);
	else
		w->copy(dst, src, size, next.dst, next.src, next.size);
}

/* Returns the start of the payload of @f after its head, to be copied behind
 * @dst and the head. */
static inline struct copy_next next_of_frame(const struct frame *f,
					     uint8_t *dst)
{
	if (!f->iov_count)
		return (struct copy_next){ 0 };
	return (struct copy_next){ dst + f->head_len, f->iov->iov_base,
				   f->iov->iov_len };
}

/* Copies the payload of @f after its head to @dst, which has room for it. @next
 * is the copy after this one. */
static void copy_rest(const struct window *w, uint8_t *dst,
		      const struct frame *f, struct copy_next next)
{
	const struct iovec *iov = f->iov, *last = iov + f->iov_count - 1;

	for (; iov < last; iov++) {
		uint8_t *behind = dst + iov->iov_len;

		copy_piece(w, dst, iov->iov_base, iov->iov_len,
			   (struct copy_next){ behind, iov[1].iov_base,
					       iov[1].iov_len });
		dst = behind;
	}
	copy_piece(w, dst, iov->iov_base, iov->iov_len, next);
}

/* Write position in consecutive chains. */
struct writer {
	copy_large_fn *copy;
	const struct vq_chain *next; /* next chain to fill */
	const struct vq_chain *end;  /* the frame ends before it */
	const struct iovec *iov;     /* next buffer of the current chain */
	unsigned iov_left;
	uint8_t *dst;
	size_t left; /* bytes of room at dst */
};

/* Returns the copy that follows a piece up to the end of the current buffer:
 * @size bytes from @src into the next buffer. */
static struct copy_next next_of_writer(const struct writer *w,
				       const uint8_t *src, size_t size)
{
	const struct iovec *iov = w->iov;

	if (!w->iov_left) {
		if (w->next == w->end)
			return (struct copy_next){ 0 };
		iov = w->next->iov + w->next->readable_count;
	}
	return (struct copy_next){ iov->iov_base, src,
				   MIN(size, iov->iov_len) };
}

static void put(struct writer *w, const void *src, size_t size)
{
	const uint8_t *from = src;

	while (size) {
		size_t n;

		while (!w->left) {
			while (!w->iov_left) {
				w->iov = w->next->iov + w->next->readable_count;
				w->iov_left = w->next->writable_count;
				w->next++;
			}
			w->dst = w->iov->iov_base;
			w->left = w->iov->iov_len;
			w->iov++;
			w->iov_left--;
		}
		n = MIN(size, w->left);
		if (n < COPY_LARGE) {
			copy_bytes(w->dst, from, n);
		} else {
			struct copy_next next =
				next_of_writer(w, from + n, size - n);

			w->copy(w->dst, from, n, next.dst, next.src, next.size);
		}
		w->dst += n;
		w->left -= n;
		from += n;
		size -= n;
	}
}

/* Writes @f to the next @count chains, which have room for it. */
static void put_frame(struct window *w, struct frame *f, unsigned count)
{
	struct vq_chain *c = &w->chain[w->filled];
	uint32_t left = w->hdr_size + f->len;
	struct writer to = { .copy = w->copy, .next = c, .end = c + count };
	uint8_t hdr[VNET_HDR_HASH];

	vnet_hdr_store(hdr, &f->hdr, w->hdr_mask, count, w->hdr_size);
	if (unlikely(w->hdr_size == VNET_HDR_HASH))
		vnet_hdr_store_hash(hdr, w->rss, f);
	put(&to, hdr, w->hdr_size);
	put(&to, frame_head_const(f), f->head_len);
	for (unsigned i = 0; i < f->iov_count; i++)
		put(&to, f->iov[i].iov_base, f->iov[i].iov_len);
	for (unsigned i = 0; i < count; i++) {
		uint32_t size = MIN(left, c[i].writable_size);

		w->done[w->filled++] =
			(struct vq_done){ c[i].id, c[i].slot_count, size };
		left -= size;
	}
}

enum fit { FIT, FIT_NOT_NOW, FIT_NEVER };

/* Finds how many of the next chains a frame of @size bytes, header included,
 * takes. Pops more when they do not suffice; @behind frames follow. */
static enum fit find_chains(struct window *w, uint32_t size, unsigned behind,
			    unsigned *count)
{
	uint32_t room = 0, step = 0;
	unsigned n = 0;

	while (room < size) {
		if (n && !w->is_mergeable)
			return FIT_NEVER;
		if (w->filled + n == w->popped) {
			unsigned want = 1 + behind;

			if (step)
				want += (size - room) / step;
			if (pop_more(w, want))
				continue;
			return w->is_full && !w->filled ? FIT_NEVER
							: FIT_NOT_NOW;
		}
		step = w->chain[w->filled + n++].writable_size;
		room = room + step < room ? UINT32_MAX : room + step;
	}
	*count = n;
	return FIT;
}

/* Places a frame outside the simple case. Returns false when @f has to wait for
 * buffers. */
static __attribute__((noinline)) bool put_slow(struct window *w,
					       struct frame *f, unsigned behind,
					       struct vnet_tx_result *res)
{
	unsigned count;

	switch (find_chains(w, w->hdr_size + f->len, behind, &count)) {
	case FIT:
		put_frame(w, f, count);
		res->bytes += f->len;
		return true;
	case FIT_NEVER:
		res->too_big++;
		res->too_big_bytes += f->len;
		return true;
	default:
		return false;
	}
}

/* Returns whether @c is a single buffer with room for @size bytes. */
static inline bool is_simple(const struct vq_chain *c, uint32_t size)
{
	return c->writable_count == 1 && c->writable_size >= size;
}

static inline uint8_t *simple_dst(const struct vq_chain *c)
{
	return c->iov[c->readable_count].iov_base;
}

/* Fills single buffers with whole frames, one each, up to the first frame or
 * chain that does not fit this. Returns how many. */
static inline __attribute__((always_inline)) unsigned fill_simple(
	struct window *w, struct frame *const *frames, unsigned n,
	uint64_t *bytes, bool is_streaming)
{
	const unsigned hdr_size = w->hdr_size;
	const uint64_t mask = w->hdr_mask;
	const struct vq_chain *c = &w->chain[w->filled];
	const struct vq_chain *end = &w->chain[w->popped];
	struct vq_done *done = &w->done[w->filled];
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < n && c < end; i++, c++, done++) {
		const struct frame *f = frames[i];
		uint32_t size = hdr_size + f->len;
		uint8_t *dst;

		if (unlikely(!is_simple(c, size)))
			break;
		if (c + PREFETCH_AHEAD < end)
			prefetch_chain(c + PREFETCH_AHEAD, hdr_size,
				       is_streaming);
		dst = simple_dst(c);
		if (vnet_hdr_is_apart(dst, hdr_size))
			vnet_hdr_renew(dst, &f->hdr, mask, 1, hdr_size);
		else
			vnet_hdr_store(dst, &f->hdr, mask, 1, hdr_size);
		dst += hdr_size;
		if (is_streaming)
			w->copy(dst, frame_head_const(f), f->head_len, NULL,
				NULL, 0);
		else
			copy_bytes(dst, frame_head_const(f), f->head_len);
		dst += f->head_len;
		if (!is_streaming && f->iov_count == 1 &&
		    f->iov->iov_len < COPY_LARGE) {
			copy_bytes(dst, f->iov->iov_base, f->iov->iov_len);
		} else if (f->iov_count) {
			struct copy_next next = { 0 };

			if (i + 1 < n && c + 1 < end)
				next = next_of_frame(frames[i + 1],
						     simple_dst(&c[1]) +
							     hdr_size);
			copy_rest(w, dst, f, next);
		}
		*done = (struct vq_done){ c->id, c->slot_count, size };
		sum += f->len;
	}
	w->filled += i;
	*bytes += sum;
	return i;
}

/* Does the work of fill_simple() outside the usual case. Frames whose header
 * gets a hash are none of the simple ones. */
static __attribute__((noinline)) unsigned fill_unusual(
	struct window *w, struct frame *const *frames, unsigned n,
	uint64_t *bytes)
{
	if (w->hdr_size == VNET_HDR_HASH)
		return 0;
	return fill_simple(w, frames, n, bytes, true);
}

/* Fills one window; stops after the last frame, or at the first that has to
 * wait. */
static void fill(struct window *w, struct frame *const *frames, unsigned n,
		 struct vnet_tx_result *res)
{
	unsigned i = 0;

	w->is_full = false;
	pop_more(w, n);
	for (;;) {
		i += w->is_plain
			     ? fill_simple(w, frames + i, n - i, &res->bytes,
					   false)
			     : fill_unusual(w, frames + i, n - i, &res->bytes);
		if (i == n || !put_slow(w, frames[i], n - i - 1, res))
			break;
		i++;
	}
	res->taken += i;
}

struct vnet_tx_result vnet_tx_hashed_burst(struct vq_dev *vq,
					   struct copy_choice *choice,
					   const struct rss *rss,
					   struct frame *const *frames,
					   unsigned n)
{
	struct vnet_tx_result res = { 0 };
	bool is_pushed = false;
	enum copy_method method = copy_choice_begin(choice);
	struct window w;

	w.copy = copy_large_get(method);
	/* One small frame at the front is taken for a burst of them, whose
	 * lines shall stay in the caches. */
	w.is_streaming =
		method == COPY_STREAM && n && frames[0]->len >= COPY_LARGE;
	w.vq = vq;
	w.rss = rss;
	w.hdr_size = vnet_hdr_size(vq->features);
	w.is_plain = !w.is_streaming && w.hdr_size != VNET_HDR_HASH;
	w.is_mergeable = feat_has(vq->features, VIRTIO_NET_F_MRG_RXBUF);
	/* without the feature the guest's flags must be zero (clause
	 * 5.1.6.4.1) */
	w.hdr_mask = vnet_raw_mask(
		feat_has(vq->features, VIRTIO_NET_F_GUEST_CSUM)
			? VNET_HDR_F_NEEDS_CSUM | VNET_HDR_F_DATA_VALID
			: 0);
	w.popped = w.filled = w.iov_used = 0;
	do {
		fill(&w, frames + res.taken, n - res.taken, &res);
		if (unlikely(method == COPY_STREAM))
			copy_stream_fence(); /* vq:U  data before used */
		stage_mark(STAGE_COPY);
		is_pushed |= flush(&w);
		stage_mark(STAGE_PUBLISH);
	} while (res.taken < n && w.is_full);
	copy_choice_end(choice, res.taken, res.bytes);
	if (is_pushed && vq_dev_should_notify(vq)) {
		vq_dev_notify(vq);
		res.notified = true;
	}
	stage_mark(STAGE_NOTIFY);
	return res;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the guest into the switch: chains of a transmitq become frames. Runs on
 * the worker that owns the queue; calls the ring and net/ only.
 *
 * Guest memory is read once: the offload header into a local, the first bytes
 * of the frame into its head. Checks use these copies. The payload is not read.
 */
#include "vnet.h"

#include "cycles.h"
#include "offload.h"
#include "vnet_hdr.h"

/* Distance of the prefetch in chains: enough to hide a miss to the other core's
 * cache behind the work on the chains between. */
#define PREFETCH_AHEAD 6

static inline void prefetch_chain(const struct vq_chain *c)
{
	const uint8_t *p;

	if (unlikely(!c->readable_count))
		return;
	p = c->iov->iov_base;
	__builtin_prefetch(p);
	/* the frame follows a header in a buffer of its own */
	p = c->readable_count > 1 ? c->iov[1].iov_base : p + CACHE_LINE;
	__builtin_prefetch(p);
}

/* Reads a header that is longer than the chain's first buffer. Moves *@iov and
 * *@count behind it; the chain is longer than the header. */
static __attribute__((noinline)) struct vnet_raw gather_hdr(struct iovec **iov,
							    unsigned *count,
							    unsigned hdr_size)
{
	uint8_t raw[VNET_HDR_HASH];
	struct iovec *v = *iov;
	unsigned done = 0;

	while (done < hdr_size) {
		size_t n = MIN((size_t)hdr_size - done, v->iov_len);

		memcpy(raw + done, v->iov_base, n);
		done += n;
		if (n < v->iov_len) {
			v->iov_base = (uint8_t *)v->iov_base + n;
			v->iov_len -= n;
			break;
		}
		v++;
		--*count;
	}
	shm_settle_object(&raw);
	*iov = v;
	return vnet_raw_load(raw);
}

/* Makes @f a frame with a segmentation type or without its checksum. Returns
 * false if the header is refused. */
static __attribute__((noinline)) bool take_offload(
	struct frame *f, struct vnet_raw raw, struct iovec *iov,
	unsigned iov_count, uint32_t len, unsigned offloads)
{
	f->hdr = vnet_raw_decode(raw);
	/* a driver may set no other flag (clause 5.1.6.2.1) */
	f->hdr.flags &= VNET_HDR_F_NEEDS_CSUM;
	/* hdr_len is a hint, but a later reader might trust it */
	f->hdr.hdr_len = MIN(f->hdr.hdr_len, len);
	frame_from_iov(f, iov, iov_count, len, FRAME_HEAD);
	return offload_is_valid(f) && !(frame_offloads_needed(f) & ~offloads);
}

/* Makes @f the frame in @c. Returns false, and counts it in @stats, when @c
 * holds no good frame. */
static inline bool take_frame(struct frame *f, const struct vq_chain *c,
			      unsigned hdr_size, unsigned offloads,
			      uint32_t snap, struct vnet_rx_stats *stats)
{
	uint32_t len = c->readable_size - hdr_size;
	unsigned count = c->readable_count;
	struct iovec *iov = c->iov;
	struct vnet_raw raw;

	/* a chain shorter than the header wraps to a huge length */
	if (unlikely(len - ETH_HLEN > FRAME_MAX - ETH_HLEN)) {
		stat_inc(&stats->bad_frame);
		return false;
	}
	if (likely(iov->iov_len > hdr_size)) {
		raw = vnet_raw_load(iov->iov_base);
		iov->iov_base = (uint8_t *)iov->iov_base + hdr_size;
		iov->iov_len -= hdr_size;
	} else if (likely(iov->iov_len == hdr_size)) {
		raw = vnet_raw_load(iov->iov_base);
		iov++;
		count--;
	} else {
		raw = gather_hdr(&iov, &count, hdr_size);
	}
	if (unlikely(vnet_raw_has_offload(raw))) {
		if (take_offload(f, raw, iov, count, len, offloads))
			return true;
		stat_inc(&stats->bad_offload);
		return false;
	}
	f->hdr = (struct vnet_hdr){ 0 };
	/* a constant for the compiler: the usual length */
	if (likely(snap == FRAME_SNAP))
		frame_from_iov(f, iov, count, len, FRAME_SNAP);
	else
		frame_from_iov(f, iov, count, len, snap);
	return true;
}

/* Nine parameters, once a burst. NOLINTNEXTLINE(readability-function-size) */
unsigned vnet_rx_burst(struct vq_dev *vq, unsigned offloads,
		       struct vnet_rx_scratch *s, struct waiting *waiting,
		       uint32_t snap, struct frame *frames, unsigned n,
		       unsigned *chain_count, struct vnet_rx_stats *stats)
{
	unsigned hdr_size = vnet_hdr_size(vq->features), taken = 0;
	const uint64_t skips = waiting_begin(waiting);

	n = vq_dev_pop_burst(vq, s->chain, n, s->iov, ARRAY_SIZE(s->iov));
	stage_mark(STAGE_READ);
	for (unsigned i = 0; i < MIN(n, PREFETCH_AHEAD); i++)
		prefetch_chain(&s->chain[i]);
	for (unsigned i = 0; i < n; i++) {
		const struct vq_chain *c = &s->chain[i];

		if (i + PREFETCH_AHEAD < n)
			prefetch_chain(&s->chain[i + PREFETCH_AHEAD]);
		s->done[i] = (struct vq_done){ c->id, c->slot_count, 0 };
		if (unlikely(waiting_skips(skips, i)))
			continue;
		if (likely(take_frame(&frames[taken], c, hdr_size, offloads,
				      snap, stats)))
			taken++;
		else
			waiting_skip(waiting, i);
	}
	stage_mark(STAGE_SNAPSHOT);
	*chain_count = n;
	return taken;
}

bool vnet_rx_done(struct vq_dev *vq, struct vnet_rx_scratch *s,
		  struct waiting *waiting, unsigned chain_count, uint64_t held)
{
	unsigned back = waiting_end(waiting, chain_count, held);

	if (unlikely(back < chain_count))
		vq_dev_unpop(vq, s->chain + back, chain_count - back);
	if (!back)
		return false;
	vq_dev_push_burst(vq, s->done, back);
	stage_mark(STAGE_PUBLISH);
	if (!vq_dev_should_notify(vq)) {
		stage_mark(STAGE_NOTIFY);
		return false;
	}
	vq_dev_notify(vq);
	stage_mark(STAGE_NOTIFY);
	return true;
}

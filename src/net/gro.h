/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive offload in software: small TCP and UDP frames of one flow in one
 * burst become large frames, for a receiver that takes those. The inverse of
 * the segmentation in offload.h. Pure; any thread.
 */
#ifndef RW_GRO_H
#define RW_GRO_H

#include "frame.h"

/* Payload views of all merged frames of one call: two per frame of a burst (the
 * rest of its head, and one buffer), and spare ones for sources that split
 * frames. */
#define GRO_IOV (4 * BURST_MAX)

/* Working memory; it holds the merged frames. */
struct gro {
	struct frame frame[BURST_MAX / 2];
	uint64_t parts[BURST_MAX / 2]; /* bit i: frames[i] is a part */
	struct iovec iov[GRO_IOV];
};

_Static_assert(BURST_MAX <= 64, "a burst is a word of bits");

/*
 * Merges frames[0..n), n <= BURST_MAX, all for one receiver that takes
 * @offloads. Stores the frames to send in @out (as long as @frames) and returns
 * their number.
 *
 * A merged frame takes the place of its first part, which keeps the order
 * within each flow. It lies in @g and views the payload of its parts, their buf
 * included: it is valid as long as the parts are, and until the next call. The
 * parts stay unchanged. Frames that cannot be merged pass untouched.
 *
 * Frames are merged only if segmentation restores them byte for byte, except
 * for the identification of IPv4 packets with DF: it has no meaning there (RFC
 * 6864, clause 4.1) and may be the same in all parts. A frame whose head does
 * not hold all of its headers is not merged.
 */
unsigned gro_merge(struct gro *g, struct frame *const *frames, unsigned n,
		   unsigned offloads, struct frame **out);

/* Returns the parts of the frame @f from @out. Bit i: frames[i]. */
static inline uint64_t gro_parts(const struct gro *g, const struct frame *f,
				 struct frame *const *frames, unsigned n)
{
	if (f >= g->frame && f < g->frame + BURST_MAX / 2)
		return g->parts[f - g->frame];
	for (unsigned i = 0; i < n; i++)
		if (frames[i] == f)
			return 1ull << i;
	return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive offload in software: small TCP and UDP frames of one flow that came
 * in one burst become large ones, for a receiver that takes those. The inverse
 * of the segmentation in offload.h. Pure; any thread.
 */
#ifndef RW_GRO_H
#define RW_GRO_H

#include "frame.h"

/* Views of payload that the merged frames of one call have between them: two
 * for each frame of a burst (the rest of its head, and one buffer), and some
 * more for sources with frames in pieces. */
#define GRO_IOV (4 * BURST_MAX)

/* Working memory, which the merged frames live in. */
struct gro {
	struct frame frame[BURST_MAX / 2];
	uint64_t parts[BURST_MAX / 2]; /* bit i: frames[i] is in it */
	struct iovec iov[GRO_IOV];
};

_Static_assert(BURST_MAX <= 64, "a burst is a word of bits");

/*
 * Merges what can be merged of frames[0..n), n <= BURST_MAX, all for one
 * receiver that takes @offloads. The frames to send go to @out (as long as
 * @frames); returns how many they are.
 *
 * A merged frame stands where the first of its parts stood, so that the order
 * within each flow stays. It lies in @g and views the payload of its parts,
 * their buf included: it lives as long as they do, and until the next call. The
 * parts themselves are not changed. What is not merged passes untouched.
 *
 * Merged are only frames that segmentation brings back as they were, but for
 * the identification of IPv4 packets that must not be fragmented, which says
 * nothing (RFC 6864, clause 4.1): those may all have had the same one. A frame
 * whose head does not hold all of its headers is not merged.
 */
unsigned gro_merge(struct gro *g, struct frame *const *frames, unsigned n,
		   unsigned offloads, struct frame **out);

/* Which of the frames that were given are in @f? Bit i: frames[i]. */
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

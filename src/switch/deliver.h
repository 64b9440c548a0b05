/* SPDX-License-Identifier: Apache-2.0 */
/* Inside switch/: delivery of frames to one transmit queue. */
#ifndef RW_DELIVER_H
#define RW_DELIVER_H

#include "forward.h"

/*
 * Sends @n frames, all for @q, in order. Merges small ones if their source
 * wants that (fw->merge_stats), and does the offloads that the receiver lacks
 * in software. Drops and counts frames that the receiver has no buffers for.
 * With
 * @can_hold (@frames are in fw->burst) it marks them in fw->burst.held_mask
 * instead, as long as the receiver may be waited for. Never waits itself.
 */
void deliver(struct forward *fw, struct txq *q, struct frame *const *frames,
	     unsigned n, bool can_hold);

#endif

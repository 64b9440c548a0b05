/* SPDX-License-Identifier: Apache-2.0 */
/* Inside switch/: frames on their way out to one queue. */
#ifndef RW_DELIVER_H
#define RW_DELIVER_H

#include "forward.h"

/*
 * Sends @n frames, all for @q, in order: small ones merged when their source
 * wants that (fw->merging), offloads that the receiver lacks done in software.
 * What the receiver has no buffers for is dropped and counted; with @can_hold,
 * for frames of fw->burst, it is left alone and marked in fw->burst.held_mask
 * as long as the receiver may be waited for. Never waits itself.
 */
void deliver(struct forward *fw, struct txq *q, struct frame *const *frames,
	     unsigned n, bool can_hold);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Inside switch/: frames on their way out to one queue. */
#ifndef RW_DELIVER_H
#define RW_DELIVER_H

#include "forward.h"

/*
 * Sends @n frames, all for @q, in order: small ones merged when their source
 * wants that (fw->merging), offloads that the receiver lacks done in software.
 * Returns with how many it is done, sent or dropped and counted. Frames from
 * @hold_from on (@n: none) are left alone when the receiver is full and may be
 * waited for; merged frames that are left are marked in fw->burst.held_mask, the
 * others are the last of @frames. Never waits itself.
 */
unsigned deliver(struct forward *fw, struct txq *q,
		 struct frame *const *frames, unsigned n, unsigned hold_from);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of a frame's headers. Each edit makes a second frame with a head of its
 * own; the payload behind the head is shared, because other receivers may get
 * the first frame unchanged. The second frame lives no longer than the first.
 * Offsets in the offload header move along. Pure; any thread.
 */
#ifndef RW_EDIT_H
#define RW_EDIT_H

#include "frame.h"

/* Makes @to the frame @f with a tag in front of its ethertype and other tags.
 * The headroom is enough for several tags. */
void edit_push_tag(struct frame *to, const struct frame *f, uint16_t tpid,
		   uint16_t tci);

/* Make @to the frame @f without its outermost tag, or with another tag in its
 * place. The head of @f must hold that tag. */
void edit_pop_tag(struct frame *to, const struct frame *f);
void edit_set_tag(struct frame *to, const struct frame *f, uint16_t tpid,
		  uint16_t tci);

#endif

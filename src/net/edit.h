/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of a frame's headers. Each makes a frame with a head of its own that
 * shares what the first has behind its head, since others may get that frame as
 * it is: it lives as long as the first. Offsets in the offload header move
 * along. Pure; any thread.
 */
#ifndef RW_EDIT_H
#define RW_EDIT_H

#include "frame.h"

/* Makes @to the frame @f with a tag in front of its ethertype and other tags.
 * The headroom is enough for several. */
void edit_push_tag(struct frame *to, const struct frame *f, uint16_t tpid,
		   uint16_t tci);

/* Makes @to the frame @f without its outermost tag / with another one in its
 * place. The head of @f holds it. */
void edit_pop_tag(struct frame *to, const struct frame *f);
void edit_set_tag(struct frame *to, const struct frame *f, uint16_t tpid,
		  uint16_t tci);

#endif

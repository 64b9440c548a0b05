/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of a frame's headers. They change the head only: the payload is shared
 * with whoever else gets the frame, so a frame that others see too is edited in
 * a copy of its own (edit_copy()). Offsets in the offload header move along.
 * Pure; any thread.
 */
#ifndef RW_EDIT_H
#define RW_EDIT_H

#include "frame.h"

/* Makes @to a frame with a head of its own that shares what @f has behind its
 * head. It lives as long as @f. */
void edit_copy(struct frame *to, const struct frame *f);

/* Puts a tag in front of the ethertype and of other tags. @f has the headroom
 * for KEY_MAX_TAGS of them and more. */
void edit_push_tag(struct frame *f, uint16_t tpid, uint16_t tci);

/* Takes the outermost tag off / changes it. The head holds it. */
void edit_pop_tag(struct frame *f);
void edit_set_tag(struct frame *f, uint16_t tpid, uint16_t tci);

#endif

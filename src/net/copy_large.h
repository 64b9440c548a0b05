/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three ways to copy large pieces of frames. Which one is fastest depends on
 * where the two buffers are, and that is not known in advance: copy_choice.h
 * finds out.
 *
 * A copy may read bytes twice: they are payload, and no decision depends on
 * them.
 */
#ifndef RW_COPY_LARGE_H
#define RW_COPY_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pieces and frames of this size and more have a choice of ways, found by
 * timing such frames (copy_choice.h). */
#define COPY_LARGE 384

enum copy_method {
	COPY_PLAIN,  /* for buffers in the nearest caches */
	COPY_AHEAD,  /* prefetches source and destination: for cold buffers */
	COPY_STREAM, /* stores past the caches, see copy_choice.h */
	COPY_METHODS,
};

/* The next piece to copy, a hint for prefetches. @size 0: not known. */
struct copy_next {
	uint8_t *dst;
	const uint8_t *src;
	size_t size;
};

/* Copies @n >= COPY_LARGE bytes, with COPY_STREAM any number; reads and writes
 * exactly these. @next_*: a struct copy_next in registers. By value it goes
 * over the stack, where a load wider than the stores before it waits for all
 * stores of the last frame. */
typedef void copy_large_fn(uint8_t *dst, const uint8_t *src, size_t n,
			   uint8_t *next_dst, const uint8_t *next_src,
			   size_t next_size);

/* Returns the best form of @method on this processor. */
copy_large_fn *copy_large_get(enum copy_method method);

/* Returns whether @method has a form of its own on this processor. COPY_PLAIN
 * always has one. */
bool copy_large_has(enum copy_method method);

/* Orders copies with COPY_STREAM before the store that announces them. A
 * release store does not order streaming stores; this fence does. */
void copy_stream_fence(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of large pieces of frames, three ways. Which one is fastest depends on
 * where the two buffers are, which nobody tells us: copy_choice.h finds out.
 *
 * The contents are payload and are never judged, so it does no harm that some
 * bytes are read twice.
 */
#ifndef RW_COPY_LARGE_H
#define RW_COPY_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From this size on the ways differ by more than they cost. Measured with
 * frames of 512 bytes: cold ones gain 15 percent, warm ones lose 17. */
#define COPY_LARGE 768

enum copy_method {
	COPY_PLAIN,  /* for what is in the nearest caches */
	COPY_AHEAD,  /* fetches source and destination ahead: for what is not */
	COPY_STREAM, /* stores past the caches: see copy_choice.h */
	COPY_METHODS,
};

/* The piece that will be copied next, so that it can be fetched meanwhile; only
 * a hint. @size 0: none known. */
struct copy_next {
	uint8_t *dst;
	const uint8_t *src;
	size_t size;
};

/* Copies @n >= COPY_LARGE bytes; reads and writes exactly these. */
typedef void copy_large_fn(uint8_t *dst, const uint8_t *src, size_t n,
			   struct copy_next next);

/* The best form of @method on this processor. */
copy_large_fn *copy_large_get(enum copy_method method);

/* Is @method something of its own on this processor? COPY_PLAIN always is. */
bool copy_large_has(enum copy_method method);

/* After copies with COPY_STREAM and before whatever tells somebody about them:
 * a release store does not order streaming stores, this does. */
void copy_stream_fence(void);

#endif

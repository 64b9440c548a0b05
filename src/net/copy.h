/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of frame bytes. Up to 64 bytes are copied inline, without a call, by a
 * few fixed-size loads and stores that may overlap; each step does all of its
 * loads before its stores.
 */
#ifndef RW_COPY_H
#define RW_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util.h"

struct copy16 {
	uint64_t v[2];
};

/* Copies the first and last sizeof(@type) bytes of @n; they may overlap. */
#define COPY_ENDS(type, dst, src, n)                                      \
	do {                                                              \
		type first_, last_;                                       \
		memcpy(&first_, (src), sizeof(type));                     \
		memcpy(&last_, (src) + (n) - sizeof(type), sizeof(type)); \
		memcpy((dst), &first_, sizeof(type));                     \
		memcpy((dst) + (n) - sizeof(type), &last_, sizeof(type)); \
	} while (0)

/* Copies @n <= 64 bytes. Reads and writes exactly [0, n). */
static inline void copy_small(uint8_t *dst, const uint8_t *src, size_t n)
{
	if (n > 32) {
		memcpy(dst, src, 32);
		COPY_ENDS(struct copy16, dst + n - 32, src + n - 32, 32);
	} else if (n >= 16) {
		COPY_ENDS(struct copy16, dst, src, n);
	} else if (n >= 8) {
		COPY_ENDS(uint64_t, dst, src, n);
	} else if (n >= 4) {
		COPY_ENDS(uint32_t, dst, src, n);
	} else if (n) {
		dst[0] = src[0];
		dst[n / 2] = src[n / 2];
		dst[n - 1] = src[n - 1];
	}
}

static inline void copy_bytes(void *dst, const void *src, size_t n)
{
	if (likely(n <= 64))
		copy_small(dst, src, n);
	else
		memcpy(dst, src, n);
}

#endif

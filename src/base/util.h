/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers that every layer uses: sizes, checked arithmetic, hints. */
#ifndef RW_UTIL_H
#define RW_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

#define likely(x)	    __builtin_expect(!!(x), 1)
#define unlikely(x)	    __builtin_expect(!!(x), 0)
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))

#define CACHE_LINE	    64
#define __cacheline	    __attribute__((aligned(CACHE_LINE)))

/* Returns whether [@off, @off + @size) is inside [0, @limit), without overflow.
 */
static inline bool range_is_inside(uint64_t off, uint64_t size, uint64_t limit)
{
	return off <= limit && size <= limit - off;
}

/* Returns the smallest multiple of @align (a power of two) that is >= @v. */
static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline bool is_power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

#endif

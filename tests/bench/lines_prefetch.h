/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes prefetches visible to the model of lines.h. Included before the first
 * line of each source that is compiled for line_bench, because the compiler
 * takes a prefetch for no access and reports none.
 */
#ifndef RW_LINES_PREFETCH_H
#define RW_LINES_PREFETCH_H

#include "shm.h"

/* Moves the line of @p as a read or a write would do. Counts as neither. */
void lines_prefetch(const volatile void *p, int is_write);

#define LINES_FIRST(p, ...)	     (p)
#define LINES_SECOND(p, second, ...) (second)
/* is_write is 0 if it is missing */
#define __builtin_prefetch(...)                     \
	lines_prefetch(LINES_FIRST(__VA_ARGS__, 0), \
		       LINES_SECOND(__VA_ARGS__, 0, 0))
#define prefetch_write(p) lines_prefetch(p, 1)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delay before the next try to connect: it doubles with each try, up to a
 * minute or the first delay, whichever is longer. A connection that lasted
 * begins anew with the first one; a short one does not, so that a peer that
 * accepts and leaves is not asked again and again.
 */
#ifndef RW_RETRY_H
#define RW_RETRY_H

#include <stdint.h>

#include "util.h"

#define RETRY_MAX_MS   60000
#define RETRY_SHORT_MS 1000 /* a connection that is shorter did not last */

/* Zeroed: there are no further tries. */
struct retry {
	uint32_t first_ms, next_ms;
};

static inline void retry_init(struct retry *r, uint32_t first_ms)
{
	r->first_ms = r->next_ms = first_ms;
}

/* Returns how long to wait for the next try, in milliseconds. */
static inline uint32_t retry_take(struct retry *r)
{
	uint32_t ms = r->next_ms;

	r->next_ms = MAX(r->first_ms, (uint32_t)MIN(2ull * ms, RETRY_MAX_MS));
	return ms;
}

/* A connection of @ms milliseconds has ended. Returns whether it was short. */
static inline bool retry_ended(struct retry *r, uint64_t ms)
{
	if (ms < RETRY_SHORT_MS)
		return true;
	r->next_ms = r->first_ms;
	return false;
}

#endif

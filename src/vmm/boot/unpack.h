/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacks what Linux's build packs into a bzImage. Which compressions are built
 * in depends on the libraries that were there. Pure. */
#ifndef RW_VMM_UNPACK_H
#define RW_VMM_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpack {
	const uint8_t *in; /* may have a few bytes behind the packed data */
	size_t in_size;
	uint8_t *out;
	size_t out_size;
	/* Unpack the first out_size bytes only, instead of exactly out_size. */
	bool is_prefix;
};

/* Returns 0, -EBADMSG when the data is damaged or is not out_size bytes long,
 * -ENOMEM, or -EOPNOTSUPP when the compression is not built in or unknown. */
int unpack(const struct unpack *u);

#endif

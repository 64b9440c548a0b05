/* SPDX-License-Identifier: Apache-2.0 */
/* What all fuzz targets share. */
#ifndef RW_FUZZ_H
#define RW_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* libFuzzer calls it with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with a report when @what does not hold. */
static inline void must(int what)
{
	if (!what)
		abort();
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet checksum (RFC 1071), see offload.h. Pure; any thread.
 *
 * The one's complement sum does not care about the width of its words: 32-bit
 * words are added into 64-bit accumulators, which a frame cannot overflow, so
 * no carry is looked at before the end. Two accumulators for the halves of each
 * load let the compiler use vectors.
 */
#include "offload.h"

#include "le.h"

uint64_t csum_add(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t lo = 0, hi = 0, v;
	uint32_t w;
	uint16_t h;

	for (size_t i = 0; i < size / 8; i++) {
		memcpy(&v, p + 8 * i, sizeof(v));
		lo += (uint32_t)v;
		hi += v >> 32;
	}
	p += size & ~(size_t)7;
	sum += lo + hi;
	if (size & 4) {
		memcpy(&w, p, sizeof(w));
		sum += w;
		p += 4;
	}
	if (size & 2) {
		memcpy(&h, p, sizeof(h));
		sum += h;
		p += 2;
	}
	if (size & 1) /* padded with a zero byte behind it */
		sum += htobe16(*p << 8);
	return sum;
}

/* To 16 bits, carries added back in. */
static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint64_t csum_add_odd(uint64_t sum, const void *data, size_t size)
{
	/* each byte counts in the other half of its word (RFC 1071, 2 (B)) */
	return sum + __builtin_bswap16(fold(csum_add(0, data, size)));
}

uint16_t csum_fold(uint64_t sum)
{
	return ~fold(sum);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet checksum (RFC 1071), see offload.h. Pure; any thread.
 *
 * A one's complement sum does not depend on the width of its words. 32-bit
 * words are added into 64-bit accumulators, which a frame cannot overflow, so
 * carries are handled once, at the end. The code uses the compiler's vectors:
 * the compiler's own vectorisation of the plain loop is half as fast.
 */
#include "offload.h"

#include "le.h"

typedef uint64_t vec __attribute__((vector_size(16)));

#define STEP (4 * sizeof(vec))

static inline vec vec_load(const uint8_t *p)
{
	vec v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline vec vec_sum(vec v)
{
	return (v & 0xffffffff) + (v >> 32);
}

static inline uint64_t sum64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (uint32_t)v + (v >> 32);
}

/* Sums fewer than STEP bytes. */
static uint64_t sum_tail(const uint8_t *p, size_t size)
{
	uint64_t sum = 0;
	uint32_t w;
	uint16_t h;

	if (size & 32) {
		vec v = vec_sum(vec_load(p)) + vec_sum(vec_load(p + 16));

		sum += v[0] + v[1];
		p += 32;
	}
	if (size & 16) {
		sum += sum64(p) + sum64(p + 8);
		p += 16;
	}
	if (size & 8) {
		sum += sum64(p);
		p += 8;
	}
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
	if (size & 1) /* a zero byte pads the last word */
		sum += htobe16(*p << 8);
	return sum;
}

uint64_t csum_add(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *p = data;
	vec a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	if (size < STEP)
		return sum + sum_tail(p, size);
	for (; size >= STEP; size -= STEP, p += STEP) {
		a += vec_sum(vec_load(p));
		b += vec_sum(vec_load(p + 16));
		c += vec_sum(vec_load(p + 32));
		d += vec_sum(vec_load(p + 48));
	}
	a += b + c + d;
	return sum + a[0] + a[1] + sum_tail(p, size);
}

/* Folds @sum to 16 bits and adds the carries back in. */
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
	/* each byte is in the other half of its word (RFC 1071, 2 (B)) */
	return sum + __builtin_bswap16(fold(csum_add(0, data, size)));
}

uint16_t csum_fold(uint64_t sum)
{
	return ~fold(sum);
}

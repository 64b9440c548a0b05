/* SPDX-License-Identifier: Apache-2.0 */
/* The Toeplitz hash with a table per four input bits, see toeplitz.h. Pure. */
#include "toeplitz.h"

#include <assert.h>

/* Returns the 32 bits of @key from bit @at on; zeroes follow the key. */
static uint32_t window(const uint8_t *key, unsigned at)
{
	uint64_t bits = 0;

	for (unsigned i = at / 8; i < at / 8 + 5; i++)
		bits = bits << 8 | (i < TOEPLITZ_KEY_SIZE ? key[i] : 0);
	return (uint32_t)(bits >> (8 - at % 8));
}

void toeplitz_init(struct toeplitz *t, const uint8_t key[TOEPLITZ_KEY_SIZE])
{
	for (unsigned i = 0; i < 2 * TOEPLITZ_INPUT_MAX; i++)
		for (unsigned bits = 0; bits < 16; bits++) {
			t->add[i][bits] = 0;
			for (unsigned k = 0; k < 4; k++)
				if (bits & 8 >> k)
					t->add[i][bits] ^=
						window(key, 4 * i + k);
		}
}

uint32_t toeplitz_hash(const struct toeplitz *t, const void *input,
		       unsigned size)
{
	const uint8_t *p = input;
	uint32_t hash = 0;

	assert(size <= TOEPLITZ_INPUT_MAX);
	for (unsigned i = 0; i < size; i++)
		hash ^= t->add[2 * i][p[i] >> 4] ^ t->add[2 * i + 1][p[i] & 15];
	return hash;
}

/* The contribution of four bits that end at bit 12, 8, 4 or 0 of a word:
 * windows of the key's sixteen bits; the window of each lower bit begins one
 * bit later. */
#define ADD(n)                                                                \
	(((n)&8 ? 0x6d5a : 0) ^ ((n)&4 ? 0xdab4 : 0) ^ ((n)&2 ? 0xb569 : 0) ^ \
	 ((n)&1 ? 0x6ad3 : 0))
#define ADD_LATER(n) ((ADD(n) << 4 | ADD(n) >> 12) & 0xffff)

#define ROW(n)                                                              \
	BYTE(n, 0), BYTE(n, 1), BYTE(n, 2), BYTE(n, 3), BYTE(n, 4),         \
		BYTE(n, 5), BYTE(n, 6), BYTE(n, 7), BYTE(n, 8), BYTE(n, 9), \
		BYTE(n, 10), BYTE(n, 11), BYTE(n, 12), BYTE(n, 13),         \
		BYTE(n, 14), BYTE(n, 15)
#define BYTE(high, low) ADD(high) ^ ADD_LATER(low)

const uint16_t toeplitz_symmetric_add[256] = {
	ROW(0), ROW(1), ROW(2),	 ROW(3),  ROW(4),  ROW(5),  ROW(6),  ROW(7),
	ROW(8), ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14), ROW(15),
};

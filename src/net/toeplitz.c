/* SPDX-License-Identifier: Apache-2.0 */
/* The Toeplitz hash by tables of four input bits, see toeplitz.h. Pure. */
#include "toeplitz.h"

#include <assert.h>

/* The 32 bits of @key that begin at bit @at; zeroes follow the key. */
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

static uint32_t rotate(uint32_t word, unsigned n)
{
	return (word << n | word >> (16 - n)) & 0xffff;
}

/* What the top four bits of a word add: four windows of 0x6d5a, of which the
 * one for each lower bit begins a bit later. */
#define ADD(n)                                                                \
	(((n)&8 ? 0x6d5a : 0) ^ ((n)&4 ? 0xdab4 : 0) ^ ((n)&2 ? 0xb569 : 0) ^ \
	 ((n)&1 ? 0x6ad3 : 0))

uint32_t toeplitz_symmetric(uint16_t sum)
{
	static const uint16_t add[16] = {
		ADD(0),	 ADD(1),  ADD(2),  ADD(3),  ADD(4),  ADD(5),
		ADD(6),	 ADD(7),  ADD(8),  ADD(9),  ADD(10), ADD(11),
		ADD(12), ADD(13), ADD(14), ADD(15),
	};
	uint32_t hash = add[sum >> 12] ^ rotate(add[sum >> 8 & 15], 4) ^
			rotate(add[sum >> 4 & 15], 8) ^
			rotate(add[sum & 15], 12);

	return hash << 16 | hash;
}

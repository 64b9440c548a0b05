/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Toeplitz hash of receive side scaling (virtio 1.2, clause 5.1.6.4.3; the
 * one Microsoft published for RSS). Pure; any thread.
 *
 * The input is a string of bits that begins with the top bit of the first byte.
 * Each bit that is set adds, modulo 2, the 32 bits of the key that begin at the
 * same position. The input of a flow is source address, destination address,
 * source port, destination port as on the wire.
 */
#ifndef RW_TOEPLITZ_H
#define RW_TOEPLITZ_H

#include <stdint.h>

#define TOEPLITZ_KEY_SIZE  40
#define TOEPLITZ_INPUT_MAX 36 /* two IPv6 addresses and two ports */

/* A key as tables: the contribution of each four input bits. 4.5 KiB, of which
 * IPv4 with ports uses the first third. */
struct toeplitz {
	uint32_t add[2 * TOEPLITZ_INPUT_MAX][16];
};

void toeplitz_init(struct toeplitz *t, const uint8_t key[TOEPLITZ_KEY_SIZE]);

/* Returns the hash of @size bytes, at most TOEPLITZ_INPUT_MAX. */
uint32_t toeplitz_hash(const struct toeplitz *t, const void *input,
		       unsigned size);

/*
 * Returns the hash with the key that repeats 0x6d5a; it is equal for both
 * directions of a flow. The key has a period of 16 bits, so a 16-bit word
 * contributes the same anywhere in the input, and the words can be added first:
 * @sum is their exclusive or, in host order. The result is a permutation of the
 * 65536 sums, repeated in both halves.
 */
static inline uint32_t toeplitz_symmetric(uint16_t sum)
{
	/* contributions of a word's upper byte; the lower byte's are the same,
	 * begun eight bits later */
	extern const uint16_t toeplitz_symmetric_add[256];
	uint32_t low = toeplitz_symmetric_add[sum & 255];
	uint32_t hash = toeplitz_symmetric_add[sum >> 8] ^
			((low << 8 | low >> 8) & 0xffff);

	return hash << 16 | hash;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Toeplitz hash of receive side scaling (virtio 1.2, clause 5.1.6.4.3; the
 * one Microsoft published for RSS). Pure; any thread.
 *
 * The input is a string of bits, the first one the top bit of the first byte;
 * for every bit that is set, the 32 bits of the key that begin at the same
 * place are added, modulo 2. For a flow the input is source address,
 * destination address, source port, destination port as on the wire.
 */
#ifndef RW_TOEPLITZ_H
#define RW_TOEPLITZ_H

#include <stdint.h>

#define TOEPLITZ_KEY_SIZE  40
#define TOEPLITZ_INPUT_MAX 36 /* two IPv6 addresses and two ports */

/* A key made ready: what each four bits of the input add. 4.5 KiB, of which
 * IPv4 with ports uses the first third. */
struct toeplitz {
	uint32_t add[2 * TOEPLITZ_INPUT_MAX][16];
};

void toeplitz_init(struct toeplitz *t, const uint8_t key[TOEPLITZ_KEY_SIZE]);

/* @size at most TOEPLITZ_INPUT_MAX. */
uint32_t toeplitz_hash(const struct toeplitz *t, const void *input,
		       unsigned size);

/*
 * The same for the one key that repeats 0x6d5a, by which both directions of a
 * flow have one hash. With a period of 16 bits the key adds the same wherever a
 * 16-bit word stands in the input, so the words are added up first: @sum is the
 * exclusive or of them all, in host order. The result is a permutation of the
 * 65536 sums, and stands in both halves.
 */
static inline uint32_t toeplitz_symmetric(uint16_t sum)
{
	/* what the upper byte of a word adds; the lower adds the same, begun
	 * eight bits later */
	extern const uint16_t toeplitz_symmetric_add[256];
	uint32_t low = toeplitz_symmetric_add[sum & 255];
	uint32_t hash = toeplitz_symmetric_add[sum >> 8] ^
			((low << 8 | low >> 8) & 0xffff);

	return hash << 16 | hash;
}

#endif

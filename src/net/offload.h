/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offloads in software: Internet checksum, TCP/UDP segmentation, and the check
 * of an offload header that came from somebody else. Pure; any thread.
 */
#ifndef RW_OFFLOAD_H
#define RW_OFFLOAD_H

#include "frame.h"

/*
 * One's complement sum of @size bytes added to @sum (RFC 1071), not folded. The
 * sum is kept in the byte order in which the data lies in memory: what is added
 * by hand goes in as htons(x), and csum_fold()'s result is stored with
 * memcpy().
 */
uint64_t csum_add(uint64_t sum, const void *data, size_t size);
/* As above for data that starts at an odd offset of the summed stream. */
uint64_t csum_add_odd(uint64_t sum, const void *data, size_t size);
uint16_t csum_fold(uint64_t sum); /* to 16 bits, complemented */
/* The sum of @f from @off, which lies in its head, to its end. */
uint64_t csum_frame(const struct frame *f, unsigned off);

/* A sender that makes more segments of one frame than this is refused: the
 * switch would do the work. 64 KiB of the smallest MSS in use (88 - 12) stay
 * below. */
#define GSO_MAX_SEGMENTS 1024

/*
 * Is the offload header of @f coherent with the frame itself? Checks the type,
 * gso_size, that checksum start and field lie in the frame (and, as every user
 * of it needs, in the head), and for segmentation that the head really holds
 * Ethernet (with up to two tags), IPv4 or IPv6, and TCP or UDP whose lengths
 * agree. A header that fails is the sender's fault: drop and count. UFO is
 * refused: nobody was offered it.
 */
bool offload_is_valid(struct frame *f);

/* Fills in the checksum that VNET_HDR_F_NEEDS_CSUM asks for and clears the
 * flag.
 * @f passed offload_is_valid(). */
void offload_fill_csum(struct frame *f);

/* Walks the segments of one large frame. Private to gso.c. */
struct gso_iter {
	const struct frame *src; /* passed offload_is_valid() */
	unsigned offloads;	 /* OFFLOAD_* of the receiver */
	uint32_t offset;	 /* next payload byte */
	uint32_t segment;	 /* index of the next segment */
	uint16_t l3_off, l4_off;
	uint16_t payload_off;
	uint16_t step; /* payload bytes per segment */
	bool is_v4, is_tcp;
	/* read position in src: 0 is the head, then src->iov[], and bytes into
	 * that */
	unsigned part;
	size_t part_off;
};

/* @f must have a gso_type. */
void gso_iter_init(struct gso_iter *it, struct frame *f, unsigned offloads);

/*
 * Makes the next segment in @out: own headers, a view of the payload in @iov
 * (at most @iov_max entries, all borrowed from the source frame). Checksums
 * stay partial when the receiver has OFFLOAD_CSUM and are filled when not.
 * Returns the number of iovecs used, or -1 when there is no further segment;
 * -2 when @iov_max is too small.
 */
int gso_iter_next(struct gso_iter *it, struct frame *out, struct iovec *iov,
		  unsigned iov_max);

#endif

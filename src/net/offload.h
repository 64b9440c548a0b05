/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offloads in software: Internet checksum, TCP/UDP segmentation, and the check
 * of an offload header from a peer. Pure; any thread.
 */
#ifndef RW_OFFLOAD_H
#define RW_OFFLOAD_H

#include "frame.h"

/*
 * Returns @sum plus the one's complement sum of @size bytes (RFC 1071), not
 * folded. The sum has the byte order of the data in memory: add other values as
 * htons(x), and store the result of csum_fold() with memcpy().
 */
uint64_t csum_add(uint64_t sum, const void *data, size_t size);
/* Returns the same for data at an odd offset of the summed stream. */
uint64_t csum_add_odd(uint64_t sum, const void *data, size_t size);
uint16_t csum_fold(uint64_t sum); /* 16 bits, complemented */
/* Returns the sum of @f from @off, which lies in its head, to its end. */
uint64_t csum_frame(const struct frame *f, unsigned off);

/* The most segments of one frame; a sender that wants more is refused, because
 * the switch would do the work. 64 KiB with the smallest MSS in use (88 - 12)
 * need fewer. */
#define GSO_MAX_SEGMENTS 1024

/*
 * Returns whether the offload header of @f agrees with the frame. Checks the
 * type and gso_size; that checksum start and field lie in the frame (and in the
 * head, as every user needs); for segmentation, that the head holds Ethernet
 * (with up to two tags), IPv4 or IPv6, and TCP or UDP whose lengths agree. A
 * bad header is the sender's fault: the caller drops the frame and counts it.
 * UFO is refused: no sender is offered it.
 */
bool offload_is_valid(struct frame *f);

/* Fills in the checksum that VNET_HDR_F_NEEDS_CSUM asks for and clears the
 * flag. @f has passed offload_is_valid(). */
void offload_fill_csum(struct frame *f);

/* An iterator over the segments of one large frame. Private to gso.c. */
struct gso_iter {
	const struct frame *src; /* has passed offload_is_valid() */
	unsigned offloads;	 /* OFFLOAD_* of the receiver */
	uint32_t offset;	 /* offset of the next payload byte */
	uint32_t segment;	 /* index of the next segment */
	uint16_t l3_off, l4_off;
	uint16_t payload_off;
	uint16_t step; /* payload bytes per segment */
	bool is_v4, is_tcp;
	/* read position in src: part 0 is the head, then src->iov[]; part_off
	 * is the offset in it */
	unsigned part;
	size_t part_off;
};

/* Begins the segmentation of @f, which has a gso_type. @offloads: those of the
 * receiver. */
void gso_iter_init(struct gso_iter *it, struct frame *f, unsigned offloads);

/*
 * Makes the next segment in @out: its own headers, and a view of the payload in
 * @iov (at most @iov_max entries, all borrowed from the source frame).
 * Checksums stay partial for a receiver with OFFLOAD_CSUM and are filled for
 * others. Returns the number of iovecs; -1 after the last segment; -2 when
 * @iov_max is too small.
 */
int gso_iter_next(struct gso_iter *it, struct frame *out, struct iovec *iov,
		  unsigned iov_max);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between the switch and buffers of a guest, for all emulated cards.
 * Workers. */
#ifndef RW_VMM_NIC_FRAME_H
#define RW_VMM_NIC_FRAME_H

#include "nic_impl.h"

/* Pieces of a frame: 64 KiB in pages, and headers. A frame of more is none. */
#define NIC_PIECES_MAX 40
/* Room for pieces in a burst's working memory. */
#define NIC_SCRATCH (BURST_SCRATCH / sizeof(struct iovec))

/* A frame to the length of the smallest one on the wire, without checksum. */
#define NIC_FRAME_LEAST 60u

/* The pieces of a frame that the driver sends. */
struct nic_pieces {
	struct iovec *iov; /* room for NIC_PIECES_MAX */
	unsigned count;
	uint32_t len;
	bool is_bad; /* too many, or not in the guest's RAM */
};

/* Adds the @size bytes at the guest's address @at. */
void nic_add_piece(struct nic_pieces *p, const struct gmem *ram, uint64_t at,
		   uint32_t size);

/* Makes @f of the pieces, without offloads; its head has all headers if
 * @has_offload. Returns false, and counts it, for one that is no frame. */
bool nic_begin_frame(struct nic *n, struct frame *f, const struct nic_pieces *p,
		     bool has_offload);
/* Returns whether @f can leave: its offloads are valid, and @is_fit. Counts it
 * otherwise. */
bool nic_end_frame(struct nic *n, struct frame *f, bool is_fit);

/* Puts a tag into @f. */
void nic_push_tag(struct frame *f, uint16_t tpid, uint16_t tci);

/* Fills in the checksum, at offset @field, of the IP header in the bytes from
 * @start to @end. Returns false when they are not all in the head. */
bool nic_fill_ip_csum(struct frame *f, unsigned start, unsigned end,
		      unsigned field);

/* Copies @size bytes from @off of the frame, which ends with zeros. */
void nic_fill(const struct frame *f, uint32_t off, uint8_t *to, uint32_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU's filter-mirror and filter-redirector send over a stream: for each
 * frame its length, with vnet_hdr_support the length of the virtio_net_hdr that
 * is a part of it, then both. Lengths have four bytes in network order. Pure.
 */
#ifndef RW_WIRE_H
#define RW_WIRE_H

#include "frame.h"
#include "offload.h"
#include "vnet_hdr.h"

#define WIRE_FRAME_MAX (4096 + 65536) /* the most that QEMU sends */
#define WIRE_HEAD      8
#define WIRE_MAX       (WIRE_HEAD + VNET_HDR_MAX + FRAME_MAX)

enum wire_result {
	WIRE_MORE,     /* the frame is not complete */
	WIRE_FRAME,    /* a frame */
	WIRE_BAD,      /* something that is no frame for Ethernet */
	WIRE_NONSENSE, /* a length that cannot be: the peer speaks otherwise */
};

struct wire_frame {
	struct vnet_hdr hdr;
	const uint8_t *data;
	uint32_t len;
	uint32_t used; /* bytes of the stream, unless WIRE_MORE */
};

/* Looks for a frame at the start of @size bytes of a stream. A frame's offload
 * header is checked. */
enum wire_result wire_parse(const uint8_t *bytes, size_t size, bool has_hdr,
			    struct wire_frame *out);

/* A frame on its way to the stream, as one message or, for a peer without
 * headers, as segments with their checksums. */
struct wire_out {
	struct frame frame, segment;
	struct iovec iov, segment_iov[4];
	struct gso_iter it;
	bool has_hdr, is_segmented, is_done;
};

/* Begins with the frame in @data. */
void wire_begin(struct wire_out *w, bool has_hdr, const struct vnet_hdr *hdr,
		void *data, uint32_t len);
/* Writes the next message to @to, which has room for WIRE_MAX bytes. Returns
 * its size; 0: there is none. */
uint32_t wire_next(struct wire_out *w, uint8_t *to);

#endif

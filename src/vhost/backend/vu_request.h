/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of requests: one row is the whole truth about a request. What a row
 * says is checked before a handler sees the message; no handler repeats it.
 * Inside vhost/ only.
 */
#ifndef RW_VU_REQUEST_H
#define RW_VU_REQUEST_H

#include "vu_msg.h"

struct vu_backend;

/* Where the payload names a queue. */
enum vu_index {
	VU_INDEX_NONE,
	VU_INDEX_STATE, /* first member of vu_vring_state, _addr */
	VU_INDEX_FD,	/* bits 0-7 of the u64; bit 8: no descriptor */
};

enum vu_reply {
	VU_REPLY_ACK,	  /* only when asked for: 0 or not 0 */
	VU_REPLY_PAYLOAD, /* always; the handler leaves it in the message */
};

struct vu_row {
	const char *name;
	uint16_t size_min, size_max; /* of the payload */
	uint8_t fd_min, fd_max;
	uint8_t index;	     /* enum vu_index */
	uint8_t reply;	     /* enum vu_reply */
	uint16_t reply_size; /* VU_REPLY_PAYLOAD */
	/* Legal only when this protocol feature (number) was negotiated; -1:
	 * always. */
	int8_t protocol_feature;
	/*
	 * 0, or -errno with @err: the connection ends. 1: the front-end asked
	 * for something it cannot have and is told so; the session goes on.
	 * Takes the descriptors it keeps out of @m. NULL: refused.
	 */
	int (*handler)(struct vu_backend *b, struct vu_msg *m, struct err *err);
};

/* NULL for a request that does not exist. */
const struct vu_row *vu_row_find(uint32_t request);

/* Does @m agree with its row, for a session with @queue_count queues and these
 * protocol features? 0 or -EPROTO with @err, which does not name the request.
 */
int vu_row_check(const struct vu_row *row, const struct vu_msg *m,
		 unsigned queue_count, uint64_t protocol_features,
		 struct err *err);

/* The queue that @m names; @row has an index and was checked. */
unsigned vu_row_queue(const struct vu_row *row, const struct vu_msg *m);

#endif

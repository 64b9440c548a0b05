/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of requests. A row describes all that a request must satisfy; this
 * is checked before a handler sees the message, and no handler checks it again.
 * Private to vhost/.
 */
#ifndef RW_VU_REQUEST_H
#define RW_VU_REQUEST_H

#include "vu_msg.h"

struct vu_backend;

/* The part of the payload that names a queue. */
enum vu_index {
	VU_INDEX_NONE,
	VU_INDEX_STATE, /* first member of vu_vring_state or vu_vring_addr */
	VU_INDEX_FD,	/* bits 0-7 of the u64; bit 8: no descriptor */
};

enum vu_reply {
	VU_REPLY_ACK,	  /* only if requested: 0 or not 0 */
	VU_REPLY_PAYLOAD, /* always; the handler leaves the payload in the
			   * message */
};

struct vu_row {
	const char *name;
	uint16_t size_min, size_max; /* bytes of the payload */
	uint8_t fd_min, fd_max;
	uint8_t index;	     /* enum vu_index */
	uint8_t reply;	     /* enum vu_reply */
	uint16_t reply_size; /* bytes, for VU_REPLY_PAYLOAD */
	/* Protocol feature (number) that must be negotiated; -1: none. */
	int8_t protocol_feature;
	/*
	 * Returns 0; 1 with @err if the request is refused and the session goes
	 * on; -errno with @err if the connection has to end. Takes descriptors
	 * that it keeps out of @m. NULL: the request is not supported.
	 */
	int (*handler)(struct vu_backend *b, struct vu_msg *m, struct err *err);
};

/* Returns the row of @request, or NULL for a request that does not exist. */
const struct vu_row *vu_row_find(uint32_t request);

/* Checks @m against its row, for a session with @queue_count queues and these
 * protocol features. Returns 0, or -EPROTO with @err, which does not name the
 * request. */
int vu_row_check(const struct vu_row *row, const struct vu_msg *m,
		 unsigned queue_count, uint64_t protocol_features,
		 struct err *err);

/* Returns the queue that @m names. @row has an index, and @m passed its
 * check. */
unsigned vu_row_queue(const struct vu_row *row, const struct vu_msg *m);

#endif

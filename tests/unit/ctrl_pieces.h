/* SPDX-License-Identifier: Apache-2.0 */
/* A command of the control queue in buffers of any size, for tests and the fuzz
 * target. */
#ifndef CTRL_PIECES_H
#define CTRL_PIECES_H

#include <stdlib.h>
#include <string.h>

#include "vnet_ctrl.h"

/* Serves @data in at most 512 buffers of @piece bytes, each in its own memory,
 * so a sanitizer sees every step too far. */
static inline uint8_t ctrl_serve_in_pieces(struct vnet_ctrl_state *s,
					   const void *data, unsigned size,
					   unsigned piece)
{
	struct iovec iov[512];
	struct vq_chain chain = { .iov = iov, .readable_size = size };
	uint8_t ack;

	for (unsigned off = 0; off < size; off += piece) {
		struct iovec *v = &iov[chain.readable_count++];

		v->iov_len = MIN(piece, size - off);
		v->iov_base = malloc(v->iov_len);
		memcpy(v->iov_base, (const char *)data + off, v->iov_len);
	}
	ack = vnet_ctrl_serve(s, &chain);
	for (unsigned i = 0; i < chain.readable_count; i++)
		free(iov[i].iov_base);
	return ack;
}

#endif

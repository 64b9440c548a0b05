/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver has set up, for a vhost back-end: what models whose rings a
 * back-end serves have in common. Control thread.
 */
#ifndef RW_VMM_VHOST_SETUP_H
#define RW_VMM_VHOST_SETUP_H

#include "virtio_dev.h"
#include "vu_client.h"

/* Requests that their maker waits for. Embedded in the model. */
struct vhost_outcome {
	struct err *reason; /* [const] gets the sentence of a refusal */
	bool is_refused;    /* a request since the last vhost_settle() was */
};

/* Returns what a request to a client needs to be counted in @o. */
struct vu_client_done vhost_done(struct vhost_outcome *o);

/* Waits for all that was asked of @c; @rc is the outcome of asking. Returns 0,
 * or -errno with o->reason. */
int vhost_settle(struct vu_client *c, struct vhost_outcome *o, int rc);

/* Asks @c to agree on @features and to see the guest's memory, which is another
 * one after each reset of the machine. Returns 0, or -errno with o->reason. */
int vhost_give_memory(struct vu_client *c, const struct virtio_dev *d,
		      uint64_t features, struct vhost_outcome *o);

/* Stores in *@out what a back-end needs to serve ring @idx of @d, which the
 * driver set up as @r; it is not enabled. @is_resumed: another back-end served
 * the ring before, a split one. Returns 0, or -errno with @err: the size is
 * wrong, or an area is not in the guest's memory. */
int vhost_ring_of(const struct virtio_dev *d, unsigned idx,
		  const struct virtio_ring *r, bool is_resumed,
		  struct vu_client_ring *out, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest behind a vhost-user socket, for tests and benchmarks: the client of
 * vhost/ on a loop of its own that runs while something is waited for, memory
 * with rings and buffers, and the driver side of every queue. Blocking, one
 * thread. Reports errors instead of failing the test.
 */
#ifndef VU_GUEST_H
#define VU_GUEST_H

#include "vq_drv.h"
#include "vu_msg.h"

struct vu_guest;

struct vu_guest_config {
	uint64_t features; /* wanted; ANDed with what the back-end has */
	uint64_t protocol_features; /* likewise */
	unsigned queue_pairs;
	uint32_t queue_size;
	uint64_t memory_size; /* of the shared memfd: rings, then buffers */
};

/* Takes ownership of the connected @sock. Negotiates, shares memory, sets up
 * and enables every queue. NULL with @err on failure. */
struct vu_guest *vu_guest_create(int sock, const struct vu_guest_config *config,
				 struct err *err);
void vu_guest_destroy(struct vu_guest *g);

uint64_t vu_guest_features(const struct vu_guest *g);

/* Queue 2n is the n-th receive queue of the guest, 2n+1 its transmit queue. */
struct vq_drv *vu_guest_queue(struct vu_guest *g, unsigned idx);

/* The buffer area behind the rings. */
uint8_t *vu_guest_memory(struct vu_guest *g, uint64_t *size);

/* Sends any message that has no answer, past the client. 0 or -errno. */
int vu_guest_send(struct vu_guest *g, const struct vu_msg *m);

/* Stops the queue, returns the position word or -errno. */
int64_t vu_guest_queue_stop(struct vu_guest *g, unsigned idx);

/* Sets the queue up (again) at the position word @base and enables it. The
 * driver side goes on where it is. 0 or -errno. */
int vu_guest_queue_start(struct vu_guest *g, unsigned idx, uint32_t base);

int vu_guest_queue_enable(struct vu_guest *g, unsigned idx, bool enable);

/* Gives it another call descriptor. */
int vu_guest_queue_call(struct vu_guest *g, unsigned idx);

#endif

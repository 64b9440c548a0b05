/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest behind a vhost-user socket, for tests and benchmarks: the client of
 * vhost/, memory with rings and buffers, and the driver side of every queue.
 * The client has a loop of its own, which runs while a call waits. Blocking,
 * one thread. Returns errors; does not fail the test.
 */
#ifndef VU_GUEST_H
#define VU_GUEST_H

#include "vq_drv.h"
#include "vu_msg.h"

struct vu_guest;

struct vu_guest_config {
	uint64_t features;	    /* wanted; the back-end may lack some */
	uint64_t protocol_features; /* wanted; the back-end may lack some */
	unsigned queue_pairs;
	uint32_t queue_size;
	uint64_t memory_size; /* bytes of the memfd: rings, then buffers */
};

/* Negotiates, shares memory, sets up and enables every queue over the connected
 * @sock, which it owns. Returns NULL with @err on failure. */
struct vu_guest *vu_guest_create(int sock, const struct vu_guest_config *config,
				 struct err *err);
void vu_guest_destroy(struct vu_guest *g);

uint64_t vu_guest_features(const struct vu_guest *g);

/* Returns a queue: 2n is the guest's receive queue n, 2n+1 its transmit queue
 * n. */
struct vq_drv *vu_guest_queue(struct vu_guest *g, unsigned idx);

/* Returns the buffer area, which follows the rings, and its @size. */
uint8_t *vu_guest_memory(struct vu_guest *g, uint64_t *size);

/* Sends a message without an answer, past the client. Returns 0 or -errno. */
int vu_guest_send(struct vu_guest *g, const struct vu_msg *m);

/* Stops queue @idx. Returns its position word or -errno. */
int64_t vu_guest_queue_stop(struct vu_guest *g, unsigned idx);

/* Sets up queue @idx (again) at the position word @base and enables it; the
 * driver side goes on where it is. Returns 0 or -errno. */
int vu_guest_queue_start(struct vu_guest *g, unsigned idx, uint32_t base);

int vu_guest_queue_enable(struct vu_guest *g, unsigned idx, bool enable);

/* Gives queue @idx a new call descriptor. */
int vu_guest_queue_call(struct vu_guest *g, unsigned idx);

#endif

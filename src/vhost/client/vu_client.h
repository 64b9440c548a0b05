/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Front-end session of vhost-user: what a hypervisor does. Blocking, one
 * thread; used as the back-end's test partner and (later) by the driver-side
 * port.
 */
#ifndef RW_VU_CLIENT_H
#define RW_VU_CLIENT_H

#include "vq_drv.h"
#include "vu_msg.h"

struct vu_client;

struct vu_client_config {
	uint64_t features; /* wanted; ANDed with what the back-end has */
	uint64_t protocol_features; /* likewise */
	unsigned queue_pairs;
	uint32_t queue_size;
	uint64_t memory_size; /* of the shared memfd: rings, then buffers */
};

/* Takes ownership of the connected @sock. Negotiates, shares memory, sets up
 * and enables every queue. NULL with @err on failure. */
struct vu_client *vu_client_create(int sock,
				   const struct vu_client_config *config,
				   struct err *err);
void vu_client_destroy(struct vu_client *f);

uint64_t vu_client_features(const struct vu_client *f);

/* Queue 2n is the n-th receive queue of the guest, 2n+1 its transmit queue. */
struct vq_drv *vu_client_queue(struct vu_client *f, unsigned idx);
int vu_client_call_fd(const struct vu_client *f, unsigned idx);

/* The buffer area behind the rings. */
uint8_t *vu_client_memory(struct vu_client *f, uint64_t *size);

/* Sends any message and, when @reply is not NULL, waits (2 s) for the answer.
 * For tests that break the rules. 0 or -errno. */
int vu_client_raw(struct vu_client *f, const struct vu_msg *m,
		  struct vu_msg *reply);

/* GET_VRING_BASE: stops the queue, returns the position word or -errno. */
int64_t vu_client_queue_stop(struct vu_client *f, unsigned idx);

/* Sets the queue up (again) at the position word @base and enables it. The
 * driver side goes on where it is. 0 or -errno. */
int vu_client_queue_start(struct vu_client *f, unsigned idx, uint32_t base);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device for tests of transports: it copies what it reads to what it
 * may write, and checks that the transport keeps to virtio_dev.h. Control
 * thread. */
#ifndef ECHO_DEV_H
#define ECHO_DEV_H

#include "virtio.h"
#include "virtio_dev.h"

#define ECHO_RINGS     3
#define ECHO_QUEUE_MAX 64
#define ECHO_CONFIG    12
#define ECHO_FEATURES                                                      \
	(feat_bit(VIRTIO_F_VERSION_1) | feat_bit(VIRTIO_F_RING_PACKED) |   \
	 feat_bit(VIRTIO_F_EVENT_IDX) | feat_bit(VIRTIO_F_INDIRECT_DESC) | \
	 feat_bit(VIRTIO_F_RING_RESET) | feat_bit(5))

struct echo_dev {
	struct virtio_dev dev;
	struct vq_dev vq[ECHO_RINGS];
	bool is_running[ECHO_RINGS];
	const struct virtio_ring *ring[ECHO_RINGS];
	uint8_t config[ECHO_CONFIG];
	uint64_t features;
	bool refuses; /* features */
	int fail_start, fail_ok;
	unsigned starts, stops, resets, oks, destroys;
};

/* Sets the members for virtio_pci_create(). */
void echo_dev_init(struct echo_dev *m);

/* Serves ring @idx if it was kicked: copies the first buffer that is readable
 * to the first that is writable. Returns the chains. A broken ring stops the
 * device. */
unsigned echo_dev_serve(struct echo_dev *m, unsigned idx);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of a virtqueue common to both sides and both formats: faults, the
 * layout of the three areas, chains.
 *
 * Theory of operation. A queue has three areas (virtio 1.2, clause 2.6):
 * Descriptor Area, Driver Area, Device Area. When the queue starts, the full
 * extent of each area (vq_area_sizes()) is checked once against the memory map
 * and turned into a host pointer. Afterwards the ring code masks indices and
 * never checks a ring address again. Buffers are checked one by one, from a
 * local copy of their descriptor. Own positions are private: memory that the
 * peer can write is never read back as truth.
 */
#ifndef RW_VQ_H
#define RW_VQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "le.h"
#include "util.h"

#define VQ_MAX_SIZE 32768 /* clauses 2.7 and 2.8.10.1 */

/* A fault of the peer stops this queue, and nothing else, until its reset. */
enum vq_fault {
	VQ_FAULT_NONE,
	VQ_FAULT_AVAIL_RANGE, /* avail idx more than the ring size ahead */
	VQ_FAULT_HEAD_RANGE,  /* head index >= size */
	VQ_FAULT_NEXT_RANGE,  /* next index >= size (or table length) */
	VQ_FAULT_LOOP,	      /* more descriptors than the ring or table has */
	VQ_FAULT_ADDRESS,     /* buffer outside guest memory */
	VQ_FAULT_ORDER,	      /* readable buffer after a writable one */
	VQ_FAULT_INDIRECT,    /* nested, unnegotiated, or with NEXT set */
	VQ_FAULT_INDIRECT_SIZE, /* zero, no multiple of 16, or over 32768 */
	VQ_FAULT_EMPTY,		/* chain without a byte */
	VQ_FAULT_SIZE,		/* chain of more than 2^32 - 1 bytes */
	VQ_FAULT_CALL,		/* the peer made the call descriptor block */
	VQ_FAULT_USED_RANGE,	/* [driver side] used idx too far ahead */
	VQ_FAULT_USED_ID,	/* [driver side] used id not outstanding */
	VQ_FAULT_COUNT,
};

const char *vq_fault_name(enum vq_fault fault); /* "head index out of range" */

struct vq_desc { /* split, clause 2.7.5 */
	le64 addr;
	le32 len;
	le16 flags;
	le16 next;
};

struct vq_packed_desc { /* packed, clause 2.8.13 */
	le64 addr;
	le32 len;
	le16 id;
	le16 flags;
};

enum {
	VQ_DESC_F_NEXT = 1,
	VQ_DESC_F_WRITE = 2,
	VQ_DESC_F_INDIRECT = 4,
	VQ_DESC_F_AVAIL = 1 << 7, /* packed only */
	VQ_DESC_F_USED = 1 << 15, /* packed only */
};

enum { VQ_AVAIL_F_NO_INTERRUPT = 1 }; /* split avail->flags */
enum { VQ_USED_F_NO_NOTIFY = 1 };     /* split used->flags */

struct vq_avail {
	le16 flags;
	le16 idx;
	le16 ring[]; /* then le16 used_event */
};

struct vq_used_elem {
	le32 id;
	le32 len;
};

struct vq_used {
	le16 flags;
	le16 idx;
	struct vq_used_elem ring[]; /* then le16 avail_event */
};

struct vq_event { /* packed event suppression, clause 2.8.14 */
	le16 off_wrap;
	le16 flags;
};

enum {
	VQ_EVENT_ENABLE = 0,
	VQ_EVENT_DISABLE = 1,
	VQ_EVENT_DESC = 2,
};

/* Host addresses of the three areas; the full extent of each is checked. */
struct vq_areas {
	void *desc;   /* split: vq_desc[]; packed: vq_packed_desc[] */
	void *driver; /* split: vq_avail; packed: vq_event */
	void *device; /* split: vq_used; packed: vq_event */
};

struct vq_area_sizes {
	uint64_t desc, driver, device; /* bytes */
};

/* Returns whether a ring of this format may have @count descriptors. Split: a
 * power of two up to 32768; packed: 1..32768. */
bool vq_size_is_valid(uint64_t features, uint32_t count);

/* Return the size and the alignment of each area in bytes, clauses 2.7 and 2.8.
 * @count must be valid. */
struct vq_area_sizes vq_area_sizes(uint64_t features, uint32_t count);
struct vq_area_sizes vq_area_aligns(uint64_t features);

/* Position of a ring, as GET/SET_VRING_BASE carry it. */
struct vq_position {
	uint16_t avail, used;	    /* split: free-running; packed: slots */
	bool avail_wrap, used_wrap; /* packed only; true at start */
};

/* Convert between a position and vhost-user's 32-bit form. Split: avail only,
 * and decoding sets used = avail. Packed: bits 0-14 avail, 15 avail_wrap, 16-30
 * used, 31 used_wrap. */
uint32_t vq_position_encode(uint64_t features, struct vq_position p);
struct vq_position vq_position_decode(uint64_t features, uint32_t v);

/* Iovecs that the chains of one burst may use together. A legal chain that
 * alone is longer is returned with VQ_CHAIN_TRUNCATED and with sizes and counts
 * 0; the caller drops it (pushes it with size 0). */
#define VQ_BURST_IOV 2048

enum { VQ_CHAIN_TRUNCATED = 1 };

/*
 * One chain of buffers. Its iovecs lie in the array that the caller gave to the
 * pop, device-readable ones first (clause 2.6.4.2), none of length 0.
 */
struct vq_chain {
	struct iovec *iov;
	uint32_t readable_size; /* bytes the driver wrote for the device */
	uint32_t writable_size; /* bytes the device may write */
	uint16_t readable_count;
	uint16_t writable_count; /* iovecs after the readable ones */
	uint16_t id;		 /* split: head index; packed: buffer id */
	uint16_t slot_count; /* descriptors of the ring that the chain takes */
	uint16_t flags;	     /* VQ_CHAIN_* */
};

/* One finished chain, for its return to the driver. */
struct vq_done {
	uint16_t id;
	uint16_t slot_count; /* slot_count of the chain */
	uint32_t size;	     /* bytes that the device wrote */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame in the switch: a private snapshot of its first bytes (the head) and a
 * view of the rest in the source's memory.
 *
 * A frame lives for one burst in the worker's scratch area and is never
 * allocated. Headers are parsed and edited in the head only, so a peer that
 * rewrites the source memory meanwhile changes payload, never a decision. The
 * view is valid from rx_burst to rx_done; a user that keeps a frame longer
 * copies it.
 */
#ifndef RW_FRAME_H
#define RW_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "copy.h"
#include "shm.h"
#include "util.h"

#define ETH_HLEN       14
#define ETH_ALEN       6

#define FRAME_MAX      65550 /* 65535 of IP, and Ethernet: virtio 5.1.6.3.1 */
#define FRAME_HEADROOM 128   /* for tags and tunnel headers */
#define FRAME_HEAD     192   /* Ethernet, 2 tags, IPv6, TCP with options */
#define FRAME_SNAP     64    /* head bytes of a frame without offloads */

#define BURST_MAX      64 /* frames borrowed from one queue at a time */

/*
 * Offload state, the first ten bytes of struct virtio_net_hdr (virtio 1.2,
 * clause 5.1.6) in host byte order.
 */
struct vnet_hdr {
	uint8_t flags;	      /* VNET_HDR_F_* */
	uint8_t gso_type;     /* VNET_GSO_*, perhaps | VNET_GSO_ECN */
	uint16_t hdr_len;     /* a hint; never trusted */
	uint16_t gso_size;    /* payload bytes of each segment */
	uint16_t csum_start;  /* offset from the start of the frame */
	uint16_t csum_offset; /* offset of the checksum from csum_start */
};

enum {
	VNET_HDR_F_NEEDS_CSUM = 1,
	VNET_HDR_F_DATA_VALID = 2,
	VNET_HDR_F_RSC_INFO = 4,
};

enum {
	VNET_GSO_NONE = 0,
	VNET_GSO_TCPV4 = 1,
	VNET_GSO_UDP = 3, /* UFO: IP fragmentation */
	VNET_GSO_TCPV6 = 4,
	VNET_GSO_UDP_L4 = 5, /* USO: UDP segmentation */
	VNET_GSO_ECN = 0x80,
};

/* The offloads that a receiver takes itself. Bits, because sets of them are
 * compared once per burst. */
enum {
	OFFLOAD_CSUM = 1 << 0,
	OFFLOAD_TSO4 = 1 << 1,
	OFFLOAD_TSO6 = 1 << 2,
	OFFLOAD_ECN = 1 << 3,
	OFFLOAD_USO4 = 1 << 4,
	OFFLOAD_USO6 = 1 << 5,
	OFFLOAD_UFO = 1 << 6,
	OFFLOAD_ALL = (1 << 7) - 1,
};

/* How far a key is filled. */
enum key_depth {
	KEY_NONE,
	KEY_L2, /* tags and ethertype are filled */
	KEY_L4, /* all members are filled */
};

/* The content of a frame's headers; frame_key() fills it (key.h). Offsets are
 * from the start of the frame, 0 for headers that do not exist or lie beyond
 * the head. */
struct key {
	uint8_t depth; /* enum key_depth */
	uint8_t tags;  /* VLAN tags (0x8100 or 0x88a8) before the ethertype */
	uint8_t ip;    /* 4 or 6; 0: not IP, or an incomplete header */
	uint8_t proto; /* IPPROTO_*, 0 when unknown */
	uint16_t ethertype; /* ethertype behind the tags, host order */
	uint16_t l3_off;
	uint16_t l4_off;      /* 0 for fragments other than the first */
	uint16_t payload_off; /* offset of the bytes behind TCP or UDP */
	bool is_fragment;
};

struct port;

/* The members before the headroom fill one cache line, and the head begins on
 * its own line: a small frame costs two lines. */
struct frame {
	struct vnet_hdr hdr; /* offload state */
	uint16_t head_off;   /* offset of the head in buf */
	uint16_t head_len;   /* bytes of the head; <= len */
	uint16_t iov_count;
	uint32_t len;		 /* Ethernet bytes, head included */
	uint16_t tci;		 /* priority and VLAN of the frame; set by the
				  * switch in networks with VLANs */
	uint16_t tpid;		 /* ethertype of the tag in the head that
				  * carries tci; 0: untagged. Set with tci */
	const struct iovec *iov; /* behind the head; NULL iff iov_count == 0 */
	uint32_t hash;		 /* flow_hash(); 0: not computed yet */
	struct key key;
	struct port *from; /* the port where the frame came in; set only by
			    * queues that serve several ports (rxq.is_shared) */
	uint8_t buf[FRAME_HEADROOM + FRAME_HEAD] __cacheline;
} __cacheline;
_Static_assert((offsetof(struct frame, buf) + FRAME_HEADROOM) % CACHE_LINE == 0,
	       "the head is not aligned");

static inline uint8_t *frame_head(struct frame *f)
{
	return f->buf + f->head_off;
}

static inline const uint8_t *frame_head_const(const struct frame *f)
{
	return f->buf + f->head_off;
}

static inline bool frame_has_offload(const struct frame *f)
{
	return f->hdr.gso_type | (f->hdr.flags & VNET_HDR_F_NEEDS_CSUM);
}

/* Invalidates the hash and the key, after a change of the head. */
static inline void frame_forget(struct frame *f)
{
	f->hash = 0;
	f->key.depth = f->key.tags = f->key.ip = f->key.proto = 0;
}

/* Does the work of frame_from_iov() for a head that spans several iovecs. */
void frame_gather_head(struct frame *f, struct iovec *iov, unsigned iov_count);

/* Makes @f a frame of exactly the @len bytes in @iov: snapshots the head (@snap
 * bytes, at most FRAME_HEAD, or all there are) and leaves a view of the rest.
 * Edits @iov in place: it begins behind the head afterwards. The caller sets
 * @hdr. */
static inline void frame_from_iov(struct frame *f, struct iovec *iov,
				  unsigned iov_count, uint32_t len,
				  uint32_t snap)
{
	uint32_t head = MIN(len, snap);

	f->head_off = FRAME_HEADROOM;
	f->head_len = head;
	f->len = len;
	frame_forget(f);
	if (unlikely(iov->iov_len < head)) {
		frame_gather_head(f, iov, iov_count);
		return;
	}
	copy_bytes(f->buf + FRAME_HEADROOM, iov->iov_base, head);
	shm_settle_object(&f->buf);
	if (iov->iov_len == head) {
		iov++;
		iov_count--;
	} else {
		iov->iov_base = (uint8_t *)iov->iov_base + head;
		iov->iov_len -= head;
	}
	f->iov_count = iov_count;
	f->iov = iov_count ? iov : NULL;
}

/* Copies @size bytes from offset @off of the whole frame to @dst. The caller
 * ensures that they exist. */
void frame_copy(const struct frame *f, uint32_t off, void *dst, uint32_t size);

/* Stores the whole frame as iovecs in @out, head first. Returns their number; 0
 * when they exceed @max. The iovecs borrow the frame's memory. */
unsigned frame_to_iov(const struct frame *f, struct iovec *out, unsigned max);

/* Returns the OFFLOAD_* that a receiver needs to take @f as it is; 0 for a
 * plain frame. frame_offloads_find() is the slow path, for other frames. */
unsigned frame_offloads_find(struct frame *f);
static inline unsigned frame_offloads_needed(struct frame *f)
{
	return likely(!frame_has_offload(f)) ? 0 : frame_offloads_find(f);
}

#endif

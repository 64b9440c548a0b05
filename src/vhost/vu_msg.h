/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user on the wire (QEMU, docs/interop/vhost-user.rst): header, payloads,
 * file descriptors in SCM_RIGHTS. The back-end session and the client send and
 * receive with these functions.
 */
#ifndef RW_VU_MSG_H
#define RW_VU_MSG_H

#include <stdint.h>

#include "err.h"
#include "gmem.h"

/* Requests of the front-end to the back-end. */
enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	VU_SET_VRING_ENDIAN = 23,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_CREATE_CRYPTO_SESSION = 26,
	VU_CLOSE_CRYPTO_SESSION = 27,
	VU_POSTCOPY_ADVISE = 28,
	VU_POSTCOPY_LISTEN = 29,
	VU_POSTCOPY_END = 30,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
	VU_GPU_SET_SOCKET = 33,
	VU_RESET_DEVICE = 34,
	VU_VRING_KICK = 35,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
	VU_GET_SHARED_OBJECT = 41,
	VU_SET_DEVICE_STATE_FD = 42,
	VU_CHECK_DEVICE_STATE = 43,
	VU_REQUEST_COUNT,
};

/* Protocol feature bits (numbers). */
enum {
	VU_PROTOCOL_F_MQ = 0,
	VU_PROTOCOL_F_LOG_SHMFD = 1,
	VU_PROTOCOL_F_RARP = 2,
	VU_PROTOCOL_F_REPLY_ACK = 3,
	VU_PROTOCOL_F_NET_MTU = 4,
	VU_PROTOCOL_F_BACKEND_REQ = 5,
	VU_PROTOCOL_F_BACKEND_SEND_FD = 10,
	VU_PROTOCOL_F_RESET_DEVICE = 13,
	VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VU_PROTOCOL_F_STATUS = 16,
};

enum {
	VU_VERSION = 1,
	VU_FLAG_VERSION_MASK = 3,
	VU_FLAG_REPLY = 1 << 2,
	VU_FLAG_NEED_REPLY = 1 << 3,
};

enum {
	VU_VRING_IDX_MASK = 0xff, /* in the u64 of SET_VRING_KICK etc. */
	VU_VRING_NOFD = 1 << 8,
	VU_VRING_LOG = 1 << 0, /* in the flags of SET_VRING_ADDR */
};

#define VU_MAX_FDS	 8
#define VU_MEM_TABLE_MAX 8

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* bytes of the payload */
};

struct vu_vring_state {
	uint32_t idx, num;
};

struct vu_vring_addr {
	uint32_t idx;
	uint32_t flags; /* VU_VRING_LOG: log writes to the used ring */
	uint64_t desc;	/* a front-end address, as are used and avail */
	uint64_t used;	/* Device Area */
	uint64_t avail; /* Driver Area */
	uint64_t log;
};

struct vu_mem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint64_t mmap_offset;
};

static inline struct vu_mem_region vu_region_of(const struct gmem_desc *d)
{
	return (struct vu_mem_region){ .gpa = d->gpa,
				       .size = d->size,
				       .uva = d->uva,
				       .mmap_offset = d->mmap_offset };
}

static inline bool vu_region_is(const struct vu_mem_region *r,
				const struct gmem_desc *d)
{
	return r->gpa == d->gpa && r->size == d->size && r->uva == d->uva &&
	       r->mmap_offset == d->mmap_offset;
}

struct vu_mem_table {
	uint32_t count, padding;
	struct vu_mem_region region[VU_MEM_TABLE_MAX];
};

struct vu_mem_single {
	uint64_t padding;
	struct vu_mem_region region;
};

struct vu_log {
	uint64_t mmap_size, mmap_offset;
};

/* A message with its payload and descriptors. */
struct vu_msg {
	struct vu_header hdr;
	union {
		uint64_t u64;
		struct vu_vring_state state;
		struct vu_vring_addr addr;
		struct vu_mem_table mem;
		struct vu_mem_single mem_single;
		struct vu_log log;
		uint8_t raw[512];
	} payload;
	int fd[VU_MAX_FDS]; /* owned by the message until taken */
	unsigned fd_count;
};

/* Closes the descriptors that are still in @m. */
void vu_msg_fini(struct vu_msg *m);

/*
 * Sends @m piece by piece, with its @m->fd_count descriptors, which the caller
 * keeps. *@sent counts the bytes sent; set it to 0 before the first piece.
 * Returns 0 when all is sent, -EAGAIN when the socket is full (call again when
 * it has room), or -errno.
 */
int vu_tx_poll(int sock, const struct vu_msg *m, uint32_t *sent);

/* Sends @m whole. Returns 0 or -errno; -ETIMEDOUT when the socket has no room.
 * After an error a part may have been sent, and the connection is unusable.
 * Never waits: a peer that does not read must not hold up the control
 * thread. */
int vu_msg_send(int sock, const struct vu_msg *m);

/*
 * Receives one message piece by piece from a non-blocking socket. Returns 1
 * with a whole message in rx->msg, 0 when the peer closed between messages,
 * -EAGAIN when more has to arrive (call again then), or -errno with @err. After
 * 1, vu_rx_next() prepares the next message. -EPROTO: a wrong version, a
 * payload that is too large, too many descriptors, or a peer that closed inside
 * a message. -EMFILE: this process had no room for the descriptors.
 */
struct vu_rx {
	struct vu_msg msg;
	uint32_t have; /* bytes of header and payload received so far */
};
int vu_rx_poll(int sock, struct vu_rx *rx, struct err *err);
void vu_rx_next(struct vu_rx *rx);

/* Returns a name such as "SET_VRING_NUM" or "request 99", in a static or
 * thread-local buffer. */
const char *vu_request_name(uint32_t request);

#endif

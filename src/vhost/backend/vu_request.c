/* SPDX-License-Identifier: Apache-2.0 */
/* The table of requests and its checks, see vu_request.h. Pure; any thread. */
#include "vu_request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "vu_backend_impl.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): these are parts of initialisers */
/* Payload of exactly one member of the union; a row without it has none. */
#define SIZE_OF(member)                                           \
	.size_min = sizeof(((struct vu_msg *)0)->payload.member), \
	.size_max = sizeof(((struct vu_msg *)0)->payload.member)
#define FDS(min, max) .fd_min = (min), .fd_max = (max)
#define REPLIES(member)            \
	.reply = VU_REPLY_PAYLOAD, \
	.reply_size = sizeof(((struct vu_msg *)0)->payload.member)
#define NEEDS(feature) .protocol_feature = VU_PROTOCOL_F_##feature
#define ALWAYS	       .protocol_feature = -1
#define INDEX(kind)    .index = VU_INDEX_##kind
/* A known request that is refused: its protocol feature is not offered. */
#define REFUSED(text)                                \
	{                                            \
		.name = text, .protocol_feature = -1 \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct vu_row rows[VU_REQUEST_COUNT] = {
	[VU_GET_FEATURES] = { "GET_FEATURES", ALWAYS, REPLIES(u64),
			      .handler = vu_on_get_features },
	[VU_SET_FEATURES] = { "SET_FEATURES", SIZE_OF(u64), ALWAYS,
			      .handler = vu_on_set_features },
	[VU_SET_OWNER] = { "SET_OWNER", ALWAYS, .handler = vu_on_set_owner },
	[VU_RESET_OWNER] = { "RESET_OWNER", ALWAYS,
			     .handler = vu_on_reset_owner },
	/* Some front-ends send the whole table, some only their regions. */
	[VU_SET_MEM_TABLE] = { "SET_MEM_TABLE", .size_min = 8,
			       .size_max = sizeof(struct vu_mem_table),
			       FDS(0, VU_MEM_TABLE_MAX), ALWAYS,
			       .handler = vu_on_set_mem_table },
	[VU_SET_LOG_BASE] = REFUSED("SET_LOG_BASE"),
	[VU_SET_LOG_FD] = REFUSED("SET_LOG_FD"),
	[VU_SET_VRING_NUM] = { "SET_VRING_NUM", SIZE_OF(state), INDEX(STATE),
			       ALWAYS, .handler = vu_on_set_vring_num },
	[VU_SET_VRING_ADDR] = { "SET_VRING_ADDR", SIZE_OF(addr), INDEX(STATE),
				ALWAYS, .handler = vu_on_set_vring_addr },
	[VU_SET_VRING_BASE] = { "SET_VRING_BASE", SIZE_OF(state), INDEX(STATE),
				ALWAYS, .handler = vu_on_set_vring_base },
	[VU_GET_VRING_BASE] = { "GET_VRING_BASE", SIZE_OF(state), INDEX(STATE),
				ALWAYS, REPLIES(state),
				.handler = vu_on_get_vring_base },
	[VU_SET_VRING_KICK] = { "SET_VRING_KICK", SIZE_OF(u64), INDEX(FD),
				FDS(0, 1), ALWAYS,
				.handler = vu_on_set_vring_kick },
	[VU_SET_VRING_CALL] = { "SET_VRING_CALL", SIZE_OF(u64), INDEX(FD),
				FDS(0, 1), ALWAYS,
				.handler = vu_on_set_vring_call },
	[VU_SET_VRING_ERR] = { "SET_VRING_ERR", SIZE_OF(u64), INDEX(FD),
			       FDS(0, 1), ALWAYS,
			       .handler = vu_on_set_vring_err },
	[VU_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", ALWAYS,
				       REPLIES(u64),
				       .handler = vu_on_get_protocol_features },
	[VU_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", SIZE_OF(u64),
				       ALWAYS,
				       .handler = vu_on_set_protocol_features },
	/* Where the specification only requires that a feature was offered, as
	 * here, the row requires none: all of them are offered. */
	[VU_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", ALWAYS, REPLIES(u64),
			       .handler = vu_on_get_queue_num },
	[VU_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", SIZE_OF(state),
				  INDEX(STATE), ALWAYS,
				  .handler = vu_on_set_vring_enable },
	[VU_SEND_RARP] = { "SEND_RARP", SIZE_OF(u64), ALWAYS,
			   .handler = vu_on_send_rarp },
	[VU_NET_SET_MTU] = { "NET_SET_MTU", SIZE_OF(u64), ALWAYS,
			     .handler = vu_on_net_set_mtu },
	[VU_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", FDS(1, 1), ALWAYS,
				    .handler = vu_on_set_backend_req_fd },
	[VU_IOTLB_MSG] = REFUSED("IOTLB_MSG"),
	[VU_SET_VRING_ENDIAN] = REFUSED("SET_VRING_ENDIAN"),
	[VU_GET_CONFIG] = REFUSED("GET_CONFIG"),
	[VU_SET_CONFIG] = REFUSED("SET_CONFIG"),
	[VU_CREATE_CRYPTO_SESSION] = REFUSED("CREATE_CRYPTO_SESSION"),
	[VU_CLOSE_CRYPTO_SESSION] = REFUSED("CLOSE_CRYPTO_SESSION"),
	[VU_POSTCOPY_ADVISE] = REFUSED("POSTCOPY_ADVISE"),
	[VU_POSTCOPY_LISTEN] = REFUSED("POSTCOPY_LISTEN"),
	[VU_POSTCOPY_END] = REFUSED("POSTCOPY_END"),
	[VU_GET_INFLIGHT_FD] = REFUSED("GET_INFLIGHT_FD"),
	[VU_SET_INFLIGHT_FD] = REFUSED("SET_INFLIGHT_FD"),
	[VU_GPU_SET_SOCKET] = REFUSED("GPU_SET_SOCKET"),
	[VU_RESET_DEVICE] = { "RESET_DEVICE", NEEDS(RESET_DEVICE),
			      .handler = vu_on_reset_device },
	[VU_VRING_KICK] = REFUSED("VRING_KICK"),
	[VU_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS",
				   NEEDS(CONFIGURE_MEM_SLOTS), REPLIES(u64),
				   .handler = vu_on_get_max_mem_slots },
	[VU_ADD_MEM_REG] = { "ADD_MEM_REG", SIZE_OF(mem_single), FDS(1, 1),
			     NEEDS(CONFIGURE_MEM_SLOTS),
			     .handler = vu_on_add_mem_reg },
	/* "MAY accept messages with one file descriptor": QEMU sent one. */
	[VU_REM_MEM_REG] = { "REM_MEM_REG", SIZE_OF(mem_single), FDS(0, 1),
			     NEEDS(CONFIGURE_MEM_SLOTS),
			     .handler = vu_on_rem_mem_reg },
	[VU_SET_STATUS] = { "SET_STATUS", SIZE_OF(u64), NEEDS(STATUS),
			    .handler = vu_on_set_status },
	[VU_GET_STATUS] = { "GET_STATUS", NEEDS(STATUS), REPLIES(u64),
			    .handler = vu_on_get_status },
	[VU_GET_SHARED_OBJECT] = REFUSED("GET_SHARED_OBJECT"),
	[VU_SET_DEVICE_STATE_FD] = REFUSED("SET_DEVICE_STATE_FD"),
	[VU_CHECK_DEVICE_STATE] = REFUSED("CHECK_DEVICE_STATE"),
};

const struct vu_row *vu_row_find(uint32_t request)
{
	if (request >= VU_REQUEST_COUNT || !rows[request].name)
		return NULL;
	return &rows[request];
}

const char *vu_request_name(uint32_t request)
{
	static __thread char unknown[24];
	const struct vu_row *row = vu_row_find(request);

	if (row)
		return row->name;
	snprintf(unknown, sizeof(unknown), "request %" PRIu32, request);
	return unknown;
}

unsigned vu_row_queue(const struct vu_row *row, const struct vu_msg *m)
{
	if (row->index == VU_INDEX_FD)
		return m->payload.u64 & VU_VRING_IDX_MASK;
	return m->payload.state.idx;
}

static int check_index(const struct vu_row *row, const struct vu_msg *m,
		       unsigned queue_count, struct err *err)
{
	unsigned idx = vu_row_queue(row, m);

	if (idx >= queue_count)
		return err_set(err, -EPROTO, "queue %u, there are only %u", idx,
			       queue_count);
	if (row->index != VU_INDEX_FD)
		return 0;
	if (m->payload.u64 & ~(uint64_t)(VU_VRING_IDX_MASK | VU_VRING_NOFD))
		return err_set(err, -EPROTO, "unknown bits in 0x%" PRIx64,
			       m->payload.u64);
	if (!!(m->payload.u64 & VU_VRING_NOFD) == !!m->fd_count)
		return err_set(err, -EPROTO,
			       "%u descriptors do not agree with bit 8 of "
			       "0x%" PRIx64,
			       m->fd_count, m->payload.u64);
	return 0;
}

static int check_range(const char *what, unsigned v, unsigned min, unsigned max,
		       struct err *err)
{
	if (v >= min && v <= max)
		return 0;
	if (min == max)
		return err_set(err, -EPROTO, "%u %s, must be %u", v, what, min);
	return err_set(err, -EPROTO, "%u %s, must be %u to %u", v, what, min,
		       max);
}

int vu_row_check(const struct vu_row *row, const struct vu_msg *m,
		 unsigned queue_count, uint64_t protocol_features,
		 struct err *err)
{
	int rc;

	if (m->hdr.flags & VU_FLAG_REPLY)
		return err_set(err, -EPROTO, "a reply nobody asked for");
	if (!row->handler)
		return err_set(err, -EPROTO, "not supported, and not offered");
	if (row->protocol_feature >= 0 &&
	    !feat_has(protocol_features, (unsigned)row->protocol_feature))
		return err_set(err, -EPROTO,
			       "protocol feature %d was not negotiated",
			       row->protocol_feature);
	rc = check_range("bytes of payload", m->hdr.size, row->size_min,
			 row->size_max, err);
	if (!rc)
		rc = check_range("descriptors", m->fd_count, row->fd_min,
				 row->fd_max, err);
	if (!rc && row->index != VU_INDEX_NONE)
		rc = check_index(row, m, queue_count, err);
	return rc;
}

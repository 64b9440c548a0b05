/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of vhost-user to a back-end, see vu_sock.h: a verb is one or
 * several. Control thread. */
#include "vu_sock.h"

static int make_msg(struct vu_sock *s, uint32_t request, uint32_t size)
{
	s->tx = (struct vu_msg){ .hdr = { request, VU_VERSION, size } };
	return VU_STEP_WAIT;
}

static int make_u64(struct vu_sock *s, uint32_t request, uint64_t v)
{
	make_msg(s, request, sizeof(v));
	s->tx.payload.u64 = v;
	return VU_STEP_WAIT;
}

static int make_state(struct vu_sock *s, uint32_t request,
		      const struct vu_call *call)
{
	make_msg(s, request, sizeof(s->tx.payload.state));
	s->tx.payload.state =
		(struct vu_vring_state){ call->idx, (uint32_t)call->u64 };
	return VU_STEP_WAIT;
}

static int make_fd(struct vu_sock *s, uint32_t request,
		   const struct vu_call *call)
{
	make_u64(s, request, call->idx);
	if (call->fd < 0) {
		s->tx.payload.u64 |= VU_VRING_NOFD;
	} else {
		s->tx.fd[0] = call->fd;
		s->tx.fd_count = 1;
	}
	return VU_STEP_WAIT;
}

/* Makes the next message of VU_VERB_PROTOCOL. Skips messages whose feature was
 * not agreed. */
static int make_protocol(struct vu_sock *s, struct vu_call *call)
{
	s->has_protocol = feat_has(call->u64, VHOST_USER_F_PROTOCOL_FEATURES);
	if (s->has_protocol && s->part == 0)
		return make_msg(s, VU_GET_PROTOCOL_FEATURES, 0);
	if (s->has_protocol && s->part == 1)
		/* no REPLY_ACK yet: note_done() switches it on */
		return make_u64(s, VU_SET_PROTOCOL_FEATURES, s->wanted);
	if (vu_sock_has(s, VU_PROTOCOL_F_MQ) && s->part == 2)
		return make_msg(s, VU_GET_QUEUE_NUM, 0);
	s->part = MAX(s->part, 3);
	if (vu_sock_has(s, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS) && s->part == 3)
		return make_msg(s, VU_GET_MAX_MEM_SLOTS, 0);
	call->value = s->pairs;
	return VU_STEP_DONE;
}

/* Makes one message with the whole table. */
static int make_table(struct vu_sock *s, const struct vu_call *call)
{
	unsigned count = call->mem.count;

	if (s->part)
		return VU_STEP_DONE;
	make_msg(s, VU_SET_MEM_TABLE,
		 (uint32_t)(8 + count * sizeof(struct vu_mem_region)));
	s->tx.payload.mem.count = count;
	for (unsigned i = 0; i < count; i++) {
		s->tx.payload.mem.region[i] =
			vu_region_of(&call->mem.region[i]);
		s->tx.fd[i] = call->mem.region[i].fd;
	}
	s->tx.fd_count = count;
	return VU_STEP_WAIT;
}

static int make_slot(struct vu_sock *s, uint32_t request,
		     struct vu_mem_region region, int fd)
{
	make_msg(s, request, sizeof(s->tx.payload.mem_single));
	s->tx.payload.mem_single.region = region;
	if (fd >= 0) {
		s->tx.fd[0] = fd;
		s->tx.fd_count = 1;
	}
	return VU_STEP_WAIT;
}

/* Makes a message that removes a region, else one that adds a region, else
 * none. */
static int make_slots(struct vu_sock *s, const struct vu_call *call)
{
	const struct gmem_desc *d = call->mem.region;
	unsigned i, k;

	for (i = 0; i < s->region_count; i++) {
		for (k = 0; k < call->mem.count; k++)
			if (vu_region_is(&s->region[i], &d[k]))
				break;
		if (k == call->mem.count)
			return make_slot(s, VU_REM_MEM_REG, s->region[i], -1);
	}
	for (k = 0; k < call->mem.count; k++) {
		for (i = 0; i < s->region_count; i++)
			if (vu_region_is(&s->region[i], &d[k]))
				break;
		if (i == s->region_count)
			return make_slot(s, VU_ADD_MEM_REG, vu_region_of(&d[k]),
					 d[k].fd);
	}
	return VU_STEP_DONE;
}

static int make_memory(struct vu_sock *s, const struct vu_call *call,
		       struct err *err)
{
	if (call->mem.count > s->slots) {
		err_set(err, 0, "%u regions, the back-end takes %u",
			call->mem.count, (unsigned)s->slots);
		return VU_STEP_REFUSED;
	}
	if (vu_sock_has(s, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		return make_slots(s, call);
	return make_table(s, call);
}

/* Makes the messages that give the log: SET_LOG_BASE, SET_LOG_FD. */
static int make_log(struct vu_sock *s, const struct vu_call *call,
		    struct err *err)
{
	const struct vu_client_log *log = call->log;

	if (!log->size || s->part == 2 || (s->part == 1 && log->event_fd < 0))
		return VU_STEP_DONE;
	if (!vu_sock_has(s, VU_PROTOCOL_F_LOG_SHMFD)) {
		err_set(err, 0, "the back-end lacks LOG_SHMFD");
		return VU_STEP_REFUSED;
	}
	if (s->part == 0) {
		make_msg(s, VU_SET_LOG_BASE, sizeof(s->tx.payload.log));
		s->tx.payload.log.mmap_size = log->size;
		s->tx.fd[0] = log->fd;
	} else {
		make_msg(s, VU_SET_LOG_FD, 0);
		s->tx.fd[0] = log->event_fd;
	}
	s->tx.fd_count = 1;
	return VU_STEP_WAIT;
}

/* Makes a one-message verb's message; VU_STEP_DONE once it is answered. */
static int make_single(struct vu_sock *s, struct vu_call *call)
{
	if (s->part)
		return VU_STEP_DONE;
	switch (call->verb) {
	case VU_VERB_GET_FEATURES:
		return make_msg(s, VU_GET_FEATURES, 0);
	case VU_VERB_SET_OWNER:
		return make_msg(s, VU_SET_OWNER, 0);
	case VU_VERB_SET_FEATURES:
		return make_u64(s, VU_SET_FEATURES, call->u64);
	case VU_VERB_SET_NUM:
		return make_state(s, VU_SET_VRING_NUM, call);
	case VU_VERB_SET_BASE:
		return make_state(s, VU_SET_VRING_BASE, call);
	case VU_VERB_SET_ADDR:
		make_msg(s, VU_SET_VRING_ADDR, sizeof(call->addr));
		s->tx.payload.addr = call->addr;
		return VU_STEP_WAIT;
	case VU_VERB_SET_CALL:
		return make_fd(s, VU_SET_VRING_CALL, call);
	case VU_VERB_SET_KICK:
		return make_fd(s, VU_SET_VRING_KICK, call);
	case VU_VERB_SET_ENABLE:
		/* without the feature a ring starts enabled */
		if (!s->has_protocol)
			return VU_STEP_DONE;
		return make_state(s, VU_SET_VRING_ENABLE, call);
	case VU_VERB_GET_BASE:
		return make_state(s, VU_GET_VRING_BASE, call);
	default:
		return VU_STEP_DONE;
	}
}

int vu_sock_make(struct vu_sock *s, struct vu_call *call, struct err *err)
{
	int rc;

	if (call->verb == VU_VERB_PROTOCOL)
		rc = make_protocol(s, call);
	else if (call->verb == VU_VERB_SET_MEMORY)
		rc = make_memory(s, call, err);
	else if (call->verb == VU_VERB_SET_LOG)
		rc = make_log(s, call, err);
	else
		rc = make_single(s, call);
	if (rc != VU_STEP_WAIT) {
		s->part = 0;
		return rc;
	}
	s->part++;
	s->sent = 0;
	s->phase = SENDING;
	return rc;
}

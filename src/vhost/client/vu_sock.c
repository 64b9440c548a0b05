/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user as the transport of a vhost client, see vu_transport.h: a verb is
 * one or several messages, some with an answer. Control thread; calls the loop
 * and vhost/'s messages.
 *
 * Theory of operation. A call proceeds message by message: make() writes the
 * next message of the verb, send_rest() sends it as far as the socket takes it,
 * receive() gets the answer, take() handles it. With REPLY_ACK every request
 * asks for an answer, so a refusal is known at its request.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "virtio.h"
#include "vu_client.h"
#include "vu_transport.h"

enum phase { SILENT, SENDING, WAITING };

struct vu_sock {
	struct vu_transport transport;
	int sock;
	struct loop_watch watch;
	uint64_t wanted;   /* protocol features to negotiate */
	uint64_t agreed;   /* protocol features negotiated */
	bool has_protocol; /* the device has VHOST_USER_F_PROTOCOL_FEATURES */
	enum phase phase;
	unsigned part; /* messages made for the current verb */
	uint64_t pairs;
	uint64_t slots;	  /* memory regions that the back-end takes */
	struct vu_msg tx; /* its descriptors are borrowed */
	uint32_t sent;	  /* bytes of tx sent */
	struct vu_rx rx;
	unsigned region_count; /* memory slots: regions that the back-end has */
	struct vu_mem_region region[GMEM_MAX_REGIONS];
};

static struct vu_sock *to_sock(struct vu_transport *t)
{
	return container_of(t, struct vu_sock, transport);
}

static bool has(const struct vu_sock *s, unsigned protocol_feature)
{
	return feat_has(s->agreed, protocol_feature);
}

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
	if (has(s, VU_PROTOCOL_F_MQ) && s->part == 2)
		return make_msg(s, VU_GET_QUEUE_NUM, 0);
	s->part = MAX(s->part, 3);
	if (has(s, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS) && s->part == 3)
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
	if (has(s, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		return make_slots(s, call);
	return make_table(s, call);
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

/* Makes the next message of @call. Returns VU_STEP_WAIT, VU_STEP_DONE when none
 * is left, or VU_STEP_REFUSED. */
static int make(struct vu_sock *s, struct vu_call *call, struct err *err)
{
	int rc;

	if (call->verb == VU_VERB_PROTOCOL)
		rc = make_protocol(s, call);
	else if (call->verb == VU_VERB_SET_MEMORY)
		rc = make_memory(s, call, err);
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

/* Returns the bytes of the answer to @m; 0: only an acknowledgement. */
static uint32_t answer_size(const struct vu_msg *m)
{
	switch (m->hdr.request) {
	case VU_GET_FEATURES:
	case VU_GET_PROTOCOL_FEATURES:
	case VU_GET_QUEUE_NUM:
	case VU_GET_MAX_MEM_SLOTS:
		return sizeof(m->payload.u64);
	case VU_GET_VRING_BASE:
		return sizeof(m->payload.state);
	default:
		return 0;
	}
}

/* Records that the back-end has done the request in tx. */
static void note_done(struct vu_sock *s)
{
	const struct vu_mem_region *r = &s->tx.payload.mem_single.region;

	switch (s->tx.hdr.request) {
	case VU_SET_PROTOCOL_FEATURES:
		s->agreed = s->tx.payload.u64;
		break;
	case VU_ADD_MEM_REG:
		s->region[s->region_count++] = *r;
		break;
	case VU_REM_MEM_REG:
		for (unsigned i = 0; i < s->region_count; i++)
			if (s->region[i].gpa == r->gpa)
				s->region[i] = s->region[--s->region_count];
		break;
	default:
		break;
	}
}

static void take_value(struct vu_sock *s, struct vu_call *call)
{
	const struct vu_msg *m = &s->rx.msg;

	switch (m->hdr.request) {
	case VU_GET_PROTOCOL_FEATURES:
		s->wanted &= m->payload.u64;
		break;
	case VU_GET_QUEUE_NUM:
		s->pairs = m->payload.u64;
		break;
	case VU_GET_MAX_MEM_SLOTS:
		s->slots = MIN(m->payload.u64, GMEM_MAX_REGIONS);
		break;
	case VU_GET_VRING_BASE:
		call->value = m->payload.state.num;
		break;
	default:
		call->value = m->payload.u64;
		break;
	}
}

/* Checks and takes the message that came as the answer to tx. */
static int take(struct vu_sock *s, struct vu_call *call, struct err *err)
{
	const struct vu_msg *m = &s->rx.msg;
	uint32_t size = answer_size(&s->tx);

	if (m->hdr.request != s->tx.hdr.request ||
	    !(m->hdr.flags & VU_FLAG_REPLY))
		return err_set(err, -EPROTO,
			       "%s came, which is no answer to it",
			       vu_request_name(m->hdr.request));
	if (m->hdr.size != (size ? size : sizeof(m->payload.u64)))
		return err_set(err, -EPROTO, "an answer of %u bytes",
			       m->hdr.size);
	if (size) {
		take_value(s, call);
		return VU_STEP_ANSWERED;
	}
	if (m->payload.u64) {
		err_set(err, 0, "the back-end refused it");
		s->part = 0;
		return VU_STEP_REFUSED;
	}
	note_done(s);
	return VU_STEP_ANSWERED;
}

/* Returns 1 when a message came, -EAGAIN, or -errno with @err. */
static int poll_message(struct vu_sock *s, struct err *err)
{
	int rc = vu_rx_poll(s->sock, &s->rx, err);

	if (rc == 0)
		return err_set(err, -ECONNRESET,
			       "the back-end closed the connection");
	return rc;
}

static int receive(struct vu_sock *s, struct vu_call *call, struct err *err)
{
	int rc = poll_message(s, err);

	if (rc < 0)
		return rc == -EAGAIN ? VU_STEP_WAIT : rc;
	s->phase = SILENT;
	rc = take(s, call, err);
	vu_rx_next(&s->rx);
	return rc;
}

static int send_rest(struct vu_sock *s, struct err *err)
{
	bool has_answer = answer_size(&s->tx);
	int rc;

	if (has(s, VU_PROTOCOL_F_REPLY_ACK) && !has_answer) {
		s->tx.hdr.flags |= VU_FLAG_NEED_REPLY;
		has_answer = true;
	}
	rc = vu_tx_poll(s->sock, &s->tx, &s->sent);
	if (rc == -EAGAIN) {
		loop_watch_set(&s->watch, EPOLLIN | EPOLLOUT);
		return VU_STEP_WAIT;
	}
	loop_watch_set(&s->watch, EPOLLIN);
	if (rc)
		return err_set(err, rc, "sending: %s", strerror(-rc));
	if (has_answer) {
		s->phase = WAITING;
	} else {
		s->phase = SILENT;
		note_done(s);
	}
	return VU_STEP_ANSWERED;
}

static int sock_step(struct vu_transport *t, struct vu_call *call,
		     struct err *err)
{
	struct vu_sock *s = to_sock(t);

	if (s->phase == SILENT) {
		int rc = make(s, call, err);

		if (rc != VU_STEP_WAIT)
			return rc;
	}
	if (s->phase == SENDING)
		return send_rest(s, err);
	return receive(s, call, err);
}

static int sock_idle(struct vu_transport *t, struct err *err)
{
	struct vu_sock *s = to_sock(t);
	int rc = poll_message(s, err);

	if (rc < 0)
		return rc == -EAGAIN ? 0 : rc;
	return err_set(err, -EPROTO, "%s came, which nobody asked for",
		       vu_request_name(s->rx.msg.hdr.request));
}

static bool sock_wait(struct vu_transport *t, unsigned ms)
{
	short events = to_sock(t)->phase == SENDING ? POLLOUT : POLLIN;
	struct pollfd p = { to_sock(t)->sock, events, 0 };
	int n;

	while ((n = poll(&p, 1, (int)ms)) < 0 && errno == EINTR)
		;
	return n > 0;
}

static void sock_destroy(struct vu_transport *t)
{
	struct vu_sock *s = to_sock(t);

	loop_watch_remove(&s->watch);
	vu_msg_fini(&s->rx.msg);
	fd_close(&s->sock);
	free(s);
}

static const struct vu_transport_ops sock_ops = {
	.step = sock_step,
	.idle = sock_idle,
	.wait = sock_wait,
	.destroy = sock_destroy,
};

static void on_socket(struct loop_watch *w, uint32_t events)
{
	struct vu_sock *s = container_of(w, struct vu_sock, watch);

	(void)events;
	vu_client_wake(s->transport.client);
}

struct vu_transport *vu_sock_create(struct loop *loop, int sock,
				    uint64_t wanted)
{
	struct vu_sock *s = calloc(1, sizeof(*s));

	if (!s || fd_set_nonblock(sock) ||
	    loop_watch_add(loop, &s->watch, sock, EPOLLIN, on_socket)) {
		fd_close(&sock);
		free(s);
		return NULL;
	}
	s->transport.ops = &sock_ops;
	s->sock = sock;
	s->wanted = wanted;
	s->pairs = 1;
	s->slots = VU_MEM_TABLE_MAX;
	return &s->transport;
}

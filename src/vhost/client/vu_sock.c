/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-user as the transport of a vhost client, see vu_transport.h: a verb is
 * one or several messages, some with an answer. Control thread; calls the loop
 * and vhost/'s messages.
 *
 * Theory of operation. A call proceeds message by message: vu_sock_make()
 * writes the next message of the verb, send_rest() sends it as far as the
 * socket takes it, receive() gets the answer, take() handles it. With REPLY_ACK
 * every request asks for an answer, so a refusal is known at its request.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "vu_sock.h"

static struct vu_sock *to_sock(struct vu_transport *t)
{
	return container_of(t, struct vu_sock, transport);
}

/* Returns the bytes of the answer to @m; 0: only an acknowledgement. */
static uint32_t answer_size(const struct vu_msg *m)
{
	switch (m->hdr.request) {
	case VU_GET_FEATURES:
	case VU_GET_PROTOCOL_FEATURES:
	case VU_GET_QUEUE_NUM:
	case VU_GET_MAX_MEM_SLOTS:
	case VU_SET_LOG_BASE: /* with LOG_SHMFD */
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
	/* The answer to SET_LOG_BASE has no content: DPDK sends none, others
	 * some. */
	if (m->hdr.size != (size ? size : sizeof(m->payload.u64)) &&
	    (m->hdr.request != VU_SET_LOG_BASE || m->hdr.size))
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

	if (vu_sock_has(s, VU_PROTOCOL_F_REPLY_ACK) && !has_answer) {
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
		int rc = vu_sock_make(s, call, err);

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

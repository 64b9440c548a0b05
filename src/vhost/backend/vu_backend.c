/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-end session of vhost-user: its life, and the path of a message from the
 * socket through the table of requests to a handler and back. Control thread.
 *
 * Theory of operation. vu_request.c describes the form of each request;
 * vu_backend_device.c and vu_backend_queue.c carry it out. Any error ends the
 * session: the queues stop, after which no worker touches them; memory and
 * descriptors are released; one line is logged; the owner is told. The same
 * happens when the front-end disappears. Nothing outlives the session.
 */
#include "vu_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "shm.h"
#include "vu_backend_impl.h"

/* Messages handled per event: one front-end must not keep the loop. */
#define MESSAGES_PER_EVENT 32

/* Releases everything except the struct itself. */
static void release(struct vu_backend *b)
{
	vu_queues_pause(b);
	for (unsigned i = 0; i < b->queue_count; i++)
		vu_queue_fini(b, &b->queue[i]);
	gmem_put(b->mem);
	b->mem = NULL;
	vu_msg_fini(&b->rx.msg);
	fd_close(&b->backend_req_fd);
	loop_timer_disarm(&b->second_look);
	loop_watch_remove(&b->watch);
	fd_close(&b->sock);
}

void vu_backend_end(struct vu_backend *b, enum log_level level,
		    const char *reason)
{
	log_limited(b->log, level, "port=%s: %s: connection closed", b->name,
		    reason);
	release(b);
	b->ops->closed(b->ctx, level != LOG_LEVEL_INFO, reason);
}

static int send_reply(struct vu_backend *b, struct vu_msg *m, uint32_t size,
		      struct err *err)
{
	int rc;

	/* descriptors of the request must not go out with the reply */
	vu_msg_fini(m);
	m->hdr.flags = VU_VERSION | VU_FLAG_REPLY;
	m->hdr.size = size;
	rc = vu_msg_send(b->sock, m);
	if (rc)
		return err_set(err, rc, "reply: %s", strerror(-rc));
	return 0;
}

static int handle(struct vu_backend *b, struct vu_msg *m, struct err *err)
{
	const struct vu_row *row = vu_row_find(m->hdr.request);
	bool wants_ack = m->hdr.flags & VU_FLAG_NEED_REPLY;
	uint64_t before = b->protocol_features;
	int rc, sent = 0;

	if (!row)
		return err_set(err, -EPROTO, "no such request");
	rc = vu_row_check(row, m, b->queue_count, b->protocol_features, err);
	if (!rc)
		rc = row->handler(b, m, err);
	vu_queues_settle(b);
	if (rc > 0)
		log_limited(b->log, LOG_LEVEL_INFO, "port=%s: %s: %s: refused",
			    b->name, row->name, err->msg);
	if (row->reply == VU_REPLY_PAYLOAD) {
		/* after an error there is no payload to send */
		if (!rc)
			sent = send_reply(b, m, row->reply_size, err);
	} else if (wants_ack && feat_has(before | b->protocol_features,
					 VU_PROTOCOL_F_REPLY_ACK)) {
		/* The message that negotiates REPLY_ACK may itself ask for an
		 * acknowledgement: user-mode-linux does. */
		m->payload.u64 = rc != 0;
		sent = send_reply(b, m, sizeof(m->payload.u64),
				  rc ? NULL : err);
	}
	return rc < 0 ? rc : sent;
}

static void on_readable(struct loop_watch *w, uint32_t events)
{
	struct vu_backend *b = container_of(w, struct vu_backend, watch);
	struct err err = { "" };

	(void)events;
	for (unsigned i = 0; i < MESSAGES_PER_EVENT; i++) {
		int rc = vu_rx_poll(b->sock, &b->rx, &err);

		if (rc == -EAGAIN)
			return;
		if (rc == 0) {
			vu_backend_end(b, LOG_LEVEL_INFO, "front-end left");
			return;
		}
		if (rc > 0) {
			uint32_t request = b->rx.msg.hdr.request;

			rc = handle(b, &b->rx.msg, &err);
			if (rc)
				err_prefix(&err, rc, "%s",
					   vu_request_name(request));
		}
		if (rc) {
			vu_backend_end(b, LOG_LEVEL_WARN, err.msg);
			return;
		}
		vu_rx_next(&b->rx);
	}
}

struct vu_backend *vu_backend_create(struct loop *loop, int sock,
				     const struct vu_backend_config *config,
				     const struct vu_backend_ops *ops,
				     void *ctx)
{
	const unsigned queues =
		2 * config->queue_pairs + (ops->control_start != NULL);
	const size_t size =
		sizeof(struct vu_backend) + queues * sizeof(struct vu_queue);
	struct vu_backend *b;

	b = aligned_alloc(CACHE_LINE, size);
	if (!b) {
		fd_close(&sock);
		return NULL;
	}
	memset(b, 0, size);
	b->ops = ops;
	b->ctx = ctx;
	b->name = config->name;
	b->log = config->log;
	b->report_fd = config->report_fd;
	b->loop = loop;
	b->sock = sock;
	b->backend_req_fd = -1;
	b->offered =
		config->features | feat_bit(VHOST_USER_F_PROTOCOL_FEATURES);
	b->pair_count = config->queue_pairs;
	b->queue_count = queues;
	for (unsigned i = 0; i < queues; i++)
		vu_queue_init(&b->queue[i]);
	if (gmem_create(NULL, 0, &b->mem, NULL) || fd_set_nonblock(sock) ||
	    loop_watch_add(loop, &b->watch, sock, EPOLLIN, on_readable)) {
		vu_backend_destroy(b);
		return NULL;
	}
	return b;
}

void vu_backend_destroy(struct vu_backend *b)
{
	if (!b)
		return;
	release(b);
	free(b);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client of a vhost back-end, see vu_client.h. Control thread; calls the loop
 * and a transport.
 *
 * Theory of operation. A request of the owner is a job: a list of verbs that
 * are asked one after the other. Jobs wait in a list. vu_client_wake() carries
 * on the first job as far as possible, when the transport has news or when a
 * job enters an empty list. It always runs from the loop, so no outcome is
 * reported inside the request. The first job is the client's own: negotiation.
 */
#include "vu_client_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio.h"

/* Names of the protocol's requests, where one exists. */
static const char *const verb_names[VU_VERB_COUNT] = {
	[VU_VERB_GET_FEATURES] = "GET_FEATURES",
	[VU_VERB_PROTOCOL] = "protocol features",
	[VU_VERB_SET_OWNER] = "SET_OWNER",
	[VU_VERB_SET_FEATURES] = "SET_FEATURES",
	[VU_VERB_SET_MEMORY] = "sharing memory",
	[VU_VERB_SET_NUM] = "SET_VRING_NUM",
	[VU_VERB_SET_BASE] = "SET_VRING_BASE",
	[VU_VERB_SET_ADDR] = "SET_VRING_ADDR",
	[VU_VERB_SET_CALL] = "SET_VRING_CALL",
	[VU_VERB_SET_KICK] = "SET_VRING_KICK",
	[VU_VERB_SET_ENABLE] = "SET_VRING_ENABLE",
	[VU_VERB_SET_LOG] = "SET_LOG_BASE",
	[VU_VERB_DRIVER_OK] = "DRIVER_OK",
	[VU_VERB_GET_BASE] = "GET_VRING_BASE",
};

/* Removes the first job from the list and reports its outcome. */
static void finish(struct vu_client *c, int rc, const char *reason)
{
	struct job *job = c->first;

	c->first = job->next;
	if (!c->first)
		c->last = &c->first;
	c->is_calling = false;
	if (job->row->is_of_queue)
		c->queue_state[job->idx] =
			(uint8_t)(rc ? job->row->from : job->row->then);
	if (job->done.fn)
		job->done.fn(job->done.arg, rc, rc ? 0 : c->call.value, reason);
	free(job);
}

static void end(struct vu_client *c, const char *reason)
{
	c->state = CLOSED;
	loop_timer_disarm(&c->work);
	loop_timer_disarm(&c->limit);
	c->transport->ops->destroy(c->transport);
	c->transport = NULL;
	while (c->first)
		finish(c, -ENOTCONN, reason);
	c->ops->closed(c->ctx, reason);
}

/* Prefixes @err with the current verb of the first job. */
static void name_call(const struct vu_client *c, struct err *err)
{
	const char *verb = verb_names[c->call.verb];

	if (c->first->row->is_of_queue)
		err_prefix(err, 0, "queue %u: %s", c->first->idx, verb);
	else
		err_prefix(err, 0, "%s", verb);
}

static void end_late(struct vu_client *c, unsigned ms)
{
	struct err err;

	err_set(&err, 0, "no answer within %u ms", ms);
	name_call(c, &err);
	end(c, err.msg);
}

static void on_limit(struct loop_timer *t)
{
	struct vu_client *c = container_of(t, struct vu_client, limit);

	end_late(c, c->config.timeout_ms);
}

static void start_limit(struct vu_client *c)
{
	loop_timer_arm(c->loop, &c->limit, c->config.timeout_ms, on_limit);
}

/* Returns the features that @job is about, and LOG_ALL if writes are noted. */
static uint64_t call_features(const struct vu_client *c, const struct job *job)
{
	uint64_t features = job->row == &vu_jobs[JOB_FEATURES] ? job->features
							       : c->features;

	return c->is_logged ? features | feat_bit(VHOST_F_LOG_ALL) : features;
}

static uint64_t call_number(const struct vu_client *c, const struct job *job,
			    enum vu_verb verb)
{
	switch (verb) {
	case VU_VERB_SET_NUM:
		return job->ring.num;
	case VU_VERB_SET_BASE:
		return job->ring.base;
	case VU_VERB_SET_ENABLE:
		return job->ring.enabled;
	default:
		return call_features(c, job);
	}
}

/* Returns the addresses for queue @idx: those of a ring that is being started,
 * or those that it has. */
static struct vu_vring_addr call_addr(struct vu_client *c,
				      const struct job *job)
{
	const struct vu_client_ring *r = &job->ring;
	struct vu_vring_addr *a = &c->addr[job->idx];

	if (job->row->is_of_queue)
		*a = (struct vu_vring_addr){ .idx = job->idx,
					     .desc = r->desc,
					     .used = r->used,
					     .avail = r->avail,
					     .log = r->log };
	a->flags = c->is_logged ? VU_VRING_LOG : 0;
	return *a;
}

/* Makes c->call the next verb of @job. */
static void begin_call(struct vu_client *c, const struct job *job)
{
	const struct vu_client_ring *r = &job->ring;
	enum vu_verb verb = job->row->verb[job->at];

	c->call = (struct vu_call){
		.verb = verb,
		.idx = job->idx,
		.u64 = call_number(c, job, verb),
		.u64_high = c->features_high,
		.fd = verb == VU_VERB_SET_KICK ? r->kick_fd : r->call_fd,
		.mem = { job->region, job->region_count },
		.log = &job->log,
	};
	if (verb == VU_VERB_SET_ADDR)
		c->call.addr = call_addr(c, job);
	c->is_calling = true;
	start_limit(c);
}

/* Makes @job's number that of a running queue, @idx or above. Returns whether
 * there is one. */
static bool find_running(const struct vu_client *c, struct job *job,
			 unsigned idx)
{
	while (idx < vu_client_queues(c) && c->queue_state[idx] != RUNNING)
		idx++;
	job->idx = idx;
	return idx < vu_client_queues(c);
}

/* Goes on to the next verb of @job. Returns whether there is one. */
static bool next_verb(const struct vu_client *c, struct job *job)
{
	const uint8_t *verb = job->row->verb;

	if (!job->row->is_for_all)
		return verb[++job->at] != VU_JOB_END;
	if (verb[job->at + 1] == VU_JOB_END)
		return find_running(c, job, job->idx + 1);
	return verb[++job->at + 1] != VU_JOB_END || find_running(c, job, 0);
}

/* Takes the answer to the first job's current verb. Returns false if the client
 * ended. */
static bool take_answer(struct vu_client *c)
{
	struct job *job = c->first;
	struct err err;

	loop_timer_disarm(&c->limit);
	c->is_calling = false;
	if (c->call.verb == VU_VERB_SET_LOG)
		c->is_logged = job->log.size;
	if (c->call.verb == VU_VERB_GET_FEATURES) {
		c->features = c->call.value & c->config.features;
		if (c->config.prune)
			c->features = c->config.prune(c->features);
		c->can_log = feat_has(c->features, VHOST_F_LOG_ALL);
		c->features &= ~feat_bit(VHOST_F_LOG_ALL);
		c->offered = c->features;
		c->features_high = c->call.value_high & c->config.features_high;
	}
	if (c->call.verb == VU_VERB_PROTOCOL &&
	    c->call.value < c->config.queue_pairs) {
		err_set(&err, 0,
			"%u queue pairs are needed, the back-end has %" PRIu64,
			c->config.queue_pairs, c->call.value);
		end(c, err.msg);
		return false;
	}
	if (next_verb(c, job))
		return true;
	if (job->row == &vu_jobs[JOB_FEATURES])
		c->features = job->features;
	finish(c, 0, NULL);
	if (c->state == NEGOTIATING) {
		c->state = READY;
		c->ops->ready(c->ctx);
	}
	return true;
}

/* Reports that the back-end refused the first job. Returns false if the client
 * ended. */
static bool take_refusal(struct vu_client *c, struct err *err)
{
	loop_timer_disarm(&c->limit);
	name_call(c, err);
	/* It has the log, but does not use it. */
	if (c->first->row == &vu_jobs[JOB_LOG] &&
	    c->call.verb != VU_VERB_SET_LOG)
		c->is_logged = false;
	if (c->state == NEGOTIATING) {
		end(c, err->msg);
		return false;
	}
	finish(c, -EREMOTEIO, err->msg);
	return true;
}

void vu_client_wake(struct vu_client *c)
{
	struct err err = { "" };

	if (c->state == CLOSED)
		return;
	while (c->first) {
		int rc;

		if (!c->is_calling)
			begin_call(c, c->first);
		rc = c->transport->ops->step(c->transport, &c->call, &err);
		switch (rc) {
		case VU_STEP_WAIT:
			return;
		case VU_STEP_ANSWERED:
			start_limit(c);
			break;
		case VU_STEP_DONE:
			if (!take_answer(c))
				return;
			break;
		case VU_STEP_REFUSED:
			if (!take_refusal(c, &err))
				return;
			break;
		default:
			name_call(c, &err);
			end(c, err.msg);
			return;
		}
	}
	if (c->transport->ops->idle(c->transport, &err))
		end(c, err.msg);
}

int vu_client_wait_within(struct vu_client *c, unsigned ms)
{
	const uint64_t end_ms = loop_now_ms() + ms;

	for (vu_client_wake(c); c->first; vu_client_wake(c)) {
		const struct vu_transport *t = c->transport;
		uint64_t now = loop_now_ms();

		if (now >= end_ms ||
		    !t->ops->wait(c->transport, (unsigned)(end_ms - now)))
			end_late(c, ms);
	}
	return c->state == CLOSED ? -ENOTCONN : 0;
}

int vu_client_wait(struct vu_client *c)
{
	return vu_client_wait_within(c, c->config.timeout_ms);
}

static void on_work(struct loop_timer *t)
{
	vu_client_wake(container_of(t, struct vu_client, work));
}

void vu_client_append(struct vu_client *c, struct job *job)
{
	*c->last = job;
	c->last = &job->next;
	loop_timer_arm(c->loop, &c->work, 0, on_work);
}

uint64_t vu_client_offered(const struct vu_client *c)
{
	return c->offered;
}

uint64_t vu_client_features_high(const struct vu_client *c)
{
	return c->features_high;
}

uint64_t vu_client_features(const struct vu_client *c)
{
	return c->state == NEGOTIATING ? 0 : c->features;
}

struct vu_client *vu_client_create(struct loop *loop, struct vu_transport *t,
				   const struct vu_client_config *config,
				   const struct vu_client_ops *ops, void *ctx)
{
	struct vu_client *c;
	struct job *job;

	if (!t)
		return NULL;
	c = calloc(1, sizeof(*c));
	job = calloc(1, sizeof(*job));
	if (!c || !job) {
		t->ops->destroy(t);
		free(c);
		free(job);
		return NULL;
	}
	c->loop = loop;
	c->transport = t;
	c->config = *config;
	c->ops = ops;
	c->ctx = ctx;
	c->last = &c->first;
	t->client = c;
	job->row = &vu_jobs[JOB_NEGOTIATE];
	vu_client_append(c, job);
	return c;
}

void vu_client_destroy(struct vu_client *c)
{
	struct job *next;

	if (!c)
		return;
	loop_timer_disarm(&c->work);
	loop_timer_disarm(&c->limit);
	if (c->transport)
		c->transport->ops->destroy(c->transport);
	for (; c->first; c->first = next) {
		next = c->first->next;
		free(c->first);
	}
	free(c);
}

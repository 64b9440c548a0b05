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
#include "vu_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio.h"
#include "vu_transport.h"

enum client_state { NEGOTIATING, READY, CLOSED };

enum queue_state { IDLE, STARTING, RUNNING, STOPPING };

enum job_kind {
	JOB_NEGOTIATE,
	JOB_MEMORY,
	JOB_ANNOUNCE,
	JOB_START,
	JOB_STOP,
	JOB_ENABLE,
	JOB_CALL,
	JOB_COUNT,
};

#define END				VU_VERB_COUNT
#define OF_QUEUE(from, meanwhile, then) true, from, meanwhile, then

/* The verbs of a job, in order, and the states of its queue, if it has one. */
static const struct job_row {
	const char *name;
	uint8_t verb[7];
	bool is_of_queue;
	enum queue_state from, meanwhile, then;
} jobs[JOB_COUNT] = {
	[JOB_NEGOTIATE] = { "negotiated",
			    { VU_VERB_GET_FEATURES, VU_VERB_PROTOCOL,
			      VU_VERB_SET_OWNER, VU_VERB_SET_FEATURES, END } },
	[JOB_MEMORY] = { "given memory", { VU_VERB_SET_MEMORY, END } },
	[JOB_ANNOUNCE] = { "announced",
			   { VU_VERB_SET_CALL, END },
			   OF_QUEUE(IDLE, IDLE, IDLE) },
	[JOB_START] = { "started",
			{ VU_VERB_SET_NUM, VU_VERB_SET_BASE, VU_VERB_SET_ADDR,
			  VU_VERB_SET_CALL, VU_VERB_SET_KICK,
			  VU_VERB_SET_ENABLE, END },
			OF_QUEUE(IDLE, STARTING, RUNNING) },
	[JOB_STOP] = { "stopped",
		       { VU_VERB_GET_BASE, END },
		       OF_QUEUE(RUNNING, STOPPING, IDLE) },
	[JOB_ENABLE] = { "enabled",
			 { VU_VERB_SET_ENABLE, END },
			 OF_QUEUE(RUNNING, RUNNING, RUNNING) },
	[JOB_CALL] = { "given a call descriptor",
		       { VU_VERB_SET_CALL, END },
		       OF_QUEUE(RUNNING, RUNNING, RUNNING) },
};

static const char *const queue_state_names[] = {
	[IDLE] = "is not started",
	[STARTING] = "is being started",
	[RUNNING] = "runs",
	[STOPPING] = "is being stopped",
};

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
	[VU_VERB_GET_BASE] = "GET_VRING_BASE",
};

struct job {
	struct job *next;
	const struct job_row *row;
	unsigned idx;		    /* number of the queue */
	unsigned at;		    /* verbs done */
	struct vu_client_ring ring; /* the members that its verbs need */
	struct vu_client_done done;
	unsigned region_count;
	struct gmem_desc region[];
};

struct vu_client {
	struct loop *loop;
	struct vu_transport *transport; /* NULL when CLOSED */
	struct vu_client_config config;
	const struct vu_client_ops *ops;
	void *ctx;
	enum client_state state;
	uint64_t features;
	struct job *first, **last;
	bool is_calling; /* call is in progress for the first job */
	struct vu_call call;
	struct loop_timer work;	 /* armed: carries on from the loop */
	struct loop_timer limit; /* time limit of the current answer */
	uint8_t queue_state[2 * VU_CLIENT_PAIRS_MAX];
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

static void on_limit(struct loop_timer *t)
{
	struct vu_client *c = container_of(t, struct vu_client, limit);
	struct err err;

	err_set(&err, 0, "no answer within %u ms", c->config.timeout_ms);
	name_call(c, &err);
	end(c, err.msg);
}

static void start_limit(struct vu_client *c)
{
	loop_timer_arm(c->loop, &c->limit, c->config.timeout_ms, on_limit);
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
		return c->features;
	}
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
		.fd = verb == VU_VERB_SET_KICK ? r->kick_fd : r->call_fd,
		.addr = { .idx = job->idx,
			  .desc = r->desc,
			  .used = r->used,
			  .avail = r->avail },
		.mem = { job->region, job->region_count },
	};
	c->is_calling = true;
	start_limit(c);
}

/* Takes the answer to the first job's current verb. Returns false if the client
 * ended. */
static bool take_answer(struct vu_client *c)
{
	struct job *job = c->first;
	struct err err;

	loop_timer_disarm(&c->limit);
	c->is_calling = false;
	if (c->call.verb == VU_VERB_GET_FEATURES) {
		c->features = c->call.value & c->config.features;
		if (c->config.prune)
			c->features = c->config.prune(c->features);
	}
	if (c->call.verb == VU_VERB_PROTOCOL &&
	    c->call.value < c->config.queue_pairs) {
		err_set(&err, 0,
			"%u queue pairs are needed, the back-end has %" PRIu64,
			c->config.queue_pairs, c->call.value);
		end(c, err.msg);
		return false;
	}
	if (job->row->verb[++job->at] != END)
		return true;
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

static void on_work(struct loop_timer *t)
{
	vu_client_wake(container_of(t, struct vu_client, work));
}

static void append(struct vu_client *c, struct job *job)
{
	*c->last = job;
	c->last = &job->next;
	loop_timer_arm(c->loop, &c->work, 0, on_work);
}

/* Appends a job of @kind, for the caller to fill in, if the state allows it.
 * Else returns NULL, with *@rc and @err. */
static struct job *make_job(struct vu_client *c, enum job_kind kind,
			    unsigned idx, unsigned regions,
			    struct vu_client_done done, int *rc,
			    struct err *err)
{
	const struct job_row *row = &jobs[kind];
	struct job *job;

	*rc = 0;
	if (c->state != READY)
		*rc = err_set(err, -ENOTCONN, "%s",
			      c->state == CLOSED ? "the connection is closed"
						 : "nothing is agreed yet");
	else if (row->is_of_queue && idx >= 2 * c->config.queue_pairs)
		*rc = err_set(err, -EINVAL, "queue %u: there are %u", idx,
			      2 * c->config.queue_pairs);
	else if (row->is_of_queue && c->queue_state[idx] != row->from)
		*rc = err_set(err, -EBUSY, "queue %u %s, it cannot be %s", idx,
			      queue_state_names[c->queue_state[idx]],
			      row->name);
	if (*rc)
		return NULL;
	job = calloc(1, sizeof(*job) + regions * sizeof(job->region[0]));
	if (!job) {
		*rc = err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	job->row = row;
	job->idx = idx;
	job->done = done;
	job->region_count = regions;
	if (row->is_of_queue)
		c->queue_state[idx] = (uint8_t)row->meanwhile;
	append(c, job);
	return job;
}

int vu_client_set_memory(struct vu_client *c, const struct gmem_desc *region,
			 unsigned count, struct vu_client_done done,
			 struct err *err)
{
	struct job *job;
	int rc;

	job = make_job(c, JOB_MEMORY, 0, count, done, &rc, err);
	if (job && count)
		memcpy(job->region, region, count * sizeof(*region));
	return rc;
}

/* Appends a job of queue @idx; @ring has the values of its verbs. */
static int ask_queue(struct vu_client *c, enum job_kind kind, unsigned idx,
		     const struct vu_client_ring *ring,
		     struct vu_client_done done, struct err *err)
{
	struct job *job;
	int rc;

	job = make_job(c, kind, idx, 0, done, &rc, err);
	if (job)
		job->ring = *ring;
	return rc;
}

int vu_client_queue_announce(struct vu_client *c, unsigned idx, int fd,
			     struct vu_client_done done, struct err *err)
{
	return ask_queue(c, JOB_ANNOUNCE, idx,
			 &(struct vu_client_ring){ .call_fd = fd }, done, err);
}

int vu_client_queue_start(struct vu_client *c, unsigned idx,
			  const struct vu_client_ring *ring,
			  struct vu_client_done done, struct err *err)
{
	return ask_queue(c, JOB_START, idx, ring, done, err);
}

int vu_client_queue_stop(struct vu_client *c, unsigned idx,
			 struct vu_client_done done, struct err *err)
{
	return ask_queue(c, JOB_STOP, idx, &(struct vu_client_ring){ 0 }, done,
			 err);
}

int vu_client_queue_enable(struct vu_client *c, unsigned idx, bool enable,
			   struct vu_client_done done, struct err *err)
{
	return ask_queue(c, JOB_ENABLE, idx,
			 &(struct vu_client_ring){ .enabled = enable }, done,
			 err);
}

int vu_client_queue_call(struct vu_client *c, unsigned idx, int fd,
			 struct vu_client_done done, struct err *err)
{
	return ask_queue(c, JOB_CALL, idx,
			 &(struct vu_client_ring){ .call_fd = fd }, done, err);
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
	job->row = &jobs[JOB_NEGOTIATE];
	append(c, job);
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

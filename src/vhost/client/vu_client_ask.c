/* SPDX-License-Identifier: Apache-2.0 */
/* The requests to a vhost client, see vu_client.h. Control thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "virtio.h"
#include "vu_client_impl.h"

#define END				VU_JOB_END
#define OF_QUEUE(from, meanwhile, then) true, from, meanwhile, then

const struct job_row vu_jobs[JOB_COUNT] = {
	[JOB_NEGOTIATE] = { "negotiated",
			    { VU_VERB_GET_FEATURES, VU_VERB_PROTOCOL,
			      VU_VERB_SET_OWNER, VU_VERB_SET_FEATURES, END } },
	[JOB_FEATURES] = { "given features", { VU_VERB_SET_FEATURES, END } },
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
	[JOB_LOG] = { "given a log",
		      { VU_VERB_SET_LOG, VU_VERB_SET_FEATURES, VU_VERB_SET_ADDR,
			END },
		      .is_for_all = true },
	[JOB_DRIVER_OK] = { "told that the driver is ready",
			    { VU_VERB_DRIVER_OK, END } },
};

static const char *const queue_state_names[] = {
	[IDLE] = "is not started",
	[STARTING] = "is being started",
	[RUNNING] = "runs",
	[STOPPING] = "is being stopped",
};

/* Appends a job of @kind, for the caller to fill in, if the state allows it.
 * Else returns NULL, with *@rc and @err. */
static struct job *make_job(struct vu_client *c, enum job_kind kind,
			    unsigned idx, unsigned regions,
			    struct vu_client_done done, int *rc,
			    struct err *err)
{
	const struct job_row *row = &vu_jobs[kind];
	struct job *job;

	*rc = 0;
	if (c->state != READY)
		*rc = err_set(err, -ENOTCONN, "%s",
			      c->state == CLOSED ? "the connection is closed"
						 : "nothing is agreed yet");
	else if (row->is_of_queue && idx >= vu_client_queues(c))
		*rc = err_set(err, -EINVAL, "queue %u: there are %u", idx,
			      vu_client_queues(c));
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
	vu_client_append(c, job);
	return job;
}

int vu_client_set_features(struct vu_client *c, uint64_t features,
			   struct vu_client_done done, struct err *err)
{
	struct job *job;
	int rc;

	if (features & ~c->offered)
		return err_set(err, -EINVAL,
			       "features %#" PRIx64 ": the back-end lacks them",
			       features & ~c->offered);
	for (unsigned i = 0; i < vu_client_queues(c); i++)
		if (c->queue_state[i] != IDLE)
			return err_set(err, -EBUSY, "queue %u %s", i,
				       queue_state_names[c->queue_state[i]]);
	job = make_job(c, JOB_FEATURES, 0, 0, done, &rc, err);
	if (job)
		job->features = features;
	return rc;
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

int vu_client_set_log(struct vu_client *c, const struct vu_client_log *log,
		      struct vu_client_done done, struct err *err)
{
	struct job *job;
	int rc;

	if (c->state == READY && !c->can_log)
		return err_set(err, -EOPNOTSUPP,
			       "the back-end cannot note what it writes: it "
			       "lacks LOG_ALL");
	job = make_job(c, JOB_LOG, 0, 0, done, &rc, err);
	if (job && log)
		job->log = *log;
	return rc;
}

int vu_client_driver_ok(struct vu_client *c, struct vu_client_done done,
			struct err *err)
{
	int rc;

	make_job(c, JOB_DRIVER_OK, 0, 0, done, &rc, err);
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

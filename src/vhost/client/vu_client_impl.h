/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the vhost client: its jobs. vu_client.c does them, vu_client_ask.c
 * makes them of the owner's requests. Control thread. */
#ifndef RW_VU_CLIENT_IMPL_H
#define RW_VU_CLIENT_IMPL_H

#include "vu_client.h"
#include "vu_transport.h"

enum client_state { NEGOTIATING, READY, CLOSED };

enum queue_state { IDLE, STARTING, RUNNING, STOPPING };

enum job_kind {
	JOB_NEGOTIATE,
	JOB_FEATURES,
	JOB_MEMORY,
	JOB_ANNOUNCE,
	JOB_START,
	JOB_STOP,
	JOB_ENABLE,
	JOB_CALL,
	JOB_LOG,
	JOB_DRIVER_OK,
	JOB_COUNT,
};

#define VU_JOB_END	     VU_VERB_COUNT

#define VU_CLIENT_QUEUES_MAX (2 * VU_CLIENT_PAIRS_MAX + 1)

/* The verbs of a job, in order, and the states of its queue, if it has one. */
struct job_row {
	const char *name;
	uint8_t verb[7];
	bool is_of_queue;
	enum queue_state from, meanwhile, then;
	bool is_for_all; /* the last verb is asked for each queue that runs */
};
extern const struct job_row vu_jobs[JOB_COUNT];

struct job {
	struct job *next;
	const struct job_row *row;
	unsigned idx;		    /* number of the queue */
	unsigned at;		    /* verbs done */
	struct vu_client_ring ring; /* the members that its verbs need */
	struct vu_client_log log;   /* of JOB_LOG; size 0: none */
	uint64_t features;	    /* of JOB_FEATURES: agreed if it is done */
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
	uint64_t offered; /* agreed when the connection began */
	uint64_t features, features_high;
	bool can_log;	/* the back-end has VHOST_F_LOG_ALL */
	bool is_logged; /* it has a log, to note what it writes */
	struct job *first, **last;
	bool is_calling; /* call is in progress for the first job */
	struct vu_call call;
	struct loop_timer work;	 /* armed: carries on from the loop */
	struct loop_timer limit; /* time limit of the current answer */
	uint8_t queue_state[VU_CLIENT_QUEUES_MAX];
	struct vu_vring_addr addr[VU_CLIENT_QUEUES_MAX]; /* that a queue was
							  * started with */
};

static inline unsigned vu_client_queues(const struct vu_client *c)
{
	return 2 * c->config.queue_pairs + c->config.has_control;
}

/* Appends the job to the list; it is done from the loop. */
void vu_client_append(struct vu_client *c, struct job *job);

#endif

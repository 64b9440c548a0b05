/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane puts frames into the path of a port, behind a filter: a bounded ring
 * of copies, and a receive queue whose worker takes them out. One lane for each
 * direction. Frames keep their order; those that find the ring full are dropped
 * and counted. While a receiver is full they wait in the ring.
 *
 * A lane with an interval is a gate: frames that came in within an interval all
 * wait for its end.
 */
#ifndef RW_LANE_H
#define RW_LANE_H

#include "chain.h"
#include "mring.h"
#include "store.h"

struct lane {
	struct port owner; /* stands in for a port: the queue's operations */
	struct rxq rxq;
	struct filter_entry entry;
	void (*drain)(struct vswitch *sw, struct rxq *q); /* of port_env */
	struct mring *ring; /* any thread -> worker */
	int fd;		    /* eventfd, or timerfd of the gate */
	uint64_t interval;  /* [const] ns; 0: no gate */
	uint64_t start;	    /* [const] ns, the beginning of an interval */
	bool is_open;	    /* [ctl -> worker, atomic] the gate is open */
	uint64_t frames;    /* [holder of the ring] put in */
	uint64_t dropped;   /* [any, atomic] */
	struct store store; /* [worker] */
};

/*
 * Returns a lane of @bytes for frames of @f in one direction, or NULL without
 * memory or descriptors. lane_attach() gives it to a worker and returns 0 or
 * -errno. [ctl]
 */
struct lane *lane_create(const struct port_env *env, const struct filter *f,
			 bool is_rx, size_t bytes, uint64_t interval_ns);
int lane_attach(struct lane *l);
/* Takes the lane from its worker, and forwards what is in it as far as its
 * receivers take it. [ctl] */
void lane_drain(struct lane *l);
void lane_destroy(struct lane *l); /* NULL is fine; drained before */
/* Opens or closes the gate. [ctl] */
void lane_set_open(struct lane *l, bool is_open);

/* Shows the numbers of both lanes of a filter; entries may be NULL. [ctl] */
void lanes_show(struct lane *const lane[2], struct show *s);

/* Copies @n frames into the lane. [any thread] */
void lane_put(struct lane *l, struct frame *const *frames, unsigned n);
/* Puts the frame in @data in. Returns false without room. [any thread] */
bool lane_put_data(struct lane *l, const struct vnet_hdr *hdr, const void *data,
		   uint32_t len);

/* Returns whether all frames have left the lane. [any thread] */
static inline bool lane_is_empty(const struct lane *l)
{
	return mring_is_empty(l->ring);
}

#endif

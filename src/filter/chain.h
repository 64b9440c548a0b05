/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of filters of a port, as workers see it. */
#ifndef RW_CHAIN_H
#define RW_CHAIN_H

#include "frame.h"
#include "port.h"

struct filter;

#define CHAIN_MAX 16 /* filters of a port; each one looks at every burst */

/* Immutable, published with RCU; port->filters. */
struct filter_chain {
	unsigned count;			  /* >= 1 */
	struct filter *filter[CHAIN_MAX]; /* from head to tail */
};

/* Where the frames of a queue go into a port's path. */
struct filter_entry {
	struct port *port;
	const struct filter *behind; /* they pass the filters behind it */
	bool is_rx;
};

/*
 * Offers @n frames to the filters behind @from (NULL: to all), in order, until
 * one takes them; those before it see the frames. Returns whether one took
 * them; if not, no filter has seen them yet. [worker]
 */
bool chain_take(const struct filter_chain *c, const struct filter *from,
		bool is_rx, struct frame *const *frames, unsigned n);

/* Shows @n frames that no filter took to all filters behind @from. [worker] */
void chain_see(const struct filter_chain *c, const struct filter *from,
	       bool is_rx, struct frame *const *frames, unsigned n);

/* Returns 0, or -EINVAL with @err for a hubport with netdev=, which no frames
 * pass: they pass the port that it brings. [ctl] */
int chain_check_port(const struct port *p, struct err *err);

#endif

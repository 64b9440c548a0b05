/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside switch/: the ports of a domain, as workers see them. Domains with the
 * same ports share a topology: those of a network are kept by a hash of their
 * ports, so that an equal one is found. Control thread.
 */
#ifndef RW_TOPOLOGY_H
#define RW_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

struct port;

/* The ports of a domain by slot; published with RCU. Immutable, except that a
 * port that goes while there is no memory is taken out in place. */
struct topology {
	unsigned users;		  /* [ctl] domains that use it */
	uint64_t sum;		  /* [ctl] a hash of its ports */
	struct topology *chain;	  /* [ctl] in the list of its sum */
	struct topology *instead; /* [ctl] its replacement, during a change */
	struct topology *next;	  /* [ctl] in the list of replaced ones */
	struct topology *newer;	  /* [ctl] in the list of those just made */
	unsigned count;		  /* slots, holes included */
	struct port *port[];	  /* NULL: free slot, or not in the domain */
};

/* The topologies of a network. Zeroed: none. */
struct topologies {
	struct topology *list[64]; /* by their sums */
};

/* Returns an empty one with one user. NULL: out of memory. */
struct topology *topology_create(struct topologies *all);

/* Returns the one that is @t with @p in @slot where it is not, and without it
 * where it is: a known one, or a new one without users (*@is_new). NULL: out of
 * memory. */
struct topology *topology_toggle(struct topologies *all,
				 const struct topology *t, unsigned slot,
				 struct port *p, bool *is_new);

void topology_free(struct topologies *all, struct topology *t);
/* Takes a user off @t (NULL is fine); the last one frees it. */
void topology_put(struct topologies *all, struct topology *t);

#endif

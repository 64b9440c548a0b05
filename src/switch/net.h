/* SPDX-License-Identifier: Apache-2.0 */
/* Inside switch/: a network, and the topology that workers see of it. */
#ifndef RW_NET_H
#define RW_NET_H

#include <urcu/list.h>

#include "fdb.h"
#include "port.h"

/* The ports of a network by slot; immutable, published with RCU. */
struct topology {
	unsigned count;	     /* slots, holes included */
	struct port *port[]; /* NULL: free slot */
};

struct net {
	char *name; /* heap */
	struct fdb *fdb;
	struct topology *topology; /* [rcu] never NULL */
	unsigned port_count;	   /* [ctl] */
	struct cds_list_head node; /* [ctl] in vswitch.nets */
};

#endif

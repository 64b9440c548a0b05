/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells ports that interfaces of the host or their addresses changed
 * (rtnetlink). Control thread, except for link_events_wake().
 *
 * An event says only which interface changed. Its follower then asks the kernel
 * for the present state, so neither the order of events nor a lost event
 * matters. Netlink reports our network namespace only.
 */
#ifndef RW_LINK_EVENTS_H
#define RW_LINK_EVENTS_H

#include <stdbool.h>

#include "loop.h"
#include "sock_addr.h"

/* Embedded in its owner; zeroed before the first use. */
struct link_follower {
	/* Returns whether an event of interface @index is of interest. NULL:
	 * all are. */
	bool (*concerns)(const struct link_follower *f, unsigned index);
	/* Asks for the present state. Called once for all events that came
	 * together. It may end its own following. */
	void (*look)(struct link_follower *f);
	bool is_listed, is_changed;
	/* An interface of interest was deleted, or left our network namespace,
	 * which unbinds sockets; it may be back with its number. Read and
	 * cleared by look(). */
	bool was_deleted;
	struct link_follower *next;
};

/* Calls f->look from now on. Returns 0 or -errno. */
int link_events_follow(struct link_follower *f, struct loop *loop);
/* Ends that, if @f follows. */
void link_events_leave(struct link_follower *f);

/*
 * Asks the kernel about an interface: an ioctl(2) of netdevice(7). Returns 0 or
 * -errno; only -ENODEV and -ENXIO say that there is none. While somebody
 * follows, it needs no descriptor of its own. link_index() returns the number
 * of the interface @name, or -errno.
 */
struct ifreq;
int link_query(unsigned long request, struct ifreq *r);
int link_index(const char *name);
/* Returns the number of the interface that has address @a, or that its scope
 * says; 0 for no address, -ENODEV, or another -errno when it cannot be found
 * out. */
int link_of_address(const struct sock_addr *a);
/* Returns the number of the interface that a route to @a names, or -errno;
 * -ENETUNREACH: there is none. */
int link_of_route(const struct sock_addr *a);

/* Has all followers look soon. There is one. Any thread. */
void link_events_wake(void);

#endif

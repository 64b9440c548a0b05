/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A datagram port in a multicast group, see dgram.h. Control thread.
 *
 * The port sends from a socket of its own. Its datagrams come back to it, as
 * they come to all members on this host, and all members receive on the same
 * address and port; only the sending socket's port says whose they are.
 *
 * The sockets belong to one interface: that with the local address, or that of
 * the route. When it is deleted, or loses the address, the port has no link and
 * waits; when there is one again, it gets new sockets. A scope makes a socket
 * stay with the number of the interface that is gone, so joining again would
 * not do.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "dgram.h"
#include "fd.h"
#include "workers.h"

/* Time from an event to the look: events come in crowds, and the route to an
 * address comes after it. */
#define SETTLE_MS 50
#define AGAIN_MS  1000

/* Returns the number of the interface that @a names, 0 for none. */
static int scope_of(const struct sock_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? (int)a->in6.sin6_scope_id : 0;
}

/* Makes @fd a member of the group on interface @index; 0: on the one that the
 * route to the group names. Datagrams of other groups and interfaces do not
 * come to it. */
static int join(int fd, const struct sock_addr *group, int index)
{
	struct ip_mreqn in = { .imr_multiaddr = group->in.sin_addr,
			       .imr_ifindex = index };
	struct ipv6_mreq in6 = { .ipv6mr_multiaddr = group->in6.sin6_addr,
				 .ipv6mr_interface = (unsigned)index };
	int off = 0, rc;

	if (group->sa.sa_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off,
			   sizeof(off));
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &in6,
				sizeof(in6));
	} else {
		setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
		rc = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &in,
				sizeof(in));
	}
	return rc < 0 ? -errno : 0;
}

/* Opens the socket that sends to the group, from the address @local if that is
 * given, and learns its address. */
static int open_sender(struct dgram_link *l, const struct sock_addr *local,
		       int index)
{
	struct ip_mreqn in = { .imr_ifindex = index };
	struct sock_addr from = *local;
	int rc = sock_addr_resolve(&from);

	if (!rc)
		rc = dgram_sock_new(l->remote.sa.sa_family, SOCK_DGRAM, 0,
				    &l->out_fd);
	if (rc)
		return rc;
	from.in.sin_port = 0; /* the group's belongs to the receiver */
	if (from.len && bind(l->out_fd, &from.sa, from.len) < 0)
		return -errno;
	if (l->remote.sa.sa_family == AF_INET6)
		rc = setsockopt(l->out_fd, IPPROTO_IPV6, IPV6_MULTICAST_IF,
				&index, sizeof(index));
	else if (index)
		rc = setsockopt(l->out_fd, IPPROTO_IP, IP_MULTICAST_IF, &in,
				sizeof(in));
	if (rc < 0 || connect(l->out_fd, &l->remote.sa, l->remote.len) < 0)
		return -errno;
	l->own.len = offsetof(struct sock_addr, len);
	if (getsockname(l->out_fd, &l->own.sa, &l->own.len) < 0)
		return -errno;
	l->remote.len = 0; /* the socket is connected */
	return 0;
}

/* Opens the sockets on interface @index. Returns 0 or -errno with @err. */
static int open_sockets(struct dgram_port *d, int index, struct err *err)
{
	struct dgram_link *l = &d->link;
	const char *key = d->group.key;
	struct sock_addr group = d->remote;
	int on = 1, rc;

	if (group.sa.sa_family == AF_INET6)
		group.in6.sin6_scope_id = (uint32_t)index;
	if (group.sa.sa_family == AF_INET6 && !index &&
	    IN6_IS_ADDR_MC_LINKLOCAL(&group.in6.sin6_addr))
		return err_set(err, -EINVAL,
			       "%s: the group is link-local: name its "
			       "interface, as in ff02::1%%eth0",
			       key);
	l->remote = group;
	rc = dgram_sock_new(group.sa.sa_family, SOCK_DGRAM, 0, &l->fd);
	if (!rc &&
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		rc = -errno;
	if (!rc && bind(l->fd, &group.sa, group.len) < 0)
		rc = -errno;
	if (rc)
		return dgram_sock_fail(&group, key, "listen on", rc, err);
	rc = join(l->fd, &group, index);
	if (rc == -ENODEV && !d->local.len)
		return err_set(err, rc,
			       "%s: no interface has a route to the group: add "
			       "one, or name an interface's address with "
			       "localaddr= (dgram: local.host=)",
			       key);
	if (rc)
		return dgram_sock_fail(&group, key, "join", rc, err);
	rc = open_sender(l, &d->local, index);
	return rc ? dgram_sock_fail(&group, key, "send to", rc, err) : 0;
}

/* Returns the number of the port's interface now, 0 when there is none, or
 * -errno when it cannot be found out. */
static int find_interface(const struct dgram_group *g)
{
	int index = *g->name ? link_index(g->name) : link_of_address(&g->at);

	return index == -ENODEV ? 0 : index;
}

int dgram_group_open(struct dgram_port *d, const struct dgram_setup *setup,
		     struct err *err)
{
	struct dgram_group *g = &d->group;
	int index = link_of_address(&d->local), rc;

	g->key = setup->remote_key;
	if (d->local.len && d->local.sa.sa_family != d->remote.sa.sa_family)
		return err_set(err, -EINVAL,
			       "%s: the group and the local address must both "
			       "be IPv4 or both IPv6",
			       setup->local_key);
	if (!index)
		index = scope_of(&d->remote);
	if (index < 0)
		return dgram_sock_fail(&d->local, setup->local_key,
				       "find an interface with", index, err);
	rc = open_sockets(d, index, err);
	if (rc)
		return rc;
	/* By the route: the interface is that of the sender's address. */
	g->at = d->local.len ? d->local : d->link.own;
	if (!index)
		index = link_of_address(&g->at);
	if (scope_of(&g->at) || scope_of(&d->remote))
		if_indextoname((unsigned)index, g->name);
	g->index = MAX(index, 0);
	return 0;
}

static void take_down(struct dgram_port *d)
{
	port_set_txqs(&d->port, NULL, 0, 0);
	rxq_detach(&d->link.rx);
	dgram_sock_close(d);
	d->link.own.len = 0;
	d->group.index = 0;
}

static int attach(struct dgram_port *d)
{
	struct txq *tx = &d->link.tx;
	int out_fd = d->link.out_fd, rc;

	dgram_link_reset(&d->link, d->link.fd);
	d->link.out_fd = out_fd;
	rc = rxq_attach(&d->link.rx);
	return rc ? rc : port_set_txqs(&d->port, &tx, 1, 0);
}

static void look_again(struct loop_timer *t)
{
	struct dgram_port *d = container_of(t, struct dgram_port, group.settle);
	struct dgram_group *g = &d->group;
	int index = find_interface(g);
	bool was_deleted = g->follower.was_deleted;
	struct err err = { "" };

	if (index < 0) /* no event tells when there are descriptors again */
		loop_timer_arm(d->port.loop, t, AGAIN_MS, look_again);
	if (index < 0)
		return;
	/* It may be another one with the same number. */
	g->follower.was_deleted = false;
	if (index == g->index && !was_deleted)
		return;
	if (g->index) {
		take_down(d);
		log_limited(&g->log, LOG_LEVEL_INFO,
			    "port=%s: the group's interface is gone",
			    d->port.name);
	}
	if (!index)
		return;
	if (open_sockets(d, index, &err) || attach(d)) {
		take_down(d);
		g->reason = err;
		loop_timer_arm(d->port.loop, t, AGAIN_MS, look_again);
		return;
	}
	g->index = index;
	g->reason.msg[0] = '\0';
	log_limited(&g->log, LOG_LEVEL_INFO, "port=%s: in the group again",
		    d->port.name);
}

static void on_change(struct link_follower *f)
{
	struct dgram_port *d =
		container_of(f, struct dgram_port, group.follower);

	/* The first event of a crowd begins the time: there may be no end. */
	if (!d->group.settle.loop)
		loop_timer_arm(d->port.loop, &d->group.settle, SETTLE_MS,
			       look_again);
}

int dgram_group_follow(struct dgram_port *d)
{
	if (!d->group.key)
		return 0;
	d->group.follower.look = on_change;
	return link_events_follow(&d->group.follower, d->port.loop);
}

void dgram_group_leave(struct dgram_port *d)
{
	link_events_leave(&d->group.follower);
	loop_timer_disarm(&d->group.settle);
	log_limit_fini(&d->group.log);
}

void dgram_group_show(const struct dgram_port *d, struct show *out)
{
	const struct dgram_group *g = &d->group;

	if (!g->key)
		return;
	show_str(out, "state",
		 g->index ? "in the group" : "waiting for its interface");
	if (!g->index && *g->reason.msg)
		show_str(out, "reason", g->reason.msg);
}

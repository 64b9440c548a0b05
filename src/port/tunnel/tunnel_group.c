/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Membership of the tunnels in multicast groups, see tunnel_conf.h. Control
 * thread.
 *
 * The kernel keeps a membership while an interface is down, but not when it is
 * deleted. So after changes of interfaces and addresses all tunnels join again;
 * joining twice changes nothing.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "fd.h"
#include "tunnel_conf.h"

/* Time from an event to the look at the interfaces: events come in crowds. */
#define SETTLE_MS 50

static struct {
	struct tunnel *first; /* all tunnels with a group */
	struct loop_watch events;
	struct loop_timer settle;
	struct loop *loop;
	int fd; /* netlink socket; -1 without tunnels */
} follow = { .fd = -1 };

static int membership(const struct tunnel *t, bool is_member)
{
	const struct sock_addr *group = &t->group;
	struct ip_mreqn in = { .imr_multiaddr = group->in.sin_addr,
			       .imr_ifindex = t->ifindex };
	struct ipv6_mreq in6 = { .ipv6mr_multiaddr = group->in6.sin6_addr,
				 .ipv6mr_interface = (unsigned)t->ifindex };
	bool is_v6 = group->sa.sa_family == AF_INET6;
	int rc = is_v6 ? setsockopt(t->ep->fd, IPPROTO_IPV6,
				    is_member ? IPV6_ADD_MEMBERSHIP
					      : IPV6_DROP_MEMBERSHIP,
				    &in6, sizeof(in6))
		       : setsockopt(t->ep->fd, IPPROTO_IP,
				    is_member ? IP_ADD_MEMBERSHIP
					      : IP_DROP_MEMBERSHIP,
				    &in, sizeof(in));

	/* another tunnel of the endpoint is a member, or this one was */
	return rc < 0 && errno != EADDRINUSE ? -errno : 0;
}

static void join_again(struct loop_timer *timer)
{
	(void)timer;
	for (struct tunnel *t = follow.first; t; t = t->next_group) {
		if (*t->dev)
			shm_store(&t->ifindex, (int)if_nametoindex(t->dev));
		t->is_member = (!*t->dev || t->ifindex) && !membership(t, true);
	}
}

static void on_events(struct loop_watch *w, uint32_t events)
{
	char buf[4096];

	(void)events;
	while (recv(w->fd, buf, sizeof(buf), 0) > 0 || errno == ENOBUFS ||
	       errno == EINTR)
		;
	loop_timer_arm(follow.loop, &follow.settle, SETTLE_MS, join_again);
}

static int open_events(struct loop *loop)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK |
					       RTMGRP_IPV4_IFADDR |
					       RTMGRP_IPV6_IFADDR };
	int rc = 0;

	follow.loop = loop;
	follow.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   NETLINK_ROUTE);
	if (follow.fd < 0 ||
	    bind(follow.fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		rc = -errno;
	if (!rc)
		rc = loop_watch_add(loop, &follow.events, follow.fd, EPOLLIN,
				    on_events);
	if (rc)
		fd_close(&follow.fd);
	return rc;
}

int tunnel_group_join(struct tunnel *t, struct err *err)
{
	char group[SOCK_ADDR_TEXT];
	int rc = membership(t, true);

	sock_addr_text(&t->group, group);
	if (rc == -ENODEV && !*t->dev)
		return err_set(err, rc,
			       "group=%s: no interface has a route to it: name "
			       "one with dev=",
			       group);
	if (rc == -ENOBUFS)
		return err_set(err, rc,
			       "group=%s: too many groups on one address: see "
			       "net.ipv4.igmp_max_memberships",
			       group);
	if (!rc && !follow.first)
		rc = open_events(t->port.loop);
	if (rc)
		return err_set(err, rc, "group=%s: cannot join: %s", group,
			       strerror(-rc));
	t->is_member = true;
	t->next_group = follow.first;
	follow.first = t;
	return 0;
}

/* Returns whether another tunnel needs the membership of @t. */
static bool is_shared(const struct tunnel *t)
{
	for (const struct tunnel *o = follow.first; o; o = o->next_group)
		if (o->ep == t->ep && o->ifindex == t->ifindex &&
		    sock_addr_equal(&o->group, &t->group))
			return true;
	return false;
}

void tunnel_group_leave(struct tunnel *t)
{
	struct tunnel **at = &follow.first;

	while (*at && *at != t)
		at = &(*at)->next_group;
	if (!*at)
		return;
	*at = t->next_group;
	if (!is_shared(t))
		membership(t, false);
	if (follow.first)
		return;
	loop_timer_disarm(&follow.settle);
	loop_watch_remove(&follow.events);
	fd_close(&follow.fd);
}

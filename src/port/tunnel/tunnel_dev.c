/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces of the tunnels and their membership in multicast groups, see
 * tunnel_conf.h. Control thread.
 *
 * The kernel keeps a membership while an interface is down, but not when it is
 * deleted; one of the same name that is made later has another number. So after
 * changes of interfaces and addresses all tunnels look the number up and join
 * again; joining twice on one interface changes nothing. The socket's own list
 * keeps the interface that is gone, and is bounded, so that entry is dropped.
 *
 * A tunnel whose dev= is gone has no link: its frames would leave by the
 * default route.
 */
#include <errno.h>
#include <string.h>

#include "link_events.h"
#include "tunnel_conf.h"

/* Time from an event to the look at the interfaces: events come in crowds. */
#define SETTLE_MS 50
/* Until the next look when something is missing of which no event tells: a
 * route to a group, or descriptors. */
#define AGAIN_MS 1000

static void on_change(struct link_follower *f);

static struct {
	struct tunnel *first; /* all tunnels with a group or dev= */
	struct link_follower follower;
	struct loop_timer settle;
	bool is_settling; /* @settle is armed because of an event */
	struct loop *loop;
} follow = { .follower.look = on_change };

/* Joins the group of @t on interface @index, or leaves it. Returns 0 or -errno.
 */
static int membership(const struct tunnel *t, int index, bool is_member)
{
	const struct sock_addr *group = &t->group;
	struct ip_mreqn in = { .imr_multiaddr = group->in.sin_addr,
			       .imr_ifindex = index };
	struct ipv6_mreq in6 = { .ipv6mr_multiaddr = group->in6.sin6_addr,
				 .ipv6mr_interface = (unsigned)index };
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

/* Returns whether another tunnel needs the membership of @t. */
static bool is_shared(const struct tunnel *t)
{
	for (const struct tunnel *o = follow.first; o; o = o->next_followed)
		if (o != t && o->ep == t->ep && o->joined == t->joined &&
		    sock_addr_equal(&o->group, &t->group))
			return true;
	return false;
}

static void leave_group(struct tunnel *t)
{
	if (t->joined && !is_shared(t))
		membership(t, t->joined, false);
	t->joined = 0;
}

/* Makes the endpoint of @t a member of its group on the interface of dev=, or
 * else of the route. Returns 0 or -errno. */
static int join_group(struct tunnel *t)
{
	int index = *t->dev ? t->ifindex : link_of_route(&t->group), rc;

	if (index != t->joined)
		leave_group(t);
	if (index <= 0)
		return index ? index : -ENODEV;
	rc = membership(t, index, true);
	t->joined = rc ? 0 : index;
	return rc;
}

/* Looks the interface of @t up. Returns whether that is done. */
static bool find_dev(struct tunnel *t)
{
	int index = link_index(t->dev);

	if (index < 0 && index != -ENODEV)
		return false;
	index = MAX(index, 0);
	/* No worker may send with 0, which means "by the route". */
	if (!index && tunnel_set_link(t, false))
		return false;
	shm_store(&t->ifindex, index);
	if (!index)
		return true;
	t->trouble = endpoint_move(t->ep, (unsigned)index);
	return !t->trouble && !tunnel_set_link(t, true);
}

/* Examines @t. Returns whether it has all it needs, or waits for an event. */
static bool examine(struct tunnel *t)
{
	if (*t->dev && !find_dev(t))
		return false;
	return !t->group.len || !join_group(t) || *t->dev;
}

static void look_again(struct loop_timer *timer)
{
	bool is_done = true;

	follow.is_settling = false;
	/* An interface of the same number may have come, which is in no group:
	 * joining it would be "done already". */
	for (struct tunnel *t = follow.first; t && follow.follower.was_deleted;
	     t = t->next_followed)
		leave_group(t);
	follow.follower.was_deleted = false;
	for (struct tunnel *t = follow.first; t; t = t->next_followed)
		is_done &= examine(t);
	if (!is_done)
		loop_timer_arm(follow.loop, timer, AGAIN_MS, look_again);
}

/* The first event of a crowd begins the time, which ends also if there is no
 * end of events. */
static void on_change(struct link_follower *f)
{
	(void)f;
	if (!follow.is_settling)
		loop_timer_arm(follow.loop, &follow.settle, SETTLE_MS,
			       look_again);
	follow.is_settling = true;
}

static int join(struct tunnel *t, struct err *err)
{
	char group[SOCK_ADDR_TEXT];
	int rc = join_group(t);

	sock_addr_text(&t->group, group);
	if ((rc == -ENODEV || rc == -ENETUNREACH) && !*t->dev)
		return err_set(err, rc,
			       "group=%s: no interface has a route to it: name "
			       "one with dev=",
			       group);
	if (rc == -ENOBUFS)
		return err_set(err, rc,
			       "group=%s: too many groups on one address: see "
			       "net.ipv4.igmp_max_memberships",
			       group);
	return rc ? err_set(err, rc, "group=%s: cannot join: %s", group,
			    strerror(-rc))
		  : 0;
}

int tunnel_dev_follow(struct tunnel *t, struct err *err)
{
	int rc = 0;

	if (!t->group.len && !*t->dev)
		return 0;
	if (!follow.first) {
		follow.loop = t->port.loop;
		rc = link_events_follow(&follow.follower, follow.loop);
	}
	if (rc)
		return err_set(err, rc, "dev=: cannot follow interfaces: %s",
			       strerror(-rc));
	t->next_followed = follow.first;
	follow.first = t;
	return t->group.len ? join(t, err) : 0;
}

void tunnel_dev_leave(struct tunnel *t)
{
	struct tunnel **at = &follow.first;

	while (*at && *at != t)
		at = &(*at)->next_followed;
	if (!*at)
		return;
	*at = t->next_followed;
	leave_group(t);
	if (follow.first)
		return;
	loop_timer_disarm(&follow.settle);
	follow.is_settling = false;
	link_events_leave(&follow.follower);
}

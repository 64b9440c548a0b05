/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the host's interfaces, see link_events.h. Control thread, except
 * for link_events_wake(). */
#include "link_events.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "netlink.h"

#define EVENTS_ROOM (4 << 20) /* the kernel may grant less */

static struct {
	struct link_follower *first;
	struct loop_watch events; /* watches @fd */
	struct loop_watch wake;	  /* watches @wake_fd */
	int fd;			  /* netlink socket; -1 without followers */
	int wake_fd; /* eventfd that any thread signals; -1 without followers */
} follow = { .fd = -1, .wake_fd = -1 };

static void look_at_changed(void)
{
	struct link_follower *f, *next;

	for (f = follow.first; f; f = next) {
		next = f->next;
		if (!f->is_changed)
			continue;
		f->is_changed = false;
		f->look(f);
	}
}

/* Both mark the followers of interface @index; 0: all. */
static void mark_changed(unsigned index)
{
	for (struct link_follower *f = follow.first; f; f = f->next)
		f->is_changed |=
			!index || !f->concerns || f->concerns(f, index);
}

static void mark_deleted(unsigned index)
{
	for (struct link_follower *f = follow.first; f; f = f->next)
		f->was_deleted |=
			!index || !f->concerns || f->concerns(f, index);
}

/* Both messages have the number of the interface at the same place. */
_Static_assert(offsetof(struct ifinfomsg, ifi_index) ==
		       offsetof(struct ifaddrmsg, ifa_index),
	       "place of the index");

static void take_messages(const char *buf, size_t size)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;

	for (; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
		const struct ifaddrmsg *m = NLMSG_DATA(h);

		switch (h->nlmsg_type) {
		case RTM_DELLINK:
			/* A bridge tells so of its members (AF_BRIDGE). */
			if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) &&
			    m->ifa_family == AF_UNSPEC)
				mark_deleted(m->ifa_index);
			__attribute__((fallthrough));
		case RTM_NEWLINK:
		case RTM_NEWADDR:
		case RTM_DELADDR:
			if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)))
				mark_changed(m->ifa_index);
			break;
		default:
			break;
		}
	}
}

static void on_events(struct loop_watch *w, uint32_t events)
{
	_Alignas(struct nlmsghdr) char buf[16384];
	ssize_t n;

	(void)events;
	while ((n = recv(w->fd, buf, sizeof(buf), 0)) != 0) {
		if (n > 0)
			take_messages(buf, (size_t)n);
		else if (errno == ENOBUFS) { /* events were lost */
			log_info("interfaces: the kernel lost events: ports "
				 "open their sockets again");
			mark_deleted(0);
			mark_changed(0);
		} else if (errno != EINTR)
			break;
	}
	look_at_changed();
}

static void on_wake(struct loop_watch *w, uint32_t events)
{
	(void)events;
	fd_drain(w->fd);
	mark_changed(0);
	look_at_changed();
}

void link_events_wake(void)
{
	fd_signal(follow.wake_fd);
}

int link_query(unsigned long request, struct ifreq *r)
{
	bool is_kept = follow.fd >= 0;
	int fd = follow.fd, rc = 0;

	/* Sockets of all families take these requests. */
	if (!is_kept)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, request, r) < 0)
		rc = -errno;
	if (!is_kept)
		fd_close(&fd);
	return rc;
}

int link_index(const char *name)
{
	struct ifreq r = { 0 };
	int rc;

	if (strlen(name) >= sizeof(r.ifr_name))
		return -ENODEV;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	rc = link_query(SIOCGIFINDEX, &r);
	return rc ? rc : r.ifr_ifindex;
}

int link_of_address(const struct sock_addr *a)
{
	struct ifaddrs *all, *i;
	struct sock_addr one = *a;
	int found = -ENODEV;

	if (!a->len)
		return 0;
	if (a->sa.sa_family == AF_INET6 && a->in6.sin6_scope_id)
		return (int)a->in6.sin6_scope_id;
	if (getifaddrs(&all) < 0)
		return -errno;
	one.in.sin_port = 0; /* at the same place in both families */
	for (i = all; i && found < 0; i = i->ifa_next) {
		struct sock_addr its = { 0 };

		if (!i->ifa_addr || i->ifa_addr->sa_family != a->sa.sa_family ||
		    (*a->scope && strcmp(i->ifa_name, a->scope) != 0))
			continue;
		memcpy(&its.sa, i->ifa_addr,
		       a->sa.sa_family == AF_INET6 ? sizeof(its.in6)
						   : sizeof(its.in));
		if (sock_addr_equal(&its, &one))
			found = link_index(i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

int link_of_route(const struct sock_addr *a)
{
	bool is_v6 = a->sa.sa_family == AF_INET6;
	size_t size = is_v6 ? sizeof(a->in6.sin6_addr) : sizeof(a->in.sin_addr);
	struct rtmsg route = { .rtm_family = (unsigned char)a->sa.sa_family,
			       .rtm_dst_len = (unsigned char)(size * 8) };
	union nl_message m;
	const void *found;
	int rc, index;

	nl_begin(&m, RTM_GETROUTE, 0, &route, sizeof(route));
	nl_put(&m, RTA_DST,
	       is_v6 ? (const void *)&a->in6.sin6_addr : &a->in.sin_addr, size);
	rc = nl_ask(NETLINK_ROUTE, &m);
	if (rc)
		return rc;
	found = nl_find(&m, sizeof(route), RTA_OIF, sizeof(index));
	if (!found)
		return -ENETUNREACH;
	memcpy(&index, found, sizeof(index));
	return index;
}

static void close_events(void)
{
	loop_watch_remove(&follow.events);
	loop_watch_remove(&follow.wake);
	fd_close(&follow.fd);
	fd_close(&follow.wake_fd);
}

static int open_events(struct loop *loop)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK |
					       RTMGRP_IPV4_IFADDR |
					       RTMGRP_IPV6_IFADDR };
	int room = EVENTS_ROOM, rc = 0;

	follow.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   NETLINK_ROUTE);
	follow.wake_fd = fd_eventfd();
	/* A hundred interfaces made at once are two hundred kilobytes of
	 * events, and lost events cost all ports their sockets. */
	if (setsockopt(follow.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
		       sizeof(room)) < 0)
		setsockopt(follow.fd, SOL_SOCKET, SO_RCVBUF, &room,
			   sizeof(room));
	if (follow.fd < 0 || follow.wake_fd < 0 ||
	    bind(follow.fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		rc = -errno;
	if (!rc)
		rc = loop_watch_add(loop, &follow.events, follow.fd, EPOLLIN,
				    on_events);
	if (!rc)
		rc = loop_watch_add(loop, &follow.wake, follow.wake_fd, EPOLLIN,
				    on_wake);
	if (rc)
		close_events();
	return rc;
}

int link_events_follow(struct link_follower *f, struct loop *loop)
{
	int rc = follow.first ? 0 : open_events(loop);

	if (rc)
		return rc;
	f->next = follow.first;
	follow.first = f;
	f->is_listed = true;
	return 0;
}

void link_events_leave(struct link_follower *f)
{
	struct link_follower **at = &follow.first;

	if (!f->is_listed)
		return;
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	f->is_listed = f->is_changed = f->was_deleted = false;
	if (!follow.first)
		close_events();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows the interfaces of all taps, see tap.h. Control thread, except for
 * tap_link_wake().
 *
 * A netlink event says only which interface changed. Its present state is then
 * asked of the kernel, so neither the order of events nor a lost event matters.
 * Netlink reports our network namespace only: an interface that was moved to
 * another one is examined at every event, and when a worker finds it gone.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "tap.h"

static struct {
	struct tap_port *first;	  /* list of all taps */
	struct loop_watch events; /* watches @fd */
	struct loop_watch wake;	  /* watches @wake_fd */
	int fd;			  /* netlink socket; -1 without taps */
	int wake_fd; /* eventfd that any thread signals; -1 without taps */
} follow = { .fd = -1, .wake_fd = -1 };

static void examine_changed(void)
{
	for (struct tap_port *t = follow.first; t; t = t->next) {
		if (!t->is_changed)
			continue;
		t->is_changed = false;
		tap_examine(t);
	}
}

/* Marks the taps that an event of interface @ifindex may concern; 0: all taps.
 */
static void mark_changed(unsigned ifindex)
{
	for (struct tap_port *t = follow.first; t; t = t->next)
		t->is_changed |= !ifindex || t->tap.ifindex == ifindex ||
				 t->state == TAP_ELSEWHERE;
}

static void take_messages(const char *buf, size_t size)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;

	for (; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
		const struct ifinfomsg *i = NLMSG_DATA(h);

		if ((h->nlmsg_type == RTM_NEWLINK ||
		     h->nlmsg_type == RTM_DELLINK) &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(*i)))
			mark_changed((unsigned)i->ifi_index);
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
		else if (errno == ENOBUFS) /* events were lost */
			mark_changed(0);
		else if (errno != EINTR)
			break;
	}
	examine_changed();
}

static void on_wake(struct loop_watch *w, uint32_t events)
{
	(void)events;
	fd_drain(w->fd);
	mark_changed(0);
	examine_changed();
}

void tap_link_wake(void)
{
	fd_signal(follow.wake_fd);
}

static void close_link(void)
{
	loop_watch_remove(&follow.events);
	loop_watch_remove(&follow.wake);
	fd_close(&follow.fd);
	fd_close(&follow.wake_fd);
}

static int open_link(struct loop *loop)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK };
	int rc;

	follow.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   NETLINK_ROUTE);
	follow.wake_fd = fd_eventfd();
	if (follow.fd < 0 || follow.wake_fd < 0 ||
	    bind(follow.fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = -errno;
		close_link();
		return rc;
	}
	rc = loop_watch_add(loop, &follow.events, follow.fd, EPOLLIN,
			    on_events);
	if (!rc)
		rc = loop_watch_add(loop, &follow.wake, follow.wake_fd, EPOLLIN,
				    on_wake);
	if (rc)
		close_link();
	return rc;
}

int tap_link_follow(struct tap_port *t)
{
	int rc = follow.first ? 0 : open_link(t->loop);

	if (rc)
		return rc;
	t->next = follow.first;
	follow.first = t;
	t->is_listed = true;
	return 0;
}

void tap_link_leave(struct tap_port *t)
{
	struct tap_port **at = &follow.first;

	if (!t->is_listed)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->is_listed = false;
	if (!follow.first)
		close_link();
}

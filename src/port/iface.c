/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the interfaces of ports, see iface.h. Control thread. */
#include "iface.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

/* The properties of each state. */
static const struct {
	const char *name;
	bool has_link;
} states[IFACE_STATES] = {
	[IFACE_UP] = { "up", true },
	[IFACE_NO_CARRIER] = { "no carrier", false },
	[IFACE_DOWN] = { "down", false },
	[IFACE_GONE] = { "gone", false },
	[IFACE_REFUSED] = { "refused", false },
};

static struct {
	struct iface *first;	  /* list of all interfaces */
	struct loop_watch events; /* watches the netlink socket @fd */
	int fd;			  /* -1 without interfaces */
} follow = { .fd = -1 };

/* Returns the state of the interface with number @index, and its MTU. */
static enum iface_state look(unsigned index, uint32_t *mtu)
{
	struct ifreq r = { 0 };
	enum iface_state state = IFACE_GONE;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	r.ifr_ifindex = (int)index;
	/* It may have been renamed. */
	if (ioctl(fd, SIOCGIFNAME, &r) < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		goto out;
	if (!(r.ifr_flags & IFF_UP))
		state = IFACE_DOWN;
	else
		state = r.ifr_flags & IFF_RUNNING ? IFACE_UP : IFACE_NO_CARRIER;
	if (!ioctl(fd, SIOCGIFMTU, &r))
		*mtu = (uint32_t)r.ifr_mtu;
out:
	fd_close(&fd);
	return state;
}

int iface_find(struct iface *i, const char *name, struct err *err)
{
	*i = (struct iface){ .index = if_nametoindex(name) };
	if (i->index)
		i->state = look(i->index, &i->mtu);
	if (!i->index || i->state == IFACE_GONE)
		return err_set(err, -ENODEV,
			       "ifname=%.40s: there is no such interface",
			       name);
	snprintf(i->name, sizeof(i->name), "%s", name);
	return 0;
}

/* Opens an interface of the name, if one came. Returns the new state. */
static enum iface_state try_again(struct iface *i)
{
	enum iface_state state = IFACE_GONE;

	i->index = if_nametoindex(i->name);
	if (i->index)
		state = look(i->index, &i->mtu);
	if (state != IFACE_GONE && !i->ops->open(i, &i->reason))
		return state;
	i->index = 0;
	if (state == IFACE_GONE)
		return state;
	return IFACE_REFUSED;
}

/* The link is set also without a new state: setting it may have failed before.
 */
static void enter(struct iface *i, enum iface_state state)
{
	bool is_new = state != i->state;

	i->state = state;
	if (i->ops->changed(i, states[state].has_link))
		log_limited(&i->log, LOG_LEVEL_ERR,
			    "port=%s: out of memory: link down", i->port->name);
	if (!is_new)
		return;
	log_limited(&i->log, LOG_LEVEL_INFO, "port=%s: interface %s: %s%s%s",
		    i->port->name, i->name, states[state].name,
		    *i->reason.msg ? ": " : "", i->reason.msg);
}

static void examine(struct iface *i)
{
	enum iface_state state = IFACE_GONE;

	*i->reason.msg = '\0';
	if (i->index) {
		state = look(i->index, &i->mtu);
		if (state == IFACE_GONE) {
			i->ops->changed(i, false);
			i->ops->close(i);
			i->index = 0;
		}
	}
	if (!i->index)
		state = try_again(i);
	enter(i, state);
}

static void examine_changed(void)
{
	for (struct iface *i = follow.first; i; i = i->next) {
		if (!i->is_changed)
			continue;
		i->is_changed = false;
		examine(i);
	}
}

/* Marks the interfaces that an event about @index may concern; 0: all. */
static void mark_changed(unsigned index)
{
	for (struct iface *i = follow.first; i; i = i->next)
		i->is_changed |= !index || !i->index || i->index == index;
}

static void take_messages(const char *buf, size_t size)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;

	for (; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
		const struct ifinfomsg *m = NLMSG_DATA(h);

		if ((h->nlmsg_type == RTM_NEWLINK ||
		     h->nlmsg_type == RTM_DELLINK) &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)))
			mark_changed((unsigned)m->ifi_index);
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

static void close_events(void)
{
	loop_watch_remove(&follow.events);
	fd_close(&follow.fd);
}

static int open_events(struct loop *loop)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK };
	int rc;

	follow.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   NETLINK_ROUTE);
	if (follow.fd < 0 ||
	    bind(follow.fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		rc = -errno;
	else
		rc = loop_watch_add(loop, &follow.events, follow.fd, EPOLLIN,
				    on_events);
	if (rc)
		close_events();
	return rc;
}

int iface_follow(struct iface *i, const struct iface_ops *ops,
		 const struct port *p)
{
	int rc = follow.first ? 0 : open_events(p->loop);

	if (rc)
		return rc;
	i->ops = ops;
	i->port = p;
	i->next = follow.first;
	follow.first = i;
	i->is_listed = true;
	/* It may have changed since it was found, before the events. */
	i->state = look(i->index, &i->mtu);
	if (i->state == IFACE_GONE)
		rc = -ENODEV;
	else
		rc = ops->changed(i, states[i->state].has_link);
	if (rc)
		iface_leave(i);
	return rc;
}

void iface_leave(struct iface *i)
{
	struct iface **at = &follow.first;

	if (!i->is_listed)
		return;
	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	i->is_listed = false;
	log_limit_fini(&i->log);
	if (!follow.first)
		close_events();
}

void iface_show(const struct iface *i, struct show *out)
{
	show_str(out, "interface", i->name);
	show_str(out, "interface_state", states[i->state].name);
	if (*i->reason.msg)
		show_str(out, "reason", i->reason.msg);
}

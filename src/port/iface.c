/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the interfaces of ports, see iface.h. Control thread. */
#include "iface.h"

#include <errno.h>
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

static bool concerns(const struct link_follower *f, unsigned index)
{
	const struct iface *i = container_of(f, const struct iface, follower);

	return !i->index || i->index == index;
}

static void examine(struct link_follower *f)
{
	struct iface *i = container_of(f, struct iface, follower);
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

int iface_follow(struct iface *i, const struct iface_ops *ops,
		 const struct port *p)
{
	int rc;

	i->ops = ops;
	i->port = p;
	i->follower.concerns = concerns;
	i->follower.look = examine;
	rc = link_events_follow(&i->follower, p->loop);
	if (rc)
		return rc;
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
	link_events_leave(&i->follower);
	log_limit_fini(&i->log);
}

void iface_show(const struct iface *i, struct show *out)
{
	show_str(out, "interface", i->name);
	show_str(out, "interface_state", states[i->state].name);
	if (*i->reason.msg)
		show_str(out, "reason", i->reason.msg);
}

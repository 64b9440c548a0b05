/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the interfaces of ports, see iface.h. Control thread. */
#include "iface.h"

#include <errno.h>
#include <net/if_arp.h>
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

static enum iface_state state_of(const struct ifreq *r)
{
	if (!(r->ifr_flags & IFF_UP))
		return IFACE_DOWN;
	return r->ifr_flags & IFF_RUNNING ? IFACE_UP : IFACE_NO_CARRIER;
}

/* Sets *@state to that of the interface with number @index, and its MTU.
 * Returns 0, or -errno when it cannot be asked: then nothing is changed. */
static int look(unsigned index, enum iface_state *state, uint32_t *mtu)
{
	struct ifreq r = { .ifr_ifindex = (int)index };
	int rc = link_query(SIOCGIFNAME, &r); /* it may have been renamed */

	if (!rc)
		rc = link_query(SIOCGIFFLAGS, &r);
	if (rc == -ENODEV || rc == -ENXIO) {
		*state = IFACE_GONE;
		return 0;
	}
	if (rc)
		return rc;
	*state = state_of(&r);
	if (!link_query(SIOCGIFMTU, &r))
		*mtu = (uint32_t)r.ifr_mtu;
	return 0;
}

/* Frames of other kinds of interface have no addresses of ours. */
static int check_kind(const char *name, struct err *err)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (link_query(SIOCGIFHWADDR, &r) ||
	    r.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
	    r.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK)
		return 0;
	return err_set(err, -EINVAL, "ifname=%s: is no Ethernet interface",
		       name);
}

int iface_find(struct iface *i, const char *name, struct err *err)
{
	int rc = link_index(name);

	*i = (struct iface){ .index = (unsigned)MAX(rc, 0) };
	if (rc > 0)
		rc = look(i->index, &i->state, &i->mtu);
	if (rc == -ENODEV || (!rc && i->state == IFACE_GONE))
		return err_set(err, -ENODEV,
			       "ifname=%.40s: there is no such interface",
			       name);
	if (rc)
		return err_set(err, rc, "ifname=%.40s: %s", name,
			       strerror(-rc));
	snprintf(i->name, sizeof(i->name), "%s", name);
	return check_kind(i->name, err);
}

/* Opens an interface of the name, if one came. Returns the new state. */
static enum iface_state try_again(struct iface *i)
{
	enum iface_state state = IFACE_GONE;

	i->index = (unsigned)MAX(link_index(i->name), 0);
	if (i->index)
		look(i->index, &state, &i->mtu);
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
	bool was_deleted = f->was_deleted;

	f->was_deleted = false;
	*i->reason.msg = '\0';
	if (i->index && !was_deleted && look(i->index, &state, &i->mtu))
		return; /* it cannot be asked: it stays what it was */
	if (i->index && state == IFACE_GONE) {
		i->ops->changed(i, false);
		i->ops->close(i);
		i->index = 0;
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
	rc = look(i->index, &i->state, &i->mtu);
	if (!rc && i->state == IFACE_GONE)
		rc = -ENODEV;
	else if (!rc)
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes, opens and removes macvtaps, see macvtap.h. Control thread.
 *
 * The queues of a macvtap are openings of a character device, /dev/tapN, N
 * being the interface's index. The node may be missing (a container's /dev), or
 * belong to an interface with the same index in another network namespace: then
 * a node of our own is made for a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fd.h"
#include "link_events.h"
#include "log.h"
#include "macvtap.h"
#include "netlink.h"

#define NAMES_MAX 1000 /* macvtap0, ... that are tried */

/* All multicast is received: guests join groups of which we know nothing. */
static int make(const struct macvtap_wish *w, unsigned below, const char *name)
{
	struct ifinfomsg link = { .ifi_flags = IFF_UP | IFF_ALLMULTI,
				  .ifi_change = IFF_UP | IFF_ALLMULTI };
	struct nlattr *info, *data;
	union nl_message m;

	nl_begin(&m, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &link,
		 sizeof(link));
	nl_put(&m, IFLA_IFNAME, name, strlen(name) + 1);
	nl_put(&m, IFLA_LINK, &below, sizeof(below));
	if (w->has_mac)
		nl_put(&m, IFLA_ADDRESS, w->mac, sizeof(w->mac));
	info = nl_put(&m, IFLA_LINKINFO, NULL, 0);
	nl_put(&m, IFLA_INFO_KIND, "macvtap", sizeof("macvtap"));
	data = nl_put(&m, IFLA_INFO_DATA, NULL, 0);
	nl_put(&m, IFLA_MACVLAN_MODE, &w->mode, sizeof(w->mode));
	nl_end_nest(&m, data);
	nl_end_nest(&m, info);
	return nl_ask(NETLINK_ROUTE, &m);
}

static int make_first_free(const struct macvtap_wish *w, unsigned below,
			   char name[IFNAMSIZ])
{
	int rc = -EEXIST;

	for (unsigned i = 0; rc == -EEXIST && i < NAMES_MAX; i++) {
		snprintf(name, IFNAMSIZ, "macvtap%u", i);
		if (!if_nametoindex(name))
			rc = make(w, below, name);
	}
	return rc;
}

static int explain_make(const struct macvtap_wish *w, int rc, struct err *err)
{
	switch (-rc) {
	case EPERM:
		return err_set(err, rc,
			       "link=%s: no right to make a macvtap: run with "
			       "CAP_NET_ADMIN, or let root make it and give "
			       "ifname= alone",
			       w->link);
	case EOPNOTSUPP:
		return err_set(err, rc,
			       "link=%s: the kernel has no macvtap (modprobe "
			       "macvtap)",
			       w->link);
	case EEXIST:
		return err_set(err, rc,
			       "ifname=%s: is there already: leave link= away "
			       "to use it, or choose another name",
			       w->ifname ? w->ifname : "macvtap0");
	case EADDRINUSE:
		return err_set(err, rc,
			       "mac: %s or a macvtap on it has this address "
			       "already",
			       w->link);
	case EINVAL:
	case EBUSY:
		return err_set(err, rc,
			       "link=%s: takes no macvtap: it is no Ethernet "
			       "interface, a member of a bridge or bond, or "
			       "one of it and the new macvtap is passthru, "
			       "which is for one alone",
			       w->link);
	default:
		return err_set(err, rc, "link=%s: cannot make a macvtap: %s",
			       w->link, strerror(-rc));
	}
}

void macvtap_remove(unsigned ifindex)
{
	struct ifinfomsg link = { .ifi_index = (int)ifindex };
	union nl_message m;
	int rc;

	nl_begin(&m, RTM_DELLINK, NLM_F_ACK, &link, sizeof(link));
	rc = nl_ask(NETLINK_ROUTE, &m);
	if (rc && rc != -ENODEV)
		log_warn("macvtap: cannot remove interface %u: %s", ifindex,
			 strerror(-rc));
}

/* Returns whether @fd is a queue of the interface @name in our namespace. */
static bool is_of(int fd, const char *name)
{
	struct ifreq ifr = { 0 };

	return ioctl(fd, TUNGETIFF, &ifr) >= 0 &&
	       !strncmp(ifr.ifr_name, name, IFNAMSIZ) &&
	       tap_if_is_local(fd, name);
}

/* Reads the number of a macvtap's device from /sys. Returns false when it is
 * not there. */
static bool find_device(const char *name, unsigned ifindex, dev_t *device)
{
	char path[100], text[32], *end;
	unsigned long number;
	bool is_found;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/macvtap/tap%u/dev",
		 name, ifindex);
	f = fopen(path, "re");
	if (!f)
		return false;
	is_found = fgets(text, sizeof(text), f) != NULL;
	fclose(f);
	if (!is_found)
		return false;
	number = strtoul(text, &end, 10);
	if (*end != ':')
		return false;
	*device =
		makedev((unsigned)number, (unsigned)strtoul(end + 1, NULL, 10));
	return true;
}

/* Opens a queue through a node that exists for this moment only. Returns the
 * descriptor or -errno; -ENOENT: sysfs does not know the device. */
static int open_own_node(const char *name, unsigned ifindex)
{
	char dir[] = "/dev/ringway-XXXXXX", node[40];
	dev_t device;
	int fd;

	if (!find_device(name, ifindex, &device))
		return -ENOENT;
	if (!mkdtemp(dir))
		return -errno;
	snprintf(node, sizeof(node), "%s/tap", dir);
	fd = mknod(node, S_IFCHR | 0600, device);
	if (!fd)
		fd = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	fd = fd < 0 ? -errno : fd;
	unlink(node);
	rmdir(dir);
	return fd;
}

/* Returns a new queue of the macvtap @name, or -errno with @err. */
static int open_queue(const char *name, unsigned ifindex, struct err *err)
{
	char path[32];
	int fd, first, rc;

	snprintf(path, sizeof(path), "/dev/tap%u", ifindex);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && is_of(fd, name))
		return fd;
	first = fd < 0 ? errno : ENOENT;
	fd_close(&fd);
	fd = rc = open_own_node(name, ifindex);
	if (fd >= 0 && is_of(fd, name))
		return fd;
	if (fd >= 0)
		rc = -ENOENT; /* /sys shows another network namespace */
	fd_close(&fd);
	if (rc == -ENOENT && first == ENOENT)
		return err_set(err, rc,
			       "ifname=%s: is no macvtap, or its device %s "
			       "and its entry in /sys are not visible here",
			       name, path);
	if (first == EACCES || first == EPERM)
		return err_set(err, -first,
			       "ifname=%s: no right to open %s: let root make "
			       "a macvtap, chown its /dev/tapN to you and "
			       "name it with ifname=; in a container allow the "
			       "device (its cgroup)",
			       name, path);
	return err_set(err, rc,
		       "ifname=%s: cannot open %s (%s), nor make a node of "
		       "our own in /dev: %s",
		       name, path, strerror(first), strerror(-rc));
}

static int open_queues(struct tap_if *t, unsigned queues, struct err *err)
{
	unsigned ifindex = if_nametoindex(t->name);

	for (unsigned i = 0; i < queues; i++) {
		char what[40];
		int fd = open_queue(t->name, ifindex, err), rc;

		if (fd < 0)
			return fd;
		snprintf(what, sizeof(what), "ifname=%s", t->name);
		rc = tap_if_add_queue(t, what, fd, err);
		if (rc) {
			close(fd);
			return rc;
		}
	}
	return 0;
}

int macvtap_join_all(const char *name)
{
	struct packet_mreq all = { .mr_ifindex = (int)if_nametoindex(name),
				   .mr_type = PACKET_MR_ALLMULTI };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all,
				   sizeof(all)))
		return fd;
	log_info("macvtap %s: only multicast of groups that the host joined "
		 "on it arrives: %s (CAP_NET_RAW); \"ip link set %s "
		 "allmulticast on\" changes that",
		 name, strerror(errno), name);
	fd_close(&fd);
	return -1;
}

int macvtap_make(struct tap_if *t, const struct macvtap_wish *wish,
		 unsigned queues, struct err *err)
{
	int below = link_index(wish->link), rc;
	char name[IFNAMSIZ] = "";

	if (below < 0)
		return err_set(err, below, "link=%s: %s", wish->link,
			       below == -ENODEV ? "no such interface"
						: strerror(-below));
	if (wish->ifname)
		snprintf(name, sizeof(name), "%s", wish->ifname);
	rc = wish->ifname ? make(wish, (unsigned)below, name)
			  : make_first_free(wish, (unsigned)below, name);
	if (rc)
		return explain_make(wish, rc, err);
	*t = (struct tap_if){ .is_created = true, .allmulti_fd = -1 };
	t->made_link = if_nametoindex(name);
	memcpy(t->name, name, sizeof(name));
	tap_if_enlist(t);
	rc = open_queues(t, queues, err);
	if (rc)
		tap_if_close(t);
	return rc;
}

int macvtap_open(struct tap_if *t, const char *ifname, unsigned queues,
		 struct err *err)
{
	const struct tap_if *owner = tap_if_find(-1, ifname);
	int rc = link_index(ifname);

	if (owner)
		return err_set(err, -EBUSY, "ifname=%s: another port has it",
			       ifname);
	if (rc < 0)
		return err_set(err, rc, "ifname=%s: %s", ifname,
			       rc == -ENODEV
				       ? "no such interface; link= makes one"
				       : strerror(-rc));
	*t = (struct tap_if){ .allmulti_fd = -1 };
	snprintf(t->name, IFNAMSIZ, "%s", ifname);
	tap_if_enlist(t);
	rc = open_queues(t, queues, err);
	if (rc) {
		tap_if_close(t);
		return rc;
	}
	t->allmulti_fd = macvtap_join_all(ifname);
	return 0;
}

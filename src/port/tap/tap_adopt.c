/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps that others opened, see tap_linux.h: their descriptors are named in
 * options, or come from a helper. Control thread; calls the kernel and base/.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fd.h"
#include "link_events.h"
#include "macvtap.h"
#include "tap_linux.h"

/* Two network namespaces may have an interface of one name each. */
static bool is_same_address(int a, int b)
{
	struct ifreq x = { 0 }, y = { 0 };

	return !ioctl(a, SIOCGIFHWADDR, &x) && !ioctl(b, SIOCGIFHWADDR, &y) &&
	       !memcmp(x.ifr_hwaddr.sa_data, y.ifr_hwaddr.sa_data, 6);
}

/* Returns a number that /sys knows of interface @name, or -1. */
static long read_sys(const char *name, const char *what)
{
	char path[80], text[32];
	bool is_read;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, what);
	f = fopen(path, "re");
	if (!f)
		return -1;
	is_read = fgets(text, sizeof(text), f) != NULL;
	fclose(f);
	return is_read ? strtol(text, NULL, 0) : -1;
}

/* Returns whether the tap's frames have the kernel's packet information in
 * front, as far as that can be found out. TUNGETIFF has the bit of IFF_NO_PI
 * also for IFF_NOFILTER, so the flags in /sys count, if they are of our
 * interface. */
static bool has_packet_info(int fd, const char *name)
{
	long flags;

	if (!tap_if_is_local(fd, name) ||
	    read_sys(name, "ifindex") != link_index(name))
		return false;
	flags = read_sys(name, "tun_flags");
	return flags >= 0 && !(flags & IFF_NO_PI);
}

int tap_if_add_queue(struct tap_if *t, const char *what, int fd,
		     struct err *err)
{
	struct ifreq ifr = { 0 };
	bool has_hdr;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return err_set(err, -EINVAL, "%s is no open tap", what);
	if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI) ||
	    has_packet_info(fd, ifr.ifr_name))
		return err_set(err, -EINVAL,
			       "%s must be opened with IFF_TAP and IFF_NO_PI",
			       what);
	has_hdr = ifr.ifr_flags & IFF_VNET_HDR;
	if (t->count &&
	    (strncmp(t->name, ifr.ifr_name, IFNAMSIZ) ||
	     has_hdr != t->has_vnet_hdr || !is_same_address(t->fd[0], fd)))
		return err_set(err, -EINVAL,
			       "%s is not of the interface %s as the first "
			       "one is",
			       what, t->name);
	snprintf(t->name, IFNAMSIZ, "%s", ifr.ifr_name);
	t->has_vnet_hdr = has_hdr;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fd_set_nonblock(fd);
	t->fd[t->count++] = fd;
	return 0;
}

/* Takes over the descriptor that options call @number. */
static int adopt_named(struct tap_if *t, const char *key, int number,
		       struct err *err)
{
	int fd = fd_find_named(number);
	const struct tap_if *owner = NULL;
	char what[80];

	/* Without an offer @number is one of ours, perhaps a port's. */
	if (fd >= 0 || !fd_is_offering())
		owner = tap_if_find(fd >= 0 ? fd : number, NULL);
	if (owner)
		return err_set(err, -EBUSY,
			       "%s: descriptor %d is in use already, for the "
			       "interface %s: each is for one port and queue",
			       key, number, owner->name);
	if (fd < 0)
		return err_set(err, -EINVAL,
			       "%s: descriptor %d is no open tap %s", key,
			       number, fd_named_from());
	snprintf(what, sizeof(what), "%s: descriptor %d", key, number);
	return tap_if_add_queue(t, what, fd, err);
}

static int adopt_all(struct tap_if *t, const char *key, const char *fds,
		     struct err *err)
{
	const char *p = fds;

	do {
		char *end;
		long fd = strtol(p, &end, 10);
		int rc;

		if (end == p || (*end && *end != ':') || fd < 0 || fd > INT_MAX)
			return err_set(err, -EINVAL,
				       "%s=%s: must be open descriptors' "
				       "numbers, separated by colons",
				       key, fds);
		if (t->count == TAP_MAX_QUEUES)
			return err_set(err, -EINVAL,
				       "%s=%s: at most %d descriptors", key,
				       fds, TAP_MAX_QUEUES);
		rc = adopt_named(t, key, (int)fd, err);
		if (rc)
			return rc;
		p = end + 1;
	} while (p[-1]);
	return 0;
}

/* A macvtap is a device of its own; all taps are openings of one. */
static bool is_macvtap(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_rdev != makedev(10, 200);
}

int tap_if_adopt(struct tap_if *t, const char *key, const char *fds,
		 struct err *err)
{
	int rc;

	*t = (struct tap_if){ .is_passed = true };
	tap_if_enlist(
		t); /* now: tap_if_find() then refuses a repeated descriptor */
	rc = adopt_all(t, key, fds, err);
	if (rc)
		tap_if_release(t);
	else if (is_macvtap(t->fd[0]) && tap_if_is_local(t->fd[0], t->name))
		t->allmulti_fd = macvtap_join_all(t->name);
	return rc;
}

int tap_if_adopt_fd(struct tap_if *t, const char *what, int fd, struct err *err)
{
	int rc;

	*t = (struct tap_if){ .is_passed = true };
	rc = tap_if_add_queue(t, what, fd, err);
	if (!rc)
		tap_if_enlist(t);
	return rc;
}

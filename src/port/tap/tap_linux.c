/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's side of a tap, see tap_linux.h. Control thread; calls the kernel
 * and base/.
 */
#include "tap_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/kcmp.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"
#include "frame.h"
#include "link_events.h"
#include "log.h"
#include "macvtap.h"
#include "vnet_hdr.h"

#define TUN_PATH "/dev/net/tun"

/* Interfaces with open descriptors: no descriptor may be used twice. */
static struct tap_if *all_open;

void tap_if_enlist(struct tap_if *t)
{
	t->next = all_open;
	all_open = t;
}

static void delist(const struct tap_if *t)
{
	struct tap_if **at = &all_open;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
}

/* Returns whether @a and @b are one queue: the same descriptor, or copies of
 * one (which kernels without kcmp do not tell). */
static bool is_same_file(int a, int b)
{
	pid_t self = getpid();

	return a == b ||
	       (b >= 0 && !syscall(SYS_kcmp, self, self, KCMP_FILE, a, b));
}

const struct tap_if *tap_if_find(int fd, const char *name)
{
	for (const struct tap_if *t = all_open; t; t = t->next) {
		if (name && !strcmp(t->name, name))
			return t;
		for (unsigned i = 0; i < t->count; i++)
			if (is_same_file(t->fd[i], fd))
				return t;
	}
	return NULL;
}

void tap_if_move(struct tap_if *to, struct tap_if *from)
{
	delist(from);
	*to = *from;
	from->count = from->made_link = 0;
	from->allmulti_fd = -1;
	tap_if_enlist(to);
}

/* Multicast is received as before. */
static void leave_multicast(struct tap_if *t)
{
	if (t->allmulti_fd > 0)
		fd_close(&t->allmulti_fd);
}

void tap_if_release(struct tap_if *t)
{
	delist(t);
	leave_multicast(t);
	t->count = 0;
}

int tap_if_ioctl(unsigned long request, const char *name, struct ifreq *ifr)
{
	if (name != ifr->ifr_name)
		snprintf(ifr->ifr_name, IFNAMSIZ, "%s", name);
	return link_query(request, ifr);
}

/* Opens one queue of @name; the interface's real name goes to t->name. */
static int open_queue(struct tap_if *t, const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	snprintf(t->name, IFNAMSIZ, "%s", ifr.ifr_name);
	t->fd[t->count++] = fd;
	return 0;
}

/* Returns whether the interface @name has the other kind of queues (one or
 * many): then the wrong kind made opening the first queue fail. */
static bool has_other_queues(const char *name, short flags)
{
	struct tap_if other = { 0 };

	if (open_queue(&other, name, flags ^ IFF_MULTI_QUEUE))
		return false;
	tap_if_close(&other);
	return true;
}

static int explain_open(const char *name, short flags, bool exists, int rc,
			struct err *err)
{
	bool multi = flags & IFF_MULTI_QUEUE;
	const char *mq = multi ? " multi_queue" : "";

	if (rc == -ENOENT || rc == -ENODEV || rc == -ENXIO)
		return err_set(err, rc,
			       "ifname=%s: no " TUN_PATH
			       ": load the kernel's tun module (modprobe tun)",
			       name);
	if (rc == -EACCES)
		return err_set(err, rc,
			       "ifname=%s: no right to open " TUN_PATH
			       ": it must be readable and writable for you",
			       name);
	if (rc == -EPERM && exists)
		return err_set(err, rc,
			       "ifname=%s: belongs to another user: make it "
			       "with \"ip tuntap add dev %s mode tap%s user "
			       "$USER\" or run with CAP_NET_ADMIN",
			       name, name, mq);
	if (rc == -EPERM)
		return err_set(err, rc,
			       "ifname=%s: no right to create a tap: run with "
			       "CAP_NET_ADMIN, or let root make it first with "
			       "\"ip tuntap add dev %s mode tap%s user $USER\"",
			       name, strchr(name, '%') ? "NAME" : name, mq);
	if (rc == -EBUSY && tap_if_find(-1, name))
		return err_set(err, rc,
			       "ifname=%s: another port has it, or its "
			       "downscript still runs",
			       name);
	if (rc == -EBUSY)
		return err_set(err, rc,
			       "ifname=%s: in use by another program; end it "
			       "or choose another name",
			       name);
	if (rc == -EINVAL && exists && multi && has_other_queues(name, flags))
		return err_set(err, rc,
			       "ifname=%s: has one queue; make it with \"ip "
			       "tuntap add dev %s mode tap multi_queue\" or "
			       "leave queues= away",
			       name, name);
	if (rc == -EINVAL && exists)
		return err_set(err, rc,
			       "ifname=%s: exists and is no tap; choose "
			       "another name",
			       name);
	return err_set(err, rc, "ifname=%s: cannot open a tap: %s", name,
		       strerror(-rc));
}

int tap_if_check_name(const char *key, const char *name, struct err *err)
{
	if (*name && strlen(name) < IFNAMSIZ && !strpbrk(name, "/: \t\n"))
		return 0;
	return err_set(err, -EINVAL,
		       "%s=%s: must be an interface name: at most %d "
		       "characters, none of them / : or a space",
		       key, name, IFNAMSIZ - 1);
}

/* Returns whether the interface @name is that of a port, which may also be in
 * another network namespace, under the same name. */
static bool is_ours(const char *name)
{
	const struct tap_if *t = tap_if_find(-1, name);

	return t && t->count && tap_if_is_local(t->fd[0], t->name);
}

static void note_settings(struct tap_if *t)
{
	if (ioctl(t->fd[0], TUNGETVNETHDRSZ, &t->old_hdr_size) < 0 ||
	    ioctl(t->fd[0], TUNGETSNDBUF, &t->old_sndbuf) < 0)
		t->old_hdr_size = 0;
}

/* Leaves an interface that others made as it was. The kernel does not tell
 * which offloads it had: it begins without, as one that was made just now. */
static void restore_settings(struct tap_if *t)
{
	if (t->is_created || !t->count || !t->old_hdr_size)
		return;
	ioctl(t->fd[0], TUNSETOFFLOAD, 0ul);
	ioctl(t->fd[0], TUNSETVNETHDRSZ, &t->old_hdr_size);
	ioctl(t->fd[0], TUNSETSNDBUF, &t->old_sndbuf);
}

int tap_if_open(struct tap_if *t, const char *ifname, unsigned queues,
		bool wants_vnet_hdr, struct err *err)
{
	bool exists = if_nametoindex(ifname) != 0;
	short flags = IFF_TAP | IFF_NO_PI;
	int rc;

	*t = (struct tap_if){ .is_created = !exists,
			      .has_vnet_hdr = wants_vnet_hdr };
	rc = tap_if_check_name("ifname", ifname, err);
	if (rc)
		return rc;
	/* A tap with several queues would take ours beside the other port's,
	 * and both would get its frames. */
	if (is_ours(ifname))
		return explain_open(ifname, flags, exists, -EBUSY, err);
	if (queues > 1)
		flags |= IFF_MULTI_QUEUE;
	if (wants_vnet_hdr)
		flags |= IFF_VNET_HDR;
	rc = open_queue(t, ifname, flags);
	/* The kernel opens a single queue of a multi-queue tap only with
	 * IFF_MULTI_QUEUE. */
	if (rc == -EINVAL && exists && queues == 1) {
		flags |= IFF_MULTI_QUEUE;
		rc = open_queue(t, ifname, flags);
	}
	if (rc)
		return explain_open(ifname, flags, exists, rc, err);
	note_settings(t);
	while (t->count < queues && !rc)
		rc = open_queue(t, t->name, flags);
	if (!rc) {
		tap_if_enlist(t);
		return 0;
	}
	err_set(err, rc, "queues=%u: the kernel gave %u of %s: %s", queues,
		t->count, t->name, strerror(-rc));
	tap_if_close(t);
	return rc;
}

/* Sets the offloads that the kernel may use towards us. It takes the same from
 * us, except that older kernels do not know UDP segmentation. */
static void set_offloads(struct tap_if *t, int fd)
{
	unsigned long base =
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	t->offloads = OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_ECN |
		      OFFLOAD_UFO;
	if (!ioctl(fd, TUNSETOFFLOAD, base | TUN_F_USO4 | TUN_F_USO6))
		t->offloads |= OFFLOAD_USO4 | OFFLOAD_USO6;
	else if (ioctl(fd, TUNSETOFFLOAD, base) < 0)
		log_warn("tap %s: the kernel does without offloads: %s",
			 t->name, strerror(errno));
}

static int set_up_queue(struct tap_if *t, int fd, uint64_t sndbuf)
{
	int hdr_size = VNET_HDR_MAX, one = 1;
	int size = sndbuf && sndbuf < INT_MAX ? (int)sndbuf : INT_MAX;

	if (t->has_vnet_hdr) {
		if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_size) < 0 ||
		    ioctl(fd, TUNSETVNETLE, &one) < 0)
			return -errno;
		set_offloads(t, fd);
	} else {
		ioctl(fd, TUNSETOFFLOAD, 0ul);
	}
	return ioctl(fd, TUNSETSNDBUF, &size) < 0 ? -errno : 0;
}

int tap_if_set_hdr_size(struct tap_if *t, unsigned size)
{
	for (unsigned i = 0; i < t->count; i++)
		if (ioctl(t->fd[i], TUNSETVNETHDRSZ, &size) < 0)
			return -errno;
	return 0;
}

int tap_if_set_up(struct tap_if *t, uint64_t sndbuf, struct err *err)
{
	for (unsigned i = 0; i < t->count; i++) {
		int rc = set_up_queue(t, t->fd[i], sndbuf);

		if (rc)
			return err_set(err, rc, "tap %s: cannot set it up: %s",
				       t->name, strerror(-rc));
	}
	return 0;
}

int tap_if_bring_up(struct tap_if *t, struct err *err)
{
	struct ifreq ifr = { 0 };
	int rc;

	if (t->is_passed)
		return 0;
	rc = tap_if_ioctl(SIOCGIFFLAGS, t->name, &ifr);
	if (!rc && (ifr.ifr_flags & IFF_UP))
		return 0;
	if (!t->is_created) {
		log_info("interface %s is down: \"ip link set %s up\" lets "
			 "frames "
			 "pass",
			 t->name, t->name);
		return 0;
	}
	ifr.ifr_flags |= IFF_UP;
	rc = rc ? rc : tap_if_ioctl(SIOCSIFFLAGS, t->name, &ifr);
	if (rc)
		err_set(err, rc, "ifname=%s: cannot bring it up: %s", t->name,
			strerror(-rc));
	return rc;
}

int tap_if_join_bridge(struct tap_if *t, const char *bridge, struct err *err)
{
	struct ifreq ifr = { 0 };
	int rc;

	if (strlen(bridge) >= IFNAMSIZ || !if_nametoindex(bridge))
		return err_set(err, -ENODEV,
			       "br=%s: no such interface; make it with \"ip "
			       "link add %s type bridge\"",
			       bridge, bridge);
	/* A member with a smaller MTU would lower the bridge's MTU. */
	if (t->is_created && !tap_if_ioctl(SIOCGIFMTU, bridge, &ifr))
		tap_if_ioctl(SIOCSIFMTU, t->name, &ifr);
	ifr.ifr_ifindex = (int)if_nametoindex(t->name);
	rc = tap_if_ioctl(SIOCBRADDIF, bridge, &ifr);
	switch (-rc) {
	case 0:
		t->is_bridged = true;
		snprintf(t->bridge, IFNAMSIZ, "%s", bridge);
		return 0;
	case EBUSY:
		return err_set(err, rc,
			       "br=%s: %s is in a bridge or bond already",
			       bridge, t->name);
	case EPERM:
		return err_set(err, rc,
			       "br=%s: no right to add %s to it: run with "
			       "CAP_NET_ADMIN, or let root do it (\"ip link "
			       "set %s master %s\") and leave br= away",
			       bridge, t->name, t->name, bridge);
	case EOPNOTSUPP:
	case EINVAL:
	case ENOTTY:
		return err_set(err, rc, "br=%s: is no Linux bridge", bridge);
	default:
		return err_set(err, rc, "br=%s: cannot add %s to it: %s",
			       bridge, t->name, strerror(-rc));
	}
}

bool tap_if_is_local(int fd, const char *name)
{
	struct ifreq own = { 0 }, local = { 0 };

	return !tap_if_ioctl(SIOCGIFHWADDR, name, &local) &&
	       ioctl(fd, SIOCGIFHWADDR, &own) >= 0 &&
	       !memcmp(own.ifr_hwaddr.sa_data, local.ifr_hwaddr.sa_data,
		       ETH_ALEN);
}

enum tap_state tap_if_look(struct tap_if *t)
{
	struct ifreq ifr = { 0 };

	/* TUNGETIFF succeeds while the interface exists, under any name and in
	 * any network namespace. */
	if (ioctl(t->fd[0], TUNGETIFF, &ifr) < 0)
		return TAP_GONE;
	snprintf(t->name, IFNAMSIZ, "%s", ifr.ifr_name);
	if (!tap_if_is_local(t->fd[0], t->name) ||
	    tap_if_ioctl(SIOCGIFFLAGS, t->name, &ifr)) {
		t->ifindex = 0;
		return TAP_ELSEWHERE;
	}
	t->ifindex = (unsigned)MAX(link_index(t->name), 0);
	if (!(ifr.ifr_flags & IFF_UP))
		return TAP_DOWN;
	return ifr.ifr_flags & IFF_RUNNING ? TAP_UP : TAP_NO_CARRIER;
}

unsigned tap_if_mtu(const struct tap_if *t)
{
	struct ifreq ifr = { 0 };

	if (!t->ifindex || tap_if_ioctl(SIOCGIFMTU, t->name, &ifr))
		return 0;
	return (unsigned)ifr.ifr_mtu;
}

void tap_if_close(struct tap_if *t)
{
	struct ifreq ifr = { 0 };

	if (t->is_bridged && !t->is_created) {
		ifr.ifr_ifindex = (int)if_nametoindex(t->name);
		tap_if_ioctl(SIOCBRDELIF, t->bridge, &ifr);
	}
	delist(t);
	restore_settings(t);
	for (unsigned i = 0; i < t->count; i++)
		fd_close(&t->fd[i]);
	t->count = 0;
	leave_multicast(t);
	if (t->made_link)
		macvtap_remove(t->made_link);
	t->made_link = 0;
}

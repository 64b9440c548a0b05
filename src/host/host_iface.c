/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces of devices, see host_iface.h. Control thread. */
#include "host_iface.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "fd.h"
#include "host_fs.h"

#define DEPTH 4 /* VLAN on bridge on bond on card */

/* What is looked for in a table of routes or addresses. */
struct query {
	const char *iface;
	bool has_default, has_other;
};

/* Calls @line for each line of the file @path. */
static void each_line(const char *path, void (*line)(char *, struct query *),
		      struct query *q)
{
	char full[HOST_PATH], text[HOST_PATH];
	FILE *f = fopen(host_fs_path(full, "%s", path), "re");

	if (!f)
		return;
	while (fgets(text, sizeof(text), f))
		line(text, q);
	fclose(f);
}

#define FIELDS 12

/* Cuts @line into its fields. Returns how many there are. */
static unsigned split(char *line, char *field[FIELDS])
{
	char *rest = line, *at;
	unsigned n = 0;

	while (n < FIELDS && (at = strsep(&rest, " \t\n")))
		if (*at)
			field[n++] = at;
	return n;
}

static bool is_zero(const char *digits)
{
	return !digits[strspn(digits, "0")];
}

/* proc(5), /proc/net/route: interface, destination, ..., mask as field 7. */
static void look_at_route(char *line, struct query *q)
{
	char *f[FIELDS];

	if (split(line, f) < 8 || strcmp(f[0], q->iface) != 0)
		return;
	if (is_zero(f[1]) && is_zero(f[7]))
		q->has_default = true;
	else
		q->has_other = true;
}

/* /proc/net/ipv6_route: destination, its length, source, its length, gateway,
 * ..., interface as field 9. Without a gateway it is the kernel's own entry
 * that refuses all. */
static void look_at_route6(char *line, struct query *q)
{
	char *f[FIELDS];

	if (split(line, f) >= 10 && !strcmp(f[9], q->iface) && is_zero(f[0]) &&
	    is_zero(f[1]) && !is_zero(f[4]))
		q->has_default = true;
}

/* /proc/net/if_inet6: address, index, length, scope, flags, interface. An
 * address of the link (scope 20) is there by itself. */
static void look_at_address6(char *line, struct query *q)
{
	char *f[FIELDS];

	if (split(line, f) >= 6 && !strcmp(f[5], q->iface) &&
	    strcmp(f[3], "20") != 0)
		q->has_other = true;
}

struct above {
	unsigned depth;
	char *what;
	size_t size;
	enum host_use use;
};

static void look(const char *name, struct above *a);

static int look_at_entry(const char *entry, void *ctx)
{
	struct above *a = ctx;

	if (strncmp(entry, "upper_", 6) != 0)
		return 0;
	if (a->use < HOST_USE_SOME) {
		a->use = HOST_USE_SOME;
		snprintf(a->what, a->size, "is part of %s", entry + 6);
	}
	look(entry + 6, a);
	return 0;
}

static void look(const char *name, struct above *a)
{
	struct query q = { .iface = name };
	const char *through = a->depth ? " through " : "";
	const char *by = a->depth ? name : "";
	char path[HOST_PATH];

	each_line("/proc/net/route", look_at_route, &q);
	each_line("/proc/net/ipv6_route", look_at_route6, &q);
	each_line("/proc/net/if_inet6", look_at_address6, &q);
	if (q.has_default && a->use < HOST_USE_ROUTE) {
		a->use = HOST_USE_ROUTE;
		snprintf(a->what, a->size, "has the host's default route%s%s",
			 through, by);
	} else if (q.has_other && a->use < HOST_USE_SOME) {
		a->use = HOST_USE_SOME;
		snprintf(a->what, a->size, "has addresses of the host");
	}
	if (a->depth == DEPTH)
		return;
	a->depth++;
	snprintf(path, sizeof(path), "/sys/class/net/%s", name);
	host_fs_each(path, look_at_entry, a);
	a->depth--;
}

enum host_use host_iface_use(const char *name, char *what, size_t size)
{
	struct above a = { .what = what, .size = size };

	*what = '\0';
	look(name, &a);
	return a.use;
}

bool host_iface_is_up(const char *name)
{
	return host_fs_number(0, "/sys/class/net/%s/flags", name) & IFF_UP;
}

static int rename_iface(const char *old, const char *name)
{
	struct ifreq r = { 0 };
	int fd, rc = 0;

	if (!host_fs_is_real())
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", old);
	snprintf(r.ifr_newname, sizeof(r.ifr_newname), "%s", name);
	if (ioctl(fd, SIOCSIFNAME, &r) < 0)
		rc = -errno;
	fd_close(&fd);
	return rc;
}

int host_iface_settle(const char *address, const char *name, bool is_up)
{
	char now[2][IFNAMSIZ], flags[32];
	long old;
	int rc = 0;

	if (host_pci_ifaces(address, now, 2) != 1)
		return -ENODEV;
	/* A rename is refused when udev was there first. */
	if (strcmp(now[0], name) != 0 && rename_iface(now[0], name) &&
	    !host_fs_exists("/sys/bus/pci/devices/%s/net/%s", address, name))
		rc = -EEXIST;
	old = host_fs_number(-1, "/sys/class/net/%s/flags", name);
	if (rc || !is_up || old < 0 || old & IFF_UP)
		return rc;
	snprintf(flags, sizeof(flags), "0x%lx", (unsigned long)old | IFF_UP);
	return host_fs_write(flags, "/sys/class/net/%s/flags", name);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI devices of the host, see host_pci.h. Control thread. */
#include "host_pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_fs.h"
#include "host_iface.h"
#include "log.h"

#define DEVICES "/sys/bus/pci/devices"
#define GROUPS	"/sys/kernel/iommu_groups"

/* Reads up to @digits hexadecimal digits at *@at, and moves it behind @end,
 * which must follow them. Returns the number, or -1. */
static long read_part(const char **at, size_t digits, char end)
{
	size_t n = strspn(*at, "0123456789abcdefABCDEF");
	long v = n && n <= digits ? strtol(*at, NULL, 16) : -1;

	if (v < 0 || (*at)[n] != end)
		return -1;
	*at += n + (end != '\0');
	return v;
}

int host_pci_parse(const char *text, char address[HOST_ADDRESS],
		   struct err *err)
{
	const char *at = text, *colon = strchr(text, ':');
	long domain = 0, bus, slot, fn;

	if (colon && strchr(colon + 1, ':'))
		domain = read_part(&at, 5, ':');
	bus = domain < 0 ? -1 : read_part(&at, 2, ':');
	slot = bus < 0 ? -1 : read_part(&at, 2, '.');
	fn = slot < 0 ? -1 : read_part(&at, 1, '\0');
	if (fn < 0 || fn > 7 || slot > 31)
		return err_set(err, -EINVAL,
			       "'%.40s' is no PCI address; one is like "
			       "0000:00:05.0 or 00:05.0 (lspci -D lists them)",
			       text);
	snprintf(address, HOST_ADDRESS, "%04lx:%02lx:%02lx.%lx",
		 domain & 0xfffff, bus & 0xff, slot & 0x1f, fn & 7);
	return 0;
}

/* Finds the number of the virtual function @d among those of its card. */
static void find_index(struct host_pci *d)
{
	char name[HOST_ADDRESS];

	for (unsigned i = 0; !host_fs_link(name, sizeof(name),
					   DEVICES "/%s/virtfn%u", d->pf, i);
	     i++)
		if (strcmp(name, d->address) == 0)
			d->index = i;
}

static void read_device(struct host_pci *d)
{
	const char *a = d->address;
	char group[16];

	d->class = (uint32_t)host_fs_number(0, DEVICES "/%s/class", a);
	d->vendor = (uint16_t)host_fs_number(0, DEVICES "/%s/vendor", a);
	d->device = (uint16_t)host_fs_number(0, DEVICES "/%s/device", a);
	host_fs_link(d->driver, sizeof(d->driver), DEVICES "/%s/driver", a);
	d->group = -1;
	if (!host_fs_link(group, sizeof(group), DEVICES "/%s/iommu_group", a))
		d->group = (int)strtol(group, NULL, 10);
	d->vfs = (unsigned)host_fs_number(0, DEVICES "/%s/sriov_numvfs", a);
	d->max_vfs =
		(unsigned)host_fs_number(0, DEVICES "/%s/sriov_totalvfs", a);
	if (!host_fs_link(d->pf, sizeof(d->pf), DEVICES "/%s/physfn", a))
		find_index(d);
}

int host_pci_find(struct host_pci *d, const char *text, struct err *err)
{
	char address[HOST_ADDRESS];
	int rc = host_pci_parse(text, address, err); /* may be d->address */

	if (rc)
		return rc;
	*d = (struct host_pci){ 0 };
	memcpy(d->address, address, sizeof(address));
	if (!host_fs_exists(DEVICES "/%s", d->address))
		return err_set(err, -ENODEV,
			       "there is no PCI device %s (lspci -D lists "
			       "them)",
			       d->address);
	read_device(d);
	return 0;
}

int host_pci_of_iface(struct host_pci *d, const char *ifname, struct err *err)
{
	char bus[16], address[HOST_PATH];
	bool is_name = *ifname && !strchr(ifname, '/') && *ifname != '.';

	if (!is_name || !host_fs_exists("/sys/class/net/%s", ifname))
		return err_set(err, -ENODEV,
			       "there is no interface '%.40s' (ip link lists "
			       "them)",
			       ifname);
	if (host_fs_link(bus, sizeof(bus), "/sys/class/net/%s/device/subsystem",
			 ifname) ||
	    strcmp(bus, "pci") != 0 ||
	    host_fs_link(address, sizeof(address), "/sys/class/net/%s/device",
			 ifname))
		return err_set(err, -ENODEV, "%s is no interface of a PCI card",
			       ifname);
	return host_pci_find(d, address, err);
}

int host_pci_named(struct host_pci *d, const char *text, struct err *err)
{
	char address[HOST_ADDRESS];

	return host_pci_parse(text, address, NULL)
		       ? host_pci_of_iface(d, text, err)
		       : host_pci_find(d, address, err);
}

int host_pci_vf(struct host_pci *vf, const struct host_pci *pf, unsigned index,
		struct err *err)
{
	char address[HOST_ADDRESS];

	if (host_fs_link(address, sizeof(address), DEVICES "/%s/virtfn%u",
			 pf->address, index))
		return err_set(err, -ENODEV,
			       "%s has %u virtual functions (of at most %u), "
			       "none with index %u%s",
			       pf->address, pf->vfs, pf->max_vfs, index,
			       pf->vfs || !pf->max_vfs
				       ? ""
				       : ": `ringway vf create` makes them");
	return host_pci_find(vf, address, err);
}

struct names {
	char (*name)[IFNAMSIZ];
	unsigned count, max;
};

static int add_name(const char *name, void *ctx)
{
	struct names *n = ctx;

	if (n->count == n->max)
		return 1;
	snprintf(n->name[n->count++], IFNAMSIZ, "%s", name);
	return 0;
}

unsigned host_pci_ifaces(const char *address, char (*names)[IFNAMSIZ],
			 unsigned max)
{
	struct names n = { names, 0, max };
	char path[HOST_PATH];

	snprintf(path, sizeof(path), DEVICES "/%s/net", address);
	host_fs_each(path, add_name, &n);
	return n.count;
}

struct members {
	struct host_pci *member;
	unsigned count, max;
};

static int add_member(const char *name, void *ctx)
{
	struct members *m = ctx;

	if (m->count == m->max)
		return 1;
	if (!host_pci_find(&m->member[m->count], name, NULL))
		m->count++;
	return 0;
}

unsigned host_pci_group(const struct host_pci *d, struct host_pci *members,
			unsigned max)
{
	struct members m = { members, 0, max };
	char path[HOST_PATH];

	if (d->group < 0)
		return 0;
	snprintf(path, sizeof(path), GROUPS "/%d/devices", d->group);
	host_fs_each(path, add_member, &m);
	return m.count;
}

/* A group is viable with these (drivers with driver_managed_dma in the kernel,
 * and those of VFIO). */
static bool is_harmless(const char *driver)
{
	return !*driver || strcmp(driver, HOST_VFIO) == 0 ||
	       strcmp(driver, "pcieport") == 0 ||
	       strcmp(driver, "pci-stub") == 0;
}

static int any(const char *name, void *ctx)
{
	(void)name;
	(void)ctx;
	return 1;
}

int host_pci_check_others(const struct host_pci *d,
			  bool (*is_ours)(const char *address, void *ctx),
			  void *ctx, struct err *err)
{
	struct host_pci member[HOST_GROUP_MAX];
	unsigned count = host_pci_group(d, member, HOST_GROUP_MAX);

	if (d->group < 0 && !host_fs_each(GROUPS, any, NULL))
		return err_set(err, -ENODEV,
			       "%s: this host has no IOMMU in use, which keeps "
			       "a guest's card to the guest's memory: switch "
			       "it on in the firmware (VT-d, AMD-Vi), and on "
			       "Intel boot with intel_iommu=on",
			       d->address);
	if (d->group < 0)
		return err_set(err, -ENODEV,
			       "%s: the IOMMU has no group for it, so no guest "
			       "can have it",
			       d->address);
	for (unsigned i = 0; i < count; i++) {
		const struct host_pci *m = &member[i];

		if (strcmp(m->address, d->address) == 0 ||
		    is_harmless(m->driver) || is_ours(m->address, ctx))
			continue;
		return err_set(err, -EBUSY,
			       "%s: a guest gets IOMMU group %d as a whole, "
			       "and %s of it has the driver %s: give the "
			       "guest that one as well (-device "
			       "vfio-pci,host=%s), or take its driver away: "
			       "echo %s >/sys/bus/pci/drivers/%s/unbind",
			       d->address, d->group, m->address, m->driver,
			       m->address, m->address, m->driver);
	}
	return 0;
}

static bool is_none(const char *address, void *ctx)
{
	(void)address;
	(void)ctx;
	return false;
}

int host_pci_check_group(const struct host_pci *d, struct err *err)
{
	return host_pci_check_others(d, is_none, NULL, err);
}

enum host_use host_pci_use(const struct host_pci *d, struct err *why)
{
	char names[8][IFNAMSIZ], what[80];
	unsigned count = host_pci_ifaces(d->address, names, 8);
	enum host_use worst = HOST_USE_NONE;

	if (d->vfs) {
		worst = HOST_USE_SOME;
		err_set(why, 0, "%s has %u virtual functions, which would go",
			d->address, d->vfs);
	}
	for (unsigned i = 0; i < count; i++) {
		enum host_use use =
			host_iface_use(names[i], what, sizeof(what));

		if (use <= worst)
			continue;
		worst = use;
		err_set(why, 0, "%s is %s, which %s", d->address, names[i],
			what);
	}
	return worst;
}

/* One must not cut oneself off. */
int host_pci_check_use(const struct host_pci *d, bool force, struct err *err)
{
	struct err why;
	enum host_use use = host_pci_use(d, &why);

	if (use == HOST_USE_SOME)
		log_warn("%s; that ends for now", why.msg);
	if (use != HOST_USE_ROUTE || force)
		return 0;
	return err_set(err, -EBUSY,
		       "%s: with force=on the guest gets it all the same, and "
		       "this host may be cut off",
		       why.msg);
}

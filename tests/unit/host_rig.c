/* SPDX-License-Identifier: Apache-2.0 */
/* A host made of files, see host_rig.h. */
#include "host_rig.h"

#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_fs.h"

#define DEVICES "/sys/bus/pci/devices"
#define DRIVERS "/sys/bus/pci/drivers"

const char *host_rig_refuses;

static char root[64];
static int writes, kill_at = -1, kill_acts;

void host_rig_kill_at(int n, int acts)
{
	writes = 0;
	kill_at = n;
	kill_acts = acts;
}

static void make_folders(const char *full)
{
	char path[HOST_PATH];

	snprintf(path, sizeof(path), "%s", full);
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
}

void host_rig_put(const char *path, const char *fmt, ...)
{
	char full[HOST_PATH];
	va_list ap;
	FILE *f;

	make_folders(host_fs_path(full, "%s", path));
	f = fopen(full, "w");
	assert_non_null(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

void host_rig_link(const char *path, const char *target)
{
	char full[HOST_PATH];

	make_folders(host_fs_path(full, "%s", path));
	assert_int_equal(symlink(target, full), 0);
}

static int remove_entry(const char *path, const struct stat *st, int flag,
			struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
static void remove_tree(const char *fmt, ...)
{
	char path[HOST_PATH], full[HOST_PATH];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	nftw(host_fs_path(full, "%s", path), remove_entry, 16,
	     FTW_DEPTH | FTW_PHYS);
}

void host_rig_driver(const char *name)
{
	char path[HOST_PATH];

	snprintf(path, sizeof(path), DRIVERS "/%s/bind", name);
	host_rig_put(path, "%s", "");
	snprintf(path, sizeof(path), DRIVERS "/%s/unbind", name);
	host_rig_put(path, "%s", "");
}

static void add_iface(const char *address, const char *name)
{
	char path[HOST_PATH], target[HOST_PATH];

	snprintf(path, sizeof(path), DEVICES "/%s/net/%s/x", address, name);
	host_rig_put(path, "%s", "");
	snprintf(path, sizeof(path), "/sys/class/net/%s/flags", name);
	host_rig_put(path, "0x1002\n");
	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	snprintf(target, sizeof(target), "../../../bus/pci/devices/%s",
		 address);
	host_rig_link(path, target);
}

static void bind_to(const char *address, const char *driver)
{
	char path[HOST_PATH], target[HOST_PATH], own[32], iface[32];

	snprintf(path, sizeof(path), DEVICES "/%s/driver", address);
	snprintf(target, sizeof(target), "../../drivers/%s", driver);
	host_rig_link(path, target);
	host_fs_read(own, sizeof(own), DEVICES "/%s/.driver", address);
	if (strcmp(own, driver) == 0 &&
	    !host_fs_read(iface, sizeof(iface), DEVICES "/%s/.iface", address))
		add_iface(address, iface);
}

static void unbind(const char *address)
{
	char iface[32];

	remove_tree(DEVICES "/%s/driver", address);
	if (host_fs_read(iface, sizeof(iface), DEVICES "/%s/.iface", address))
		return;
	remove_tree(DEVICES "/%s/net", address);
	remove_tree("/sys/class/net/%s", iface);
}

/* Finds a driver as the kernel does: driver_override, else its own. */
static void probe(const char *address)
{
	char want[32];

	if (host_fs_exists(DEVICES "/%s/driver", address))
		return;
	host_fs_read(want, sizeof(want), DEVICES "/%s/driver_override",
		     address);
	if (strcmp(want, "(null)") == 0)
		host_fs_read(want, sizeof(want), DEVICES "/%s/.driver",
			     address);
	if (*want && host_fs_exists(DRIVERS "/%s", want))
		bind_to(address, want);
}

void host_rig_device(const char *address, const char *driver, int group,
		     const char *iface)
{
	char path[HOST_PATH], target[HOST_PATH];

#define FILE_OF(name) \
	(snprintf(path, sizeof(path), DEVICES "/%s/" name, address), path)
	host_rig_put(FILE_OF("class"), "0x020000\n");
	host_rig_put(FILE_OF("vendor"), "0x8086\n");
	host_rig_put(FILE_OF("device"), "0x10c9\n");
	host_rig_put(FILE_OF("driver_override"), "(null)\n");
	host_rig_link(FILE_OF("subsystem"), "../../../../bus/pci");
	if (iface)
		host_rig_put(FILE_OF(".iface"), "%s\n", iface);
	if (driver) {
		host_rig_put(FILE_OF(".driver"), "%s\n", driver);
		host_rig_driver(driver);
		bind_to(address, driver);
	}
	if (group < 0)
		return;
	snprintf(target, sizeof(target), "../../../../kernel/iommu_groups/%d",
		 group);
	host_rig_link(FILE_OF("iommu_group"), target);
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices/%s",
		 group, address);
	host_rig_put(path, "%s", "");
}

void host_rig_sriov(const char *address, unsigned max)
{
	char path[HOST_PATH];

	host_rig_put(FILE_OF("sriov_numvfs"), "0\n");
	host_rig_put(FILE_OF("sriov_totalvfs"), "%u\n", max);
	host_rig_put(FILE_OF("sriov_drivers_autoprobe"), "1\n");
}

/* The address of virtual function @i: device 0x10 of the card's bus. */
static void vf_address(char *buf, size_t size, const char *pf, unsigned i)
{
	snprintf(buf, size, "%.8s10.%u", pf, i % 8);
}

/* Puts the number that there are into the file. Returns it. */
static unsigned show_numvfs(const char *pf)
{
	char path[HOST_PATH];
	unsigned had = 0;

	while (host_fs_exists(DEVICES "/%s/virtfn%u", pf, had))
		had++;
	snprintf(path, sizeof(path), DEVICES "/%s/sriov_numvfs", pf);
	host_rig_put(path, "%u\n", had);
	return had;
}

static int set_numvfs(const char *pf, unsigned want)
{
	char path[HOST_PATH], target[64], vf[16], iface[16];
	unsigned had = show_numvfs(pf), max;
	long probes;

	max = (unsigned)host_fs_number(0, DEVICES "/%s/sriov_totalvfs", pf);
	probes = host_fs_number(0, DEVICES "/%s/sriov_drivers_autoprobe", pf);
	if (want > max)
		return -ERANGE;
	if (want && had)
		return want == had ? 0 : -EBUSY;
	for (unsigned i = 0; i < had; i++) {
		vf_address(vf, sizeof(vf), pf, i);
		unbind(vf);
		remove_tree(DEVICES "/%s/virtfn%u", pf, i);
		remove_tree(DEVICES "/%s", vf);
		remove_tree("/sys/kernel/iommu_groups/%u", 100 + i);
	}
	for (unsigned i = 0; i < want; i++) {
		vf_address(vf, sizeof(vf), pf, i);
		snprintf(iface, sizeof(iface), "vf%u", i);
		host_rig_device(vf, "igbvf", (int)(100 + i), iface);
		if (!probes)
			unbind(vf);
		snprintf(path, sizeof(path), DEVICES "/%s/physfn", vf);
		snprintf(target, sizeof(target), "../%s", pf);
		host_rig_link(path, target);
		snprintf(path, sizeof(path), DEVICES "/%s/virtfn%u", pf, i);
		snprintf(target, sizeof(target), "../%s", vf);
		host_rig_link(path, target);
	}
	show_numvfs(pf);
	return 0;
}

/* What the kernel does when @path was written. */
static int act(const char *path, const char *text)
{
	const char *name = strrchr(path, '/') + 1;
	char address[16], driver[32], link[32];

	if (strcmp(name, "drivers_probe") == 0) {
		probe(text);
		return 0;
	}
	if (strcmp(name, "driver_override") == 0) {
		host_rig_put(path, "%s\n", *text == '\n' ? "(null)" : text);
		return 0;
	}
	if (sscanf(path, DRIVERS "/%31[^/]", driver) == 1) {
		if (host_fs_link(link, sizeof(link), DEVICES "/%s/driver",
				 text))
			return -ENODEV;
		bind_to(text, driver);
		return 0;
	}
	if (sscanf(path, DEVICES "/%15[^/]", address) != 1)
		return 0;
	if (strcmp(name, "unbind") == 0) {
		host_rig_put(path, "%s", "");
		unbind(text);
	} else if (strcmp(name, "sriov_numvfs") == 0) {
		return set_numvfs(address, (unsigned)atoi(text));
	}
	return 0;
}

static int on_write(const char *path, const char *text)
{
	size_t size = host_rig_refuses ? strlen(host_rig_refuses) : 0;
	int n = writes++, rc;
	char pf[16];

	if (size && strlen(path) > size &&
	    strcmp(path + strlen(path) - size, host_rig_refuses) == 0)
		return -EACCES;
	if (n == kill_at && !kill_acts) {
		if (strstr(path, "numvfs") &&
		    sscanf(path, DEVICES "/%15[^/]", pf) == 1)
			show_numvfs(pf);
		raise(SIGKILL);
	}
	rc = act(path, text);
	if (n == kill_at)
		raise(SIGKILL);
	return rc;
}

void host_rig_start(void)
{
	snprintf(root, sizeof(root), "/tmp/ringway-host-XXXXXX");
	assert_non_null(mkdtemp(root));
	host_fs_use(root, on_write);
	host_rig_kill_at(-1, 0);
	host_rig_refuses = NULL;
	host_rig_put("/sys/bus/pci/drivers_probe", "%s", "");
	host_rig_put("/run/x", "%s", "");
}

void host_rig_stop(void)
{
	nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	host_fs_use(NULL, NULL);
}

/* nftw() has no context. */
static char *picture;
static size_t picture_size;

static int add_entry(const char *path, const struct stat *st, int flag,
		     struct FTW *ftw)
{
	char text[HOST_PATH] = "";
	ssize_t n = 0;
	FILE *f;

	(void)st;
	(void)ftw;
	if (flag == FTW_SL || flag == FTW_SLN) {
		n = readlink(path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
	} else if (flag == FTW_F && !strstr(path, "bind") &&
		   !strstr(path, "drivers_probe")) {
		f = fopen(path, "r");
		assert_non_null(f);
		n = (ssize_t)fread(text, 1, sizeof(text) - 1, f);
		text[n] = '\0';
		fclose(f);
	}
	picture = realloc(picture, picture_size + 2 * HOST_PATH);
	picture_size += (size_t)snprintf(picture + picture_size, 2 * HOST_PATH,
					 "%s: %s\n", path, text);
	return 0;
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *host_rig_snapshot(void)
{
	char full[HOST_PATH], *line[1000], *sorted;
	unsigned count = 0;
	size_t used = 0;

	picture = NULL;
	picture_size = 0;
	nftw(host_fs_path(full, "/sys"), add_entry, 16, FTW_PHYS);
	for (char *at = strtok(picture, "\n"); at; at = strtok(NULL, "\n")) {
		assert_true(count < 1000);
		line[count++] = at;
	}
	qsort(line, count, sizeof(*line), by_line);
	sorted = calloc(1, picture_size + 1);
	for (unsigned i = 0; i < count; i++)
		used += (size_t)snprintf(sorted + used, picture_size + 1 - used,
					 "%s\n", line[i]);
	free(picture);
	return sorted;
}

static int count_name(const char *name, void *ctx)
{
	(void)name;
	++*(unsigned *)ctx;
	return 0;
}

unsigned host_rig_entries(void)
{
	unsigned count = 0;

	host_fs_each("/run/ringway", count_name, &count);
	return count;
}

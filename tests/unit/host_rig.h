/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for tests of host/: a folder with the files of sysfs and proc, and the
 * part of a kernel that acts when they are written: drivers are bound and
 * unbound, interfaces come and go with them, virtual functions too. All of its
 * state is in files, so that it outlives a process that is killed.
 */
#ifndef RW_HOST_RIG_H
#define RW_HOST_RIG_H

#include <stddef.h>

/* Makes an empty host and has host/ use it. */
void host_rig_start(void);
/* Removes it. */
void host_rig_stop(void);

/* Adds a device that @driver (NULL: none) finds and is bound to. Its interface
 * is @iface (NULL: none). @group -1: no IOMMU group. */
void host_rig_device(const char *address, const char *driver, int group,
		     const char *iface);
/* Gives @address, of an interface eth*, up to @max virtual functions. */
void host_rig_sriov(const char *address, unsigned max);
/* Adds a driver, as modprobe does. */
void host_rig_driver(const char *name);
/* Writes the file @path, below the host's root. */
void host_rig_put(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void host_rig_link(const char *path, const char *target);

/* From now on the process kills itself at write number @n (from 0): before the
 * kernel acts, or with @acts after it. */
void host_rig_kill_at(int n, int acts);
/* Writes to a file whose path ends with this fail with -EACCES; NULL: none. */
extern const char *host_rig_refuses;

/* Returns a text with every file of sysfs and what it has; free() it. */
char *host_rig_snapshot(void);
/* Returns how many entries the journal has. */
unsigned host_rig_entries(void);

#endif

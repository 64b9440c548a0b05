/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding of devices, see host_bind.h. Control thread.
 *
 * Theory of operation. The entry ADDRESS+driver has the lines "driver" and
 * "override" (what they were, without a value when there was none) and for each
 * network interface "iface NAME UP". Steps: write the entry, driver_override,
 * unbind, drivers_probe. Undoing takes the steps back from whatever state it
 * finds, so a process may be killed between any two of them, also while it
 * undoes.
 */
#include "host_bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"
#include "host_fs.h"
#include "host_iface.h"
#include "host_journal.h"
#include "log.h"

#define DEVICES	    "/sys/bus/pci/devices"
#define DRIVERS	    "/sys/bus/pci/drivers"
#define KIND	    "+driver"
#define MODPROBE_MS 20000
#define IFACES	    4 /* of a device */

struct host_bind {
	char address[HOST_ADDRESS];
	struct host_note note; /* fd -1: there is nothing to undo */
};

static int load_module(const char *address, struct err *err)
{
	static const char *const argv[] = { "modprobe", "-q", HOST_VFIO, NULL };
	int rc, status = -1;
	pid_t pid;

	if (host_fs_exists(DRIVERS "/" HOST_VFIO))
		return 0;
	rc = child_spawn(argv, -1, &pid);
	if (!rc)
		rc = child_wait(pid, MODPROBE_MS, &status);
	if (rc == -ETIMEDOUT)
		child_end(&pid, 1, 1000);
	if (!rc && WIFEXITED(status) && !WEXITSTATUS(status) &&
	    host_fs_exists(DRIVERS "/" HOST_VFIO))
		return 0;
	return err_set(err, -ENOENT,
		       "%s: this kernel has no module " HOST_VFIO
		       " (modprobe " HOST_VFIO " failed)",
		       address);
}

static void driver_of(const char *address, char driver[HOST_DRIVER])
{
	host_fs_link(driver, HOST_DRIVER, DEVICES "/%s/driver", address);
}

/* Fills the entry with what the device is. */
static void note_state(struct host_note *n, const struct host_pci *d)
{
	char names[IFACES][IFNAMSIZ], override[HOST_DRIVER];
	unsigned count = host_pci_ifaces(d->address, names, IFACES);

	host_fs_read(override, sizeof(override), DEVICES "/%s/driver_override",
		     d->address);
	if (strcmp(override, "(null)") == 0)
		*override = '\0';
	n->text[0] = '\0';
	host_note_add(n, "driver", "%s", d->driver);
	host_note_add(n, "override", "%s", override);
	for (unsigned i = 0; i < count; i++)
		host_note_add(n, "iface", "%s %d", names[i],
			      host_iface_is_up(names[i]));
}

/* Sets driver_override, for which "" is none. */
static int set_override(const char *address, const char *driver)
{
	return host_fs_write(*driver ? driver : "\n",
			     DEVICES "/%s/driver_override", address);
}

/* Makes the device look for its driver: @want. Returns 0 when it has it. */
static int probe(const char *address, const char *want)
{
	char driver[HOST_DRIVER];
	int rc = host_fs_write(address, "/sys/bus/pci/drivers_probe");

	driver_of(address, driver);
	if (strcmp(driver, want) == 0)
		return 0;
	if (!*driver)
		rc = host_fs_write(address, DRIVERS "/%s/bind", want);
	driver_of(address, driver);
	if (strcmp(driver, want) == 0)
		return 0;
	return rc ? rc : -ENODEV;
}

/* Names and links of its interfaces. One of several would be a guess. */
static void settle_iface(const struct host_note *n, const char *address)
{
	char value[32], *space;
	const char *iface = host_note_get(n, "iface", 0, value, sizeof(value));

	space = iface ? strchr(value, ' ') : NULL;
	if (!space)
		return;
	*space = '\0';
	if (host_iface_settle(address, value, space[1] == '1'))
		log_warn("%s: its interface is not %s again", address, value);
}

/* Does what undo() does for a device that is there. Returns 0 or -errno. */
static int undo_steps(const struct host_note *n, const char *address,
		      struct err *told)
{
	char driver[HOST_DRIVER], old[HOST_DRIVER] = "", override[HOST_DRIVER];
	int rc = 0;

	host_note_get(n, "driver", 0, old, sizeof(old));
	if (!host_note_get(n, "override", 0, override, sizeof(override)))
		*override = '\0';
	driver_of(address, driver);
	if (strcmp(driver, HOST_VFIO) == 0 && strcmp(old, HOST_VFIO) != 0) {
		rc = host_fs_write(address, DEVICES "/%s/driver/unbind",
				   address);
		driver_of(address, driver);
	}
	if (!rc)
		rc = set_override(address, override);
	if (!rc && *old && !*driver)
		rc = probe(address, old);
	if (rc)
		return err_set(told, rc, "%s: cannot go back to %s: %s",
			       address, *old ? old : "no driver",
			       strerror(-rc));
	driver_of(address, driver);
	if (strcmp(driver, old) != 0)
		err_set(told, 0, "%s: has the driver %s now, and keeps it",
			address, driver);
	else
		err_set(told, 0, "%s: has %s again", address,
			*old ? old : "no driver");
	settle_iface(n, address);
	return 0;
}

/* What is no entry of ours, a text without a driver, says nothing about the
 * device. */
static bool is_entry(const struct host_note *n)
{
	char driver[HOST_DRIVER];

	return host_note_get(n, "driver", 0, driver, sizeof(driver)) != NULL;
}

/* Makes the device what the entry says, and removes the entry. Sets @told to
 * what was done. Returns 0, or -errno: the entry was closed and stays. */
static int undo(struct host_note *n, const char *address, struct err *told)
{
	int rc = 0;

	if (!is_entry(n)) {
		host_note_remove(n);
		return err_set(told, -EINVAL, "%s" KIND ": cannot be read",
			       address);
	}
	if (host_fs_exists(DEVICES "/%s", address))
		rc = undo_steps(n, address, told);
	else
		err_set(told, 0, "%s: is gone, nothing to give back", address);
	if (rc)
		host_note_close(n);
	else
		host_note_remove(n);
	return rc;
}

/* Writes the entry, and says by which driver the device is to be found next.
 * Returns 0, or -errno with @err and nothing changed. */
static int begin(struct host_bind *b, const struct host_pci *d, struct err *err)
{
	int rc;

	note_state(&b->note, d);
	rc = host_note_write(&b->note, err);
	if (rc)
		return rc;
	rc = set_override(d->address, HOST_VFIO);
	if (rc == -EACCES || rc == -EPERM)
		return err_set(err, rc,
			       "%s: only root can bind it to " HOST_VFIO,
			       d->address);
	if (rc)
		return err_set(err, rc, "%s: driver_override: %s", d->address,
			       strerror(-rc));
	return 0;
}

static int bind_device(const struct host_pci *d, struct err *err)
{
	int rc = 0;

	if (*d->driver)
		rc = host_fs_write(d->address, DEVICES "/%s/driver/unbind",
				   d->address);
	if (!rc)
		rc = probe(d->address, HOST_VFIO);
	if (rc)
		return err_set(err, rc,
			       "%s: " HOST_VFIO " does not take it: %s (dmesg "
			       "may say more)",
			       d->address, strerror(-rc));
	return 0;
}

/* Opens the entry, and undoes what a process that was killed left, unless it
 * left the device as we want it. Returns 1 then, 0, or -errno with @err. */
static int open_entry(struct host_bind *b, struct host_pci *d, struct err *err)
{
	char name[48];
	struct err told;
	int rc;

	snprintf(name, sizeof(name), "%s" KIND, d->address);
	rc = host_note_open(&b->note, name, err);
	if (rc || !is_entry(&b->note))
		return rc;
	if (strcmp(d->driver, HOST_VFIO) == 0) {
		log_info("%s: bound to " HOST_VFIO " by a ringway that was "
			 "killed; it goes back at the end",
			 d->address);
		rc = host_note_write(&b->note, err);
		if (rc)
			host_note_close(&b->note);
		return rc ? rc : 1;
	}
	rc = undo_steps(&b->note, d->address, &told);
	if (rc) {
		host_note_close(&b->note);
		return err_set(err, rc, "%s", told.msg);
	}
	log_info("%s (left by a ringway that was killed)", told.msg);
	rc = host_pci_find(d, d->address, err);
	if (rc)
		host_note_remove(&b->note);
	return rc;
}

static int take(struct host_bind *b, struct host_pci *d, struct err *err)
{
	struct err told;
	int rc = open_entry(b, d, err);

	if (rc < 0 && rc != -EBUSY && strcmp(d->driver, HOST_VFIO) == 0)
		return 0; /* bound by somebody else, and for us to use */
	if (rc)
		return MIN(rc, 0);
	if (strcmp(d->driver, HOST_VFIO) == 0) {
		host_note_remove(&b->note);
		return 0;
	}
	rc = load_module(d->address, err);
	if (!rc)
		rc = begin(b, d, err);
	if (rc) {
		host_note_remove(&b->note);
		return rc;
	}
	rc = bind_device(d, err);
	if (rc && undo(&b->note, d->address, &told))
		log_err("%s", told.msg);
	return rc;
}

int host_bind_take(struct host_bind **b, const char *address, struct err *err)
{
	struct host_pci d;
	int rc = host_pci_find(&d, address, err);

	if (rc)
		return rc;
	*b = calloc(1, sizeof(**b));
	if (!*b)
		return err_set(err, -ENOMEM, "out of memory");
	snprintf((*b)->address, sizeof((*b)->address), "%s", d.address);
	(*b)->note.fd = -1;
	rc = take(*b, &d, err);
	if (rc) {
		free(*b);
		*b = NULL;
	}
	return rc;
}

void host_bind_give_back(struct host_bind *b)
{
	struct err told;

	if (!b)
		return;
	if (b->note.fd >= 0 && undo(&b->note, b->address, &told))
		log_err("%s (ringway vf restore tries again)", told.msg);
	free(b);
}

int host_bind_owner(const char *address)
{
	char name[48];

	snprintf(name, sizeof(name), "%s" KIND, address);
	return host_note_owner(name);
}

int host_bind_restore(const char *name, struct err *told)
{
	const char *kind = strchr(name, '+');
	char address[HOST_ADDRESS];
	struct host_note n;
	int rc;

	if (!kind || strcmp(kind, KIND) != 0)
		return 0;
	snprintf(address, sizeof(address), "%.*s", (int)(kind - name), name);
	rc = host_note_open(&n, name, told);
	if (rc) /* or it is of a running process */
		return rc == -EBUSY ? 0 : rc;
	if (!*n.text) {
		host_note_remove(&n);
		return 0;
	}
	rc = undo(&n, address, told);
	return rc ? rc : 1;
}

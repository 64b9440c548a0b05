/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of virtual functions, see host_vf.h. Control thread.
 *
 * Theory of operation. The entry PF+vfs has the lines "numvfs" and "autoprobe":
 * what they were. Whoever changes the number holds it. With virtual functions
 * that were made for a while it stays in the journal, without a lock, for as
 * long as they are there; whoever gives the last of them back undoes it, in
 * whatever process. So several machines can share a card's virtual functions,
 * and it does not matter which of them made them.
 */
#include "host_vf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_bind.h"
#include "host_fs.h"
#include "host_journal.h"
#include "log.h"

#define DEVICES "/sys/bus/pci/devices"
#define KIND	"+vfs"

int host_vf_check_free(const struct host_pci *vf, struct err *err)
{
	int owner = host_bind_owner(vf->address);
	struct err why;

	if (owner)
		return err_set(err, -EBUSY,
			       "%s (index %u) is with a guest of ringway "
			       "(process %d)",
			       vf->address, vf->index, owner);
	if (strcmp(vf->driver, HOST_VFIO) == 0)
		return err_set(err, -EBUSY,
			       "%s (index %u) has the driver " HOST_VFIO
			       ", so a guest may have it",
			       vf->address, vf->index);
	if (host_pci_use(vf, &why) != HOST_USE_NONE)
		return err_set(err, -EBUSY, "%s", why.msg);
	return 0;
}

static int check_all_free(const struct host_pci *pf, struct err *err)
{
	struct host_pci vf;

	for (unsigned i = 0; i < pf->vfs; i++) {
		int rc = host_pci_vf(&vf, pf, i, err);

		if (!rc)
			rc = host_vf_check_free(&vf, err);
		if (rc)
			return err_prefix(err, rc,
					  "%s keeps its %u virtual functions",
					  pf->address, pf->vfs);
	}
	return 0;
}

static int check_number(const struct host_pci *pf, unsigned count,
			struct err *err)
{
	if (*pf->pf)
		return err_set(err, -EINVAL,
			       "%s is itself a virtual function, of %s",
			       pf->address, pf->pf);
	if (!pf->max_vfs)
		return err_set(err, -EOPNOTSUPP,
			       "%s (vendor %04x, device %04x, driver %s) has "
			       "no virtual functions: the card has no SR-IOV",
			       pf->address, pf->vendor, pf->device,
			       *pf->driver ? pf->driver : "none");
	if (count > pf->max_vfs)
		return err_set(err, -ERANGE,
			       "%s can have %u virtual functions, not %u",
			       pf->address, pf->max_vfs, count);
	return 0;
}

static int write_number(const struct host_pci *pf, unsigned count)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", count);
	return host_fs_write(text, DEVICES "/%s/sriov_numvfs", pf->address);
}

static int write_autoprobe(const struct host_pci *pf, bool is_on)
{
	return host_fs_write(is_on ? "1" : "0",
			     DEVICES "/%s/sriov_drivers_autoprobe",
			     pf->address);
}

static int explain(const struct host_pci *pf, unsigned count, int rc,
		   struct err *err)
{
	const char *driver = *pf->driver ? pf->driver : "none";

	switch (-rc) {
	case EACCES:
	case EPERM:
	case EROFS:
		return err_set(err, rc,
			       "%s: only root can change the number of "
			       "virtual functions",
			       pf->address);
	case ENOENT:
	case EIO:
		return err_set(err, rc,
			       "%s: its driver (%s) makes no virtual functions",
			       pf->address, driver);
	case ENOMEM:
		return err_set(err, rc,
			       "%s: no bus numbers or addresses for %u virtual "
			       "functions (dmesg tells; booting with "
			       "pci=assign-busses,realloc may help)",
			       pf->address, count);
	default:
		return err_set(err, rc,
			       "%s: its driver (%s) refuses %u virtual "
			       "functions: %s (dmesg may say more)",
			       pf->address, driver, count, strerror(-rc));
	}
}

/* Changes the number, by way of none. On a failure there are as many as before.
 */
static int change_number(const struct host_pci *pf, unsigned count,
			 bool is_probed, struct err *err)
{
	long probes = host_fs_number(-1, DEVICES "/%s/sriov_drivers_autoprobe",
				     pf->address);
	bool flip = count && probes >= 0 && (probes == 1) != is_probed;
	int rc = pf->vfs ? write_number(pf, 0) : 0;

	if (!rc && flip)
		rc = write_autoprobe(pf, is_probed);
	if (!rc && count)
		rc = write_number(pf, count);
	if (flip)
		write_autoprobe(pf, probes);
	if (!rc)
		return 0;
	if (pf->vfs)
		write_number(pf, pf->vfs);
	return explain(pf, count, rc, err);
}

static int open_entry(struct host_note *n, const char *pf, struct err *err)
{
	char name[48];

	snprintf(name, sizeof(name), "%s" KIND, pf);
	return host_note_open(n, name, err);
}

static int write_entry(struct host_note *n, const struct host_pci *pf,
		       struct err *err)
{
	n->text[0] = '\0';
	host_note_add(n, "numvfs", "%u", pf->vfs);
	host_note_add(n, "autoprobe", "%ld",
		      host_fs_number(1, DEVICES "/%s/sriov_drivers_autoprobe",
				     pf->address));
	return host_note_write(n, err);
}

/* Returns the number in the entry, or @none if it has none. */
static long noted(const struct host_note *n, const char *key, long none)
{
	char value[16], *end;
	long number;

	if (!host_note_get(n, key, 0, value, sizeof(value)))
		return none;
	number = strtol(value, &end, 10);
	return *value && !*end ? number : none;
}

int host_vf_create(const struct host_pci *pf, unsigned count, bool is_probed,
		   struct err *err)
{
	struct host_pci now;
	struct host_note n;
	bool was_for_now;
	int rc = check_number(pf, count, err);

	if (rc)
		return rc;
	rc = open_entry(&n, pf->address, err);
	if (rc)
		return rc;
	was_for_now = *n.text;
	rc = host_pci_find(&now, pf->address, err);
	if (!rc && was_for_now) /* of one that was killed, maybe */
		write_autoprobe(&now, noted(&n, "autoprobe", 1));
	if (!rc && count != now.vfs)
		rc = check_all_free(&now, err);
	if (!rc && count != now.vfs && !was_for_now)
		rc = write_entry(&n, &now, err);
	if (!rc && count != now.vfs)
		rc = change_number(&now, count, is_probed, err);
	/* Who asked for them wants them to stay. */
	if (rc && was_for_now)
		host_note_close(&n);
	else
		host_note_remove(&n);
	return rc;
}

static int refuse_more(const struct host_pci *pf, unsigned count,
		       struct err *err)
{
	return err_set(err, -EBUSY,
		       "%s has %u virtual functions and not %u; more are made "
		       "only for a card that has none (ringway vf create %s %u "
		       "changes the number)",
		       pf->address, pf->vfs, count, pf->address, count);
}

/* Makes them and writes the open entry @n. What the caller knew of the card may
 * be older than the lock. Returns 0; or 1 when another process has made enough
 * of them, or -errno with @err, and @n is closed. */
static int make_for_now(struct host_note *n, const char *address,
			unsigned count, struct err *err)
{
	struct host_pci pf;
	int rc = host_pci_find(&pf, address, err);

	if (!rc && pf.vfs) {
		if (*n->text)
			host_note_close(n); /* theirs */
		else
			host_note_remove(n);
		return pf.vfs >= count ? 1 : refuse_more(&pf, count, err);
	}
	if (!rc && *n->text) /* of one that was killed */
		write_autoprobe(&pf, noted(n, "autoprobe", 1));
	if (!rc)
		rc = write_entry(n, &pf, err);
	if (!rc)
		rc = change_number(&pf, count, false, err);
	if (rc)
		host_note_remove(n);
	return rc;
}

int host_vf_create_for_now(const struct host_pci *pf, unsigned count,
			   struct host_note **entry, struct err *err)
{
	struct host_note *n;
	int rc = check_number(pf, count, err);

	*entry = NULL;
	if (rc || pf->vfs >= count)
		return rc;
	if (pf->vfs)
		return refuse_more(pf, count, err);
	n = calloc(1, sizeof(*n));
	if (!n)
		return err_set(err, -ENOMEM, "out of memory");
	rc = open_entry(n, pf->address, err);
	if (!rc)
		rc = make_for_now(n, pf->address, count, err);
	if (rc)
		free(n);
	else
		*entry = n;
	return MIN(rc, 0);
}

void host_vf_keep(struct host_note *entry)
{
	if (!entry)
		return;
	host_note_close(entry);
	free(entry);
}

/* Undoes the open entry, which has a text, or closes it: 0, 1 or -errno. */
static int undo(struct host_note *n, const char *address, struct err *told)
{
	long before = noted(n, "numvfs", -1);
	struct host_pci pf;
	int rc;

	if (before < 0) {
		host_note_remove(n);
		return err_set(told, -EINVAL, "%s" KIND ": cannot be read",
			       address);
	}

	if (host_pci_find(&pf, address, told)) {
		host_note_remove(n); /* the card is gone */
		return 0;
	}
	rc = check_all_free(&pf, told);
	if (!rc) {
		rc = write_autoprobe(&pf, noted(n, "autoprobe", 1));
		if (rc)
			err_set(told, rc, "%s: sriov_drivers_autoprobe: %s",
				address, strerror(-rc));
	}
	if (!rc && pf.vfs != (unsigned)before)
		rc = change_number(&pf, (unsigned)before, true, told);
	if (rc) {
		host_note_close(n);
		return rc == -EBUSY ? 0 : rc; /* others have some */
	}
	host_note_remove(n);
	err_set(told, 0, "%s: has %ld virtual functions again", address,
		before);
	return 1;
}

static int undo_or_remove(struct host_note *n, const char *pf, struct err *told)
{
	if (*n->text)
		return undo(n, pf, told);
	host_note_remove(n);
	return 0;
}

int host_vf_drop(const char *pf, struct err *told)
{
	struct host_note n;

	return open_entry(&n, pf, NULL) ? 0 : undo_or_remove(&n, pf, told);
}

int host_vf_restore(const char *name, struct err *told)
{
	const char *kind = strchr(name, '+');
	char pf[HOST_ADDRESS];
	struct host_note n;
	int rc;

	if (!kind || strcmp(kind, KIND) != 0)
		return 0;
	rc = host_note_open(&n, name, told);
	if (rc)
		return rc == -EBUSY ? 0 : rc;
	snprintf(pf, sizeof(pf), "%.*s", (int)(kind - name), name);
	return undo_or_remove(&n, pf, told);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions for guests, see host_loan.h. Control thread.
 *
 * Theory of operation. Three kinds of entry may be in the journal for one loan:
 * PF+vfs (host_vf.c), VF+mac (here: "card", "index" and the address "mac" that
 * it had) and VF+driver (host_bind.c). They are undone in the opposite order.
 */
#include "host_loan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_bind.h"
#include "host_fs.h"
#include "host_iface.h"
#include "host_journal.h"
#include "host_vf.h"
#include "host_vf_link.h"
#include "log.h"

#define KIND "+mac"

struct host_loan {
	struct host_pci pf, vf;
	struct host_bind *bind; /* NULL: it was bound by somebody else */
	struct host_note mac;	/* fd -1: the address is as it was */
};

static void set_mac(const char *card, unsigned index, const uint8_t mac[6],
		    int *rc, struct err *err)
{
	struct host_vf_settings to = { .has = HOST_VF_MAC };

	memcpy(to.mac, mac, sizeof(to.mac));
	*rc = host_vf_link_set(card, index, &to, err);
}

/* Reads six bytes, as note_mac() writes them. */
static bool read_mac(const char *text, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++) {
		char *end;

		mac[i] = (uint8_t)strtoul(text, &end, 16);
		if (end != text + 2 || *end != (i < 5 ? ':' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

/* Sets the address back that the open entry has, and removes it. Returns 0, or
 * -errno with @told, and the entry stays. */
static int undo_mac(struct host_note *n, struct err *told)
{
	char card[IFNAMSIZ], index[16], text[24];
	uint8_t mac[6];
	int rc;

	if (!host_fs_exists("/sys/bus/pci/devices/%.*s",
			    (int)strcspn(n->name, "+"), n->name)) {
		host_note_remove(n);
		return err_set(told, 0, "%s: is gone, as is its address",
			       n->name);
	}
	if (!host_note_get(n, "card", 0, card, sizeof(card)) ||
	    !host_note_get(n, "index", 0, index, sizeof(index)) ||
	    !host_note_get(n, "mac", 0, text, sizeof(text)) ||
	    !read_mac(text, mac)) {
		host_note_remove(n);
		return err_set(told, -EINVAL, "%s: cannot be read", n->name);
	}
	set_mac(card, (unsigned)strtoul(index, NULL, 10), mac, &rc, told);
	if (rc) {
		host_note_close(n);
		return rc;
	}
	host_note_remove(n);
	err_set(told, 0, "%s: virtual function %s has the address %s again",
		card, index, text);
	return 0;
}

static int note_mac(struct host_loan *l, const char *card, struct err *err)
{
	struct host_vf_settings *s = calloc(l->pf.max_vfs, sizeof(*s));
	const uint8_t *m;
	int rc;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	rc = host_vf_link_read(card, s, l->pf.max_vfs);
	if (!rc && !(s[l->vf.index].has & HOST_VF_MAC))
		rc = -EOPNOTSUPP;
	if (rc) {
		free(s);
		return err_set(err, rc,
			       "mac=: %s does not tell the addresses "
			       "of its virtual functions: %s",
			       card, strerror(-rc));
	}
	m = s[l->vf.index].mac;
	host_note_add(&l->mac, "card", "%s", card);
	host_note_add(&l->mac, "index", "%u", l->vf.index);
	host_note_add(&l->mac, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", m[0],
		      m[1], m[2], m[3], m[4], m[5]);
	free(s);
	return host_note_write(&l->mac, err);
}

/* Gives the virtual function its address, before a driver asks for it. */
static int take_mac(struct host_loan *l, const uint8_t mac[6], struct err *err)
{
	char card[1][IFNAMSIZ], name[48];
	struct err told;
	int rc;

	if (!host_pci_ifaces(l->pf.address, card, 1))
		return err_set(err, -ENODEV,
			       "mac=: %s has no interface by which the address "
			       "of a virtual function is set",
			       l->pf.address);
	snprintf(name, sizeof(name), "%s" KIND, l->vf.address);
	rc = host_note_open(&l->mac, name, err);
	if (rc)
		return rc;
	/* What a process that was killed left is the address before it. */
	rc = *l->mac.text ? host_note_write(&l->mac, err)
			  : note_mac(l, card[0], err);
	if (rc) {
		host_note_remove(&l->mac);
		return rc;
	}
	set_mac(card[0], l->vf.index, mac, &rc, err);
	if (rc && undo_mac(&l->mac, &told))
		log_err("%s", told.msg);
	return rc;
}

/* A card that is down has virtual functions without a link. */
static void warn_down(const struct host_pci *pf)
{
	char name[1][IFNAMSIZ];

	if (host_pci_ifaces(pf->address, name, 1) && !host_iface_is_up(name[0]))
		log_warn("%s is down, so its virtual functions have no link: "
			 "ip link set %s up",
			 name[0], name[0]);
}

static int lend(struct host_loan *l, const struct host_loan_wish *w,
		struct err *err)
{
	int rc = host_pci_vf(&l->vf, &l->pf, w->index, err);

	if (rc)
		return rc;
	if (w->bind)
		rc = host_pci_check_use(&l->vf, w->force, err);
	if (rc)
		return rc;
	if (w->has_mac)
		rc = take_mac(l, w->mac, err);
	if (!rc && w->bind)
		rc = host_bind_take(&l->bind, l->vf.address, err);
	if (!rc)
		warn_down(&l->pf);
	return rc;
}

int host_loan_take(struct host_loan **out, const struct host_loan_wish *w,
		   char address[HOST_ADDRESS], struct err *err)
{
	struct host_loan *l = calloc(1, sizeof(*l));
	struct host_note *made = NULL;
	int rc;

	if (!l)
		return err_set(err, -ENOMEM, "out of memory");
	l->mac.fd = -1;
	rc = host_pci_named(&l->pf, w->card, err);
	if (!rc && w->create)
		rc = host_vf_create_for_now(&l->pf, w->create, &made, err);
	if (!rc)
		rc = host_pci_find(&l->pf, l->pf.address, err);
	if (!rc)
		rc = lend(l, w, err);
	host_vf_keep(made);
	if (rc) {
		host_loan_give_back(l);
		return rc;
	}
	memcpy(address, l->vf.address, HOST_ADDRESS);
	*out = l;
	return 0;
}

void host_loan_give_back(struct host_loan *l)
{
	struct err told;

	if (!l)
		return;
	host_bind_give_back(l->bind);
	if (l->mac.fd >= 0 && undo_mac(&l->mac, &told))
		log_err("%s (ringway vf restore tries again)", told.msg);
	if (*l->pf.address && host_vf_drop(l->pf.address, &told) < 0)
		log_err("%s (ringway vf restore tries again)", told.msg);
	free(l);
}

static int restore_mac(const char *name, struct err *told)
{
	const char *kind = strchr(name, '+');
	struct host_note n;
	int rc;

	if (!kind || strcmp(kind, KIND) != 0)
		return 0;
	rc = host_note_open(&n, name, told);
	if (rc)
		return rc == -EBUSY ? 0 : rc;
	if (!*n.text) {
		host_note_remove(&n);
		return 0;
	}
	rc = undo_mac(&n, told);
	return rc ? rc : 1;
}

struct restoring {
	int (*undo)(const char *name, struct err *told);
	void (*tell)(const char *line, void *ctx);
	void *ctx;
	int rc;
};

static int restore_entry(const char *name, void *ctx)
{
	struct restoring *r = ctx;
	struct err told;
	int rc = r->undo(name, &told);

	if (rc)
		r->tell(told.msg, r->ctx);
	if (rc < 0)
		r->rc = rc;
	return 0;
}

int host_restore(void (*tell)(const char *line, void *ctx), void *ctx)
{
	static int (*const undo[])(const char *name, struct err *told) = {
		host_bind_restore, restore_mac, host_vf_restore
	};
	struct restoring r = { .tell = tell, .ctx = ctx };

	for (unsigned i = 0; i < ARRAY_SIZE(undo); i++) {
		r.undo = undo[i];
		host_journal_each(restore_entry, &r);
	}
	return r.rc;
}

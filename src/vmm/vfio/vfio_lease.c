/* SPDX-License-Identifier: Apache-2.0 */
/* Cards that are lent to a machine, and the options of vfio-pci. Control
 * thread. Calls the host's devices. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfio.h"
#include "vfio_vf.h"

#define CLASS_BRIDGE 6 /* base class */

/* A card whose driver is one of VFIO's has been given away by the host. */
static bool is_bound(const struct host_pci *pci)
{
	return strstr(pci->driver, "vfio") != NULL;
}

static int refuse_driver(const struct host_pci *pci, struct err *err)
{
	const char *a = pci->address;

	if (!*pci->driver)
		return err_set(err, -ENODEV,
			       "%s has no driver: write bind=on, or: echo "
			       "vfio-pci >/sys/bus/pci/devices/%s/"
			       "driver_override; echo %s "
			       ">/sys/bus/pci/drivers_probe",
			       a, a, a);
	return err_set(err, -EBUSY,
		       "%s has the driver %s: write bind=on, which takes it "
		       "from that for the machine's life, or: echo vfio-pci "
		       ">/sys/bus/pci/devices/%s/driver_override; echo %s "
		       ">/sys/bus/pci/drivers/%s/unbind; echo %s "
		       ">/sys/bus/pci/drivers_probe",
		       a, pci->driver, a, a, pci->driver, a);
}

/* Finds the card and checks it, but for its group. */
static int check(const struct vfio_conf *conf, struct host_pci *pci,
		 struct err *err)
{
	int rc = host_pci_find(pci, conf->host, err);

	if (!rc && pci->class >> 16 == CLASS_BRIDGE)
		return err_set(err, -EINVAL,
			       "%s is a bridge, which no guest can have",
			       pci->address);
	if (rc || is_bound(pci))
		return rc;
	rc = host_pci_check_use(pci, conf->force, err);
	if (!rc && !vfio_vf_binds(conf))
		rc = refuse_driver(pci, err);
	return rc;
}

/* Takes the card that host= names. */
static int take_card(const struct vfio_conf *conf, struct vfio_lease *l,
		     bool (*is_ours)(const char *address, void *ctx), void *ctx,
		     struct err *err)
{
	struct host_pci pci;
	int rc = check(conf, &pci, err);

	if (!rc)
		rc = host_pci_check_others(&pci, is_ours, ctx, err);
	if (!rc && vfio_vf_binds(conf))
		rc = host_bind_take(&l->bind, pci.address, err);
	if (!rc)
		memcpy(l->address, pci.address, sizeof(l->address));
	return rc;
}

/* Takes the virtual function that vf-of= names. Only when it is there can its
 * group be looked at. */
static int take_vf(const struct vfio_conf *conf, struct vfio_lease *l,
		   bool (*is_ours)(const char *address, void *ctx), void *ctx,
		   struct err *err)
{
	struct host_pci pci;
	int rc = vfio_vf_take(conf, &l->loan, l->address, err);

	if (!rc)
		rc = host_pci_find(&pci, l->address, err);
	if (!rc && !is_bound(&pci))
		rc = refuse_driver(&pci, err);
	return rc ? rc : host_pci_check_others(&pci, is_ours, ctx, err);
}

int vfio_lease_take(const struct vfio_conf *conf,
		    bool (*is_ours)(const char *address, void *ctx), void *ctx,
		    struct vfio_lease **out, struct err *err)
{
	struct vfio_lease *l = calloc(1, sizeof(*l));
	int rc = l ? vfio_vf_check(conf, err)
		   : err_set(err, -ENOMEM, "out of memory");

	if (!rc)
		rc = conf->vf_of ? take_vf(conf, l, is_ours, ctx, err)
				 : take_card(conf, l, is_ours, ctx, err);
	if (rc) {
		vfio_lease_give(l);
		return rc;
	}
	*out = l;
	return 0;
}

void vfio_lease_give(struct vfio_lease *l)
{
	if (!l)
		return;
	host_bind_give_back(l->bind);
	host_loan_give_back(l->loan);
	free(l);
}

/* What --dry-run tells. The group is not looked at but for its being there:
 * other cards of the machine may be in it. A virtual function need not be there
 * yet. */
static int try(const void *conf, struct err *err)
{
	const struct vfio_conf *c = conf;
	char address[HOST_ADDRESS];
	struct host_pci pci;
	int rc = vfio_vf_check(c, err);

	if (!rc && c->vf_of)
		return c->create ? host_pci_named(&pci, c->vf_of, err)
				 : vfio_vf_address(c, address, err);
	if (!rc)
		rc = check(c, &pci, err);
	return rc || pci.group >= 0 ? rc : host_pci_check_group(&pci, err);
}

#define OPT(k, member, t, ...)                                            \
	{                                                                 \
		.key = k, .kind = t,                                      \
		.offset = offsetof(struct vfio_conf, member), __VA_ARGS__ \
	}

static const struct opt_row vfio_rows[] = {
	OPT("id", common.id, OPT_STRING, .min = 1, .max = 63, .arg = "NAME",
	    .help = "name of the device (default: its type and a number)"),
	OPT("host", host, OPT_PATH, .arg = "ADDRESS",
	    .help = "the card of this host (`lspci -D`): 0000:00:05.0"),
	OPT("vf-of", vf_of, OPT_PATH, .arg = "CARD",
	    .help = "instead of host=: a virtual function of this card, which "
		    "is named by its interface or address"),
	OPT("index", index, OPT_UINT, .max = 65534,
	    .set_offset = offsetof(struct vfio_conf, index_set), .arg = "N",
	    .help = "which virtual function, from 0 (default 0)"),
	OPT("create", create, OPT_BOOL,
	    .help = "make the virtual functions that the machine needs when "
		    "the card has none, and take them away at the end"),
	OPT("mac", mac, OPT_STRING, .arg = "ADDRESS",
	    .help = "address of the virtual function, for the machine's life"),
	OPT("bind", bind, OPT_BOOL,
	    .set_offset = offsetof(struct vfio_conf, bind_set),
	    .help = "take it from its driver for the machine's life (default: "
		    "off for host=, on for vf-of=)"),
	OPT("force", force, OPT_BOOL, .def = "off",
	    .help = "even if the host's default route uses it"),
	PCI_PLACE_ROWS(offsetof(struct vfio_conf, common.pci)),
	{ NULL },
};

const struct device_type device_vfio_type = {
	.name = "vfio-pci",
	.help = "a card of this host, for the guest alone (VFIO)",
	.rows = vfio_rows,
	.conf_size = sizeof(struct vfio_conf),
	.try = try,
};

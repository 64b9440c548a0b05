/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual function as a machine's card, which options name by its place on
 * the host's card: vf-of=eth0,index=1. Control thread. */
#include "vfio_vf.h"

#include <errno.h>
#include <string.h>

#include "ether_text.h"

int vfio_vf_check(const struct vfio_conf *c, struct err *err)
{
	uint8_t mac[6];

	if (!c->host == !c->vf_of)
		return err_set(err, -EINVAL,
			       "needs host=ADDRESS, a card of this host (lspci "
			       "-D), or vf-of=INTERFACE and index=N, a virtual "
			       "function of one%s",
			       c->host ? ", not both" : "");
	if (c->host && (c->index_set || c->create || c->mac))
		return err_set(err, -EINVAL,
			       "%s= is for a virtual function that vf-of= "
			       "names, not for host=%s",
			       c->index_set ? "index"
			       : c->mac	    ? "mac"
					    : "create",
			       c->host);
	return c->mac ? ether_from_text("mac", c->mac, mac, err) : 0;
}

void vfio_vf_share(struct vfio_conf *c, const struct vfio_conf *other)
{
	struct host_pci a, b;

	if (!c->vf_of || !other->vf_of || host_pci_named(&a, c->vf_of, NULL) ||
	    host_pci_named(&b, other->vf_of, NULL) ||
	    strcmp(a.address, b.address) != 0)
		return;
	c->needed = MAX(c->needed, other->index + 1);
}

int vfio_vf_address(const struct vfio_conf *c, char address[HOST_ADDRESS],
		    struct err *err)
{
	struct host_pci pf, vf;
	int rc;

	if (!c->vf_of)
		return host_pci_parse(c->host ? c->host : "", address, err);
	rc = host_pci_named(&pf, c->vf_of, err);
	if (!rc)
		rc = host_pci_vf(&vf, &pf, c->index, err);
	if (rc)
		return rc;
	memcpy(address, vf.address, HOST_ADDRESS);
	return 0;
}

int vfio_vf_take(const struct vfio_conf *c, struct host_loan **loan,
		 char address[HOST_ADDRESS], struct err *err)
{
	struct host_loan_wish w = {
		.card = c->vf_of,
		.index = c->index,
		.create = c->create ? MAX(c->needed, c->index + 1) : 0,
		.has_mac = c->mac != NULL,
		.bind = vfio_vf_binds(c),
		.force = c->force,
	};
	int rc = c->mac ? ether_from_text("mac", c->mac, w.mac, err) : 0;

	return rc ? rc : host_loan_take(loan, &w, address, err);
}

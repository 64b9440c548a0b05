/* SPDX-License-Identifier: Apache-2.0 */
/* A card with its virtual functions, see host_vf.h. Control thread. */
#include <stdlib.h>
#include <string.h>

#include "host_bind.h"
#include "host_iface.h"
#include "host_vf.h"
#include "host_vf_link.h"

/* Emits the name of the device's interface, if it has one. */
static bool show_iface(const char *key, const char *address,
		       char name[1][IFNAMSIZ], struct show *out)
{
	if (!host_pci_ifaces(address, name, 1))
		return false;
	show_str(out, key, name[0]);
	return true;
}

static void show_settings(const struct host_vf_settings *s, struct show *out)
{
	if (s->has & HOST_VF_MAC)
		show_mac(out, "mac", s->mac);
	if (s->has & HOST_VF_VLAN) {
		show_num(out, "vlan", s->vlan);
		show_num(out, "qos", s->qos);
	}
	if (s->has & HOST_VF_SPOOFCHK)
		show_flag(out, "spoofchk", s->spoofchk);
	if (s->has & HOST_VF_TRUST)
		show_flag(out, "trust", s->trust);
	if (s->has & HOST_VF_RATE) {
		show_num(out, "rate", s->max_rate);
		show_num(out, "min_rate", s->min_rate);
	}
	if (s->has & HOST_VF_LINK)
		show_str(out, "link", host_vf_links[s->link]);
}

static void show_vf(const struct host_pci *vf, const struct host_vf_settings *s,
		    struct show *out)
{
	int owner = host_bind_owner(vf->address);
	char name[1][IFNAMSIZ];

	show_object(out, NULL);
	show_num(out, "index", vf->index);
	show_str(out, "address", vf->address);
	if (*vf->driver)
		show_str(out, "driver", vf->driver);
	show_iface("interface", vf->address, name, out);
	if (vf->group >= 0)
		show_num(out, "group", (uint64_t)vf->group);
	if (owner > 0)
		show_num(out, "guest_pid", (uint64_t)owner);
	show_settings(s, out);
	show_end(out);
}

void host_vf_show(const struct host_pci *pf, struct show *out)
{
	struct host_vf_settings *s = calloc(pf->vfs + 1, sizeof(*s));
	char name[1][IFNAMSIZ];
	struct host_pci vf;

	show_object(out, NULL);
	if (show_iface("card", pf->address, name, out)) {
		show_flag(out, "up", host_iface_is_up(name[0]));
		if (s)
			host_vf_link_read(name[0], s, pf->vfs);
	}
	show_str(out, "address", pf->address);
	if (*pf->driver)
		show_str(out, "driver", pf->driver);
	show_num(out, "max", pf->max_vfs);
	show_array(out, "virtual_functions");
	for (unsigned i = 0; s && i < pf->vfs; i++)
		if (!host_pci_vf(&vf, pf, i, NULL))
			show_vf(&vf, &s[i], out);
	show_end(out);
	show_end(out);
	free(s);
}

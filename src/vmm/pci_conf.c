/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a device on the PCI bus, see pci_conf.h. Pure; any thread. */
#include "pci_conf.h"

#include <errno.h>
#include <stdlib.h>

#define SLOTS 32

bool pci_conf_has_legacy(const struct pci_conf *c)
{
	return c->has_disable_legacy ? !c->disable_legacy : c->disable_modern;
}

int pci_conf_check(const struct pci_conf *c, int *slot, struct err *err)
{
	unsigned long number;
	char *end;

	*slot = -1;
	if (c->disable_modern && !pci_conf_has_legacy(c))
		return err_set(err, -EINVAL,
			       "disable-modern=on: the device has no other "
			       "registers: needs disable-legacy=off");
	if (!c->addr)
		return 0;
	number = strtoul(c->addr, &end, 16);
	if (*end || end == c->addr || number >= SLOTS)
		return err_set(err, -EINVAL,
			       "addr=%.20s: must be a slot from 1 to 1f",
			       c->addr);
	*slot = (int)number;
	return 0;
}

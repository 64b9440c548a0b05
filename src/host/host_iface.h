/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host does with a network interface, and what it was before its
 * device went to a guest. Control thread.
 */
#ifndef RW_HOST_IFACE_H
#define RW_HOST_IFACE_H

#include "host_pci.h"

/* Returns what the host does with @name, and writes that to @what: "has the
 * host's default route". An interface on top (bridge, bond, VLAN) counts. */
enum host_use host_iface_use(const char *name, char *what, size_t size);

/* Returns whether the interface is up. */
bool host_iface_is_up(const char *name);

/* Names the only interface of the device @address @name again, and sets it up
 * with @is_up. Returns 0 or -errno. */
int host_iface_settle(const char *address, const char *name, bool is_up);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames that a guest wants, as its driver says on the control queue
 * (virtio 1.2, clauses 5.1.6.5.1 to 5.1.6.5.3). Filtering is best effort, as in
 * the specification: a table that overflows lets everything pass. A filter is
 * immutable while workers see it.
 */
#ifndef RW_VNET_FILTER_H
#define RW_VNET_FILTER_H

#include <string.h>

#include "frame.h"

#define VNET_FILTER_MACS 64 /* addresses of each kind; with more, all pass */
#define VNET_VLANS	 4096

/* Modes of the RX class, and two bits that enable mac and vlan. */
enum {
	VNET_FILTER_PROMISC = 1 << 0,
	VNET_FILTER_ALLMULTI = 1 << 1,
	VNET_FILTER_ALLUNI = 1 << 2,
	VNET_FILTER_NOMULTI = 1 << 3,
	VNET_FILTER_NOUNI = 1 << 4,
	VNET_FILTER_NOBCAST = 1 << 5,
	VNET_FILTER_MAC = 1 << 6,   /* mac holds the guest's own address */
	VNET_FILTER_VLANS = 1 << 7, /* tagged frames need their bit in vlan */
};

struct vnet_macs {
	uint32_t count; /* the driver's number; above VNET_FILTER_MACS the list
			 * is incomplete */
	uint8_t mac[VNET_FILTER_MACS][ETH_ALEN];
};

struct vnet_filter {
	unsigned modes; /* VNET_FILTER_* */
	uint8_t mac[ETH_ALEN];
	struct vnet_macs uni, multi;
	uint64_t vlan[VNET_VLANS / 64];
};

static inline bool vnet_macs_have(const struct vnet_macs *m, const uint8_t *mac)
{
	if (m->count > VNET_FILTER_MACS)
		return true;
	for (uint32_t i = 0; i < m->count; i++)
		if (!memcmp(m->mac[i], mac, ETH_ALEN))
			return true;
	return false;
}

/* Returns whether the guest wants @f. */
bool vnet_filter_passes(const struct vnet_filter *filter, struct frame *f);

#endif

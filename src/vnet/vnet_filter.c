/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of a guest, see vnet_filter.h. Runs on any worker; pure. */
#include "vnet_filter.h"

#include "key.h"

static bool passes_vlan(const struct vnet_filter *filter, struct frame *f)
{
	unsigned vid;

	/* an outer 802.1ad tag is not in the VLAN table */
	if (!frame_key(f, KEY_L2)->tags ||
	    get_be16(frame_head(f) + 2 * ETH_ALEN) != ETHERTYPE_VLAN)
		return true;
	vid = key_tci(f, 0) & (VNET_VLANS - 1);
	return filter->vlan[vid / 64] >> vid % 64 & 1;
}

static bool passes_multicast(const struct vnet_filter *filter,
			     const uint8_t *dst)
{
	static const uint8_t broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff,
						     0xff, 0xff, 0xff };

	if (!memcmp(dst, broadcast, ETH_ALEN))
		return !(filter->modes & VNET_FILTER_NOBCAST);
	if (filter->modes & VNET_FILTER_NOMULTI)
		return false;
	return filter->modes & VNET_FILTER_ALLMULTI ||
	       vnet_macs_have(&filter->multi, dst);
}

static bool passes_unicast(const struct vnet_filter *filter, const uint8_t *dst)
{
	if (filter->modes & VNET_FILTER_NOUNI)
		return false;
	/* any address may belong to a guest that never told its own */
	if (filter->modes & VNET_FILTER_ALLUNI ||
	    !(filter->modes & VNET_FILTER_MAC))
		return true;
	return !memcmp(filter->mac, dst, ETH_ALEN) ||
	       vnet_macs_have(&filter->uni, dst);
}

bool vnet_filter_passes(const struct vnet_filter *filter, struct frame *f)
{
	const uint8_t *dst = frame_head(f);

	if (filter->modes & VNET_FILTER_PROMISC)
		return true;
	if (filter->modes & VNET_FILTER_VLANS && !passes_vlan(filter, f))
		return false;
	return dst[0] & 1 ? passes_multicast(filter, dst)
			  : passes_unicast(filter, dst);
}

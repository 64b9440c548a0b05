/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of received frames (3.2.1 and 13.5), see e1000_filter.h. Workers. */
#include "e1000_filter.h"

#include "key.h"

bool e1000_is_tagged(const struct frame *f, const struct e1000_rules *r)
{
	return f->len >= ETH_HLEN + VLAN_HLEN &&
	       get_be16(frame_head_const(f) + 2 * ETH_ALEN) == r->vet;
}

static bool has_address(const struct e1000 *e, const uint8_t *to)
{
	for (unsigned i = 0; i < E1000_ADDRESSES; i++) {
		uint32_t high = e1000_get(e, E1000_RA + 8 * i + 4);
		uint64_t have = e1000_get(e, E1000_RA + 8 * i) |
				(uint64_t)(high & 0xffff) << 32;

		if (high & RAH_AV && have == mac_to_u64(to))
			return true;
	}
	return false;
}

/* The table has a bit for each value of 12 bits of the address (13.5.1). */
static bool is_in_table(const struct e1000 *e, const uint8_t *to, uint32_t rctl)
{
	static const uint8_t shift[] = { 4, 3, 2, 0 };
	unsigned bit =
		(unsigned)(to[4] | to[5] << 8) >> shift[RCTL_MO(rctl)] & 0xfff;

	return e1000_get(e, E1000_MTA + bit / 32 * 4) >> bit % 32 & 1;
}

bool e1000_is_wanted(const struct e1000 *e, const struct frame *f,
		     const struct e1000_rules *r)
{
	const uint8_t *to = frame_head_const(f);

	if (r->rctl & RCTL_VFE && e1000_is_tagged(f, r)) {
		unsigned vid = get_be16(to + ETH_HLEN) & 0xfff;

		if (!(e1000_get(e, E1000_VFTA + vid / 32 * 4) >> vid % 32 & 1))
			return false;
	}
	if (has_address(e, to))
		return true;
	if (!mac_is_multicast(to))
		return r->rctl & RCTL_UPE;
	if (r->rctl & RCTL_MPE)
		return true;
	if (!memcmp(to, "\xff\xff\xff\xff\xff\xff", ETH_ALEN))
		return r->rctl & RCTL_BAM;
	return is_in_table(e, to, r->rctl);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of the PHY (IEEE 802.3, clause 22, and Marvell's 88E1011 and
 * 88E1149), for nic/intel/. */
#ifndef RW_VMM_E1000_PHY_H
#define RW_VMM_E1000_PHY_H

enum {
	PHY_CONTROL = 0,
	PHY_STATUS = 1,
	PHY_ID1 = 2,
	PHY_ID2 = 3,
	PHY_ADVERTISED = 4,
	PHY_PARTNER = 5,
	PHY_EXPANSION = 6,
	PHY_NEXT_PAGE = 7,
	PHY_1000_CONTROL = 9,
	PHY_1000_STATUS = 10,
	PHY_EXT_STATUS = 15,
	PHY_SPECIFIC_CONTROL = 16,
	PHY_SPECIFIC_STATUS = 17,
	PHY_EXT_CONTROL = 20,
	PHY_PAGE = 22, /* of registers from 16 on */
};

#endif

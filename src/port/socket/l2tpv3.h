/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the l2tpv3 port, for its tests. */
#ifndef RW_L2TPV3_H
#define RW_L2TPV3_H

#include "socket.h"

struct l2tpv3_conf {
	char *src, *dst, *srcport, *dstport;
	bool ipv6, udp, cookie64, counter, pincounter;
	bool has_txcookie, has_rxcookie, has_txsession, has_rxsession;
	uint32_t txsession, rxsession, offset;
	uint64_t txcookie, rxcookie;
};

/* Returns the header of a tunnel, which the caller frees, or NULL without
 * memory. @c agrees. */
struct dgram_encap *l2tpv3_encap(const struct l2tpv3_conf *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the packet in a frame and the one around it have in common, see encap.h.
 * Pure; any thread. */
#include "encap.h"

#include "key.h"
#include "offload.h"

uint8_t encap_inner_tos(struct frame *f, bool *df)
{
	const struct key *k = frame_key(f, KEY_L4);
	const uint8_t *ip = frame_head_const(f) + k->l3_off;

	*df = k->ip == 6;
	if (k->ip == 6)
		return (uint8_t)(get_be16(ip) >> 4);
	if (k->ip != 4)
		return 0;
	*df = ip[6] & 0x40;
	return ip[1];
}

/* Changes the type of service of an IPv4 header, and its checksum as RFC 1624
 * says. */
static void set_tos4(uint8_t *ip, uint8_t tos)
{
	uint16_t old, new, sum;

	memcpy(&old, ip, sizeof(old));
	ip[1] = tos;
	memcpy(&new, ip, sizeof(new));
	memcpy(&sum, ip + 10, sizeof(sum));
	sum = csum_fold((uint64_t)(uint16_t)~sum + (uint16_t)~old + new);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Returns what becomes of the field when @outer arrives around @inner: RFC
 * 6040, figure 4. */
static uint8_t combine(uint8_t inner, uint8_t outer)
{
	if (inner == ECN_NONE)
		return inner;
	if (outer == ECN_CE || (inner == ECN_ECT0 && outer == ECN_ECT1))
		return outer;
	return inner;
}

bool encap_take_ecn(const struct iovec *frame, uint8_t outer)
{
	uint8_t *data = frame->iov_base, *ip, inner;
	size_t at = 2 * ETH_ALEN, left;
	unsigned type = get_be16(data + at);

	for (unsigned tags = 0; tags < FRAME_TAGS; tags++) {
		if ((type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ) ||
		    at + VLAN_HLEN + 2 > frame->iov_len)
			break;
		at += VLAN_HLEN;
		type = get_be16(data + at);
	}
	ip = data + at + 2;
	left = frame->iov_len - at - 2;
	if (type == ETHERTYPE_V6 && left >= 40) {
		inner = ip[1] >> 4 & ECN_MASK;
		ip[1] = (uint8_t)((ip[1] & ~(ECN_MASK << 4)) |
				  combine(inner, outer) << 4);
	} else if (type == ETHERTYPE_V4 && left >= 20) {
		inner = ip[1] & ECN_MASK;
		set_tos4(ip, (uint8_t)((ip[1] & ~ECN_MASK) |
				       combine(inner, outer)));
	} else {
		return true;
	}
	return inner != ECN_NONE || outer != ECN_CE;
}

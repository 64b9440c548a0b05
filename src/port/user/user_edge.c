/* SPDX-License-Identifier: Apache-2.0 */
/* See user_edge.h. Runs on the library's thread. */
#include "user_edge.h"

#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <string.h>

#include "le.h"
#include "offload.h"

#define UDP_HLEN     8
#define BOOTP_MAGIC  236 /* offset of the options' magic in BOOTP */
#define BOOTP_CHADDR 28

/* A UDP datagram in a frame, without IP options and not fragmented. */
struct datagram {
	unsigned l3, l4; /* offsets of the headers; 0: no datagram */
	bool is_v6;
	uint16_t sport, dport;
};

static struct datagram find_datagram(const uint8_t *p, uint32_t size)
{
	struct datagram d = { .l3 = ETH_HLEN };
	uint16_t type = size > ETH_HLEN ? get_be16(p + 12) : 0;

	if (type == ETHERTYPE_IP && size >= ETH_HLEN + 20u + UDP_HLEN &&
	    p[14] == 0x45 && p[23] == IPPROTO_UDP &&
	    !(get_be16(p + 20) & 0x3fff))
		d.l4 = ETH_HLEN + 20;
	else if (type == ETHERTYPE_IPV6 && size >= ETH_HLEN + 40u + UDP_HLEN &&
		 p[20] == IPPROTO_UDP)
		d.l4 = ETH_HLEN + 40;
	else
		return (struct datagram){ 0 };
	d.is_v6 = type == ETHERTYPE_IPV6;
	d.sport = get_be16(p + d.l4);
	d.dport = get_be16(p + d.l4 + 2);
	return d;
}

/* Returns the DHCP message type in the options at @off; 0: none. */
static uint8_t dhcp_kind(const uint8_t *p, uint32_t size, uint32_t off)
{
	static const uint8_t magic[] = { 99, 130, 83, 99 };

	if (off + 4 > size || memcmp(p + off, magic, 4))
		return 0;
	off += 4;
	while (off + 2 < size && p[off] != 255) {
		if (p[off] == 0)
			off++;
		else if (p[off] == 53)
			return p[off + 2];
		else
			off += 2u + p[off + 1];
	}
	return 0;
}

bool user_is_discover(const uint8_t *frame, uint32_t size, uint8_t mac[6])
{
	struct datagram d = find_datagram(frame, size);
	uint32_t bootp = d.l4 + UDP_HLEN;

	if (!d.l4 || d.is_v6 || d.dport != 67 || size < bootp + BOOTP_MAGIC ||
	    dhcp_kind(frame, size, bootp + BOOTP_MAGIC) != 1)
		return false;
	memcpy(mac, frame + bootp + BOOTP_CHADDR, 6);
	return true;
}

bool user_is_dhcp_answer(const uint8_t *frame, uint32_t size)
{
	struct datagram d = find_datagram(frame, size);

	return d.l4 && !d.is_v6 && d.sport == 67;
}

/* Returns whether the header of @protocol at @l4 may begin a flow, also if the
 * frame ends before the place that tells. */
static bool may_begin_flow(const uint8_t *p, uint32_t size, uint8_t protocol,
			   uint32_t l4)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return size < l4 + 14 ||
		       (p[l4 + 13] & (TH_SYN | TH_ACK)) == TH_SYN;
	case IPPROTO_UDP:
		return true;
	case IPPROTO_ICMP:
		return size <= l4 || p[l4] == ICMP_ECHO;
	case IPPROTO_ICMPV6:
		return size <= l4 || p[l4] == ICMP6_ECHO_REQUEST;
	default:
		return false;
	}
}

bool user_may_open_socket(const uint8_t *p, uint32_t size)
{
	uint16_t type = size > ETH_HLEN ? get_be16(p + 12) : 0;

	if (type == ETHERTYPE_IP && size >= ETH_HLEN + 20u)
		return get_be16(p + 20) & 0x3fff ||
		       may_begin_flow(p, size, p[23],
				      ETH_HLEN + (p[14] & 15) * 4u);
	if (type == ETHERTYPE_IPV6 && size >= ETH_HLEN + 40u)
		return may_begin_flow(p, size, p[20], ETH_HLEN + 40);
	return false;
}

/* Updates the checksum at @at for @size covered bytes that change from @old to
 * @new. */
static void adjust(uint8_t *at, const void *old, const void *new, size_t size)
{
	uint8_t inverted[16];
	uint64_t sum;
	uint16_t field;

	for (size_t i = 0; i < size; i++)
		inverted[i] = (uint8_t) ~((const uint8_t *)old)[i];
	memcpy(&field, at, 2);
	sum = csum_add((uint16_t)~field, inverted, size);
	field = csum_fold(csum_add(sum, new, size));
	memcpy(at, &field, 2);
}

/* Updates a checksum of UDP, where 0 means that there is none. */
static void adjust_udp(uint8_t *at, const void *old, const void *new,
		       size_t size)
{
	if (!at[0] && !at[1])
		return;
	adjust(at, old, new, size);
	if (!at[0] && !at[1])
		at[0] = at[1] = 0xff;
}

void user_fix_source(uint8_t *frame, uint32_t size, const struct user_net *n)
{
	static const uint8_t loopback[] = { 127, 0, 0, 1 };
	struct datagram d = find_datagram(frame, size);
	uint8_t *ip = frame + d.l3, *udp = frame + d.l4;

	if (!d.l4)
		return;
	if (d.is_v6) {
		if (memcmp(ip + 8, &in6addr_loopback, 16))
			return;
		adjust_udp(udp + 6, &in6addr_loopback, &n->host6, 16);
		memcpy(ip + 8, &n->host6, 16);
	} else {
		if (memcmp(ip + 12, loopback, 4))
			return;
		adjust(ip + 10, loopback, &n->host, 4);
		adjust_udp(udp + 6, loopback, &n->host, 4);
		memcpy(ip + 12, &n->host, 4);
	}
}

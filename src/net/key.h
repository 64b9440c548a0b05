/* SPDX-License-Identifier: Apache-2.0 */
/* Header cursors over a frame's head, and the flow hash. Pure; any thread. */
#ifndef RW_KEY_H
#define RW_KEY_H

#include "frame.h"
#include "le.h"

enum {
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_V4 = 0x0800,
	ETHERTYPE_V6 = 0x86dd,
	ETHERTYPE_RARP = 0x8035
};

/* Where the headers of a frame lie; offsets from the start of the frame. 0 for
 * what is not there or lies beyond the head. */
struct headers {
	uint16_t ethertype; /* behind the tags, host order */
	uint16_t l3_off;
	uint16_t l4_off;      /* 0 for fragments other than the first */
	uint16_t payload_off; /* behind TCP/UDP */
	uint8_t l4_proto;     /* IPPROTO_*, 0 when unknown */
	bool is_fragment;
};

/* Parses what the head holds; never fails, only knows less. IPv6 extension
 * headers are walked up to 8 deep and within the head. */
void headers_parse(const struct frame *f, struct headers *h);

/*
 * The flow's Toeplitz hash by the symmetric key (toeplitz.h), the same for both
 * directions: of addresses and ports, as virtio hashes TCPv4, UDPv4, TCPv6 and
 * UDPv6; of the addresses where there are no ports or the datagram is in
 * fragments, as it hashes IPv4 and IPv6; of the MAC addresses for what is not
 * IP.
 */
uint32_t flow_hash(const struct frame *f);

/* The same, worked out once. For frames as frame_from_iov() makes them. */
static inline uint32_t frame_flow_hash(struct frame *f)
{
	if (!f->hash)
		f->hash = flow_hash(f);
	return f->hash;
}

static inline bool mac_is_multicast(const uint8_t *mac)
{
	return mac[0] & 1;
}

/* The six bytes as a number, first byte in the lowest bits. */
static inline uint64_t mac_to_u64(const uint8_t *mac)
{
	uint32_t lo;
	uint16_t hi;

	memcpy(&lo, mac, sizeof(lo));
	memcpy(&hi, mac + 4, sizeof(hi));
	return le32_to_cpu(lo) | (uint64_t)le16_to_cpu(hi) << 32;
}

#endif

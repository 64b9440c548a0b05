/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers of tunnels that carry Ethernet: VXLAN (RFC 7348), Geneve (RFC
 * 8926) and GRE (RFC 2784 and 2890, protocol 0x6558). Pure; any thread.
 */
#ifndef RW_ENCAP_H
#define RW_ENCAP_H

#include "queue.h"

#define ENCAP_HDR_MAX 16
/* The session of GRE without a key; keys and VNIs have 32 bits or less. */
#define ENCAP_NO_KEY (1ull << 32)

/* What the headers of one tunnel say. */
struct encap_conf {
	uint64_t tx_session, rx_session; /* VNI; key or ENCAP_NO_KEY */
	bool csum, seq;			 /* GRE: the header has them */
};

struct encap {
	const char *name;
	uint16_t udp_port; /* as assigned; 0: over IP protocol 47 */
	/* Returns the bytes that put() writes, at most ENCAP_HDR_MAX. */
	unsigned (*size)(const struct encap_conf *c);
	/* Writes the header of @f, the frame with number @seq. */
	void (*put)(const struct encap_conf *c, const struct frame *f,
		    uint32_t seq, uint8_t *to);
	/* Returns the bytes of the header in front of a frame, at most @size,
	 * and stores its session; or -reason (enum drop_reason). */
	int (*parse)(const uint8_t *data, size_t size, uint64_t *session);
};

extern const struct encap encap_vxlan, encap_geneve, encap_gre;

/* The ECN field of the type of service (RFC 3168, clause 5). */
enum { ECN_NONE, ECN_ECT1, ECN_ECT0, ECN_CE, ECN_MASK = 3 };

/* Returns the type of service byte of the packet in @f and whether it must not
 * be cut into fragments, as IPv4's DF bit says. */
uint8_t encap_inner_tos(struct frame *f, bool *df);

/* Sets the ECN field of the packet in a frame of at least ETH_HLEN bytes that
 * came in a packet with @outer (RFC 6040, clause 4.2). Returns false when the
 * frame must be dropped: it met congestion and cannot be marked. */
bool encap_take_ecn(const struct iovec *frame, uint8_t outer);

#endif

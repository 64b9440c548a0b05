/* SPDX-License-Identifier: Apache-2.0 */
/* What the registers say about received frames, and what is said of one, for
 * nic/intel/. Workers, with the txq's lock held. */
#ifndef RW_VMM_E1000_FILTER_H
#define RW_VMM_E1000_FILTER_H

#include "e1000.h"

#define E1000_BUFFERS 4u /* most of a descriptor */

/* Status of a descriptor: the lower byte of a legacy one (3.2.3.1), and all 32
 * bits of an extended one (82574, 7.1.6.2), whose upper byte has errors. */
#define RXD_DD	  (1u << 0)
#define RXD_EOP	  (1u << 1)
#define RXD_IXSM  (1u << 2)
#define RXD_VP	  (1u << 3)
#define RXD_UDPCS (1u << 4)
#define RXD_TCPCS (1u << 5)
#define RXD_IPCS  (1u << 6)
#define RXD_TCPE  (1u << 29)
#define RXD_IPE	  (1u << 30)

/* What the driver is told of a frame. */
struct e1000_mark {
	uint32_t status;
	uint16_t tci;	/* with RXD_VP */
	unsigned queue; /* that it goes to */
	uint32_t type;	/* of the hash; 0: there is none */
	uint32_t hash;
	uint32_t header; /* bytes that are split off; 0: none */
};

/* A kind of descriptor. It begins with the addresses of its buffers. */
struct e1000_format {
	unsigned size, buffers;
	/* Writes back the one at @at: @m.status with RXD_DD, and the bytes in
	 * each buffer; the first of them are headers if @m.header. */
	void (*write_back)(uint8_t *at, const struct e1000_mark *m,
			   const uint32_t length[E1000_BUFFERS]);
};

/* What the registers say during a burst. */
struct e1000_rules {
	uint32_t rctl, ctrl;
	uint16_t vet;
	uint32_t fcs; /* bytes behind a frame */
	const struct e1000_format *format;
	uint32_t buffer[E1000_BUFFERS]; /* bytes of a descriptor's buffers */
	unsigned queues;
	/* Says more of @f, whose tag is off if the driver wants that. The
	 * checksum that it may ask for (OFFLOAD_CSUM) is filled in: @is_valid.
	 * NULL: there is nothing to say. */
	void (*classify)(const struct e1000 *e, const struct e1000_rules *r,
			 struct frame *f, bool is_valid, struct e1000_mark *m);
	uint32_t rxcsum, rfctl; /* of the 82574 */
};

/* Returns whether the tag of @f is one that the card knows. */
bool e1000_is_tagged(const struct frame *f, const struct e1000_rules *r);
/* Returns whether @f passes the filters (3.2.1 and 13.5). */
bool e1000_is_wanted(const struct e1000 *e, const struct frame *f,
		     const struct e1000_rules *r);

#endif

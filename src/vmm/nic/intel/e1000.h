/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel 82540EM, for e1000*.c only. Registers, descriptors and their bits are
 * named as in Intel's "PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual" (317453), whose sections comments name.
 *
 * e1000.c has the port and the PCI function, e1000_regs.c the registers (13),
 * e1000_nvm.c EEPROM (5) and PHY, e1000_tx.c the transmit ring (3.3 to 3.5),
 * e1000_rx.c the receive ring (3.2).
 */
#ifndef RW_VMM_E1000_H
#define RW_VMM_E1000_H

#include "e1000_regs.h"
#include "microwire.h"
#include "nic_impl.h"

#define E1000_DESC 16u /* bytes of a descriptor */

/* A context of offloads (3.3.6): what the driver said last. */
struct e1000_context {
	uint8_t ip_start, ip_field, l4_start, l4_field;
	uint16_t ip_end, l4_end;
	uint16_t mss;
	uint8_t header; /* bytes of headers in front of segments */
	bool is_v4, is_tcp;
};

/* A ring as its registers say. */
struct e1000_ring {
	uint8_t *desc; /* NULL: there is none */
	uint32_t count, head, tail;
};

/* What the driver sends. Under the nic's out lock. */
struct e1000_tx {
	struct e1000_context plain, large;
	uint32_t next;	 /* descriptor behind those of this burst */
	uint32_t looked; /* the tail as of a look that found no whole frame */
	bool has_looked;
	struct e1000_ring ring; /* of this burst */
};

struct e1000_nvm {
	struct microwire eeprom;
	uint32_t eecd; /* the register's driven bits */
	uint16_t phy[32];
};

/* A counter of 64 bits. */
struct e1000_wide {
	uint64_t value; /* [any, atomic] */
	uint64_t read;	/* what the driver read the lower half of */
};

struct e1000 {
	struct nic nic;
	uint32_t io_address; /* of the BAR of ports */
	struct e1000_nvm nvm;
	struct e1000_tx tx;
	/* Words that only remember a value, and those of the rings: heads and
	 * tails are [any, atomic], statistics too. */
	uint32_t reg[E1000_REGS_END / 4];
	struct e1000_wide wide[4];
};

static inline struct e1000 *e1000_of(struct nic *n)
{
	return container_of(n, struct e1000, nic);
}

static inline uint32_t e1000_get(const struct e1000 *e, unsigned off)
{
	return shm_load(&e->reg[off / 4]);
}

static inline void e1000_put(struct e1000 *e, unsigned off, uint32_t v)
{
	shm_store(&e->reg[off / 4], v);
}

/* Returns the counter of 64 bits whose half is the register @off, or NULL. */
struct e1000_wide *e1000_wide(struct e1000 *e, unsigned off);

/* Adds to a statistics register of 32 bits, which stays at its end. */
void e1000_count(struct e1000 *e, unsigned off, uint32_t n);

/* Frames of a burst on their way into the statistics registers. Zeroed: none.
 */
struct e1000_tally {
	uint32_t frames, multicast, broadcast, size[6];
	uint64_t bytes;
};

/* The registers of one direction. */
struct e1000_stat_regs {
	uint16_t good, total, multicast, broadcast, size;
	uint16_t good_bytes, total_bytes; /* of 64 bits */
};

/* Counts @n frames of @len bytes each to the address @to. */
void e1000_tally_frames(struct e1000_tally *t, const uint8_t *to, uint32_t n,
			uint32_t len);
void e1000_tally_put(struct e1000 *e, const struct e1000_tally *t,
		     const struct e1000_stat_regs *regs);

/* Returns the ring whose registers begin at @base (E1000_RDBAL or _TDBAL). With
 * a head or tail beyond its end, or memory that is no RAM, there is none. Under
 * the ring's lock. */
struct e1000_ring e1000_ring(const struct e1000 *e, unsigned base);

/* --- e1000_regs.c */
uint32_t e1000_read(struct e1000 *e, unsigned off);
void e1000_write(struct e1000 *e, unsigned off, uint32_t value);
void e1000_reset(struct e1000 *e);

/* --- e1000_nvm.c */
void e1000_nvm_init(struct e1000 *e);
void e1000_phy_reset(struct e1000 *e);
uint32_t e1000_read_eecd(const struct e1000_nvm *n);
void e1000_write_eecd(struct e1000_nvm *n, uint32_t value);
uint32_t e1000_read_eeprom(const struct e1000_nvm *n, uint32_t eerd);
uint32_t e1000_mdic(struct e1000 *e, uint32_t value);

/* --- e1000_tx.c and e1000_rx.c: workers */
unsigned e1000_rx_burst(struct rxq *q, struct burst *b);
void e1000_rx_done(struct rxq *q, struct burst *b);
bool e1000_has_work(struct nic *n);
unsigned e1000_tx_burst(struct txq *q, struct frame *const *frames, unsigned n);

#endif

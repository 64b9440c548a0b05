/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's gigabit cards, for nic/intel/ only. What the 82540EM (e1000) and the
 * 82574L (e1000e) share is called e1000; a struct e1000_model says what
 * differs. Registers, descriptors and their bits are named as in Intel's
 * "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual" (317453), whose sections comments name; those of the 82574 as in its
 * data sheet (317694).
 *
 * e1000_bar.c has the BARs, e1000_regs.c the registers (13), e1000_phy.c the
 * PHY, e1000_tx.c transmit rings (3.3 to 3.5), e1000_filter.c filters of
 * addresses, e1000_rx.c receive rings (3.2), e1000_stats.c the statistics
 * (13.7); e1000.c and e1000_nvm.c the 82540EM, e1000e*.c the 82574.
 */
#ifndef RW_VMM_E1000_H
#define RW_VMM_E1000_H

#include "e1000_regs.h"
#include "microwire.h"
#include "nic_impl.h"

/* Bytes of a descriptor; of the 82574 some have more. */
#define E1000_DESC   16u
#define E1000_QUEUES 2u /* most, in each direction */

struct e1000;
struct e1000_reg;
struct e1000_rules;

struct e1000_model {
	struct nic_model nic;
	/* Rows that are looked up before those of all models; E1000_END ends
	 * them. */
	const struct e1000_reg *own;
	const uint16_t *phy; /* the PHY's 32 registers after its reset */
	unsigned phy_pages;
	unsigned queues; /* in each direction */
	/* Sets registers of the model to what they are after a reset, which are
	 * 0. Under the locks of the queues. */
	void (*reset)(struct e1000 *e);
	/* Returns whether the driver enabled transmit queue @q. Under the out
	 * lock. NULL: it is. */
	bool (*has_queue)(const struct e1000 *e, unsigned q);
	/* Adds what the model's registers say to @r. Under the txq's lock.
	 * NULL: nothing. */
	void (*add_rules)(const struct e1000 *e, struct e1000_rules *r);
};

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

/* What the driver sends by one queue. Under the nic's out lock. */
struct e1000_tx {
	struct e1000_context plain, large;
	uint32_t next;	 /* descriptor behind those of this burst */
	uint32_t looked; /* the tail as of a look that found no whole frame */
	bool has_looked;
	struct e1000_ring ring; /* of this burst */
};

#define E1000_PHY_PAGES 7u /* most */

/* Registers from 16 on have pages, which register 22 of each selects. */
struct e1000_phy {
	uint16_t reg[32];
	uint16_t paged[E1000_PHY_PAGES - 1][16]; /* of pages 1 and up */
};

/* A counter of 64 bits. */
struct e1000_wide {
	uint64_t value; /* [any, atomic] */
	uint64_t read;	/* what the driver read the lower half of */
};

struct e1000 {
	struct nic nic;
	uint32_t io_address; /* of the BAR of ports */
	struct microwire eeprom;
	uint32_t eecd; /* the register's driven bits */
	struct e1000_phy phy;
	struct e1000_tx tx[E1000_QUEUES];
	unsigned turn; /* of the queues, under the out lock */
	bool is_short; /* a frame waits for buffers, under the txq's lock */
	/* Words that only remember a value, and those of the rings: heads and
	 * tails are [any, atomic], statistics too. */
	uint32_t reg[E1000_REGS_END / 4];
	struct e1000_wide wide[4];
};

static inline struct e1000 *e1000_of(struct nic *n)
{
	return container_of(n, struct e1000, nic);
}

static inline const struct e1000_model *e1000_model(const struct e1000 *e)
{
	return container_of(e->nic.model, const struct e1000_model, nic);
}

static inline uint32_t e1000_get(const struct e1000 *e, unsigned off)
{
	return shm_load(&e->reg[off / 4]);
}

static inline void e1000_put(struct e1000 *e, unsigned off, uint32_t v)
{
	shm_store(&e->reg[off / 4], v);
}

/* --- e1000_stats.c */

/* Returns the counter of 64 bits whose half is the register @off, or NULL. */
struct e1000_wide *e1000_wide(struct e1000 *e, unsigned off);

/* Adds to a statistics register of 32 bits, which stays at its end. */
void e1000_count(struct e1000 *e, unsigned off, uint32_t n);

/* Frames of a burst on their way into the statistics registers. Zeroed: none.
 */
struct e1000_tally {
	uint32_t frames, multicast, broadcast, size[6];
	uint32_t large; /* contexts with segmentation */
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

/* --- e1000_regs.c */
void e1000_reset(struct e1000 *e);
/* Sets causes of interrupts that queue @q has, or the card. With MSI-X each
 * queue has a cause, and all others are one (82574, 7.4.3). Returns as
 * nic_cause(). Any thread. */
bool e1000_cause(struct e1000 *e, unsigned q, uint32_t bits);
/* The link went or came, for struct nic_model. */
void e1000_link_changed(struct nic *n);

/* Returns the ring of queue @q, whose registers begin at @base (E1000_RDBAL or
 * _TDBAL), of descriptors of @size bytes; its registers count in E1000_DESC.
 * With a head or tail beyond its end, or memory that is no RAM, there is none.
 * Under the ring's lock. */
struct e1000_ring e1000_ring(const struct e1000 *e, unsigned base, unsigned q,
			     unsigned size);

/* --- e1000_bar.c: BAR 0 has the registers, BAR @ports of @size a window to
 * them. */
void e1000_set_bars(struct nic *n, unsigned ports, unsigned size);

/* --- e1000_nvm.c */

/* Fills @w of MICROWIRE_WORDS with address, identity and sum; other words are
 * set. */
void e1000_fill_words(const struct e1000 *e, uint16_t *w);

/* --- e1000_phy.c */
void e1000_phy_reset(struct e1000 *e);
uint32_t e1000_mdic(struct e1000 *e, uint32_t value);
/* Returns whether what the driver sends comes back to it. Any thread. */
bool e1000_is_looped(const struct e1000 *e);

/* --- e1000_tx.c and e1000_rx.c: workers */
unsigned e1000_rx_burst(struct rxq *q, struct burst *b);
void e1000_rx_done(struct rxq *q, struct burst *b);
bool e1000_has_work(struct nic *n);
unsigned e1000_tx_burst(struct txq *q, struct frame *const *frames, unsigned n);

extern const struct port_ops e1000_ops;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Realtek RTL8139C+, for rtl8139*.c only. It is two cards in one: that of the
 * RTL8139 (four transmit buffers, one receive buffer as a ring of bytes) and,
 * as the driver chooses by CPCR for each direction, that with descriptors ("C+
 * mode"). Registers are named as in Realtek's data sheets "RTL8139C(L)" 1.4 and
 * "RTL8139C(L)+" 1.6, whose sections comments name.
 *
 * rtl8139.c has the port and the PCI function, rtl8139_regs.c the registers,
 * rtl8139_tx.c what the driver sends, rtl8139_rx.c what it receives,
 * rtl8139_timer.c the timer.
 */
#ifndef RW_VMM_RTL8139_H
#define RW_VMM_RTL8139_H

#include "le.h"
#include "microwire.h"
#include "nic_impl.h"
#include "rtl8139_regs.h"

#define RTL_DESC 16u /* bytes of a descriptor */
#define RTL_RING 64u /* most descriptors of a ring */
#define RTL_OWN	 (1u << 31)
#define RTL_EOR	 (1u << 30) /* the last of the ring */
#define RTL_FS	 (1u << 29)
#define RTL_LS	 (1u << 28)

/* What the driver sends. Under the nic's out lock, but for the first members,
 * which are [any, atomic]. */
struct rtl8139_tx {
	uint32_t tsd[TSD_COUNT];
	bool is_polled; /* C+ mode: the driver said that there is more */
	unsigned next;	/* buffer or descriptor */
	/* Of the burst: */
	bool is_ring;
	unsigned taken;
	uint8_t place[RTL_RING]; /* number of each that was taken */
};

/* Of what it receives. Under the lock of nic.in. */
struct rtl8139_rx {
	unsigned next;	/* C+ mode: descriptor */
	uint32_t write; /* offset in the receive buffer */
};

/* Under the function's lock. */
struct rtl8139_timer {
	uint64_t zero_ns; /* when the count was 0 */
	uint64_t due;	  /* count that interrupts; 0: none */
	int fd;		  /* [const] of a timer */
	struct loop_watch watch;
};

struct rtl8139 {
	struct nic nic;
	struct rtl8139_timer timer;
	struct microwire eeprom;
	struct rtl8139_tx tx;
	struct rtl8139_rx rx;
	uint32_t missed; /* [any, atomic] frames without a buffer */
	uint32_t capr;	 /* [any, atomic] offset that the driver has read up to,
			  * as it says: 16 less */
	uint32_t cbr;	 /* [any, atomic] offset that is written next */
	/* Registers that remember a value. Those that workers read change with
	 * both locks held. */
	uint8_t reg[RTL_REGS];
};

static inline struct rtl8139 *rtl8139_of(struct nic *n)
{
	return container_of(n, struct rtl8139, nic);
}

static inline uint16_t rtl_get16(const struct rtl8139 *r, unsigned off)
{
	return (uint16_t)(r->reg[off] | r->reg[off + 1] << 8);
}

static inline uint32_t rtl_get32(const struct rtl8139 *r, unsigned off)
{
	return rtl_get16(r, off) | (uint32_t)rtl_get16(r, off + 2) << 16;
}

static inline uint64_t rtl_get64(const struct rtl8139 *r, unsigned off)
{
	return rtl_get32(r, off) | (uint64_t)rtl_get32(r, off + 4) << 32;
}

/* Returns the bytes of the receive buffer, a power of two. */
static inline uint32_t rtl_buffer_size(const struct rtl8139 *r)
{
	return 8192u << RCR_RBLEN(rtl_get32(r, RTL_RCR));
}

/* A descriptor of C+ mode (9.2). */
struct rtl8139_desc {
	uint32_t command, tag;
	uint64_t address;
};

/* Reads descriptor @i of the ring whose address is the register @base. Returns
 * where it is, or NULL: not in the guest's RAM. */
uint8_t *rtl8139_read_desc(const struct rtl8139 *r, unsigned base, unsigned i,
			   struct rtl8139_desc *d);
/* Returns the number of the descriptor behind @i, which is @d. */
static inline unsigned rtl8139_next(unsigned i, const struct rtl8139_desc *d)
{
	return d->command & RTL_EOR ? 0 : (i + 1) % RTL_RING;
}

/* --- rtl8139_regs.c: accesses of 1, 2 or 4 bytes, aligned */
uint32_t rtl8139_read(struct rtl8139 *r, unsigned off, unsigned size);
void rtl8139_write(struct rtl8139 *r, unsigned off, unsigned size,
		   uint32_t value);
/* What the driver's reset does; and the power. */
void rtl8139_reset(struct rtl8139 *r);
void rtl8139_power_on(struct nic *n);

/* --- rtl8139_timer.c */
int rtl8139_timer_init(struct rtl8139 *r); /* 0 or -errno; _fini() is due */
void rtl8139_timer_fini(struct rtl8139 *r);
uint32_t rtl8139_timer_read(const struct rtl8139 *r);
void rtl8139_timer_zero(struct rtl8139 *r);
void rtl8139_timer_set(struct rtl8139 *r, uint32_t due);

/* --- rtl8139_tx.c and rtl8139_rx.c: workers */
unsigned rtl8139_rx_burst(struct rxq *q, struct burst *b);
void rtl8139_rx_done(struct rxq *q, struct burst *b);
bool rtl8139_has_work(struct nic *n);
unsigned rtl8139_tx_burst(struct txq *q, struct frame *const *frames,
			  unsigned n);

#endif

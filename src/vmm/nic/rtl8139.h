/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Realtek RTL8139C+, for rtl8139*.c only. It is two cards in one: that of the
 * RTL8139 (four transmit buffers, one receive buffer as a ring of bytes) and,
 * as the driver chooses by CPCR for each direction, that with descriptors ("C+
 * mode"). Registers are named as in Realtek's data sheets "RTL8139C(L)" 1.4 and
 * "RTL8139C(L)+" 1.6, whose sections comments name.
 *
 * rtl8139.c has the port and the PCI function, rtl8139_regs.c the registers,
 * rtl8139_tx.c what the driver sends, rtl8139_rx.c what it receives.
 */
#ifndef RW_VMM_RTL8139_H
#define RW_VMM_RTL8139_H

#include "le.h"
#include "microwire.h"
#include "nic_impl.h"

#define RTL_REGS 256

/* Offsets of registers (6). */
enum {
	RTL_IDR0 = 0x00,
	RTL_MAR0 = 0x08,
	RTL_TSD0 = 0x10,  /* four of 32 bits */
	RTL_TSAD0 = 0x20, /* four of 32 bits */
	RTL_TNPDS = 0x20, /* C+ mode: the ring, 64 bits */
	RTL_RBSTART = 0x30,
	RTL_ERBCR = 0x34,
	RTL_CR = 0x37,
	RTL_CAPR = 0x38,
	RTL_CBR = 0x3a,
	RTL_IMR = 0x3c,
	RTL_ISR = 0x3e,
	RTL_TCR = 0x40,
	RTL_RCR = 0x44,
	RTL_TCTR = 0x48,
	RTL_MPC = 0x4c,
	RTL_9346CR = 0x50,
	RTL_CONFIG1 = 0x52,
	RTL_MSR = 0x58,
	RTL_TSAD = 0x60, /* status of the four, in 16 bits */
	RTL_BMCR = 0x62,
	RTL_BMSR = 0x64,
	RTL_ANAR = 0x66,
	RTL_ANLPAR = 0x68,
	RTL_ANER = 0x6a,
	RTL_TPPOLL = 0xd9,
	RTL_CPCR = 0xe0,
	RTL_RDSAR = 0xe4, /* C+ mode: the ring, 64 bits */
};

/* CR */
#define CR_BUFE 0x01 /* the receive buffer is empty */
#define CR_TE	0x04
#define CR_RE	0x08
#define CR_RST	0x10

/* TSDn */
#define TSD_SIZE(v) ((v)&0x1fff)
#define TSD_OWN	    (1u << 13) /* the card is done with the buffer */
#define TSD_TUN	    (1u << 14)
#define TSD_TOK	    (1u << 15)
#define TSD_TABT    (1u << 30)
#define TSD_COUNT   4

/* ISR and IMR */
#define RTL_ROK	   0x0001u
#define RTL_TOK	   0x0004u
#define RTL_TER	   0x0008u
#define RTL_RXOVW  0x0010u /* C+ mode: no descriptor */
#define RTL_LINK   0x0020u
#define RTL_FOVW   0x0040u
#define RTL_TDU	   0x0080u /* C+ mode: no more to send */
#define RTL_SWINT  0x0100u
#define RTL_CAUSES 0xe1ffu

/* RCR */
#define RCR_AAP	     0x01u
#define RCR_APM	     0x02u
#define RCR_AM	     0x04u
#define RCR_AB	     0x08u
#define RCR_WRAP     0x80u
#define RCR_RBLEN(v) ((v) >> 11 & 3)

/* CPCR */
#define CPCR_TX	     0x01u
#define CPCR_RX	     0x02u
#define CPCR_RX_VLAN 0x40u

#define RTL_DESC     16u /* bytes of a descriptor */
#define RTL_RING     64u /* most descriptors of a ring */
#define RTL_OWN	     (1u << 31)
#define RTL_EOR	     (1u << 30) /* the last of the ring */
#define RTL_FS	     (1u << 29)
#define RTL_LS	     (1u << 28)

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

struct rtl8139 {
	struct nic nic;
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

/* --- rtl8139_tx.c and rtl8139_rx.c: workers */
unsigned rtl8139_rx_burst(struct rxq *q, struct burst *b);
void rtl8139_rx_done(struct rxq *q, struct burst *b);
bool rtl8139_has_work(struct nic *n);
unsigned rtl8139_tx_burst(struct txq *q, struct frame *const *frames,
			  unsigned n);

#endif

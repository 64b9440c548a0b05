/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel 82574L, for e1000e*.c only: what it has beside that which it shares
 * with the 82540EM (e1000.h). Named as in the "Intel 82574 GbE Controller
 * Family Datasheet" (317694), whose sections comments name.
 *
 * e1000e.c has the PCI function, e1000e_regs.c the registers (10), e1000e_nvm.c
 * the NVM (3.3 and 6), e1000e_rx.c descriptors, checksums and queues of
 * received frames (7.1), e1000e_time.c the clock (7.7).
 */
#ifndef RW_VMM_E1000E_H
#define RW_VMM_E1000E_H

#include "e1000_filter.h"
#include "e1000_rows.h"
#include "rss.h"

/* Offsets of registers (10.2). */
enum {
	E1000E_FLA = 0x001c,
	E1000E_EIAC = 0x00dc,
	E1000E_IAM = 0x00e0,
	E1000E_IVAR = 0x00e4,
	E1000E_EITR = 0x00e8, /* one for each vector */
	E1000E_EXTCNF_CTRL = 0x0f00,
	E1000E_EXTCNF_SIZE = 0x0f08,
	E1000E_PHY_CTRL = 0x0f10,
	E1000E_PBS = 0x1008,
	E1000E_PBECCSTS = 0x100c,
	E1000E_EEMNGCTL = 0x1010,
	E1000E_EEWR = 0x102c,
	E1000E_FLOP = 0x103c,
	E1000E_PSRCTL = 0x2170,
	E1000E_TXDCTL = 0x3828,
	E1000E_TARC = 0x3840,
	E1000E_RFCTL = 0x5008,
	E1000E_MRQC = 0x5818,
	E1000E_RSSIM = 0x5864,
	E1000E_RSSIR = 0x5868,
	E1000E_GCR = 0x5b00,
	E1000E_FACTPS = 0x5b30,
	E1000E_SWSM = 0x5b50,
	E1000E_FWSM = 0x5b54,
	E1000E_SWSM2 = 0x5b58,
	E1000E_RETA = 0x5c00,  /* 32 words */
	E1000E_RSSRK = 0x5c80, /* 10 words */
	E1000E_SYSTIML = 0xb600,
	E1000E_SYSTIMH = 0xb604,
	E1000E_TIMINCA = 0xb608,
	E1000E_TIMADJL = 0xb60c,
	E1000E_TIMADJH = 0xb610,
	E1000E_TSYNCTXCTL = 0xb614,
	E1000E_TSYNCRXCTL = 0xb620,
	E1000E_RXMTRL = 0xb634,
	E1000E_RXUDP = 0xb638,
};
#define E1000E_RETA_WORDS  32u
#define E1000E_RSSRK_WORDS 10u

#define CTRL_GIO_DISABLE   (1u << 2)
#define STATUS_GIO_ENABLE  (1u << 19)
#define CTRL_EXT_EE_RST	   (1u << 13)
#define CTRL_EXT_EIAME	   (1u << 24)
#define CTRL_EXT_IAME	   (1u << 27)
#define INT_ALL_82574	   0x01ffffffu
#define INT_ASSERTED	   (1u << 31)
#define EIAC_BITS	   0x01f00000u /* of queues, and INT_OTHER */
#define RCTL_DTYP(v)	   ((v) >> 10 & 3)
#define RCTL_DTYP_SPLIT	   1
#define RCTL_FLXBUF(v)	   ((v) >> 27 & 15)
#define RFCTL_IPV6_DIS	   (1u << 10)
#define RFCTL_IPV6XSUM_DIS (1u << 11)
#define RFCTL_EXTEN	   (1u << 15)
#define RXCSUM_IPOFLD	   (1u << 8)
#define RXCSUM_TUOFLD	   (1u << 9)
#define RXCSUM_PCSD	   (1u << 13)
#define TARC_ENABLE	   (1u << 10)

/* The SPI EEPROM as its wires drive it. */
struct e1000e_spi {
	bool is_selected, clock;
	uint32_t in; /* bits shifted in: a command, an address */
	unsigned in_count;
	unsigned out_bit; /* of the words, that leaves next */
	bool is_reading, is_status, out;
};

/* The clock (7.7): what it was, and when. */
struct e1000e_clock {
	uint64_t value, at_ns;
	uint32_t increment; /* TIMINCA */
	uint32_t high;	    /* of the value whose lower half was read */
	uint32_t other[14]; /* registers from TIMADJL on, remembered */
};

struct e1000e {
	struct e1000 e;
	unsigned msi; /* [const while plugged] offset of the capability */
	struct e1000e_spi spi;
	struct e1000e_clock clock;
	struct rss rss; /* under the txq's lock */
};

static inline struct e1000e *e1000e_of(struct e1000 *e)
{
	return container_of(e, struct e1000e, e);
}

/* --- e1000e_regs.c */
extern const struct e1000_reg e1000e_rows[];
void e1000e_reset(struct e1000 *e);
bool e1000e_has_queue(const struct e1000 *e, unsigned q);

/* --- e1000e_nvm.c: EECD, EERD and EEWR */
void e1000e_nvm_init(struct e1000e *x);
uint32_t e1000e_read_eecd(struct e1000 *e, unsigned off);
void e1000e_write_eecd(struct e1000 *e, unsigned off, uint32_t value);
void e1000e_write_eerd(struct e1000 *e, unsigned off, uint32_t value);
void e1000e_write_eewr(struct e1000 *e, unsigned off, uint32_t value);

/* --- e1000e_rx.c */
void e1000e_add_rules(const struct e1000 *e, struct e1000_rules *r);
/* Makes what frames are hashed with of the registers. Under the txq's lock. */
void e1000e_build_rss(struct e1000e *x);

/* --- e1000e_time.c */
uint32_t e1000e_read_clock(struct e1000 *e, unsigned off);
void e1000e_write_clock(struct e1000 *e, unsigned off, uint32_t value);

#endif

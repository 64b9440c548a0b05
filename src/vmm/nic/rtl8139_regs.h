/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of the Realtek RTL8139C+ and their bits, named as in Realtek's data
 * sheets, see rtl8139.h. */
#ifndef RW_VMM_RTL8139_REGS_H
#define RW_VMM_RTL8139_REGS_H

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
	RTL_TIMERINT = 0x54,
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
#define RTL_ROK	    0x0001u
#define RTL_TOK	    0x0004u
#define RTL_TER	    0x0008u
#define RTL_RXOVW   0x0010u /* C+ mode: no descriptor */
#define RTL_LINK    0x0020u
#define RTL_FOVW    0x0040u
#define RTL_TDU	    0x0080u /* C+ mode: no more to send */
#define RTL_SWINT   0x0100u
#define RTL_TIMEOUT 0x4000u
#define RTL_CAUSES  0xe1ffu

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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of Intel's cards and their bits, named as in Intel's manual
 * (317453), whose sections comments name. */
#ifndef RW_VMM_E1000_REGS_H
#define RW_VMM_E1000_REGS_H

/* Offsets of registers (table 13-2). */
enum {
	E1000_CTRL = 0x0000,
	E1000_STATUS = 0x0008,
	E1000_EECD = 0x0010,
	E1000_EERD = 0x0014,
	E1000_CTRL_EXT = 0x0018,
	E1000_MDIC = 0x0020,
	E1000_FCAL = 0x0028,
	E1000_FCT = 0x0030,
	E1000_VET = 0x0038,
	E1000_ICR = 0x00c0,
	E1000_ITR = 0x00c4,
	E1000_ICS = 0x00c8,
	E1000_IMS = 0x00d0,
	E1000_IMC = 0x00d8,
	E1000_RCTL = 0x0100,
	E1000_FCTTV = 0x0170,
	E1000_TCTL = 0x0400,
	E1000_TIPG = 0x0410,
	E1000_PBA = 0x1000,
	E1000_FCRTL = 0x2160,
	E1000_FCRTH = 0x2168,
	E1000_RDBAL = 0x2800,
	E1000_RDBAH = 0x2804,
	E1000_RDLEN = 0x2808,
	E1000_RDH = 0x2810,
	E1000_RDT = 0x2818,
	E1000_RDTR = 0x2820,
	E1000_RXDCTL = 0x2828,
	E1000_RADV = 0x282c,
	E1000_TDBAL = 0x3800,
	E1000_TDBAH = 0x3804,
	E1000_TDLEN = 0x3808,
	E1000_TDH = 0x3810,
	E1000_TDT = 0x3818,
	E1000_TIDV = 0x3820,
	E1000_STATS = 0x4000, /* to 0x40ff: statistics, cleared by a read */
	E1000_MPC = 0x4010,   /* frames without a buffer */
	E1000_PRC64 = 0x405c, /* received, by size; five more follow */
	E1000_GPRC = 0x4074,  /* received */
	E1000_BPRC = 0x4078,  /* of them broadcast */
	E1000_MPRC = 0x407c,  /* of them multicast */
	E1000_GPTC = 0x4080,  /* sent */
	E1000_GORCL = 0x4088, /* bytes received, 64 bits */
	E1000_GOTCL = 0x4090, /* bytes sent, 64 bits */
	E1000_RNBC = 0x40a0,  /* times without a buffer */
	E1000_TORL = 0x40c0,  /* bytes received, unfit ones too, 64 bits */
	E1000_TOTL = 0x40c8,  /* bytes sent, unfit ones too, 64 bits */
	E1000_TPR = 0x40d0,   /* received, unfit ones too */
	E1000_TPT = 0x40d4,   /* sent, unfit ones too */
	E1000_PTC64 = 0x40d8, /* sent, by size; five more follow */
	E1000_MPTC = 0x40f0,
	E1000_BPTC = 0x40f4,
	E1000_TSCTC = 0x40f8, /* contexts with segmentation */
	E1000_STATS_END = 0x4100,
	E1000_RXCSUM = 0x5000,
	E1000_MTA = 0x5200,  /* 128 words */
	E1000_RA = 0x5400,   /* 16 addresses of two words */
	E1000_VFTA = 0x5600, /* 128 words */
	E1000_REGS_END = 0x5d00,
};
#define E1000_ADDRESSES 16
/* From a register of a ring to that of the next queue (82574, 10.2.5). */
#define E1000_QUEUE_STRIDE 0x100u

/* CTRL (13.4.1) and STATUS (13.4.2) */
#define CTRL_SLU	  (1u << 6)
#define CTRL_RST	  (1u << 26)
#define CTRL_VME	  (1u << 30)
#define CTRL_PHY_RST	  (1u << 31)
#define STATUS_FD	  (1u << 0)
#define STATUS_LU	  (1u << 1)
#define STATUS_SPEED_1000 (2u << 6)
#define STATUS_ASDV_1000  (2u << 8)

/* Causes of interrupts (13.4.17) */
#define INT_TXDW   (1u << 0) /* a descriptor was written back */
#define INT_TXQE   (1u << 1) /* the transmit ring is empty */
#define INT_LSC	   (1u << 2) /* the link changed */
#define INT_RXDMT0 (1u << 4) /* few receive descriptors are left */
#define INT_RXO	   (1u << 6) /* none was left for a frame */
#define INT_RXT0   (1u << 7) /* frames were received */
#define INT_MDAC   (1u << 9) /* access to the PHY is complete */
#define INT_ALL	   0x1ffffu
/* Those of the 82574 (10.2.4.1): of each queue, and of all else. */
#define INT_RXQ(q)   (1u << (20 + (q)))
#define INT_TXQ(q)   (1u << (22 + (q)))
#define INT_OTHER    (1u << 24)
#define INT_OF_OTHER (INT_LSC | INT_RXO | INT_MDAC)
#define ITR_UNIT_NS  256

/* RCTL (13.4.22) and TCTL (13.4.33) */
#define RCTL_EN	      (1u << 1)
#define RCTL_SBP      (1u << 2)
#define RCTL_UPE      (1u << 3)
#define RCTL_MPE      (1u << 4)
#define RCTL_LPE      (1u << 5)
#define RCTL_LBM(v)   ((v) >> 6 & 3) /* 1: the MAC's loopback */
#define RCTL_RDMTS(v) ((v) >> 8 & 3)
#define RCTL_MO(v)    ((v) >> 12 & 3)
#define RCTL_BAM      (1u << 15)
#define RCTL_BSIZE(v) ((v) >> 16 & 3)
#define RCTL_VFE      (1u << 18)
#define RCTL_BSEX     (1u << 25)
#define RCTL_SECRC    (1u << 26)
#define TCTL_EN	      (1u << 1)

#define RAH_AV	      (1u << 31) /* the address is valid */

#endif

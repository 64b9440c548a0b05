/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated Intel 82574L with small drivers, each after a section of its
 * data sheet (317694). What it shares with the 82540EM is tested in
 * test_e1000.c.
 */
#include "test.h"

#include <linux/pci_regs.h>
#include <string.h>
#undef PCI_IO_BASE

#include "e1000e.h"
#include "e1000_phy.h"
#include "le.h"
#include "nic_rig.h"
#include "offload.h"

#define SLOT	   NIC_RIG_SLOT
#define RING	   16u
#define TX_RING	   0x10000u /* guest addresses; of queue 1 0x1000 further */
#define RX_RING	   0x14000u
#define TX_BUFFERS 0x20000u
#define RX_BUFFERS 0x80000u
#define BUFFER	   0x8000u /* between buffers */
#define NEXT(off)  ((off) + E1000_QUEUE_STRIDE)
#define MESSAGE	   0xfee00000u

/* --- The driver */

struct state {
	struct nic_rig r;
	uint32_t tx_tail[2];
};

static uint32_t get(struct state *s, unsigned off)
{
	return (uint32_t)rig_read(&s->r.rig, rig_bar(&s->r.rig, SLOT, 0) + off,
				  4);
}

static void put(struct state *s, unsigned off, uint32_t value)
{
	rig_write(&s->r.rig, rig_bar(&s->r.rig, SLOT, 0) + off, 4, value);
}

static uint8_t *mem(struct state *s, uint32_t at)
{
	return s->r.rig.ram + at;
}

static uint32_t word(struct state *s, uint32_t at)
{
	le32 v;

	memcpy(&v, mem(s, at), 4);
	return le32_to_cpu(v);
}

/* Fills the receive ring of @queue with descriptors of @size bytes. */
static void give_buffers(struct state *s, unsigned queue, unsigned size)
{
	uint32_t ring = RX_RING + queue * 0x1000;

	memset(mem(s, ring), 0, RING * size);
	for (unsigned i = 0; i < RING; i++) {
		for (unsigned k = 0; k < size / 16 * 2 - (size == 16); k++) {
			le64 at = cpu_to_le64(RX_BUFFERS + i * BUFFER +
					      queue * 0x4000 + k * 0x1000);

			memcpy(mem(s, ring + i * size + 8 * k), &at, 8);
		}
	}
	put(s, E1000_RDBAL + queue * E1000_QUEUE_STRIDE, ring);
	put(s, E1000_RDLEN + queue * E1000_QUEUE_STRIDE, RING * size);
	put(s, E1000_RDH + queue * E1000_QUEUE_STRIDE, 0);
	put(s, E1000_RDT + queue * E1000_QUEUE_STRIDE,
	    (RING - 1) * (size / 16));
}

/* Brings the card up, as in 4.6, with extended descriptors. */
static void bring_up(struct state *s)
{
	put(s, E1000_CTRL, CTRL_RST);
	put(s, E1000_CTRL, CTRL_SLU);
	for (unsigned q = 0; q < 2; q++) {
		unsigned at = q * E1000_QUEUE_STRIDE;

		put(s, E1000_TDBAL + at, TX_RING + q * 0x1000);
		put(s, E1000_TDLEN + at, RING * E1000_DESC);
		s->tx_tail[q] = 0;
	}
	put(s, E1000_TCTL, TCTL_EN);
	put(s, E1000E_RFCTL, RFCTL_EXTEN);
	give_buffers(s, 0, 16);
	put(s, E1000_RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	nic_rig_init(&s->r, &port_e1000e_type);
	bring_up(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	nic_rig_fini(&s->r);
	free(s);
	return 0;
}

#define EOP (1u << 24)
#define RS  (1u << 27)

/* Sends the @len bytes at the guest's address @at by @queue. */
static void send(struct state *s, unsigned queue, uint32_t at, uint32_t len)
{
	uint32_t *tail = &s->tx_tail[queue];
	uint8_t *d = mem(s, TX_RING + queue * 0x1000 + *tail * E1000_DESC);
	le64 address = cpu_to_le64(at);
	le32 half[2] = { cpu_to_le32(len | EOP | RS), cpu_to_le32(0) };

	memcpy(d, &address, 8);
	memcpy(d + 8, half, 8);
	*tail = (*tail + 1) % RING;
	put(s, E1000_TDT + queue * E1000_QUEUE_STRIDE, *tail);
}

/* The switch has a frame for the card: the @len bytes at the guest's address
 * @at, with the card's address. */
static void deliver(struct state *s, uint32_t at, uint32_t len)
{
	struct message *m = fifo_next(&s->r.source->q[0].in);

	assert_non_null(m);
	assert_true(len <= sizeof(m->data));
	memcpy(m->data, mem(s, at), len);
	memcpy(m->data, NIC_RIG_MAC, 6);
	memcpy(m->data + 6, "\2\0\0\0\0\x63", 6);
	m->len = len;
	fifo_push(&s->r.source->q[0].in);
	fifo_kick(&s->r.source->q[0]);
}

/* The same for a frame of more than a message of the source has room for: the
 * card sends it to itself. */
static void loop(struct state *s, uint32_t at, uint32_t len)
{
	memcpy(mem(s, at), NIC_RIG_MAC, 6);
	put(s, E1000_MDIC, 1u << 26 | 1u << 21 | 0x4140);
	send(s, 0, at, len);
}

/* Waits until register @off is @value. */
static void wait_reg(struct state *s, unsigned off, uint32_t value)
{
	for (unsigned i = 0; i < 2000 && get(s, off) != value; i++)
		nic_rig_sleep_ms(1);
	assert_int_equal(get(s, off), value);
}

/* Fills in both checksums of a frame of nic_rig_make() with @len bytes. */
static void fill_sums(uint8_t *f, uint32_t len, bool is_tcp)
{
	unsigned field = is_tcp ? 50 : 40;
	uint16_t size = (uint16_t)(len - 34), sum;
	uint64_t pseudo =
		csum_add(0, f + 26, 8) + htobe16(f[23]) + htobe16(size);

	sum = csum_fold(csum_add(0, f + 14, 20));
	memcpy(f + 24, &sum, 2);
	sum = csum_fold(csum_add(pseudo, f + 34, size));
	memcpy(f + field, &sum, 2);
}

/* --- PCI (9) and what is read once */

static void test_identity(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->r.rig;
	unsigned msix = rig_find_cap(r, SLOT, PCI_CAP_ID_MSIX, 0);
	unsigned express = rig_find_cap(r, SLOT, PCI_CAP_ID_EXP, 0);
	uint16_t ports = (uint16_t)rig_bar(r, SLOT, 2);

	assert_int_equal(rig_config_read(r, SLOT, 0, 4), 0x10d38086);
	assert_int_equal(rig_config_read(r, SLOT, msix + PCI_MSIX_FLAGS, 2),
			 4); /* five vectors */
	assert_int_equal(rig_config_read(r, SLOT, express + 2, 2), 0x91);
	/* the serial number */
	assert_int_equal(rig_config_read(r, SLOT, 0x100, 4), 0x00010003);
	assert_int_equal(rig_config_read(r, SLOT, 0x104, 4), 0xff000007);
	assert_int_equal(rig_config_read(r, SLOT, 0x108, 4), 0x020000ff);
	assert_int_equal(get(s, E1000_RA + 4), RAH_AV | 0x0700);
	rig_out(r, ports, 4, E1000_RA);
	assert_int_equal(rig_in(r, ports + 4, 4), 2);
	/* no more requests as a master (5.2) */
	assert_true(get(s, E1000_STATUS) & STATUS_GIO_ENABLE);
	put(s, E1000_CTRL, CTRL_SLU | CTRL_GIO_DISABLE);
	assert_false(get(s, E1000_STATUS) & STATUS_GIO_ENABLE);
}

static void test_semaphores(void **state)
{
	struct state *s = *state;

	/* 10.2.10.12: who reads 0 has it, until 0 is written */
	assert_int_equal(get(s, E1000E_SWSM) & 1, 0);
	assert_int_equal(get(s, E1000E_SWSM) & 1, 1);
	put(s, E1000E_SWSM, 2);
	assert_int_equal(get(s, E1000E_SWSM), 2);
	put(s, E1000E_EXTCNF_CTRL, 1u << 5);
	assert_int_equal(get(s, E1000E_EXTCNF_CTRL), 1u << 5);
	assert_int_equal(get(s, E1000E_FWSM), 0);
	assert_true(get(s, E1000E_EEMNGCTL) & 1u << 18);
}

/* --- NVM (3.3) */

static uint16_t read_eerd(struct state *s, unsigned address)
{
	put(s, E1000_EERD, address << 2 | 1);
	assert_int_equal(get(s, E1000_EERD) & 0xffff, address << 2 | 2);
	return (uint16_t)(get(s, E1000_EERD) >> 16);
}

/* Clocks a byte in and one out, the highest bit first. */
static uint8_t spi_byte(struct state *s, uint8_t in)
{
	uint8_t out = 0;

	for (unsigned bit = 8; bit--;) {
		uint32_t wires = 0x40 | (in >> bit & 1 ? 4 : 0);

		put(s, E1000_EECD, wires);
		put(s, E1000_EECD, wires | 1);
		out = (uint8_t)(out << 1 | (get(s, E1000_EECD) >> 3 & 1));
	}
	put(s, E1000_EECD, 0x40);
	return out;
}

static void test_nvm(void **state)
{
	struct state *s = *state;
	uint16_t sum = 0, spi;

	assert_int_equal(get(s, E1000_EECD) & 0x300, 0x300);
	/* all words by the wires (3.3.1.2) are those by the register */
	put(s, E1000_EECD, 0x42); /* not selected */
	put(s, E1000_EECD, 0x40);
	spi_byte(s, 5);
	assert_int_equal(spi_byte(s, 0), 0); /* ready */
	put(s, E1000_EECD, 0x42);
	put(s, E1000_EECD, 0x40);
	spi_byte(s, 3);
	spi_byte(s, 0);
	for (unsigned i = 0; i < 64; i++) {
		spi = spi_byte(s, 0);
		spi = (uint16_t)(spi | spi_byte(s, 0) << 8);
		assert_int_equal(spi, read_eerd(s, i));
		sum = (uint16_t)(sum + spi);
	}
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(read_eerd(s, 2), 0x0700);
	assert_int_equal(read_eerd(s, 0x0d), 0x10d3);
	put(s, E1000E_EEWR, 0x1234u << 16 | 8 << 2 | 1);
	assert_int_equal(get(s, E1000E_EEWR) & 3, 2);
	assert_int_equal(read_eerd(s, 8), 0x1234);
	assert_int_equal(read_eerd(s, 64), 0); /* there is none */
}

/* --- PHY (10.1): pages of registers from 16 on */

static uint16_t phy_read(struct state *s, unsigned reg)
{
	put(s, E1000_MDIC, 2u << 26 | 1u << 21 | reg << 16);
	return (uint16_t)get(s, E1000_MDIC);
}

static void phy_write(struct state *s, unsigned reg, uint16_t value)
{
	put(s, E1000_MDIC, 1u << 26 | 1u << 21 | reg << 16 | value);
}

static void test_phy(void **state)
{
	struct state *s = *state;

	assert_int_equal(phy_read(s, PHY_ID1), 0x0141);
	assert_int_equal(phy_read(s, PHY_ID2), 0x0cb1);
	phy_write(s, 18, 0x1111);
	phy_write(s, PHY_PAGE, 2);
	phy_write(s, 18, 0x2222);
	assert_int_equal(phy_read(s, 18), 0x2222);
	assert_int_equal(phy_read(s, PHY_ID1), 0x0141); /* in all pages */
	phy_write(s, PHY_PAGE, 769);			/* does not exist */
	phy_write(s, 18, 0x3333);
	assert_int_equal(phy_read(s, 18), 0);
	phy_write(s, PHY_PAGE, 0);
	assert_int_equal(phy_read(s, 18), 0x1111);
	phy_write(s, PHY_CONTROL, 0x9140); /* reset */
	assert_int_equal(phy_read(s, 18), 0);
}

/* --- Interrupts (7.4) */

/* 10.2.4.1: the three cases of a read of ICR. */
static void test_cause_read(void **state)
{
	struct state *s = *state;

	/* something else is unmasked: no effect */
	put(s, E1000_IMS, INT_TXDW);
	put(s, E1000_ICS, INT_LSC);
	assert_int_equal(get(s, E1000_ICR), INT_LSC);
	assert_int_equal(get(s, E1000_ICR), INT_LSC);
	assert_false(nic_rig_line(&s->r));
	/* it interrupts: cleared, and IAM masks */
	put(s, E1000E_IAM, INT_LSC);
	put(s, E1000_CTRL_EXT, CTRL_EXT_IAME);
	put(s, E1000_IMS, INT_LSC);
	assert_true(nic_rig_line(&s->r));
	assert_int_equal(get(s, E1000_ICR), INT_LSC | INT_ASSERTED);
	assert_false(nic_rig_line(&s->r));
	assert_int_equal(get(s, E1000_IMS), INT_TXDW);
	/* all masked: cleared */
	put(s, E1000_IMC, ~0u);
	put(s, E1000_ICS, INT_LSC | INT_MDAC);
	put(s, E1000_ICR, INT_MDAC);
	assert_int_equal(get(s, E1000_ICR), INT_LSC);
	assert_int_equal(get(s, E1000_ICR), 0);
}

/* Enables MSI-X, all vectors, in the order of IVAR's fields. */
static void enable_msix(struct state *s)
{
	struct vmm_rig *r = &s->r.rig;
	unsigned cap = rig_find_cap(r, SLOT, PCI_CAP_ID_MSIX, 0);
	uint64_t table = rig_bar(r, SLOT, 3);

	for (unsigned i = 0; i < NIC_VECTORS; i++) {
		rig_write(r, table + i * 16, 8, MESSAGE);
		rig_write(r, table + i * 16 + 8, 4, 0x30 + i);
		rig_write(r, table + i * 16 + 12, 4, 0);
	}
	rig_config_write(r, SLOT, cap + PCI_MSIX_FLAGS, 2,
			 PCI_MSIX_FLAGS_ENABLE);
	put(s, E1000E_IVAR, 0x800cba98);
}

static unsigned messages(struct state *s, unsigned vector)
{
	rig_settle(&s->r.rig);
	return rig_interrupts(&s->r.rig, MESSAGE, 0x30 + vector);
}

static void wait_messages(struct state *s, unsigned vector, unsigned n)
{
	for (unsigned i = 0; i < 2000 && messages(s, vector) < n; i++)
		nic_rig_sleep_ms(1);
	assert_int_equal(messages(s, vector), n);
}

/* MSI: a message when the line would rise. */
static void test_msi(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->r.rig;
	unsigned cap = rig_find_cap(r, SLOT, PCI_CAP_ID_MSI, 0);

	put(s, E1000_IMS, INT_RXT0);
	put(s, E1000_ICS, INT_RXT0);
	assert_true(nic_rig_line(&s->r));
	rig_config_write(r, SLOT, cap + PCI_MSI_ADDRESS_LO, 4, MESSAGE);
	rig_config_write(r, SLOT, cap + PCI_MSI_DATA_64, 2, 0x30);
	rig_config_write(r, SLOT, cap + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	assert_int_equal(messages(s, 0), 1); /* the line was up */
	assert_false(nic_rig_line(&s->r));
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_reg(s, E1000_RDH, 1);
	assert_int_equal(messages(s, 0), 1);
	assert_true(get(s, E1000_ICR) & INT_RXT0);
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_messages(s, 0, 2);
	assert_int_equal(get(s, E1000_ICR) & EIAC_BITS, 0);
}

static void test_messages(void **state)
{
	struct state *s = *state;

	enable_msix(s);
	put(s, E1000_IMS, EIAC_BITS | INT_LSC);
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_messages(s, 0, 1);
	nic_rig_make(&s->r, TX_BUFFERS, 300, false);
	send(s, 0, TX_BUFFERS, 300);
	wait_messages(s, 2, 1);
	/* one for a cause until it is cleared, which nothing does here */
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_reg(s, E1000_RDH, 2);
	assert_int_equal(messages(s, 0), 1);
	put(s, E1000_ICR, INT_RXQ(0));
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_messages(s, 0, 2);
	/* the link is of the causes that share the last vector */
	nic_set_link(s->r.card, false);
	wait_messages(s, 4, 1);
	assert_int_equal(get(s, E1000_ICR) & (INT_LSC | INT_OTHER),
			 INT_LSC | INT_OTHER);
	assert_int_equal(messages(s, 1) + messages(s, 3), 0);
	assert_false(nic_rig_line(&s->r));
}

/* 10.2.4.6 and CTRL_EXT.EIAME: a message clears and masks its causes. */
static void test_auto(void **state)
{
	struct state *s = *state;

	enable_msix(s);
	put(s, E1000E_EIAC, EIAC_BITS);
	put(s, E1000E_IAM, ~0u);
	put(s, E1000_CTRL_EXT, CTRL_EXT_EIAME | CTRL_EXT_IAME);
	put(s, E1000_IMS, INT_RXQ(0) | INT_TXQ(0));
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_messages(s, 0, 1);
	assert_int_equal(get(s, E1000_IMS), INT_TXQ(0));
	assert_int_equal(get(s, E1000_ICR), 0);
	/* masked: it waits for the driver, and is not lost */
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_reg(s, E1000_RDH, 2);
	assert_int_equal(messages(s, 0), 1);
	put(s, E1000_IMS, INT_RXQ(0));
	assert_int_equal(messages(s, 0), 2);
	/* the driver's own */
	put(s, E1000_ICS, INT_TXQ(0));
	assert_int_equal(messages(s, 2), 1);
	put(s, E1000_ICS, INT_TXQ(0));
	assert_int_equal(messages(s, 2), 1);
}

/* A driver that looks at its ring only when a message came, as Linux's does: no
 * message is lost between a worker's write-back and the unmasking. */
static void test_no_loss(void **state)
{
	struct state *s = *state;
	struct rng rng = rng_start();
	unsigned seen = 0;

	enable_msix(s);
	put(s, E1000E_EIAC, EIAC_BITS);
	put(s, E1000E_IAM, ~0u);
	put(s, E1000_CTRL_EXT, CTRL_EXT_EIAME | CTRL_EXT_IAME);
	put(s, E1000E_EITR + 8, 20); /* 5 us, of queue 0's transmission */
	put(s, E1000_IMS, INT_TXQ(0));
	nic_rig_make(&s->r, TX_BUFFERS, 60, false);
	for (unsigned round = 0; round < 3000; round++) {
		for (uint64_t n = 1 + rng_below(&rng, 3); n--;)
			send(s, 0, TX_BUFFERS, 60);
		do {
			for (unsigned i = 0; messages(s, 2) == seen; i++) {
				assert_true(i < 20000);
				nic_rig_sleep_ms(i > 1000);
			}
			seen = messages(s, 2);
			put(s, E1000_IMS, INT_TXQ(0));
		} while (get(s, E1000_TDH) != s->tx_tail[0]);
	}
}

/* EITR: the second message of a vector waits, others do not. */
static void test_throttle(void **state)
{
	struct state *s = *state;

	enable_msix(s);
	put(s, E1000E_EIAC, EIAC_BITS);
	put(s, E1000E_EITR, 0xffff); /* 16.8 ms */
	put(s, E1000_IMS, EIAC_BITS);
	put(s, E1000_ICS, INT_RXQ(0));
	assert_int_equal(messages(s, 0), 1);
	put(s, E1000_ICS, INT_RXQ(0) | INT_TXQ(0));
	assert_int_equal(messages(s, 0), 1);
	assert_int_equal(messages(s, 2), 1);
	wait_messages(s, 0, 2);
}

/* --- Transmission by two queues (7.2.1) */

static void test_queues(void **state)
{
	struct state *s = *state;

	put(s, NEXT(E1000E_TARC), 3); /* not enabled */
	nic_rig_make(&s->r, TX_BUFFERS, 300, false);
	nic_rig_make(&s->r, TX_BUFFERS + 4096, 400, false);
	send(s, 1, TX_BUFFERS + 4096, 400);
	send(s, 0, TX_BUFFERS, 300);
	assert_int_equal(nic_rig_wait_kept(&s->r, 1)->len, 300);
	assert_int_equal(get(s, NEXT(E1000_TDH)), 0);
	put(s, NEXT(E1000E_TARC), TARC_ENABLE | 3);
	assert_int_equal(nic_rig_wait_kept(&s->r, 2)->len, 400);
	wait_reg(s, NEXT(E1000_TDH), 1);
	assert_int_equal(mem(s, TX_RING + 0x1000 + 12)[0], 1);
}

/* What is sent comes back with loopback, and does not leave. */
static void test_loopback(void **state)
{
	struct state *s = *state;

	memcpy(nic_rig_make(&s->r, TX_BUFFERS, 300, false), NIC_RIG_MAC, 6);
	put(s, E1000_RCTL, get(s, E1000_RCTL) | 1u << 6);
	send(s, 0, TX_BUFFERS, 300);
	wait_reg(s, E1000_RDH, 1);
	assert_memory_equal(mem(s, RX_BUFFERS), mem(s, TX_BUFFERS), 300);
	put(s, E1000_RCTL, get(s, E1000_RCTL) & ~(1u << 6));
	phy_write(s, PHY_CONTROL, 0x4140);
	send(s, 0, TX_BUFFERS, 300);
	wait_reg(s, E1000_RDH, 2);
	assert_int_equal(s->r.sink->count, 0);
}

/* --- Reception (7.1) */

/* Returns the status of receive descriptor @i of extended ones. */
static uint32_t status_of(struct state *s, unsigned i)
{
	return word(s, RX_RING + 16 * i + 8);
}

static void test_checksums(void **state)
{
	struct state *s = *state;
	uint8_t *f = nic_rig_make(&s->r, TX_BUFFERS, 200, true);

	fill_sums(f, 200, true);
	deliver(s, TX_BUFFERS, 200);
	wait_reg(s, E1000_RDH, 1);
	assert_int_equal(status_of(s, 0), 3 | RXD_IPCS | RXD_TCPCS);
	assert_int_equal(word(s, RX_RING + 12), 200);
	f[199] ^= 1;
	deliver(s, TX_BUFFERS, 200);
	wait_reg(s, E1000_RDH, 2);
	assert_int_equal(status_of(s, 1), 3 | RXD_IPCS | RXD_TCPCS | RXD_TCPE);
	f = nic_rig_make(&s->r, TX_BUFFERS, 60, false);
	put_be16(f + 16, 38); /* with a padding that is in no sum */
	put_be16(f + 38, 18);
	fill_sums(f, 52, false);
	f[24] ^= 4;
	f[59] = 0x55;
	deliver(s, TX_BUFFERS, 60);
	wait_reg(s, E1000_RDH, 3);
	assert_int_equal(status_of(s, 2),
			 3 | RXD_IPCS | RXD_IPE | RXD_TCPCS | RXD_UDPCS);
	/* the driver wants none */
	put(s, E1000_RXCSUM, 0);
	deliver(s, TX_BUFFERS, 60);
	wait_reg(s, E1000_RDH, 4);
	assert_int_equal(status_of(s, 3), 3 | RXD_IXSM);
}

static void test_legacy(void **state)
{
	struct state *s = *state;
	uint8_t *f = nic_rig_make(&s->r, TX_BUFFERS, 200, true);

	put(s, E1000E_RFCTL, 0);
	fill_sums(f, 200, true);
	f[199] ^= 1;
	deliver(s, TX_BUFFERS, 200);
	wait_reg(s, E1000_RDH, 1);
	assert_int_equal(word(s, RX_RING + 8), 200);
	assert_int_equal(word(s, RX_RING + 12), 0x2063); /* error TCPE */
	/* flexible sizes of buffers: 3 KiB */
	put(s, E1000_RCTL, RCTL_EN | RCTL_SECRC | RCTL_LPE | 3u << 27);
	memset(mem(s, TX_BUFFERS), 0, 4000);
	loop(s, TX_BUFFERS, 1900);
	wait_reg(s, E1000_RDH, 2);
	assert_int_equal(word(s, RX_RING + 16 + 8), 1900);
}

static void test_vlan(void **state)
{
	struct state *s = *state;

	put(s, E1000_VET, 0x8100);
	put(s, E1000_CTRL, CTRL_SLU | CTRL_VME);
	put(s, E1000_VFTA, 1u << 5);
	put(s, E1000_RCTL, get(s, E1000_RCTL) | RCTL_VFE);
	nic_rig_send_tagged(&s->r, NIC_RIG_MAC, 6);
	nic_rig_send_tagged(&s->r, NIC_RIG_MAC, 5);
	wait_reg(s, E1000_RDH, 1);
	assert_int_equal(word(s, RX_RING + 12), 5u << 16 | 100);
	assert_true(status_of(s, 0) & RXD_VP);
}

/* 7.1.10: headers apart, and the rest in the buffers behind. */
static void test_split(void **state)
{
	struct state *s = *state;
	uint8_t *f = nic_rig_make(&s->r, TX_BUFFERS, 1500, true);
	uint32_t ring = RX_RING;

	fill_sums(f, 1500, true);
	put(s, E1000_RCTL, 0);
	give_buffers(s, 0, 32);
	put(s, E1000E_PSRCTL, 1 | 1u << 8 | 2u << 16); /* 128, 1 K, 2 K */
	put(s, E1000_RCTL, RCTL_EN | RCTL_SECRC | 1u << 10);
	loop(s, TX_BUFFERS, 1500);
	wait_reg(s, E1000_RDH, 2); /* in units of 16 bytes */
	assert_int_equal(word(s, ring + 8), 3 | RXD_IPCS | RXD_TCPCS);
	assert_int_equal(word(s, ring + 12), 54);
	assert_int_equal(word(s, ring + 16), 1024u << 16 | 0x8000 | 54);
	assert_int_equal(word(s, ring + 20), 1500 - 54 - 1024);
	assert_memory_equal(mem(s, RX_BUFFERS + 14), f + 14, 40);
	assert_memory_equal(mem(s, RX_BUFFERS + 0x1000), f + 54, 1024);
	assert_memory_equal(mem(s, RX_BUFFERS + 0x2000), f + 54 + 1024,
			    1500 - 54 - 1024);
	/* not TCP or UDP: from the first buffer on */
	f[23] = 47;
	loop(s, TX_BUFFERS, 1500);
	wait_reg(s, E1000_RDH, 4);
	assert_int_equal(word(s, ring + 32 + 12), 128);
	assert_int_equal(word(s, ring + 32 + 16), 1024u << 16);
	assert_int_equal(word(s, ring + 32 + 20), 1500 - 128 - 1024);
	/* over two descriptors, with the headers in the first only */
	put(s, E1000E_PSRCTL, 1 | 1u << 8);
	f[23] = 6;
	loop(s, TX_BUFFERS, 1500);
	wait_reg(s, E1000_RDH, 8);
	assert_int_equal(word(s, ring + 64 + 8), 1); /* no end */
	assert_int_equal(word(s, ring + 64 + 16), 1024u << 16 | 0x8000 | 54);
	assert_int_equal(word(s, ring + 96 + 8) & 3, 3);
	assert_int_equal(word(s, ring + 96 + 12), 0);
	assert_int_equal(word(s, ring + 96 + 16), (1500u - 54 - 1024) << 16);
}

/* 7.1.12, with the key and the flow of Microsoft's "Verifying the RSS Hash
 * Calculation". */
static void test_rss(void **state)
{
	static const uint8_t key[] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e,
				       0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
				       0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae,
				       0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
				       0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7,
				       0x3b, 0xbe, 0xac, 0x01, 0xfa };
	struct state *s = *state;
	uint8_t *f = nic_rig_make(&s->r, TX_BUFFERS, 200, true);

	put_be32(f + 26, 0x420995bb); /* 66.9.149.187, 2794 */
	put_be32(f + 30, 0xa18e6450); /* 161.142.100.80, 1766 */
	put_be16(f + 34, 2794);
	put_be16(f + 36, 1766);
	give_buffers(s, 1, 16);
	for (unsigned i = 0; i < sizeof(key); i += 4)
		put(s, E1000E_RSSRK + i,
		    key[i] | key[i + 1] << 8 | key[i + 2] << 16 |
			    (uint32_t)key[i + 3] << 24);
	put(s, E1000_RXCSUM, RXCSUM_PCSD);
	put(s, E1000E_MRQC, 1 | 1u << 16 | 1u << 17);
	deliver(s, TX_BUFFERS, 200);
	wait_reg(s, E1000_RDH, 1);
	assert_int_equal(word(s, RX_RING + 4), 0x51ccc178);
	assert_int_equal(word(s, RX_RING), 1); /* TCP over IPv4, queue 0 */
	/* entry 0x78 of the table */
	put(s, E1000E_RETA + 0x78, 0x80);
	deliver(s, TX_BUFFERS, 200);
	wait_reg(s, NEXT(E1000_RDH), 1);
	assert_int_equal(word(s, RX_RING + 0x1000 + 4), 0x51ccc178);
	assert_int_equal(word(s, RX_RING + 0x1000), 0x101);
	/* without ports */
	put(s, E1000E_MRQC, 1 | 1u << 17);
	deliver(s, TX_BUFFERS, 200);
	wait_reg(s, E1000_RDH, 2);
	assert_int_equal(word(s, RX_RING + 16 + 4), 0x323e8fc2);
	assert_int_equal(word(s, RX_RING + 16), 2);
	/* a queue without a ring drops */
	put(s, E1000E_RETA + 0x40, 0x80808080);
	put(s, NEXT(E1000_RDLEN), 0);
	deliver(s, TX_BUFFERS, 200);
	wait_taken(s->r.source);
	put(s, E1000E_MRQC, 0);
	deliver(s, TX_BUFFERS, 200);
	wait_reg(s, E1000_RDH, 3);
	assert_int_equal(word(s, RX_RING + 32 + 4), 0);
}

/* --- The clock (7.7) */

static uint64_t read_clock(struct state *s)
{
	uint64_t low = get(s, E1000E_SYSTIML);

	return low | (uint64_t)get(s, E1000E_SYSTIMH) << 32;
}

static void test_clock(void **state)
{
	struct state *s = *state;
	uint64_t before;

	assert_int_equal(read_clock(s), 0);
	put(s, E1000E_SYSTIML, 5);
	put(s, E1000E_SYSTIMH, 7);
	assert_int_equal(read_clock(s), 7ull << 32 | 5);
	put(s, E1000E_TIMINCA, 1u << 24 | 40); /* nanoseconds */
	before = read_clock(s);
	nic_rig_sleep_ms(20);
	assert_in_range(read_clock(s) - before, 20000000, 20000000000ull);
	put(s, E1000E_TSYNCRXCTL, 0x11);
	assert_int_equal(get(s, E1000E_TSYNCRXCTL), 0x10); /* no stamp */
}

/* --- What no driver does */

static void test_nonsense(void **state)
{
	static const uint32_t high[] = { E1000E_SYSTIML, E1000E_RXUDP,
					 0x1fffc };
	struct state *s = *state;
	struct rng rng = rng_start();

	enable_msix(s);
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 64; i++) {
			uint32_t off = rng_below(&rng, E1000_REGS_END / 4) * 4;
			uint32_t value = (uint32_t)rng_next(&rng);

			if (i < ARRAY_SIZE(high))
				off = high[i];
			if (i & 1)
				put(s, off, value);
			else
				get(s, off);
		}
		for (uint32_t i = 0; i < 0x2000; i++) {
			mem(s, TX_RING)[i] = (uint8_t)rng_next(&rng);
			mem(s, RX_RING)[i] = (uint8_t)rng_next(&rng);
		}
		bring_up(s);
		put(s, E1000E_RFCTL, (uint32_t)rng_next(&rng));
		put(s, E1000E_PSRCTL, (uint32_t)rng_next(&rng));
		put(s, E1000E_MRQC, (uint32_t)rng_next(&rng) | 1);
		put(s, E1000_RXCSUM, (uint32_t)rng_next(&rng) | RXCSUM_PCSD);
		put(s, E1000_RCTL,
		    (uint32_t)rng_next(&rng) | RCTL_EN | RCTL_BAM);
		nic_rig_send(&s->r, BROADCAST, 60 + round % 190);
		put(s, E1000_TDT, (uint32_t)rng_below(&rng, 2 * RING));
		put(s, NEXT(E1000_TDT), (uint32_t)rng_below(&rng, 2 * RING));
		wait_taken(s->r.source);
	}
	bring_up(s);
	shm_store(&s->r.sink->count, 0);
	nic_rig_make(&s->r, TX_BUFFERS, 300, false);
	send(s, 0, TX_BUFFERS, 300);
	wait_reg(s, E1000_TDH, 1);
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	wait_reg(s, E1000_RDH, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_identity),   TEST(test_semaphores),
		TEST(test_nvm),	       TEST(test_phy),
		TEST(test_cause_read), TEST(test_messages),
		TEST(test_msi),	       TEST(test_auto),
		TEST(test_no_loss),    TEST(test_throttle),
		TEST(test_queues),     TEST(test_loopback),
		TEST(test_checksums),  TEST(test_legacy),
		TEST(test_vlan),       TEST(test_split),
		TEST(test_rss),	       TEST(test_clock),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

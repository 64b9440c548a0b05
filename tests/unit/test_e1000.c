/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated Intel 82540EM with a driver written after Intel's manual
 * (317453) on one side, and a switch with a port that keeps what it gets on the
 * other.
 */
#include "test.h"

#include <string.h>

#include "e1000.h"
#include "le.h"
#include "nic_rig.h"
#include "offload.h"

#define SLOT	   NIC_RIG_SLOT
#define RING	   16u
#define TX_RING	   0x10000u /* guest addresses */
#define RX_RING	   0x11000u
#define TX_BUFFERS 0x20000u
#define RX_BUFFERS 0x80000u
#define BUFFER	   2048u

/* --- The driver */

struct state {
	struct nic_rig r;
	uint32_t tx_tail;
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

/* Brings the card up, as in 14.4 and 14.5, with a filter for its address. */
static void bring_up(struct state *s)
{
	put(s, E1000_CTRL, CTRL_RST);
	put(s, E1000_CTRL, CTRL_SLU);
	put(s, E1000_TDBAL, TX_RING);
	put(s, E1000_TDLEN, RING * E1000_DESC);
	put(s, E1000_TCTL, TCTL_EN);
	for (unsigned i = 0; i < RING; i++) {
		le64 address = cpu_to_le64(RX_BUFFERS + (uint64_t)i * BUFFER);

		memset(mem(s, RX_RING + i * E1000_DESC), 0, E1000_DESC);
		memcpy(mem(s, RX_RING + i * E1000_DESC), &address, 8);
	}
	put(s, E1000_RDBAL, RX_RING);
	put(s, E1000_RDLEN, RING * E1000_DESC);
	put(s, E1000_RDT, RING - 1);
	put(s, E1000_RCTL, RCTL_EN | RCTL_BAM);
	put(s, E1000_IMS, INT_RXT0 | INT_TXDW | INT_LSC);
	s->tx_tail = 0;
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	nic_rig_init(&s->r, &port_e1000_type);
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

static void put_desc(struct state *s, uint64_t address, uint32_t lower,
		     uint32_t upper)
{
	uint8_t *at = mem(s, TX_RING + s->tx_tail * E1000_DESC);
	le64 a = cpu_to_le64(address);
	le32 half[2] = { cpu_to_le32(lower), cpu_to_le32(upper) };

	memcpy(at, &a, 8);
	memcpy(at + 8, half, 8);
	s->tx_tail = (s->tx_tail + 1) % RING;
}

#define EOP  (1u << 24)
#define IC   (1u << 26)
#define TSE  (1u << 26)
#define RS   (1u << 27)
#define DEXT (1u << 29)
#define VLE  (1u << 30)
#define DATA (DEXT | 1u << 20)

static void put_context(struct state *s, unsigned flags, unsigned mss,
			unsigned header)
{
	uint64_t address = 14 | 24u << 8 | 33ull << 16 | 34ull << 32 |
			   (header == 54 ? 50ull : 40ull) << 40;

	put_desc(s, address, flags << 24 | DEXT, mss << 16 | header << 8);
}

/* Puts the sum of the pseudo header with @size into the field at @field. */
static void put_pseudo(uint8_t *f, unsigned field, uint16_t size)
{
	uint64_t sum = csum_add(0, f + 26, 8) + htobe16(f[23]) + htobe16(size);
	uint16_t folded = (uint16_t)~csum_fold(sum);

	memcpy(f + field, &folded, 2);
}

/* --- Tests */

static void test_identity(void **state)
{
	struct state *s = *state;
	uint16_t ports = (uint16_t)rig_bar(&s->r.rig, SLOT, 1);

	assert_int_equal(rig_config_read(&s->r.rig, SLOT, 0, 4), 0x100e8086);
	assert_int_equal(get(s, E1000_STATUS) & (STATUS_LU | STATUS_FD), 3);
	assert_int_equal(get(s, E1000_RA), 0x00000002);
	assert_int_equal(get(s, E1000_RA + 4), RAH_AV | 0x0700);
	/* the same by ports, as a reset is done */
	rig_out(&s->r.rig, ports, 4, E1000_RA);
	assert_int_equal(rig_in(&s->r.rig, ports + 4, 4), 2);
}

/* Clocks @bits of @value into the EEPROM, the highest first. */
static void clock_in(struct state *s, uint32_t value, unsigned bits)
{
	while (bits--) {
		uint32_t eecd = 2 | (value >> bits & 1 ? 4 : 0);

		put(s, E1000_EECD, eecd);
		put(s, E1000_EECD, eecd | 1);
		put(s, E1000_EECD, eecd);
	}
}

static uint16_t read_word(struct state *s, unsigned address)
{
	uint16_t value = 0;

	put(s, E1000_EECD, 0);
	clock_in(s, 6 << 6 | address, 9);
	for (unsigned i = 0; i < 16; i++) {
		put(s, E1000_EECD, 3);
		value = (uint16_t)(value << 1 | (get(s, E1000_EECD) >> 3 & 1));
		put(s, E1000_EECD, 2);
	}
	put(s, E1000_EECD, 0);
	return value;
}

static void test_eeprom(void **state)
{
	struct state *s = *state;
	uint16_t sum = 0;

	for (unsigned i = 0; i < 64; i++) {
		uint16_t word = read_word(s, i);

		put(s, E1000_EERD, 1 | i << 8);
		assert_int_equal(get(s, E1000_EERD),
				 (uint32_t)word << 16 | i << 8 | 0x10);
		sum = (uint16_t)(sum + word);
	}
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(read_word(s, 2), 0x0700);
}

static void test_phy(void **state)
{
	struct state *s = *state;

	put(s, E1000_MDIC, 2u << 26 | 1u << 21 | 2u << 16);
	assert_int_equal(get(s, E1000_MDIC) & 0x1000ffff, 0x10000141);
	put(s, E1000_MDIC, 1u << 26 | 1u << 21 | 16u << 16 | 0x1234);
	put(s, E1000_MDIC, 2u << 26 | 1u << 21 | 16u << 16);
	assert_int_equal(get(s, E1000_MDIC) & 0xffff, 0x1234);
	/* there is one PHY */
	put(s, E1000_MDIC, 2u << 26 | 2u << 21 | 2u << 16);
	assert_true(get(s, E1000_MDIC) & 1u << 30);
	/* negotiation ends with a link */
	get(s, E1000_ICR);
	put(s, E1000_MDIC, 1u << 26 | 1u << 21 | 0x1340);
	assert_true(nic_rig_wait_line(&s->r));
	assert_int_equal(get(s, E1000_ICR), INT_LSC);
	assert_false(nic_rig_line(&s->r));
}

static void test_send(void **state)
{
	struct state *s = *state;
	const struct kept *k;

	nic_rig_make(&s->r, TX_BUFFERS, 300, false);
	put_desc(s, TX_BUFFERS, 100, 0);
	put(s, E1000_TDT, s->tx_tail);
	put_desc(s, TX_BUFFERS + 100, 200 | EOP | RS, 0);
	put(s, E1000_TDT, s->tx_tail);
	k = nic_rig_wait_kept(&s->r, 1);
	assert_int_equal(k->len, 300);
	assert_memory_equal(k->data, mem(s, TX_BUFFERS), 300);
	assert_true(nic_rig_wait_line(&s->r));
	assert_int_equal(mem(s, TX_RING + 12)[0], 0); /* no RS */
	assert_int_equal(mem(s, TX_RING + E1000_DESC + 12)[0], 1);
	assert_int_equal(get(s, E1000_TDH), 2);
	assert_int_equal(get(s, E1000_ICR) & INT_TXDW, INT_TXDW);
	assert_false(nic_rig_line(&s->r));
	assert_int_equal(get(s, E1000_GPTC), 1);
	assert_int_equal(get(s, E1000_GPTC), 0); /* cleared */
	assert_int_equal(get(s, E1000_GOTCL), 300);
	assert_int_equal(get(s, E1000_GOTCL + 4), 0);
	assert_int_equal(get(s, E1000_GOTCL), 0);
}

static void test_checksums(void **state)
{
	struct state *s = *state;
	uint8_t *f = nic_rig_make(&s->r, TX_BUFFERS, 200, false);

	/* of a legacy descriptor: the IP checksum is the driver's */
	put_pseudo(f, 40, 200 - 34);
	f[24] = 0x66;
	f[25] = 0x3a;
	put_desc(s, TX_BUFFERS, 200 | 40u << 16 | EOP | RS | IC, 34u << 8);
	/* of a context: both */
	f = nic_rig_make(&s->r, TX_BUFFERS + 4096, 200, false);
	put_pseudo(f, 40, 200 - 34);
	put_context(s, 2, 0, 0);
	put_desc(s, TX_BUFFERS + 4096, 200 | DATA | EOP | RS, 3u << 8);
	/* one that makes no sense is dropped */
	put_desc(s, TX_BUFFERS, 200 | 20u << 16 | EOP | RS | IC, 34u << 8);
	put(s, E1000_TDT, s->tx_tail);
	nic_rig_check_sums(nic_rig_wait_kept(&s->r, 2));
	assert_true(nic_rig_wait_line(&s->r));
	assert_int_equal(get(s, E1000_TDH), 4);
	assert_int_equal(s->r.card->rxq[0]->stats.drops[DROP_RX_BAD_OFFLOAD],
			 1);
}

/* A frame that the card cuts: the port at the other side gets ordinary ones. */
static void test_segmentation(void **state)
{
	struct state *s = *state;
	uint8_t *f = nic_rig_make(&s->r, TX_BUFFERS, 54 + 2500, true);
	const struct kept *k;

	put_be16(f + 16, 0);
	put_pseudo(f, 50, 0);
	put_context(s, 7, 1000, 54);
	put_desc(s, TX_BUFFERS, 54 | DATA | TSE, 3u << 8);
	put_desc(s, TX_BUFFERS + 54, 2500 | DATA | TSE | EOP | RS, 0);
	put(s, E1000_TDT, s->tx_tail);
	nic_rig_wait_kept(&s->r, 3);
	for (unsigned i = 0; i < 3; i++) {
		k = &s->r.sink->frame[i];
		assert_int_equal(k->len, i < 2 ? 1054 : 554);
		nic_rig_check_sums(k);
		assert_int_equal(get_be32(k->data + 38), 1000 * i);
		assert_memory_equal(k->data + 54, f + 54 + 1000 * i,
				    k->len - 54);
	}
	assert_int_equal(get(s, E1000_TSCTC), 1);
	/* what was on the wire: three frames, each with headers */
	assert_int_equal(get(s, E1000_GPTC), 3);
	assert_int_equal(get(s, E1000_PTC64 + 4 * 5), 2);
	assert_int_equal(get(s, E1000_PTC64 + 4 * 4), 1);
	assert_int_equal(get(s, E1000_GOTCL), 2500 + 3 * 54);
}

static void test_vlan(void **state)
{
	struct state *s = *state;
	const struct kept *k;
	uint8_t *d;

	put(s, E1000_VET, 0x8100);
	put(s, E1000_CTRL, CTRL_SLU | CTRL_VME);
	nic_rig_make(&s->r, TX_BUFFERS, 100, false);
	put_desc(s, TX_BUFFERS, 100 | EOP | RS | VLE, 0x2005u << 16);
	put(s, E1000_TDT, s->tx_tail);
	k = nic_rig_wait_kept(&s->r, 1);
	assert_int_equal(k->len, 104);
	assert_memory_equal(k->data + 12, "\x81\0\x20\5\x08\0", 6);
	assert_true(nic_rig_wait_line(&s->r));
	get(s, E1000_ICR);

	/* VLAN 5 comes in, 6 is filtered */
	put(s, E1000_VFTA, 1u << 5);
	put(s, E1000_RCTL, get(s, E1000_RCTL) | RCTL_VFE);
	nic_rig_send_tagged(&s->r, NIC_RIG_MAC, 6);
	nic_rig_send_tagged(&s->r, NIC_RIG_MAC, 5);
	assert_true(nic_rig_wait_line(&s->r));
	d = mem(s, RX_RING);
	assert_int_equal(get_be16(d + 14), 0x0500); /* little-endian */
	assert_int_equal(d[12], 1 | 2 | 4 | 8);
	assert_int_equal(d[8], 104); /* without a tag, with a checksum */
	assert_int_equal(get(s, E1000_RDH), 1);
}

static void wait_head(struct state *s, unsigned head)
{
	for (unsigned i = 0; i < 2000 && get(s, E1000_RDH) != head; i++)
		nic_rig_sleep_ms(1);
	assert_int_equal(get(s, E1000_RDH), head);
}

static void test_receive(void **state)
{
	struct state *s = *state;
	uint8_t *d = mem(s, RX_RING);

	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	assert_true(nic_rig_wait_line(&s->r));
	assert_int_equal(d[8] | d[9] << 8, 104);
	assert_int_equal(d[12], 7);
	assert_memory_equal(mem(s, RX_BUFFERS), "\2\0\0\0\0\7\2\0\0\0\0\1", 12);
	assert_int_equal(get(s, E1000_ICR) & INT_RXT0, INT_RXT0);
	assert_false(nic_rig_line(&s->r));
	/* a short one is as long as on the wire; and masked, it is silent */
	put(s, E1000_IMC, INT_RXT0);
	put(s, E1000_RCTL, get(s, E1000_RCTL) | RCTL_SECRC);
	nic_rig_send(&s->r, NIC_RIG_MAC, 40);
	wait_head(s, 2);
	assert_int_equal(d[16 + 8], 60);
	assert_false(nic_rig_line(&s->r));
	put(s, E1000_IMS, INT_RXT0);
	assert_true(nic_rig_line(&s->r));
	assert_int_equal(get(s, E1000_GPRC), 2);
	assert_int_equal(get(s, E1000_PRC64), 1);
}

static void test_filters(void **state)
{
	struct state *s = *state;

	nic_rig_send(&s->r, "\2\0\0\0\0\x08", 60);
	nic_rig_wait_unwanted(&s->r, 1);
	nic_rig_send(&s->r, "\1\0\x5e\0\0\1", 60);
	nic_rig_wait_unwanted(&s->r, 2);
	nic_rig_send(&s->r, BROADCAST, 60);
	wait_head(s, 1);
	/* the table: bits 47 to 36 of the address, 0x010 */
	put(s, E1000_MTA, 1u << 16);
	nic_rig_send(&s->r, "\1\0\x5e\0\0\1", 60);
	wait_head(s, 2);
	put(s, E1000_MTA, 0);
	put(s, E1000_RCTL, RCTL_EN | RCTL_MPE);
	nic_rig_send(&s->r, "\1\0\x5e\0\0\1", 60);
	wait_head(s, 3);
	nic_rig_send(&s->r, BROADCAST, 60);
	wait_head(s, 4);
	put(s, E1000_RCTL, RCTL_EN);
	nic_rig_send(&s->r, BROADCAST, 60);
	nic_rig_wait_unwanted(&s->r, 3);
	put(s, E1000_RCTL, RCTL_EN | RCTL_UPE);
	nic_rig_send(&s->r, "\2\0\0\0\0\x09", 60);
	wait_head(s, 5);
	/* another address of the driver's */
	put(s, E1000_RCTL, RCTL_EN);
	put(s, E1000_RA + 8, 0x00000002);
	put(s, E1000_RA + 12, RAH_AV | 0x0a00);
	nic_rig_send(&s->r, "\2\0\0\0\0\x0a", 60);
	wait_head(s, 6);
}

/* Buffers of 256 bytes; and none left. */
static void test_small_buffers(void **state)
{
	struct state *s = *state;
	uint8_t *d = mem(s, RX_RING);

	put(s, E1000_RCTL, RCTL_EN | 3u << 16);
	put(s, E1000_RDT, 4);
	for (unsigned i = 0; i < 3; i++)
		nic_rig_send(&s->r, NIC_RIG_MAC, 256);
	wait_head(s, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(d[16 * i + 8] | d[16 * i + 9] << 8,
				 i & 1 ? 4 : 256);
		assert_int_equal(d[16 * i + 12], i & 1 ? 7 : 1);
	}
	for (unsigned i = 0; i < 2000 && !(get(s, E1000_RNBC)); i++)
		nic_rig_sleep_ms(1);
	assert_true(get(s, E1000_ICR) & INT_RXO);
}

/* The throttle: the second interrupt waits for its time. */
static void test_throttle(void **state)
{
	struct state *s = *state;

	put(s, E1000_ITR, 0xffff); /* 16.8 ms */
	put(s, E1000_ICS, INT_LSC);
	assert_true(nic_rig_line(&s->r));
	get(s, E1000_ICR);
	assert_false(nic_rig_line(&s->r));
	put(s, E1000_ICS, INT_LSC);
	assert_true(nic_rig_wait_line(&s->r));
	assert_int_equal(s->r.rig.line_changes, 3);
}

/* What no driver does: nothing is read or written outside of its memory, and
 * other frames go on after a reset. */
static void test_nonsense(void **state)
{
	struct state *s = *state;
	struct rng rng = rng_start();

	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 64; i++) {
			uint32_t off = rng_below(&rng, E1000_REGS_END / 4) * 4;
			uint32_t value = (uint32_t)rng_next(&rng);

			if (i & 1)
				put(s, off, value);
			else
				get(s, off);
		}
		bring_up(s);
		for (uint32_t i = 0; i < RING * E1000_DESC; i++) {
			mem(s, TX_RING)[i] = (uint8_t)rng_next(&rng);
			mem(s, RX_RING)[i] = (uint8_t)rng_next(&rng);
		}
		nic_rig_send(&s->r, BROADCAST, 60 + round % 190);
		put(s, E1000_TDT, (uint32_t)rng_below(&rng, 2 * RING));
	}
	wait_taken(s->r.source);
	bring_up(s);
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	assert_true(nic_rig_wait_line(&s->r));
	shm_store(&s->r.sink->count, 0);
	nic_rig_make(&s->r, TX_BUFFERS, 300, false);
	put_desc(s, TX_BUFFERS, 300 | EOP | RS, 0);
	put(s, E1000_TDT, s->tx_tail);
	for (unsigned i = 0; i < 2000 && !get(s, E1000_TDH); i++)
		nic_rig_sleep_ms(1);
	assert_int_equal(get(s, E1000_TDH), 1);
}

/* A frame without an end: the worker waits for it, and does not spin. */
static void test_no_end(void **state)
{
	struct state *s = *state;
	struct rxq *q = s->r.card->rxq[0];
	uint64_t polls;

	for (unsigned i = 0; i < 4; i++)
		put_desc(s, TX_BUFFERS, 1000, 0);
	put(s, E1000_TDT, s->tx_tail);
	nic_rig_sleep_ms(50);
	polls = stat_read(&q->stats.polls);
	nic_rig_sleep_ms(50);
	assert_true(stat_read(&q->stats.polls) - polls < 100);
	put_desc(s, TX_BUFFERS, 100 | EOP | RS, 0);
	put(s, E1000_TDT, s->tx_tail);
	assert_int_equal(nic_rig_wait_kept(&s->r, 1)->len, 4100);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_identity),  TEST(test_eeprom),
		TEST(test_phy),	      TEST(test_send),
		TEST(test_checksums), TEST(test_segmentation),
		TEST(test_vlan),      TEST(test_receive),
		TEST(test_filters),   TEST(test_small_buffers),
		TEST(test_throttle),  TEST(test_nonsense),
		TEST(test_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

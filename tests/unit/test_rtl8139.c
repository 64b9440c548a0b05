/* SPDX-License-Identifier: Apache-2.0 */
/* The emulated Realtek RTL8139C+ in both of its modes, with a driver written
 * after Realtek's data sheets. */
#include "test.h"

#include <string.h>

#include "le.h"
#include "nic_rig.h"
#include "rtl8139.h"

#define SLOT	NIC_RIG_SLOT
#define RX_AREA 0x40000u
#define TX_AREA 0x10000u
#define TX_RING 0x20000u
#define RX_RING 0x21000u
#define RING	8u

/* Status of a frame in the receive buffer. */
#define RX_PHYSICAL_STATUS  0x4000u
#define RX_BROADCAST_STATUS 0x2000u
#define RX_MULTICAST_STATUS 0x8000u

struct state {
	struct nic_rig r;
	unsigned bar; /* 0: ports, 1: memory */
	unsigned tx_next;
};

static uint32_t get(struct state *s, unsigned off, unsigned size)
{
	uint64_t at = rig_bar(&s->r.rig, SLOT, s->bar) + off;

	return (uint32_t)(s->bar ? rig_read(&s->r.rig, at, size)
				 : rig_in(&s->r.rig, (uint16_t)at, size));
}

static void put(struct state *s, unsigned off, unsigned size, uint32_t value)
{
	uint64_t at = rig_bar(&s->r.rig, SLOT, s->bar) + off;

	if (s->bar)
		rig_write(&s->r.rig, at, size, value);
	else
		rig_out(&s->r.rig, (uint16_t)at, size, value);
}

static uint8_t *mem(struct state *s, uint32_t at)
{
	return nic_rig_mem(&s->r, at);
}

static uint32_t word(struct state *s, uint32_t at)
{
	le32 v;

	memcpy(&v, mem(s, at), 4);
	return le32_to_cpu(v);
}

static void reset(struct state *s)
{
	put(s, RTL_CR, 1, CR_RST);
	assert_int_equal(get(s, RTL_CR, 1), CR_BUFE);
}

static void enable(struct state *s)
{
	put(s, RTL_IMR, 2, RTL_ROK | RTL_TOK | RTL_LINK);
	put(s, RTL_CR, 1, CR_TE | CR_RE);
	put(s, RTL_RCR, 4, RCR_APM | RCR_AB);
	s->tx_next = 0;
}

/* The mode of the RTL8139. */
static void bring_up(struct state *s)
{
	reset(s);
	put(s, RTL_RBSTART, 4, RX_AREA);
	enable(s);
}

static void put_desc(struct state *s, uint32_t ring, unsigned i,
		     uint32_t command, uint32_t tag, uint32_t address)
{
	le32 d[4] = { cpu_to_le32(command | (i == RING - 1 ? RTL_EOR : 0)),
		      cpu_to_le32(tag), cpu_to_le32(address) };

	memcpy(mem(s, ring + i * RTL_DESC), d, sizeof(d));
}

/* C+ mode, with receive buffers of @size bytes. */
static void bring_up_cplus(struct state *s, uint32_t size)
{
	reset(s);
	put(s, RTL_CPCR, 2, CPCR_TX | CPCR_RX | CPCR_RX_VLAN);
	memset(mem(s, TX_RING), 0, RING * RTL_DESC);
	for (unsigned i = 0; i < RING; i++)
		put_desc(s, RX_RING, i, RTL_OWN | size, 0, RX_AREA + i * 2048);
	put_desc(s, TX_RING, RING - 1, 0, 0, 0);
	put(s, RTL_TNPDS, 4, TX_RING);
	put(s, RTL_RDSAR, 4, RX_RING);
	enable(s);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	nic_rig_init(&s->r, &port_rtl8139_type);
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

static void test_identity(void **state)
{
	struct state *s = *state;

	assert_int_equal(rig_config_read(&s->r.rig, SLOT, 0, 4), 0x813910ec);
	assert_int_equal(rig_config_read(&s->r.rig, SLOT, 8, 1), 0x20);
	for (s->bar = 0; s->bar < 2; s->bar++) {
		assert_int_equal(get(s, RTL_IDR0, 4), 0x00000002);
		assert_int_equal(get(s, RTL_IDR0 + 4, 2), 0x0700);
		assert_int_equal(get(s, RTL_IDR0 + 5, 1), 7);
		assert_int_equal(get(s, RTL_TCR, 4) & 0x7cc00000, 0x74800000);
	}
}

static void clock_in(struct state *s, uint32_t value, unsigned bits)
{
	while (bits--) {
		uint32_t v = 0x88 | (value >> bits & 1 ? 2 : 0);

		put(s, RTL_9346CR, 1, v);
		put(s, RTL_9346CR, 1, v | 4);
	}
}

static uint16_t read_word(struct state *s, unsigned address)
{
	uint16_t value = 0;

	put(s, RTL_9346CR, 1, 0x80);
	clock_in(s, 6 << 6 | address, 9);
	for (unsigned i = 0; i < 16; i++) {
		put(s, RTL_9346CR, 1, 0x88);
		put(s, RTL_9346CR, 1, 0x8c);
		value = (uint16_t)(value << 1 | (get(s, RTL_9346CR, 1) & 1));
	}
	put(s, RTL_9346CR, 1, 0);
	return value;
}

static void test_eeprom(void **state)
{
	struct state *s = *state;

	assert_int_equal(read_word(s, 0), 0x8129);
	assert_int_equal(read_word(s, 7), 0x0002);
	assert_int_equal(read_word(s, 9), 0x0700);
	/* the address can be another one, and is loaded again */
	put(s, RTL_IDR0, 4, 0x11223344);
	assert_int_equal(get(s, RTL_IDR0, 4), 0x11223344);
	put(s, RTL_9346CR, 1, 0x40);
	assert_int_equal(get(s, RTL_IDR0, 4), 0x00000002);
}

/* Registers in pieces, and several at once. */
static void test_pieces(void **state)
{
	struct state *s = *state;

	put(s, RTL_MAR0 + 1, 1, 0x12);
	put(s, RTL_MAR0 + 2, 2, 0x5634);
	assert_int_equal(get(s, RTL_MAR0, 4), 0x56341200);
	/* IMR and ISR together: a written 1 clears a cause, and only that */
	put(s, RTL_TPPOLL, 1, 1);
	put(s, RTL_BMCR, 2, 0x0200);
	assert_int_equal(get(s, RTL_IMR, 4), (RTL_SWINT | RTL_LINK) << 16 |
						     RTL_ROK | RTL_TOK |
						     RTL_LINK);
	assert_true(nic_rig_line(&s->r));
	put(s, RTL_ISR, 1, RTL_LINK);
	assert_false(nic_rig_line(&s->r));
	put(s, RTL_IMR, 4, (uint32_t)RTL_SWINT << 16 | RTL_SWINT);
	assert_int_equal(get(s, RTL_IMR, 4), RTL_SWINT);
}

static void test_send(void **state)
{
	struct state *s = *state;

	for (unsigned i = 0; i < 6; i++) {
		unsigned n = i % TSD_COUNT;

		nic_rig_make(&s->r, TX_AREA + n * 2048, 100 + i, false);
		assert_true(get(s, RTL_TSD0 + 4 * n, 4) & TSD_OWN);
		put(s, RTL_TSAD0 + 4 * n, 4, TX_AREA + n * 2048);
		put(s, RTL_TSD0 + 4 * n, 4, 100 + i);
		assert_int_equal(nic_rig_wait_kept(&s->r, i + 1)->len, 100 + i);
		assert_true(nic_rig_wait_line(&s->r));
		assert_int_equal(get(s, RTL_TSD0 + 4 * n, 4),
				 (100 + i) | TSD_OWN | TSD_TOK);
		put(s, RTL_ISR, 2, get(s, RTL_ISR, 2));
		assert_false(nic_rig_line(&s->r));
	}
	assert_int_equal(get(s, RTL_TSAD, 2), 0xf00f);
}

/* Reads the frame at offset @at of the buffer, and gives it back. Returns the
 * offset of the next one. */
static uint32_t read_frame(struct state *s, uint32_t at, uint32_t len,
			   uint32_t status)
{
	assert_int_equal(word(s, RX_AREA + at), (len + 4) << 16 | status | 1);
	at = (at + 4 + len + 4 + 3) & ~3u;
	at %= 8192;
	put(s, RTL_CAPR, 2, (at - 16) & 0xffff);
	return at;
}

static void wait_frame(struct state *s)
{
	for (unsigned i = 0; i < 2000 && get(s, RTL_CR, 1) & CR_BUFE; i++)
		nic_rig_sleep_ms(1);
	assert_false(get(s, RTL_CR, 1) & CR_BUFE);
}

static void test_receive(void **state)
{
	struct state *s = *state;
	uint32_t at;

	assert_true(get(s, RTL_CR, 1) & CR_BUFE);
	nic_rig_send(&s->r, NIC_RIG_MAC, 101);
	assert_true(nic_rig_wait_line(&s->r));
	assert_false(get(s, RTL_CR, 1) & CR_BUFE);
	assert_memory_equal(mem(s, RX_AREA + 4), NIC_RIG_MAC "\2\0\0\0\0\1",
			    12);
	at = read_frame(s, 0, 101, RX_PHYSICAL_STATUS);
	assert_int_equal(get(s, RTL_CBR, 2), at);
	assert_true(get(s, RTL_CR, 1) & CR_BUFE);
	put(s, RTL_ISR, 2, 0xffff);
	assert_false(nic_rig_line(&s->r));
	/* a short one, then around the end of the buffer */
	nic_rig_send(&s->r, BROADCAST, 40);
	wait_frame(s);
	at = read_frame(s, at, 60, RX_BROADCAST_STATUS);
	for (unsigned i = 0; i < 100; i++) {
		nic_rig_send(&s->r, NIC_RIG_MAC, 250);
		wait_frame(s);
		at = read_frame(s, at, 250, RX_PHYSICAL_STATUS);
	}
	/* until it is full */
	for (unsigned i = 0; i < 40; i++)
		nic_rig_send(&s->r, NIC_RIG_MAC, 250);
	for (unsigned i = 0; i < 2000 && !get(s, RTL_MPC, 4); i++)
		nic_rig_sleep_ms(1);
	assert_true(get(s, RTL_ISR, 2) & RTL_RXOVW);
	for (unsigned i = 0; i < 8192 / 260; i++)
		at = read_frame(s, at, 250, RX_PHYSICAL_STATUS);
}

static void test_filters(void **state)
{
	struct state *s = *state;
	uint32_t at = 0;

	nic_rig_send(&s->r, "\2\0\0\0\0\x08", 60);
	nic_rig_wait_unwanted(&s->r, 1);
	nic_rig_send(&s->r, "\1\0\x5e\0\0\1", 60);
	nic_rig_wait_unwanted(&s->r, 2);
	/* the hash of 01:00:5e:00:00:01 is 0x1f, as Linux computes it */
	put(s, RTL_MAR0, 4, 1u << 31);
	put(s, RTL_RCR, 4, RCR_APM | RCR_AM);
	nic_rig_send(&s->r, "\1\0\x5e\0\0\1", 60);
	wait_frame(s);
	at = read_frame(s, at, 60, RX_MULTICAST_STATUS);
	nic_rig_send(&s->r, BROADCAST, 60);
	nic_rig_wait_unwanted(&s->r, 3);
	put(s, RTL_RCR, 4, RCR_AAP);
	nic_rig_send(&s->r, "\2\0\0\0\0\x09", 60);
	wait_frame(s);
	read_frame(s, at, 60, RX_PHYSICAL_STATUS);
}

static void send_desc(struct state *s, uint32_t command, uint32_t tag,
		      uint32_t address)
{
	put_desc(s, TX_RING, s->tx_next, command | RTL_OWN, tag, address);
	s->tx_next = (s->tx_next + 1) % RING;
}

static void wait_sent(struct state *s, unsigned i)
{
	for (unsigned n = 0; n < 2000; n++) {
		if (!(word(s, TX_RING + i * RTL_DESC) & RTL_OWN))
			return;
		nic_rig_sleep_ms(1);
	}
	fail_msg("descriptor %u is not given back", i);
}

static void test_cplus_send(void **state)
{
	struct state *s = *state;
	const struct kept *k;

	bring_up_cplus(s, 2047);
	nic_rig_make(&s->r, TX_AREA, 300, false);
	send_desc(s, RTL_FS | 100, 0, TX_AREA);
	put(s, RTL_TPPOLL, 1, 0x40);
	nic_rig_sleep_ms(20);
	assert_int_equal(s->r.sink->count, 0);
	/* checksums, and a tag */
	send_desc(s, RTL_LS | 200, 0, TX_AREA + 100);
	nic_rig_make(&s->r, TX_AREA + 2048, 200, false);
	send_desc(s, RTL_FS | RTL_LS | 7u << 16 | 200, 0, TX_AREA + 2048);
	nic_rig_make(&s->r, TX_AREA + 4096, 64, true);
	send_desc(s, RTL_FS | RTL_LS | 64, 1u << 17 | 0x0520, TX_AREA + 4096);
	put(s, RTL_TPPOLL, 1, 0x40);
	nic_rig_wait_kept(&s->r, 3);
	k = s->r.sink->frame;
	assert_int_equal(k->len, 300);
	assert_memory_equal(k->data, mem(s, TX_AREA), 300);
	nic_rig_check_sums(&k[1]);
	assert_int_equal(k[2].len, 68);
	assert_memory_equal(k[2].data + 12, "\x81\0\x20\5\x08\0", 6);
	for (unsigned i = 0; i < 4; i++)
		wait_sent(s, i);
	assert_true(nic_rig_wait_line(&s->r));
	assert_int_equal(get(s, RTL_ISR, 2), RTL_TOK | RTL_TDU);
	/* around the end of the ring */
	for (unsigned i = 0; i < 20; i++) {
		send_desc(s, RTL_FS | RTL_LS | 64, 0, TX_AREA + 4096);
		put(s, RTL_TPPOLL, 1, 0x40);
		nic_rig_wait_kept(&s->r, 4 + i);
	}
}

static void test_cplus_segmentation(void **state)
{
	struct state *s = *state;
	uint8_t *f;

	bring_up_cplus(s, 2047);
	f = nic_rig_make(&s->r, TX_AREA, 54 + 2500, true);
	send_desc(s, RTL_FS | RTL_LS | 1u << 27 | 1000u << 16 | 2554, 0,
		  TX_AREA);
	put(s, RTL_TPPOLL, 1, 0x40);
	nic_rig_wait_kept(&s->r, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct kept *k = &s->r.sink->frame[i];

		assert_int_equal(k->len, i < 2 ? 1054 : 554);
		nic_rig_check_sums(k);
		assert_int_equal(get_be32(k->data + 38), 1000 * i);
		assert_memory_equal(k->data + 54, f + 54 + 1000 * i,
				    k->len - 54);
	}
}

static uint32_t wait_received(struct state *s, unsigned i)
{
	for (unsigned n = 0; n < 2000; n++) {
		uint32_t v = word(s, RX_RING + i * RTL_DESC);

		if (!(v & RTL_OWN))
			return v;
		nic_rig_sleep_ms(1);
	}
	fail_msg("nothing in descriptor %u", i);
	return 0;
}

static void test_cplus_receive(void **state)
{
	struct state *s = *state;

	bring_up_cplus(s, 2047);
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	assert_int_equal(wait_received(s, 0), RTL_FS | RTL_LS | 1u << 25 | 104);
	assert_memory_equal(mem(s, RX_AREA), NIC_RIG_MAC, 6);
	assert_true(nic_rig_wait_line(&s->r));
	nic_rig_send_tagged(&s->r, BROADCAST, 0x105);
	assert_int_equal(wait_received(s, 1), RTL_FS | RTL_LS | 1u << 24 | 104);
	assert_int_equal(word(s, RX_RING + RTL_DESC + 4), 1u << 16 | 0x0501);
	assert_memory_equal(mem(s, RX_AREA + 2048 + 12), "\x08\0", 2);
	/* all descriptors in use */
	for (unsigned i = 0; i < RING; i++)
		nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	assert_true(wait_received(s, RING - 1) & RTL_EOR);
	for (unsigned i = 0; i < 2000 && !get(s, RTL_MPC, 4); i++)
		nic_rig_sleep_ms(1);
	assert_true(get(s, RTL_ISR, 2) & RTL_RXOVW);
}

static void test_cplus_small_buffers(void **state)
{
	struct state *s = *state;

	bring_up_cplus(s, 64);
	nic_rig_send(&s->r, NIC_RIG_MAC, 150);
	assert_int_equal(wait_received(s, 2), RTL_LS | 1u << 25 | 154);
	assert_int_equal(wait_received(s, 0), RTL_FS | 1u << 25 | 154);
	assert_int_equal(wait_received(s, 1), 1u << 25 | 154);
}

/* What no driver does: nothing is read or written outside of its memory, and
 * other frames go on after a reset. */
static void test_nonsense(void **state)
{
	static const unsigned sizes[] = { 1, 2, 4 };
	struct state *s = *state;
	struct rng rng = rng_start();

	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 64; i++) {
			unsigned size = sizes[rng_below(&rng, 3)];
			unsigned off = rng_below(&rng, 256 / size) * size;
			uint32_t value = (uint32_t)rng_next(&rng);

			if (i & 1)
				put(s, off, size, value);
			else
				get(s, off, size);
		}
		if (round & 1)
			bring_up_cplus(s, 2047);
		else
			bring_up(s);
		for (uint32_t i = 0; i < RING * RTL_DESC; i++) {
			mem(s, TX_RING)[i] = (uint8_t)rng_next(&rng);
			mem(s, RX_RING)[i] = (uint8_t)rng_next(&rng);
		}
		put(s, RTL_RCR, 4, RCR_AAP | (uint32_t)rng_next(&rng));
		put(s, RTL_CAPR, 2, (uint32_t)rng_next(&rng));
		nic_rig_send(&s->r, BROADCAST, 60 + round % 190);
		put(s, RTL_TPPOLL, 1, 0x40);
		put(s, RTL_TSD0, 4, (uint32_t)rng_next(&rng));
	}
	wait_taken(s->r.source);
	put(s, RTL_9346CR, 1, 0x40); /* a reset leaves the address */
	bring_up(s);
	nic_rig_send(&s->r, NIC_RIG_MAC, 100);
	assert_true(nic_rig_wait_line(&s->r));
	read_frame(s, 0, 100, RX_PHYSICAL_STATUS);
}

/* The count goes on, begins anew with each write, and interrupts at a value; a
 * tick is 30 ns. */
static void test_timer(void **state)
{
	struct state *s = *state;
	uint32_t count;

	put(s, RTL_IMR, 2, RTL_TIMEOUT);
	put(s, RTL_TCTR, 4, 0x12345678);
	nic_rig_sleep_ms(3);
	count = get(s, RTL_TCTR, 4);
	assert_true(count >= 100000);
	assert_false(nic_rig_line(&s->r));
	/* passed already: comes again in two minutes only */
	put(s, RTL_TIMERINT, 4, 50000);
	assert_int_equal(get(s, RTL_TIMERINT, 4), 50000);
	nic_rig_sleep_ms(3);
	assert_false(nic_rig_line(&s->r));
	put(s, RTL_TCTR, 4, 0);
	assert_true(get(s, RTL_TCTR, 4) < count + 100000000);
	assert_true(nic_rig_wait_line(&s->r));
	assert_true(get(s, RTL_TCTR, 4) >= 50000);
	assert_int_equal(get(s, RTL_ISR, 2), RTL_TIMEOUT);
	put(s, RTL_ISR, 2, RTL_TIMEOUT);
	assert_false(nic_rig_line(&s->r));
	/* zero is none, and so is a reset */
	put(s, RTL_TIMERINT, 4, 100000);
	put(s, RTL_TCTR, 4, 0);
	put(s, RTL_TIMERINT, 4, 0);
	nic_rig_sleep_ms(6);
	assert_int_equal(get(s, RTL_ISR, 2), 0);
	put(s, RTL_TIMERINT, 4, 100000);
	put(s, RTL_TCTR, 4, 0);
	reset(s);
	nic_rig_sleep_ms(6);
	assert_int_equal(get(s, RTL_TIMERINT, 4), 0);
	assert_int_equal(get(s, RTL_ISR, 2), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_identity),	  TEST(test_eeprom),
		TEST(test_pieces),	  TEST(test_send),
		TEST(test_receive),	  TEST(test_filters),
		TEST(test_cplus_send),	  TEST(test_cplus_segmentation),
		TEST(test_cplus_receive), TEST(test_cplus_small_buffers),
		TEST(test_nonsense),	  TEST(test_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of the serial port, after National's data sheet of the
 * PC16550D: what each says, what ends each interrupt, and when the pin moves.
 */
#include "test.h"

#include <string.h>

#include "uart_regs.h"
#include "util.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define THR  0
#define FCR  2
#define OUT2 8

struct port {
	struct uart_regs r;
	uint8_t sent[256];
	unsigned sent_count;
	unsigned rises;
	bool pin;
};

static void send(struct uart_regs *r, uint8_t c)
{
	struct port *p = container_of(r, struct port, r);

	p->sent[p->sent_count++ % sizeof(p->sent)] = c;
}

static void set_irq(struct uart_regs *r, bool level)
{
	struct port *p = container_of(r, struct port, r);

	assert_int_not_equal(level, p->pin);
	p->pin = level;
	p->rises += level;
}

static struct port new_port(void)
{
	return (struct port){ .r = { .send = send, .set_irq = set_irq } };
}

static uint8_t rd(struct port *p, unsigned reg)
{
	return uart_regs_read(&p->r, reg);
}

static void wr(struct port *p, unsigned reg, uint8_t v)
{
	uart_regs_write(&p->r, reg, v);
}

static void receive(struct port *p, const char *s)
{
	uart_regs_receive(&p->r, (const uint8_t *)s, (unsigned)strlen(s));
}

/* A port whose interrupts @ier reach the pin. */
static void set_up(struct port *p, uint8_t fcr, uint8_t ier)
{
	*p = new_port();
	uart_regs_init(&p->r);
	wr(p, MCR, OUT2);
	wr(p, FCR, fcr);
	wr(p, IER, ier);
}

/* Data sheet, "Reset Configuration", but for the line's format. */
static void test_reset(void **state)
{
	struct port p = new_port();

	(void)state;
	uart_regs_init(&p.r);
	assert_int_equal(rd(&p, IER), 0);
	assert_int_equal(rd(&p, IIR), 0x01);
	assert_int_equal(rd(&p, LCR), 3);
	assert_int_equal(rd(&p, MCR), 0);
	assert_int_equal(rd(&p, LSR), 0x60);
	assert_int_equal(rd(&p, MSR), 0xb0);
	assert_int_equal(rd(&p, RBR), 0);
	assert_false(p.pin);
}

static void test_plain_registers(void **state)
{
	struct port p = new_port();

	(void)state;
	uart_regs_init(&p.r);
	for (unsigned v = 0; v < 256; v++) {
		wr(&p, SCR, (uint8_t)v);
		assert_int_equal(rd(&p, SCR), v);
		wr(&p, LCR, (uint8_t)v);
		assert_int_equal(rd(&p, LCR), v);
		wr(&p, LCR, 3);
		wr(&p, IER, (uint8_t)v);
		assert_int_equal(rd(&p, IER), v & 0xf);
		wr(&p, MCR, (uint8_t)v);
		assert_int_equal(rd(&p, MCR), v & 0x1f);
		/* LSR and MSR are read-only. */
		wr(&p, MCR, 0);
		rd(&p, MSR);
		wr(&p, LSR, (uint8_t)v);
		assert_int_equal(rd(&p, LSR), 0x60);
		wr(&p, MSR, (uint8_t)v);
		assert_int_equal(rd(&p, MSR), 0xb0);
	}
	/* The divisor is behind the same two addresses. */
	wr(&p, IER, 5);
	wr(&p, LCR, 0x83);
	wr(&p, 0, 0x34);
	wr(&p, 1, 0x12);
	assert_int_equal(rd(&p, 0), 0x34);
	assert_int_equal(rd(&p, 1), 0x12);
	assert_int_equal(p.sent_count, 0);
	wr(&p, LCR, 3);
	assert_int_equal(rd(&p, IER), 5);
	wr(&p, LCR, 0x80);
	assert_int_equal(rd(&p, 0), 0x34);
}

/* A driver tells a 16550A from others by these. */
static void test_identity(void **state)
{
	struct port p = new_port();

	(void)state;
	uart_regs_init(&p.r);
	assert_int_equal(rd(&p, IIR) & 0xc0, 0);
	wr(&p, FCR, 1);
	assert_int_equal(rd(&p, IIR) & 0xe0, 0xc0);
	/* A 16750 would have 64 bytes, a 16650 other registers here. */
	wr(&p, LCR, 0x80);
	wr(&p, FCR, 0x21);
	assert_int_equal(rd(&p, IIR) & 0xe0, 0xc0);
	wr(&p, LCR, 0xbf);
	assert_int_not_equal(rd(&p, FCR), 0);
	wr(&p, LCR, 0);
	/* Without bit 0 the others are not programmed. */
	wr(&p, FCR, 0xc0);
	assert_int_equal(rd(&p, IIR) & 0xc0, 0);
}

static void test_thre_enabled(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 1, 0);
	wr(&p, IER, 2);
	assert_true(p.pin);
	/* Reading another register changes nothing. */
	rd(&p, LSR);
	rd(&p, MSR);
	assert_true(p.pin);
	assert_int_equal(rd(&p, IIR), 0xc2);
	assert_false(p.pin);
	assert_int_equal(rd(&p, IIR), 0xc1);
	/* Still enabled: nothing new. Enabled again: a new one. */
	wr(&p, IER, 2);
	assert_false(p.pin);
	wr(&p, IER, 0);
	wr(&p, IER, 2);
	assert_true(p.pin);
	wr(&p, IER, 0);
	assert_false(p.pin);
	assert_int_equal(rd(&p, IIR), 0xc1);
}

static void test_thre_written(void **state)
{
	struct port p;
	unsigned rises;

	(void)state;
	set_up(&p, 1, 2);
	rd(&p, IIR);
	rises = p.rises;
	/* Each character that has left is an edge, read or not. */
	wr(&p, THR, 'a');
	assert_int_equal(p.rises, rises + 1);
	wr(&p, THR, 'b');
	assert_int_equal(p.rises, rises + 2);
	assert_true(p.pin);
	assert_int_equal(rd(&p, IIR), 0xc2);
	assert_false(p.pin);
	assert_int_equal(p.sent_count, 2);
	assert_memory_equal(p.sent, "ab", 2);
	assert_int_equal(rd(&p, LSR), 0x60);
	/* Polled: no interrupt, and nothing left of it later. */
	wr(&p, IER, 0);
	rises = p.rises;
	wr(&p, THR, 'c');
	assert_int_equal(p.rises, rises);
	assert_int_equal(rd(&p, IIR), 0xc1);
}

/* IIR tells the first cause; only reading that one as THRE clears it. */
static void test_priorities(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 0xc1, 0xf);
	wr(&p, MCR, OUT2 | 0x10); /* deltas of the modem status */
	wr(&p, MCR, OUT2);
	receive(&p, "12345678901234");
	uart_regs_receive_break(&p.r);
	for (unsigned i = 0; i < 14; i++) {
		assert_int_equal(rd(&p, IIR), i < 2 ? 0xc4 : 0xc2);
		if (i >= 2)
			wr(&p, THR, 0);
		rd(&p, RBR);
	}
	assert_int_equal(rd(&p, IIR), 0xc6);
	assert_int_equal(rd(&p, IIR), 0xc6);
	assert_int_equal(rd(&p, LSR), 0xf1);
	uart_regs_silence(&p.r);
	assert_int_equal(rd(&p, IIR), 0xcc);
	assert_int_equal(rd(&p, IIR), 0xcc);
	assert_int_equal(rd(&p, RBR), 0);
	assert_int_equal(rd(&p, IIR), 0xc2);
	assert_int_equal(rd(&p, IIR), 0xc0);
	assert_int_equal(rd(&p, IIR), 0xc0);
	assert_true(p.pin);
	assert_int_not_equal(rd(&p, MSR) & 0xf, 0);
	assert_false(p.pin);
	assert_int_equal(rd(&p, IIR), 0xc1);
}

static void test_trigger_levels(void **state)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };
	struct port p;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		set_up(&p, (uint8_t)(i << 6 | 1), 1);
		for (unsigned n = 1; n <= 16; n++) {
			receive(&p, "x");
			assert_int_equal(p.pin, n >= level[i]);
			assert_int_equal(rd(&p, IIR),
					 n >= level[i] ? 0xc4 : 0xc1);
			assert_int_equal(uart_regs_room(&p.r), 16 - n);
			assert_int_equal(uart_regs_wanted(&p.r),
					 n < level[i] ? level[i] - n : 0);
		}
		/* It ends when the FIFO falls below the level. */
		for (unsigned n = 15; n < 16; n--) {
			assert_int_equal(rd(&p, RBR), 'x');
			assert_int_equal(p.pin, n >= level[i]);
		}
		assert_int_equal(rd(&p, LSR), 0x60);
	}
}

static void test_timeout(void **state)
{
	struct port p;
	unsigned rises;

	(void)state;
	set_up(&p, 0x81, 1);
	uart_regs_silence(&p.r);
	assert_false(p.pin);
	assert_false(uart_regs_is_waiting(&p.r));
	receive(&p, "abc");
	assert_false(p.pin);
	assert_true(uart_regs_is_waiting(&p.r));
	uart_regs_silence(&p.r);
	assert_true(p.pin);
	assert_false(uart_regs_is_waiting(&p.r));
	assert_int_equal(rd(&p, IIR), 0xcc);
	/* Reading a character ends it; the rest is another one. */
	assert_int_equal(rd(&p, RBR), 'a');
	assert_false(p.pin);
	assert_true(uart_regs_is_waiting(&p.r));
	rises = p.rises;
	uart_regs_silence(&p.r);
	assert_int_equal(p.rises, rises + 1);
	/* So does another character. */
	receive(&p, "d");
	assert_false(p.pin);
	uart_regs_silence(&p.r);
	wr(&p, FCR, 0x83); /* clears the FIFO */
	assert_false(p.pin);
	assert_int_equal(rd(&p, LSR), 0x60);
	/* Without a FIFO there is none, and one character is enough. */
	wr(&p, FCR, 0);
	receive(&p, "e");
	assert_int_equal(rd(&p, IIR), 0x04);
	assert_false(uart_regs_is_waiting(&p.r));
	rd(&p, RBR);
	assert_int_equal(rd(&p, IIR), 0x01);
}

static void test_overrun(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 1, 4);
	receive(&p, "0123456789abcdef");
	assert_false(p.pin);
	receive(&p, "g");
	assert_true(p.pin);
	assert_int_equal(rd(&p, IIR), 0xc6);
	assert_int_equal(rd(&p, LSR), 0x63);
	assert_false(p.pin);
	assert_int_equal(rd(&p, LSR), 0x61);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(rd(&p, RBR), "0123456789abcdef"[i]);
	assert_int_equal(rd(&p, LSR), 0x60);
	/* A register is overwritten instead. */
	wr(&p, FCR, 0);
	receive(&p, "xy");
	assert_int_equal(rd(&p, LSR), 0x63);
	assert_int_equal(rd(&p, RBR), 'y');
	assert_int_equal(rd(&p, LSR), 0x60);
}

/* An error shows when its character is the next one. */
static void test_break(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 1, 4);
	receive(&p, "a");
	uart_regs_receive_break(&p.r);
	receive(&p, "b");
	assert_false(p.pin);
	assert_int_equal(rd(&p, LSR), 0xe1);
	assert_int_equal(rd(&p, LSR), 0xe1);
	assert_int_equal(rd(&p, RBR), 'a');
	assert_true(p.pin);
	assert_int_equal(rd(&p, LSR), 0xf1);
	assert_false(p.pin);
	assert_int_equal(rd(&p, LSR), 0x61);
	assert_int_equal(rd(&p, RBR), 0);
	assert_int_equal(rd(&p, RBR), 'b');
	/* The break that the guest sends ends at the pin. */
	wr(&p, LCR, 0x43);
	assert_int_equal(rd(&p, LSR), 0x60);
}

static void test_fifo_mode_clears(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 0, 1);
	receive(&p, "a");
	wr(&p, FCR, 1);
	assert_int_equal(rd(&p, LSR), 0x60);
	receive(&p, "abc");
	wr(&p, FCR, 1); /* no change: kept */
	assert_int_equal(rd(&p, LSR), 0x61);
	wr(&p, FCR, 5); /* only the transmitter's */
	assert_int_equal(rd(&p, RBR), 'a');
	wr(&p, FCR, 0);
	assert_int_equal(rd(&p, LSR), 0x60);
	assert_int_equal(uart_regs_room(&p.r), 1);
}

static void test_loop_back(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 1, 0);
	/* Each output is an input: RTS CTS, DTR DSR, OUT1 RI, OUT2 DCD. */
	for (unsigned v = 0; v < 16; v++) {
		wr(&p, MCR, (uint8_t)(0x10 | v));
		assert_int_equal(rd(&p, MSR) & 0xf0,
				 (v & 1 ? 0x20 : 0) | (v & 2 ? 0x10 : 0) |
					 (v & 4 ? 0x40 : 0) |
					 (v & 8 ? 0x80 : 0));
	}
	/* What is sent is received, and nothing else is. */
	assert_int_equal(uart_regs_room(&p.r), 0);
	assert_int_equal(uart_regs_wanted(&p.r), 0);
	for (unsigned i = 0; i < 17; i++)
		wr(&p, THR, (uint8_t)(0xf0 + i));
	assert_int_equal(p.sent_count, 0);
	assert_int_equal(rd(&p, LSR), 0x63);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(rd(&p, RBR), 0xf0 + i);
	wr(&p, LCR, 0); /* 5 bits */
	wr(&p, THR, 0xff);
	assert_int_equal(rd(&p, RBR), 0x1f);
	wr(&p, LCR, 2);
	wr(&p, THR, 0xff);
	assert_int_equal(rd(&p, RBR), 0x7f);
	wr(&p, MCR, 0);
	assert_int_equal(uart_regs_room(&p.r), 16);
	assert_int_equal(rd(&p, MSR) & 0xf0, 0xb0);
}

static void test_modem_deltas(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 1, 0);
	wr(&p, MCR, 0x10);
	rd(&p, MSR);
	wr(&p, MCR, 0x13);
	assert_int_equal(rd(&p, MSR), 0x33);
	assert_int_equal(rd(&p, MSR), 0x30);
	wr(&p, MCR, 0x1b);
	wr(&p, MCR, 0x10); /* changes add up */
	assert_int_equal(rd(&p, MSR), 0x0b);
	/* Of the ring indicator only its end counts. */
	wr(&p, MCR, 0x14);
	assert_int_equal(rd(&p, MSR), 0x40);
	wr(&p, MCR, 0x10);
	assert_int_equal(rd(&p, MSR), 0x04);
}

/* The pin is behind OUT2, and loop-back mode closes it. */
static void test_gate(void **state)
{
	struct port p;

	(void)state;
	set_up(&p, 1, 1);
	wr(&p, MCR, 0);
	receive(&p, "a");
	assert_false(p.pin);
	assert_int_equal(rd(&p, IIR), 0xc4);
	wr(&p, MCR, OUT2);
	assert_true(p.pin);
	wr(&p, MCR, OUT2 | 0x10);
	assert_false(p.pin);
	wr(&p, MCR, OUT2);
	assert_true(p.pin);
}

/* Any sequence of accesses leaves a state that makes sense. */
static void test_random(void **state)
{
	struct rng g = rng_start();
	struct port p;

	(void)state;
	set_up(&p, 0, 0);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned reg = rng_below(&g, 8);

		switch (rng_below(&g, 8)) {
		case 0:
		case 1:
		case 2:
			wr(&p, reg, (uint8_t)rng_next(&g));
			break;
		case 3:
			if (uart_regs_room(&p.r))
				receive(&p, "r");
			break;
		case 4:
			uart_regs_silence(&p.r);
			break;
		case 5:
			uart_regs_receive_break(&p.r);
			break;
		default:
			rd(&p, reg);
			break;
		}
		assert_in_range(p.r.count, 0, p.r.fcr & 1 ? 16 : 1);
		assert_in_range(p.r.first, 0, 15);
		if (p.pin)
			assert_int_equal(rd(&p, IIR) & 1, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_plain_registers),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_thre_enabled),
		cmocka_unit_test(test_thre_written),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_trigger_levels),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_break),
		cmocka_unit_test(test_fifo_mode_clears),
		cmocka_unit_test(test_loop_back),
		cmocka_unit_test(test_modem_deltas),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

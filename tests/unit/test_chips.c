/* SPDX-License-Identifier: Apache-2.0 */
/* The small chips by their data sheets: clock (MC146818A), keyboard controller
 * (Intel 8042 in a PC/AT) and power management (ACPI 6.4, clause 4.8). */
#include "test.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chip_rig.h"
#include "chips.h"
#include "layout.h"

#define GIB	 (1ull << 30)
#define A_MOMENT 30

/* --- the clock --- */

static struct rtc *new_rtc(struct chip_rig *r)
{
	struct rtc *rtc;
	struct err err;

	assert_int_equal(rtc_create(&r->vm, &rtc, &err), 0);
	return rtc;
}

static uint8_t rd(struct chip_rig *r, uint8_t reg)
{
	outb(r, PORT_RTC, reg);
	return inb(r, PORT_RTC + 1);
}

static void wr(struct chip_rig *r, uint8_t reg, uint8_t v)
{
	outb(r, PORT_RTC, reg);
	outb(r, PORT_RTC + 1, v);
}

static int from_bcd(uint8_t v)
{
	assert_in_range(v & 15, 0, 9);
	return (v >> 4) * 10 + (v & 15);
}

/* Sets the clock as a driver does: with updates inhibited. */
static void set_time(struct chip_rig *r, uint8_t b, const uint8_t t[8])
{
	static const uint8_t reg[] = { 0x32, 9, 8, 7, 4, 2, 0, 6 };

	wr(r, 11, b | 0x80);
	for (unsigned i = 0; i < 8; i++)
		wr(r, reg[i], t[i]);
	wr(r, 11, b);
}

static void expect_time(struct chip_rig *r, const uint8_t t[8])
{
	static const uint8_t reg[] = { 0x32, 9, 8, 7, 4, 2, 0, 6 };

	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(rd(r, reg[i]), t[i]);
}

/* Stops the clock, so that a test can look at one moment. */
static void hold(struct chip_rig *r)
{
	wr(r, 10, 0x76);
}

static void test_time_of_day(void **state)
{
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);
	time_t before = time(NULL), got;
	struct tm tm = { 0 };

	(void)state;
	assert_int_equal(rd(r, 10) & 0x7f, 0x26);
	assert_int_equal(rd(r, 11), 2);
	assert_int_equal(rd(r, 13), 0x80);
	hold(r);
	tm.tm_sec = from_bcd(rd(r, 0));
	tm.tm_min = from_bcd(rd(r, 2));
	tm.tm_hour = from_bcd(rd(r, 4));
	tm.tm_mday = from_bcd(rd(r, 7));
	tm.tm_mon = from_bcd(rd(r, 8)) - 1;
	tm.tm_year = from_bcd(rd(r, 0x32)) * 100 + from_bcd(rd(r, 9)) - 1900;
	got = timegm(&tm);
	assert_in_range(got, before, time(NULL));
	assert_int_equal(rd(r, 6), tm.tm_wday + 1);
	/* The index is write-only, bit 7 is the mask of the NMI. */
	outb(r, PORT_RTC, 0x8d);
	assert_int_equal(inb(r, PORT_RTC + 1), 0x80);
	rig_out(r, PORT_RTC, 2, 0x5a40);
	assert_int_equal(rd(r, 0x40), 0x5a);
	rtc_destroy(rtc);
	rig_free(r);
}

static void test_formats(void **state)
{
	/* century year month day hour minute second weekday */
	static const struct {
		uint8_t b;
		uint8_t t[8];
	} same[] = {
		{ 2, { 0x20, 0x24, 0x02, 0x29, 0x15, 0x59, 0x58, 5 } },
		{ 0, { 0x20, 0x24, 0x02, 0x29, 0x83, 0x59, 0x58, 5 } },
		{ 6, { 20, 24, 2, 29, 15, 59, 58, 5 } },
		{ 4, { 20, 24, 2, 29, 0x83, 59, 58, 5 } },
	}, edges[] = {
		/* midnight and noon of 12 hours */
		{ 0, { 0x19, 0x99, 0x12, 0x31, 0x12, 0x00, 0x00, 6 } },
		{ 0, { 0x19, 0x99, 0x12, 0x31, 0x92, 0x00, 0x00, 6 } },
		{ 4, { 20, 0, 1, 1, 12, 0, 0, 7 } },
		{ 4, { 20, 0, 1, 1, 0x80 | 12, 0, 0, 7 } },
		{ 2, { 0x20, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59, 5 } },
	};
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);

	(void)state;
	hold(r);
	set_time(r, same[0].b, same[0].t);
	for (unsigned i = 0; i < ARRAY_SIZE(same); i++) {
		wr(r, 11, same[i].b);
		expect_time(r, same[i].t);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(edges); i++) {
		set_time(r, edges[i].b, edges[i].t);
		expect_time(r, edges[i].t);
	}
	/* A wrong day of the week is corrected. */
	set_time(r, 2, (uint8_t[]){ 0x20, 0x24, 2, 0x29, 0, 0, 0, 1 });
	assert_int_equal(rd(r, 6), 5);
	/* One register alone, without SET */
	wr(r, 7, 0x28);
	expect_time(r, (uint8_t[]){ 0x20, 0x24, 2, 0x28, 0, 0, 0, 4 });
	rtc_destroy(rtc);
	rig_free(r);
}

/* Every value of every register is survived. */
static void test_hostile_dates(void **state)
{
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);
	struct rng g = rng_start();

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t reg = (uint8_t)rng_below(&g, 16);

		if (rng_below(&g, 8) == 0)
			reg = 0x32;
		if (rng_below(&g, 2))
			wr(r, reg, (uint8_t)rng_next(&g));
		else
			rd(r, reg);
	}
	wr(r, 10, 0x26);
	wr(r, 11, 2);
	set_time(r, 6, (uint8_t[]){ 255, 255, 255, 255, 255, 255, 255, 255 });
	set_time(r, 6, (uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0 });
	set_time(r, 2, (uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0 });
	rd(r, 9);
	set_time(r, 6, (uint8_t[]){ 20, 24, 2, 30, 24, 60, 60, 0 });
	hold(r);
	/* 30 February, 24:60:60 */
	assert_int_equal(rd(r, 8), 3);
	assert_int_equal(rd(r, 7), 2);
	assert_int_equal(rd(r, 4), 1);
	rtc_destroy(rtc);
	rig_free(r);
}

/* SET stops what the guest sees; the clock runs on from what it wrote. */
static void test_setting(void **state)
{
	static const uint8_t t[] = { 0x20, 0x30, 5, 6, 7, 8, 0x09, 2 };
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);
	uint64_t start;

	(void)state;
	wr(r, 11, 0x92); /* SET clears the enable of updates */
	assert_int_equal(rd(r, 11), 0x82);
	assert_int_equal(rd(r, 10) & 0x80, 0);
	wr(r, 11, 2);
	/* The first update half a second after the divider was let go */
	hold(r);
	set_time(r, 2, t);
	usleep(1100000);
	expect_time(r, t);
	start = loop_now_ms();
	wr(r, 10, 0x26);
	while (rd(r, 0) == 9)
		usleep(1000);
	assert_in_range(loop_now_ms() - start, 450, 20000);
	assert_int_equal(rd(r, 2), 8);
	rtc_destroy(rtc);
	rig_free(r);
}

/* Register C without interrupts: flags come all the same, reading clears. */
static void test_flags(void **state)
{
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);
	unsigned seen_uip = 0;

	(void)state;
	rd(r, 12);
	for (unsigned i = 0; i < 30000 && !(rd(r, 12) & 0x10); i++) {
		seen_uip += rd(r, 10) >> 7;
		usleep(100);
	}
	/* Half of the time the machine may look elsewhere. */
	if (!seen_uip)
		print_message("no update in progress was seen\n");
	assert_int_equal(rd(r, 10) >> 7, 0);
	wr(r, 10, 0x20); /* no periodic rate */
	rd(r, 12);
	assert_int_equal(rd(r, 12) & 0x40, 0);
	wr(r, 10, 0x26);
	usleep(2000);
	assert_int_equal(rd(r, 12) & 0xc0, 0x40);
	wr(r, 12, 0xff);
	assert_int_equal(rd(r, 12) & 0xb0, 0);
	assert_false(rig_line(r, IRQ_RTC));
	rtc_destroy(rtc);
	rig_free(r);
}

static void test_update_interrupt(void **state)
{
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);
	uint8_t second;

	(void)state;
	wr(r, 10, 0x20);
	rd(r, 12);
	second = rd(r, 0);
	wr(r, 11, 0x12);
	for (unsigned i = 0; i < 3000 && !rig_line(r, IRQ_RTC); i++)
		rig_run(r, 1);
	assert_true(rig_line(r, IRQ_RTC));
	assert_int_not_equal(rd(r, 0), second);
	/* The line stays until C is read; then the next second follows. */
	rig_run(r, A_MOMENT);
	assert_true(rig_line(r, IRQ_RTC));
	assert_int_equal(rd(r, 12) & 0xd0, 0x90);
	assert_false(rig_line(r, IRQ_RTC));
	for (unsigned i = 0; i < 3000 && !rig_line(r, IRQ_RTC); i++)
		rig_run(r, 1);
	assert_true(rig_line(r, IRQ_RTC));
	wr(r, 11, 2); /* disabled: the flag stays, the line does not */
	assert_false(rig_line(r, IRQ_RTC));
	assert_int_equal(rd(r, 12) & 0x90, 0x10);
	rtc_destroy(rtc);
	rig_free(r);
}

static void test_alarm(void **state)
{
	static const struct {
		uint8_t hour, minute, second;
		bool is_soon;
	} cases[] = {
		{ 0x23, 0x59, 0x59, true },  { 0xff, 0x59, 0x59, true },
		{ 0xc0, 0xc0, 0xc0, true },  { 0xff, 0xff, 0x59, true },
		{ 0x00, 0x00, 0x00, false }, { 0x23, 0x59, 0x58, false },
		{ 0x22, 0xff, 0xff, false }, { 0xff, 0x58, 0xff, false },
		{ 0x24, 0xff, 0xff, false }, { 0xff, 0x60, 0xff, false },
		{ 0xff, 0xff, 0x9f, false },
	};
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		wr(r, 11, 2);
		hold(r);
		set_time(r, 2,
			 (uint8_t[]){ 0x20, 0x26, 1, 1, 0x23, 0x59, 0x58, 5 });
		wr(r, 5, cases[i].hour);
		wr(r, 3, cases[i].minute);
		wr(r, 1, cases[i].second);
		rd(r, 12);
		wr(r, 11, 0x22);
		wr(r, 10, 0x20); /* the next second comes in 500 ms */
		for (unsigned n = 0; n < 100 && !rig_line(r, IRQ_RTC); n++) {
			rig_run(r, 10);
			if (!cases[i].is_soon && rd(r, 0) == 0x59)
				break;
		}
		assert_int_equal(rig_line(r, IRQ_RTC), cases[i].is_soon);
		assert_int_equal(rd(r, 12) & 0xa0, cases[i].is_soon ? 0xa0 : 0);
	}
	rtc_destroy(rtc);
	rig_free(r);
}

static void test_periodic_interrupt(void **state)
{
	struct chip_rig *r = rig_new();
	struct rtc *rtc = new_rtc(r);
	unsigned count = 0;
	uint64_t start, ms;

	(void)state;
	wr(r, 10, 0x29); /* 128 Hz */
	rd(r, 12);
	wr(r, 11, 0x42);
	start = loop_now_ms();
	while (count < 20) {
		rig_run(r, 1);
		if (!rig_line(r, IRQ_RTC))
			continue;
		assert_int_equal(rd(r, 12) & 0xc0, 0xc0);
		assert_false(rig_line(r, IRQ_RTC));
		count++;
	}
	ms = loop_now_ms() - start;
	assert_in_range(ms, 140, 20000);
	/* None of it without a reader of C, and none at rate 0. */
	rig_run(r, A_MOMENT);
	assert_int_equal(rig_rises(r, IRQ_RTC), 21);
	wr(r, 10, 0x20);
	rd(r, 12);
	rig_run(r, A_MOMENT);
	assert_false(rig_line(r, IRQ_RTC));
	rtc_destroy(rtc);
	rig_free(r);
}

static unsigned cmos(struct chip_rig *r, uint8_t at, unsigned bytes)
{
	unsigned v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (unsigned)rd(r, (uint8_t)(at + i)) << 8 * i;
	return v;
}

static void test_memory_sizes(void **state)
{
	static const struct {
		uint64_t low, high;
		unsigned ext, above_16m, above_4g;
	} cases[] = {
		{ 2 << 20, 0, 1024, 0, 0 },
		{ 32 << 20, 0, 31 * 1024, 256, 0 },
		{ 512 << 20, 0, 0xffff, 496 * 16, 0 },
		{ 3 * GIB, 5 * GIB, 0xffff, 3056 * 16, 5 << 14 },
		{ 3 * GIB, 2048 * GIB, 0xffff, 3056 * 16, 0xffffff },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct chip_rig *r = rig_new();
		unsigned sum = 0;
		struct rtc *rtc;

		r->vm.ram = calloc(1, sizeof(*r->vm.ram) +
					      2 * sizeof(struct gmem_region));
		r->vm.ram->region[0].size = cases[i].low;
		r->vm.ram->region[1].gpa = 4 * GIB;
		r->vm.ram->region[1].size = cases[i].high;
		r->vm.ram->count = cases[i].high ? 2 : 1;
		rtc = new_rtc(r);
		assert_int_equal(cmos(r, 0x15, 2), 640);
		assert_int_equal(cmos(r, 0x17, 2), cases[i].ext);
		assert_int_equal(cmos(r, 0x30, 2), cases[i].ext);
		assert_int_equal(cmos(r, 0x34, 2), cases[i].above_16m);
		assert_int_equal(cmos(r, 0x5b, 3), cases[i].above_4g);
		for (uint8_t n = 0x10; n < 0x2e; n++)
			sum += rd(r, n);
		assert_int_equal(rd(r, 0x2e) << 8 | rd(r, 0x2f), sum);
		rtc_destroy(rtc);
		free(r->vm.ram);
		rig_free(r);
	}
}

/* --- the keyboard controller --- */

#define DATA	PORT_I8042
#define COMMAND (PORT_I8042 + 4)

static struct i8042 *new_i8042(struct chip_rig *r)
{
	struct i8042 *k;
	struct err err;

	assert_int_equal(i8042_create(&r->vm, &k, &err), 0);
	return k;
}

static uint8_t ask(struct chip_rig *r, uint8_t command)
{
	outb(r, COMMAND, command);
	assert_int_equal(inb(r, COMMAND) & 3, 1);
	return inb(r, DATA);
}

static void test_reset_commands(void **state)
{
	static const struct {
		uint8_t command;
		int data;
		bool is_reset;
	} cases[] = {
		{ 0xfe, -1, true },    { 0xf0, -1, true },
		{ 0xff, -1, false },   { 0xf1, -1, false },
		{ 0xd1, 0xfe, true },  { 0xd1, 0xdf, false },
		{ 0xd1, 0x01, false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct chip_rig *r = rig_new();
		struct i8042 *k = new_i8042(r);

		outb(r, COMMAND, cases[i].command);
		if (cases[i].data >= 0) {
			assert_int_equal(r->vm.end, VM_END_NONE);
			outb(r, DATA, (uint8_t)cases[i].data);
		}
		assert_int_equal(r->vm.end, cases[i].is_reset ? VM_END_RESET
							      : VM_END_NONE);
		i8042_destroy(k);
		rig_free(r);
	}
}

/* What a driver asks that looks for the controller, its keyboard and mouse. */
static void test_probe(void **state)
{
	struct chip_rig *r = rig_new();
	struct i8042 *k = new_i8042(r);

	(void)state;
	/* Ready for commands, and nothing to read */
	assert_int_equal(inb(r, COMMAND), 0x14);
	assert_int_equal(ask(r, 0xaa), 0x55);
	assert_int_equal(inb(r, COMMAND), 0x1c);
	assert_int_equal(ask(r, 0xab), 0);
	assert_int_equal(ask(r, 0x20), 0x34);
	outb(r, COMMAND, 0x60);
	outb(r, DATA, 0x45);
	assert_int_equal(inb(r, COMMAND), 0x14);
	assert_int_equal(ask(r, 0x20), 0x65); /* no second interface */
	outb(r, COMMAND, 0xa8);
	assert_int_equal(inb(r, COMMAND) & 1, 0);
	assert_int_equal(ask(r, 0x20), 0x65);
	outb(r, COMMAND, 0xd3);
	outb(r, DATA, 0x5a);
	assert_int_equal(inb(r, COMMAND) & 0x21, 1);
	assert_int_equal(inb(r, DATA), 0x5a);
	assert_int_equal(ask(r, 0xa9), 1);
	assert_int_equal(ask(r, 0xd0) & 3, 3);
	outb(r, COMMAND, 0xad);
	assert_int_equal(ask(r, 0x20), 0x75);
	i8042_destroy(k);
	rig_free(r);
}

static void test_no_keyboard(void **state)
{
	struct chip_rig *r = rig_new();
	struct i8042 *k = new_i8042(r);

	(void)state;
	outb(r, COMMAND, 0x60);
	outb(r, DATA, 0x05);
	assert_false(rig_line(r, 1));
	outb(r, DATA, 0xf2); /* identify */
	assert_true(rig_line(r, 1));
	assert_int_equal(inb(r, COMMAND) & 0x41, 0x41);
	assert_int_equal(inb(r, DATA), 0xfe);
	assert_int_equal(inb(r, COMMAND) & 0x41, 0);
	assert_false(rig_line(r, 1));
	i8042_destroy(k);
	rig_free(r);
}

/* --- power management --- */

#define STATUS	PORT_PM
#define ENABLE	(PORT_PM + 2)
#define CONTROL (PORT_PM + 4)
#define TIMER	(PORT_PM + 8)

static struct pm *new_pm(struct chip_rig *r)
{
	struct pm *p;
	struct err err;

	assert_int_equal(pm_create(&r->vm, &p, &err), 0);
	return p;
}

static void test_button(void **state)
{
	struct chip_rig *r = rig_new();
	struct pm *p = new_pm(r);

	(void)state;
	assert_int_equal(rig_in(r, STATUS, 4), 0);
	pm_press_button(p); /* not enabled: it is only noted */
	assert_int_equal(rig_in(r, STATUS, 2), 0x100);
	assert_false(rig_line(r, IRQ_SCI));
	rig_out(r, ENABLE, 2, 0x100);
	assert_int_equal(rig_in(r, ENABLE, 2), 0x100);
	assert_true(rig_line(r, IRQ_SCI));
	/* A 0 clears nothing, nor does another bit. */
	rig_out(r, STATUS, 2, 0);
	rig_out(r, STATUS, 2, 0xfeff);
	assert_int_equal(rig_in(r, STATUS, 2), 0x100);
	assert_true(rig_line(r, IRQ_SCI));
	rig_out(r, STATUS, 2, 0x100);
	assert_int_equal(rig_in(r, STATUS, 2), 0);
	assert_false(rig_line(r, IRQ_SCI));
	pm_press_button(p);
	pm_press_button(p);
	assert_int_equal(rig_rises(r, IRQ_SCI), 2);
	/* One byte at a time, and both registers at once */
	outb(r, ENABLE + 1, 0);
	assert_false(rig_line(r, IRQ_SCI));
	outb(r, ENABLE, 0x21);
	outb(r, ENABLE + 1, 1);
	assert_int_equal(rig_in(r, STATUS, 4), 0x01210100);
	outb(r, STATUS, 0xff);
	assert_true(rig_line(r, IRQ_SCI));
	outb(r, STATUS + 1, 1);
	assert_false(rig_line(r, IRQ_SCI));
	/* Enable bits that there are read back. */
	rig_out(r, ENABLE, 2, 0xffff);
	assert_int_equal(rig_in(r, ENABLE, 2), 0x4721);
	assert_int_equal(inb(r, ENABLE + 1), 0x47);
	pm_destroy(p);
	rig_free(r);
}

/* Eight events; the SCI is up as long as an enabled one is there. */
static void test_events(void **state)
{
	struct chip_rig *r = rig_new();
	struct pm *p = new_pm(r);

	(void)state;
	assert_int_equal(PORT_GPE, PORT_PM + 12);
	assert_int_equal(rig_in(r, PORT_GPE, 2), 0);
	pm_raise_event(p, 1);
	pm_raise_event(p, 7);
	assert_int_equal(rig_in(r, PORT_GPE, 2), 0x82);
	assert_false(rig_line(r, IRQ_SCI));
	assert_false(pm_event_is_known(p, 1));
	outb(r, PORT_GPE + 1, 2);
	assert_true(rig_line(r, IRQ_SCI));
	assert_true(pm_event_is_known(p, 1) && !pm_event_is_known(p, 7));
	outb(r, PORT_GPE, 1); /* another bit */
	assert_true(rig_line(r, IRQ_SCI));
	outb(r, PORT_GPE, 2);
	assert_false(rig_line(r, IRQ_SCI));
	/* Together with a fixed event */
	rig_out(r, ENABLE, 2, 0x100);
	pm_press_button(p);
	pm_raise_event(p, 1);
	outb(r, PORT_GPE + 1, 0);
	assert_true(rig_line(r, IRQ_SCI));
	rig_out(r, STATUS, 2, 0x100);
	assert_false(rig_line(r, IRQ_SCI));
	assert_true(pm_event_is_known(p, 1));
	/* Both registers at once: the status is that of before. */
	rig_out(r, PORT_GPE, 2, 0x8080);
	assert_int_equal(rig_in(r, PORT_GPE, 2), 0x8002);
	pm_destroy(p);
	rig_free(r);
}

static void test_control(void **state)
{
	struct chip_rig *r = rig_new();
	struct pm *p = new_pm(r);

	(void)state;
	assert_int_equal(rig_in(r, CONTROL, 2), 1);
	rig_out(r, CONTROL, 2, 0);
	assert_int_equal(rig_in(r, CONTROL, 2), 1);
	/* The type alone, or another type, does not end it. */
	rig_out(r, CONTROL, 2, 0x1401);
	assert_int_equal(rig_in(r, CONTROL, 2), 0x1401);
	rig_out(r, CONTROL, 2, 0x2401);
	assert_int_equal(rig_in(r, CONTROL, 2), 0x0401);
	rig_out(r, CONTROL, 2, 0x3c01);
	assert_int_equal(r->vm.end, VM_END_NONE);
	rig_out(r, CONTROL, 2, 0x3401);
	assert_int_equal(r->vm.end, VM_END_POWEROFF);
	/* The half that tells it is enough. */
	r->vm.end = VM_END_NONE;
	outb(r, CONTROL + 1, 0x34);
	assert_int_equal(r->vm.end, VM_END_POWEROFF);
	pm_destroy(p);
	rig_free(r);
}

static void test_pm_timer(void **state)
{
	struct chip_rig *r = rig_new();
	struct pm *p = new_pm(r);
	struct timespec a, b;
	double ticks, want;
	uint32_t start;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	start = (uint32_t)rig_in(r, TIMER, 4);
	usleep(100000);
	ticks = (uint32_t)rig_in(r, TIMER, 4) - start;
	clock_gettime(CLOCK_MONOTONIC, &b);
	want = 3579545 * ((double)(b.tv_sec - a.tv_sec) +
			  (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	assert_true(ticks <= want + 1);
	assert_true(ticks >= 3579545 * 0.1);
	rig_out(r, TIMER, 4, 0);
	assert_true((uint32_t)rig_in(r, TIMER, 4) - start >= ticks);
	/* A wide access of the guest crosses no register that is not there. */
	assert_int_equal(rig_in(r, CONTROL, 8) & 0xffffffff, 1);
	assert_false(rig_line(r, IRQ_SCI));
	pm_destroy(p);
	rig_free(r);
}

static void test_refusals(void **state)
{
	struct chip_rig *r = rig_new();
	struct i8042 *k;
	struct rtc *rtc;
	struct err err;
	struct pm *p;

	(void)state;
	rtc_destroy(NULL);
	i8042_destroy(NULL);
	pm_destroy(NULL);
	r->is_full = true;
	assert_int_not_equal(rtc_create(&r->vm, &rtc, &err), 0);
	assert_int_not_equal(i8042_create(&r->vm, &k, &err), 0);
	assert_int_not_equal(pm_create(&r->vm, &p, &err), 0);
	assert_string_equal(err.msg, "the ports are taken");
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_of_day),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_hostile_dates),
		cmocka_unit_test(test_setting),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_update_interrupt),
		cmocka_unit_test(test_alarm),
		cmocka_unit_test(test_periodic_interrupt),
		cmocka_unit_test(test_memory_sizes),
		cmocka_unit_test(test_reset_commands),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_no_keyboard),
		cmocka_unit_test(test_button),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_pm_timer),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

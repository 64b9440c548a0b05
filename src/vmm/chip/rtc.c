/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real-time clock and the CMOS RAM of a PC: an MC146818A at ports 0x70
 * (index) and 0x71 (data), with the century at 0x32 and the sizes of memory
 * that firmware keeps there.
 *
 * Theory of operation. No thread ticks: time is asked from the host when a
 * register is read. The flags of register C (update, alarm, period) are worked
 * out at each access for the time since the access before. Only a flag that is
 * enabled as an interrupt, and not set yet, has a timerfd: vCPUs set it, the
 * control thread then does what an access does. So a guest cannot make the
 * control thread work harder than itself.
 *
 * Left out: daylight saving, the square wave, and a day of the week that
 * differs from the date.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "byte_reg.h"
#include "chips.h"
#include "clock.h"
#include "fd.h"
#include "layout.h"
#include "rtc_clock.h"

enum {
	A_UIP = 1 << 7,
	A_DIVIDER_RESET = 6 << 4, /* and 7: held in reset */
	A_RATE = 15,

	/* Of B the enable bits, of C the flags */
	UPDATE = 1 << 4,
	ALARM = 1 << 5,
	PERIOD = 1 << 6,
	EVENTS = UPDATE | ALARM | PERIOD,
	B_SET = 1 << 7,
	C_IRQ = 1 << 7,
	D_VALID = 1 << 7,
};

/* Before an update, time must not be read for 244 us; it takes 1984 us. */
#define UIP_NS 2228000

struct rtc_timer {
	int fd;
	struct loop_watch watch;
	uint64_t due_ns; /* [under the lock] 0: not armed */
};

struct rtc {
	struct vm *vm;
	struct bus_range range;
	struct rtc_timer second, period;
	pthread_mutex_t lock;
	/* [under the lock] */
	struct rtc_clock clock;
	uint8_t index;
	uint8_t ram[128];     /* registers, too; time: see read_ram() */
	int64_t seen;	      /* flags are right up to this second */
	uint64_t seen_period; /* and up to the end of this period */
	bool line;
};

static bool is_running(const struct rtc *r)
{
	return !r->clock.is_stopped && !(r->ram[RTC_B] & B_SET);
}

/* Returns the period of the rate in register A; 0: none. */
static uint64_t period_ns(const struct rtc *r)
{
	unsigned rate = r->ram[RTC_A] & A_RATE;

	if (!rate || r->clock.is_stopped)
		return 0;
	/* With a crystal of 32768 Hz the two highest rates are not there. */
	if (rate < 3)
		rate += 7;
	return (1000000000ull << (rate - 1)) / 32768;
}

/* Sets the flags that are due. */
static void update_flags(struct rtc *r)
{
	uint64_t period = period_ns(r);
	uint32_t ns;
	int64_t now = rtc_clock_now(&r->clock, &ns);

	if (is_running(r) && now > r->seen) {
		r->ram[RTC_C] |= UPDATE;
		if (rtc_next_alarm(r->ram, r->seen) <= now)
			r->ram[RTC_C] |= ALARM;
	}
	r->seen = now;
	if (period) {
		uint64_t n = clock_ns() / period;

		if (n != r->seen_period)
			r->ram[RTC_C] |= PERIOD;
		r->seen_period = n;
	}
}

static void arm(struct rtc_timer *t, uint64_t due_ns)
{
	const struct itimerspec spec = {
		.it_value.tv_sec = (time_t)(due_ns / 1000000000),
		.it_value.tv_nsec = (long)(due_ns % 1000000000),
	};

	if (due_ns == t->due_ns)
		return;
	t->due_ns = due_ns;
	timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void update_irq(struct rtc *r)
{
	uint8_t awaited = r->ram[RTC_B] & EVENTS & (uint8_t)~r->ram[RTC_C];
	bool line = r->ram[RTC_B] & r->ram[RTC_C] & EVENTS;
	uint64_t period = period_ns(r);
	int64_t next = RTC_NEVER;

	if (line != r->line) {
		r->line = line;
		irqs_set_line(&r->vm->irqs, IRQ_RTC, line);
	}
	if (is_running(r)) {
		if (awaited & UPDATE)
			next = r->seen + 1;
		else if (awaited & ALARM)
			next = rtc_next_alarm(r->ram, r->seen);
	}
	arm(&r->second,
	    next == RTC_NEVER ? 0 : rtc_clock_host_time(&r->clock, next));
	arm(&r->period,
	    awaited & PERIOD && period ? (r->seen_period + 1) * period : 0);
}

/* Makes the registers of time those of now, unless they are being set. */
static void show_time(struct rtc *r)
{
	uint32_t ns;

	if (!(r->ram[RTC_B] & B_SET))
		rtc_encode(r->ram, rtc_clock_now(&r->clock, &ns));
}

/* Makes it the time that the registers tell. The length of this second stays
 * as it was. */
static void take_time(struct rtc *r)
{
	uint32_t ns;

	rtc_clock_now(&r->clock, &ns);
	rtc_clock_set(&r->clock, rtc_decode(r->ram), ns);
	r->seen = rtc_clock_now(&r->clock, &ns);
}

static void write_a(struct rtc *r, uint8_t v)
{
	r->ram[RTC_A] = v & (uint8_t)~A_UIP;
	if ((v & A_DIVIDER_RESET) == A_DIVIDER_RESET)
		rtc_clock_stop(&r->clock);
	else
		rtc_clock_start(&r->clock);
	if (period_ns(r))
		r->seen_period = clock_ns() / period_ns(r);
}

static void write_b(struct rtc *r, uint8_t v)
{
	uint8_t old = r->ram[RTC_B];

	if (v & B_SET) {
		show_time(r);
		v &= (uint8_t)~UPDATE; /* MC146818A: SET clears UIE */
	}
	r->ram[RTC_B] = v;
	if (old & B_SET && !(v & B_SET))
		take_time(r);
}

static void write_ram(struct rtc *r, uint8_t v)
{
	unsigned i = r->index;

	if (i == RTC_A) {
		write_a(r, v);
	} else if (i == RTC_B) {
		write_b(r, v);
	} else if (i == RTC_C || i == RTC_D) {
		return; /* read-only */
	} else if (rtc_is_time(i)) {
		show_time(r);
		r->ram[i] = v;
		if (!(r->ram[RTC_B] & B_SET))
			take_time(r);
	} else {
		r->ram[i] = v;
	}
}

static uint8_t read_c(struct rtc *r)
{
	uint8_t v = r->ram[RTC_C];

	if (v & r->ram[RTC_B])
		v |= C_IRQ;
	r->ram[RTC_C] = 0;
	return v;
}

static uint8_t read_ram(struct rtc *r)
{
	uint32_t ns;

	if (rtc_is_time(r->index))
		show_time(r);
	switch (r->index) {
	case RTC_A:
		rtc_clock_now(&r->clock, &ns);
		if (is_running(r) && ns >= 1000000000 - UIP_NS)
			return r->ram[RTC_A] | A_UIP;
		return r->ram[RTC_A];
	case RTC_C:
		return read_c(r);
	default:
		return r->ram[r->index];
	}
}

static uint8_t read_port(void *dev, unsigned port)
{
	struct rtc *r = dev;

	return port ? read_ram(r) : 0xff; /* the index is write-only */
}

static void write_port(void *dev, unsigned port, uint8_t v)
{
	struct rtc *r = dev;

	if (port)
		write_ram(r, v);
	else
		r->index = v & 0x7f; /* bit 7: no NMI, of which we have none */
}

static uint64_t on_read(struct bus_range *range, uint64_t off, unsigned size)
{
	struct rtc *r = container_of(range, struct rtc, range);
	uint64_t v;

	pthread_mutex_lock(&r->lock);
	update_flags(r);
	v = byte_regs_read(r, off, size, read_port);
	update_irq(r);
	pthread_mutex_unlock(&r->lock);
	return v;
}

static void on_write(struct bus_range *range, uint64_t off, unsigned size,
		     uint64_t value)
{
	struct rtc *r = container_of(range, struct rtc, range);

	pthread_mutex_lock(&r->lock);
	update_flags(r);
	byte_regs_write(r, off, size, value, write_port);
	update_irq(r);
	pthread_mutex_unlock(&r->lock);
}

static void on_timer(struct rtc *r, struct rtc_timer *t)
{
	pthread_mutex_lock(&r->lock);
	fd_drain(t->fd);
	t->due_ns = 0;
	update_flags(r);
	update_irq(r);
	pthread_mutex_unlock(&r->lock);
}

static void on_second(struct loop_watch *w, uint32_t events)
{
	struct rtc *r = container_of(w, struct rtc, second.watch);

	(void)events;
	on_timer(r, &r->second);
}

static void on_period(struct loop_watch *w, uint32_t events)
{
	struct rtc *r = container_of(w, struct rtc, period.watch);

	(void)events;
	on_timer(r, &r->period);
}

static int start_timer(struct rtc_timer *t, struct loop *loop, clockid_t clock,
		       void (*fn)(struct loop_watch *w, uint32_t events))
{
	t->fd = timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	return loop_watch_add(loop, &t->watch, t->fd, EPOLLIN, fn);
}

static void stop_timer(struct rtc_timer *t)
{
	loop_watch_remove(&t->watch);
	fd_close(&t->fd);
}

static void put_le(uint8_t *at, uint64_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

/* What the firmware of a PC leaves for those that do not ask it: sizes of
 * memory, the equipment, a sum. */
static void fill_cmos(struct rtc *r)
{
	const uint64_t kib = 1024, mib = 1024 * kib, gib4 = 4096 * mib;
	const struct gmem *m = r->vm->ram;
	uint64_t low = 0, high = 0;
	unsigned sum = 0;
	uint8_t *c = r->ram;

	for (unsigned i = 0; m && i < m->count; i++) {
		const struct gmem_region *g = &m->region[i];

		if (g->gpa < gib4)
			low = MAX(low, g->gpa + g->size);
		else
			high += g->size;
	}
	c[0x14] = 0x02; /* a floating-point unit; no floppy drive, no screen */
	put_le(c + 0x15, 640);
	put_le(c + 0x17, low < mib ? 0 : MIN((low - mib) / kib, 0xffff));
	memcpy(c + 0x30, c + 0x17, 2);
	low = low < 16 * mib ? 0 : low - 16 * mib;
	put_le(c + 0x34, MIN(low / (64 * kib), 0xffff));
	high /= 64 * kib;
	high = MIN(high, 0xffffff);
	put_le(c + 0x5b, high);
	c[0x5d] = (uint8_t)(high >> 16);
	for (unsigned i = 0x10; i <= 0x2d; i++)
		sum += c[i];
	c[0x2e] = (uint8_t)(sum >> 8);
	c[0x2f] = (uint8_t)sum;
}

/* Where Bochs has it, and SeaBIOS looks for it. */
void rtc_set_boot_order(struct rtc *r, uint16_t order)
{
	r->ram[0x3d] = (uint8_t)order;
	r->ram[0x38] = (uint8_t)(order >> 8 << 4);
}

int rtc_create(struct vm *vm, struct rtc **out, struct err *err)
{
	struct rtc *r = calloc(1, sizeof(*r));
	uint32_t ns;
	int rc;

	if (!r)
		return err_set(err, -ENOMEM, "clock: out of memory");
	r->vm = vm;
	r->period.fd = -1;
	pthread_mutex_init(&r->lock, NULL);
	r->ram[RTC_A] = 0x26; /* 32768 Hz, a period of 1/1024 s */
	r->ram[RTC_B] = RTC_B_24;
	r->ram[RTC_D] = D_VALID;
	r->seen = rtc_clock_now(&r->clock, &ns);
	fill_cmos(r);
	rc = start_timer(&r->second, vm->loop, CLOCK_REALTIME, on_second);
	if (!rc)
		rc = start_timer(&r->period, vm->loop, CLOCK_MONOTONIC,
				 on_period);
	if (rc) {
		err_set(err, rc, "clock: its timer: %s", strerror(-rc));
		goto err_free;
	}
	r->range = (struct bus_range){ .name = "clock",
				       .base = PORT_RTC,
				       .size = 2,
				       .read = on_read,
				       .write = on_write };
	rc = bus_add(&vm->ports, &r->range, err);
	if (rc)
		goto err_free;
	*out = r;
	return 0;
err_free:
	stop_timer(&r->second);
	stop_timer(&r->period);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return rc;
}

void rtc_destroy(struct rtc *r)
{
	if (!r)
		return;
	bus_remove(&r->vm->ports, &r->range);
	stop_timer(&r->second);
	stop_timer(&r->period);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

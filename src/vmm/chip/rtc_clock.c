/* SPDX-License-Identifier: Apache-2.0 */
/* Time and date of a real-time clock, see rtc_clock.h. */
#include "rtc_clock.h"

#include <time.h>

#define S_NS	  1000000000u
#define DAY	  86400
#define ANY	  0xc0 /* in an alarm register, and above: each one matches */
#define PM	  0x80
#define HALF_DOWN 500000000 /* from the start to the first update */

static uint64_t host_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * S_NS + (uint64_t)ts.tv_nsec;
}

int64_t rtc_clock_now(const struct rtc_clock *c, uint32_t *ns)
{
	uint64_t t = host_ns() + c->shift_ns;

	*ns = c->is_stopped ? 0 : (uint32_t)(t % S_NS);
	return c->is_stopped ? c->stopped_at : (int64_t)(t / S_NS) + c->offset;
}

void rtc_clock_set(struct rtc_clock *c, int64_t second, uint32_t ns)
{
	uint64_t t = host_ns();

	if (c->is_stopped) {
		c->stopped_at = second;
		return;
	}
	c->shift_ns = (ns + S_NS - (uint32_t)(t % S_NS)) % S_NS;
	c->offset = second - (int64_t)((t + c->shift_ns) / S_NS);
}

void rtc_clock_start(struct rtc_clock *c)
{
	if (!c->is_stopped)
		return;
	/* The first update comes half a second after the divider was let go
	 * (MC146818A, "Divider control"); drivers set the clock by it. */
	c->is_stopped = false;
	rtc_clock_set(c, c->stopped_at, HALF_DOWN);
}

void rtc_clock_stop(struct rtc_clock *c)
{
	uint32_t ns;

	if (c->is_stopped)
		return;
	c->stopped_at = rtc_clock_now(c, &ns);
	c->is_stopped = true;
}

uint64_t rtc_clock_host_time(const struct rtc_clock *c, int64_t second)
{
	return (uint64_t)(second - c->offset) * S_NS - c->shift_ns;
}

bool rtc_is_time(unsigned reg)
{
	return reg == RTC_SECONDS || reg == RTC_MINUTES || reg == RTC_HOURS ||
	       (reg >= RTC_WEEKDAY && reg <= RTC_YEAR) || reg == RTC_CENTURY;
}

static uint8_t encode(const uint8_t *ram, int v)
{
	if (ram[RTC_B] & RTC_B_BINARY)
		return (uint8_t)v;
	return (uint8_t)(v / 10 << 4 | v % 10);
}

static int decode(const uint8_t *ram, uint8_t v)
{
	if (ram[RTC_B] & RTC_B_BINARY)
		return v;
	return (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const uint8_t *ram, int hour)
{
	uint8_t v;

	if (ram[RTC_B] & RTC_B_24)
		return encode(ram, hour);
	v = encode(ram, hour % 12 ? hour % 12 : 12);
	return hour >= 12 ? v | PM : v;
}

static int decode_hour(const uint8_t *ram, uint8_t v)
{
	if (ram[RTC_B] & RTC_B_24)
		return decode(ram, v);
	return decode(ram, v & 0x7f) % 12 + (v & PM ? 12 : 0);
}

void rtc_encode(uint8_t *ram, int64_t second)
{
	time_t t = second;
	struct tm tm;
	int year;

	if (!gmtime_r(&t, &tm))
		return;
	/* Year 0 is as far back as the registers go. */
	year = tm.tm_year + 1900 > 0 ? tm.tm_year + 1900 : 0;
	ram[RTC_SECONDS] = encode(ram, tm.tm_sec);
	ram[RTC_MINUTES] = encode(ram, tm.tm_min);
	ram[RTC_HOURS] = encode_hour(ram, tm.tm_hour);
	ram[RTC_WEEKDAY] = encode(ram, tm.tm_wday + 1);
	ram[RTC_DAY] = encode(ram, tm.tm_mday);
	ram[RTC_MONTH] = encode(ram, tm.tm_mon + 1);
	ram[RTC_YEAR] = encode(ram, year % 100);
	ram[RTC_CENTURY] = encode(ram, year / 100 % 100);
}

/* The day of the week follows from the date. */
int64_t rtc_decode(const uint8_t *ram)
{
	struct tm tm = {
		.tm_sec = decode(ram, ram[RTC_SECONDS]),
		.tm_min = decode(ram, ram[RTC_MINUTES]),
		.tm_hour = decode_hour(ram, ram[RTC_HOURS]),
		.tm_mday = decode(ram, ram[RTC_DAY]),
		.tm_mon = decode(ram, ram[RTC_MONTH]) - 1,
		.tm_year = decode(ram, ram[RTC_CENTURY]) * 100 +
			   decode(ram, ram[RTC_YEAR]) - 1900,
	};

	return timegm(&tm);
}

/* Returns the number in an alarm register, or -1 when each one matches. */
static int alarm_of(const uint8_t *ram, unsigned reg)
{
	uint8_t v = ram[reg];

	if (v >= ANY)
		return -1;
	return reg == RTC_HOURS_ALARM ? decode_hour(ram, v) : decode(ram, v);
}

int64_t rtc_next_alarm(const uint8_t *ram, int64_t second)
{
	int hour = alarm_of(ram, RTC_HOURS_ALARM);
	int minute = alarm_of(ram, RTC_MINUTES_ALARM);
	int sec = alarm_of(ram, RTC_SECONDS_ALARM);
	int64_t s = second + 1;

	if (hour > 23 || minute > 59 || sec > 59)
		return RTC_NEVER;
	/* To the next hour, minute, second that can be the one: at most 24, 60
	 * and 60 steps. */
	for (;;) {
		int of_day = (int)((s % DAY + DAY) % DAY);

		if (hour >= 0 && of_day / 3600 != hour)
			s += 3600 - of_day % 3600;
		else if (minute >= 0 && of_day / 60 % 60 != minute)
			s += 60 - of_day % 60;
		else if (sec >= 0 && of_day % 60 != sec)
			s++;
		else
			return s;
	}
}

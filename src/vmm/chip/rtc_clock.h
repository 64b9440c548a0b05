/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of a real-time clock: the host's, moved by what the guest set, and
 * its form in the registers of an MC146818. All under the lock of rtc.c.
 */
#ifndef RW_VMM_RTC_CLOCK_H
#define RW_VMM_RTC_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define RTC_NEVER INT64_MAX

enum {
	RTC_SECONDS = 0,
	RTC_SECONDS_ALARM = 1,
	RTC_MINUTES = 2,
	RTC_MINUTES_ALARM = 3,
	RTC_HOURS = 4,
	RTC_HOURS_ALARM = 5,
	RTC_WEEKDAY = 6,
	RTC_DAY = 7,
	RTC_MONTH = 8,
	RTC_YEAR = 9,
	RTC_A = 10,
	RTC_B = 11,
	RTC_C = 12,
	RTC_D = 13,
	RTC_CENTURY = 0x32, /* the FADT says so */

	RTC_B_24 = 1 << 1,     /* 24 hours */
	RTC_B_BINARY = 1 << 2, /* else BCD */
};

/* Seconds are those since 1970, UTC, but of the guest's clock. */
struct rtc_clock {
	uint32_t shift_ns; /* guest's second begins so much earlier */
	int64_t offset;	   /* and is called so many seconds later */
	bool is_stopped;
	int64_t stopped_at;
};

/* Returns the second, and in *@ns how much of it has passed. */
int64_t rtc_clock_now(const struct rtc_clock *c, uint32_t *ns);
/* Makes it @second and @ns of a second now; a stopped clock starts so. */
void rtc_clock_set(struct rtc_clock *c, int64_t second, uint32_t ns);
void rtc_clock_start(struct rtc_clock *c);
void rtc_clock_stop(struct rtc_clock *c);
/* Returns when the clock comes to @second, in nanoseconds of CLOCK_REALTIME. */
uint64_t rtc_clock_host_time(const struct rtc_clock *c, int64_t second);

/* Return whether register @reg is a part of time and date. */
bool rtc_is_time(unsigned reg);
/* Write @second to the registers @ram, and read it from there, in the form that
 * register B tells. Impossible dates become possible ones. */
void rtc_encode(uint8_t *ram, int64_t second);
int64_t rtc_decode(const uint8_t *ram);
/* Returns the first second after @second that the alarm registers in @ram
 * describe, or RTC_NEVER. */
int64_t rtc_next_alarm(const uint8_t *ram, int64_t second);

#endif

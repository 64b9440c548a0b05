/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to stderr: "ringway: port=vm1 q=0: text". Any thread; never on the
 * path of a frame. What a peer can trigger at will goes through
 * log_ratelimited() or, better, into a counter.
 */
#ifndef RW_LOG_H
#define RW_LOG_H

#include <time.h>

#include "util.h"

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Lines above this level are not printed. [ctl -> any, atomic] */
extern enum log_level log_level;

void log_line(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_err(...)   log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* State of one rate limit; zero is its start. */
struct log_limit {
	time_t second;
	unsigned lines;
	unsigned suppressed;
};

/* May one more line be printed? At most 5 a second pass; when lines were held
 * back before, says so first. */
bool log_limit_pass(struct log_limit *l);

/* At most 5 lines a second from each place it stands in. */
#define log_ratelimited(level, ...)                   \
	do {                                          \
		static struct log_limit limit_;       \
		if (log_limit_pass(&limit_))          \
			log_line(level, __VA_ARGS__); \
	} while (0)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to stderr or a file: "ringway: port=vm1 q=0: text". Any thread;
 * never on the path of a frame. What a peer can trigger at will goes through
 * log_limited() or, better, into a counter.
 */
#ifndef RW_LOG_H
#define RW_LOG_H

#include "util.h"

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Lines above this level are not printed. [ctl -> any, atomic] */
extern enum log_level log_level;

/* Sends lines to @fd, which stays the caller's, in place of stderr, each with
 * the local time in front. [ctl] */
void log_to(int fd);

void log_line(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_err(...)   log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* In a period, so many lines of a kind are printed; the others are counted. */
#define LOG_LIMIT_LINES 5
#define LOG_LIMIT_KINDS 8

/* Length of a period. Only tests change it. [any, atomic] */
extern uint64_t log_limit_ms;

/* One kind of line: all that come from one format. */
struct log_kind {
	const char *fmt;  /* NULL: unused */
	uint64_t end_ms;  /* of the period; monotonic */
	unsigned printed; /* in this period */
	unsigned left_out;
	enum log_level level;
	char like[80]; /* the last printed line, or how it begins */
};

/*
 * The limit of an object (a port, say), for each kind of line that it logs; or
 * of a place in the source, when it is static. Zeroed memory is its start. An
 * object that has one calls log_limit_fini() before its memory goes. An object
 * with more kinds than LOG_LIMIT_KINDS at a time has one budget for the rest.
 * All members belong to log.c.
 */
struct log_limit {
	struct log_kind kind[LOG_LIMIT_KINDS];
	struct log_limit *next; /* of those with lines left out */
	bool is_listed;
};

/*
 * Prints the line, unless LOG_LIMIT_LINES of its kind were printed in the
 * period that the first of them began: then it is counted. When the period is
 * over, one line tells how many were left out, and what they were like: at once
 * where log_summary_fd() is watched, else before the next line of anybody.
 * Lines above the log level are neither printed nor counted.
 */
void log_limited(struct log_limit *l, enum log_level level, const char *fmt,
		 ...) __printf(3, 4);

/* Tells what @l has left out, and forgets @l. */
void log_limit_fini(struct log_limit *l);

/* A descriptor, log.c's own, that becomes readable when log_summarize() has
 * something to say; -errno when there are no more descriptors. */
int log_summary_fd(void);

/* Tells what was left out in the periods that are over. */
void log_summarize(void);

#endif

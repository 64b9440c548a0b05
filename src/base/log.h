/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to stderr or a file: "ringway: port=vm1 q=0: text". Any thread;
 * never on the path of a frame. Events that a peer can trigger at will go
 * through log_limited() or, better, into a counter.
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

/* Sends later lines to @fd instead of stderr, each with the local time in
 * front. The caller keeps @fd. [ctl] */
void log_to(int fd);

void log_line(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_err(...)   log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A limit prints this many lines of a kind in a period, and tells this many
 * kinds apart. */
#define LOG_LIMIT_LINES 5
#define LOG_LIMIT_KINDS 8

/* Length of a period in milliseconds. Only tests change it. [any, atomic] */
extern uint64_t log_limit_ms;

/* One kind of line: all lines of one format. */
struct log_kind {
	const char *fmt;      /* the format; NULL: unused */
	uint64_t end_ms;      /* end of the period; monotonic */
	unsigned printed;     /* lines printed in this period */
	unsigned left_out;    /* lines left out in this period */
	enum log_level level; /* level of the first line */
	char like[80];	      /* beginning of the last printed line */
};

/*
 * The limit of an object (a port, say) for each kind of line that it logs, or
 * of a place in the source if it is static. Zeroed memory is a valid initial
 * state. The owner calls log_limit_fini() before it frees the memory. Kinds
 * beyond LOG_LIMIT_KINDS share one budget. All members belong to log.c.
 */
struct log_limit {
	struct log_kind kind[LOG_LIMIT_KINDS];
	struct log_limit *next; /* list of limits with lines left out */
	bool is_listed;		/* this limit is in that list */
};

/*
 * Prints the line, or counts it if LOG_LIMIT_LINES of its kind were printed in
 * this period. The first line of a kind begins the period. After its end one
 * line tells how many were left out and how they began: at once where
 * log_summary_fd() is watched, else before the next line of any thread. Lines
 * above the log level are neither printed nor counted.
 */
void log_limited(struct log_limit *l, enum log_level level, const char *fmt,
		 ...) __printf(3, 4);

/* Prints the summary of lines that @l left out, and forgets @l. */
void log_limit_fini(struct log_limit *l);

/* Returns a descriptor that becomes readable when log_summarize() has a line to
 * print, or -errno. log.c keeps the descriptor. */
int log_summary_fd(void);

/* Prints the summaries of the periods that are over. */
void log_summarize(void);

#endif

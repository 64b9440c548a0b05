/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines, see log.h. Each line is one write(2), so lines of several threads
 * never mix.
 *
 * Limits with lines left out are in one list: their summary is printed even if
 * no further line of that kind comes. A timer descriptor becomes readable when
 * the first summary is due, so a silent log costs nothing. One lock guards the
 * list and all limits; it is never held during a write.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "shm.h"

enum log_level log_level = LOG_LEVEL_INFO;
uint64_t log_limit_ms = 10000;

static const char *const level_text[] = {
	[LOG_LEVEL_ERR] = "error: ",
	[LOG_LEVEL_WARN] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};

static int log_fd = STDERR_FILENO; /* [ctl -> any, atomic] */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_limit *listed; /* [lock] limits with lines left out */
static uint64_t due_ms;		 /* [lock] first summary; 0: none is due */
static int timer_fd = -1;	 /* [lock] */

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

static bool is_hidden(enum log_level level)
{
	return level > shm_load(&log_level);
}

void log_to(int fd)
{
	shm_store(&log_fd, fd);
}

static size_t put_time(char *line, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	return localtime_r(&now, &tm) ? strftime(line, size, "%F %T ", &tm) : 0;
}

/* Writes a line unless that would block, as a pipe or terminal does whose
 * reader stands still: the log must not stop the daemon. The next line that is
 * written tells how many are missing. */
static void write_whole(int fd, const char *line, size_t n)
{
	static unsigned lost; /* [any, atomic] */
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	unsigned missing;
	char text[80];
	int size;

	if (poll(&p, 1, 0) == 0) {
		shm_fetch_add(&lost, 1);
		return;
	}
	missing = shm_load(&lost) ? shm_exchange(&lost, 0) : 0;
	size = missing ? snprintf(text, sizeof(text),
				  "ringway: %u lines of the log were lost\n",
				  missing)
		       : 0;
	/* Errors are ignored: there is nowhere to report them. */
	if (size && write(fd, text, (size_t)size) < 0)
		return;
	if (write(fd, line, n) < 0)
		return;
}

static void write_line(enum log_level level, const char *text)
{
	int fd = shm_load(&log_fd);
	char line[1024];
	size_t n = fd == STDERR_FILENO ? 0 : put_time(line, sizeof(line));

	n += (size_t)snprintf(line + n, sizeof(line) - n, "ringway: %s%s",
			      level_text[level], text);
	n = MIN(n, sizeof(line) - 2);
	line[n++] = '\n';
	write_whole(fd, line, n);
}

/* A finished period in which lines were left out. */
struct summary {
	enum log_level level;
	unsigned left_out;
	char like[sizeof(((struct log_kind *)NULL)->like)];
};

static void write_summary(const struct summary *s)
{
	char text[256];

	if (!s->left_out || is_hidden(s->level))
		return;
	snprintf(text, sizeof(text),
		 s->left_out == 1 ? "%u more line like \"%s\" was left out"
				  : "%u more lines like \"%s\" were left out",
		 s->left_out, s->like);
	write_line(s->level, text);
}

/* Ends the period of @k and returns its summary. [lock] */
static struct summary end_period(struct log_kind *k)
{
	struct summary s = { .level = k->level, .left_out = k->left_out };

	memcpy(s.like, k->like, sizeof(s.like));
	k->fmt = NULL;
	k->printed = k->left_out = 0;
	return s;
}

/* Sets the timer to @ms (monotonic); 0 stops it. [lock] */
static void set_due(uint64_t ms)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(ms / 1000),
			      .tv_nsec = (long)(ms % 1000) * 1000000 },
	};

	due_ms = ms;
	if (timer_fd >= 0)
		timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Takes @l from the list if it is there. [lock] */
static void unlist(struct log_limit *l)
{
	struct log_limit **at = &listed;

	if (!l->is_listed)
		return;
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->is_listed = false;
}

/* Returns the first kind of @l with lines left out whose period is over, or
 * NULL. Lowers *@next to the earliest end of the periods before it. [lock] */
static struct log_kind *find_ended(struct log_limit *l, uint64_t now,
				   uint64_t *next)
{
	for (unsigned i = 0; i < LOG_LIMIT_KINDS; i++) {
		struct log_kind *k = &l->kind[i];

		if (!k->left_out)
			continue;
		if (k->end_ms <= now)
			return k;
		*next = MIN(*next, k->end_ms);
	}
	return NULL;
}

/* Takes one summary that is due and returns true. Returns false if none is due,
 * with the timer set for the next one. [lock] */
static bool take_summary(uint64_t now, struct summary *s)
{
	uint64_t next = UINT64_MAX;
	struct log_limit *l, *after;

	for (l = listed; l; l = after) {
		uint64_t next_here = UINT64_MAX;
		struct log_kind *k = find_ended(l, now, &next_here);

		after = l->next;
		if (k) {
			*s = end_period(k);
			return true;
		}
		if (next_here == UINT64_MAX)
			unlist(l);
		next = MIN(next, next_here);
	}
	set_due(next == UINT64_MAX ? 0 : next);
	return false;
}

void log_summarize(void)
{
	struct summary s;
	bool found;

	do {
		uint64_t now = now_ms();

		pthread_mutex_lock(&lock);
		found = due_ms && due_ms <= now && take_summary(now, &s);
		pthread_mutex_unlock(&lock);
		if (found)
			write_summary(&s);
	} while (found);
}

int log_summary_fd(void)
{
	int rc;

	pthread_mutex_lock(&lock);
	if (timer_fd < 0)
		timer_fd = timerfd_create(CLOCK_MONOTONIC,
					  TFD_NONBLOCK | TFD_CLOEXEC);
	rc = timer_fd < 0 ? -errno : timer_fd;
	set_due(due_ms);
	pthread_mutex_unlock(&lock);
	return rc;
}

static void format_and_write(enum log_level level, const char *fmt, va_list ap,
			     char *text, size_t size)
{
	vsnprintf(text, size, fmt, ap);
	log_summarize();
	write_line(level, text);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	if (is_hidden(level))
		return;
	va_start(ap, fmt);
	format_and_write(level, fmt, ap, text, sizeof(text));
	va_end(ap);
}

/* Returns the kind in which lines of format @fmt are counted. A kind whose
 * period ended without lines left out makes room. [lock] */
static struct log_kind *find_kind(struct log_limit *l, const char *fmt,
				  uint64_t now)
{
	struct log_kind *free_kind = NULL;

	for (unsigned i = 0; i < LOG_LIMIT_KINDS; i++) {
		struct log_kind *k = &l->kind[i];

		if (k->fmt && k->end_ms <= now && !k->left_out)
			end_period(k);
		if (k->fmt == fmt)
			return k;
		if (!k->fmt && !free_kind)
			free_kind = k;
	}
	return free_kind ? free_kind : &l->kind[LOG_LIMIT_KINDS - 1];
}

/* Counts a line of @k and returns whether it may be printed. [lock] */
static bool pass(struct log_limit *l, struct log_kind *k, const char *fmt,
		 enum log_level level, uint64_t now)
{
	if (!k->fmt) {
		k->fmt = fmt;
		k->end_ms = now + shm_load(&log_limit_ms);
		k->level = level;
	}
	if (k->printed < LOG_LIMIT_LINES) {
		k->printed++;
		return true;
	}
	k->left_out++;
	if (!l->is_listed) {
		l->is_listed = true;
		l->next = listed;
		listed = l;
	}
	if (!due_ms || k->end_ms < due_ms)
		set_due(k->end_ms);
	return false;
}

void log_limited(struct log_limit *l, enum log_level level, const char *fmt,
		 ...)
{
	char text[1000];
	struct log_kind *k;
	bool is_passed;
	uint64_t now;
	va_list ap;

	if (is_hidden(level))
		return;
	/* The summary comes first: this line may begin a new period. */
	log_summarize();
	now = now_ms();
	pthread_mutex_lock(&lock);
	k = find_kind(l, fmt, now);
	is_passed = pass(l, k, fmt, level, now);
	pthread_mutex_unlock(&lock);
	if (!is_passed)
		return;
	va_start(ap, fmt);
	format_and_write(level, fmt, ap, text, sizeof(text));
	va_end(ap);
	pthread_mutex_lock(&lock);
	if (k->fmt == fmt)
		snprintf(k->like, sizeof(k->like), "%.79s", text);
	pthread_mutex_unlock(&lock);
}

void log_limit_fini(struct log_limit *l)
{
	for (unsigned i = 0; i < LOG_LIMIT_KINDS; i++) {
		struct summary s;

		pthread_mutex_lock(&lock);
		s = end_period(&l->kind[i]);
		unlist(l);
		pthread_mutex_unlock(&lock);
		write_summary(&s);
	}
}

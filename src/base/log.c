/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines to stderr, see log.h. One write(2) a line, so that the lines of
 * several threads never mix. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm.h"

enum log_level log_level = LOG_LEVEL_INFO;

static const char *const level_text[] = {
	[LOG_LEVEL_ERR] = "error: ",
	[LOG_LEVEL_WARN] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	if (level > shm_load(&log_level))
		return;
	n = snprintf(line, sizeof(line), "ringway: %s", level_text[level]);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = (int)strlen(line);
	line[n++] = '\n';
	/* A log that cannot be written is no reason to stop forwarding. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

#define LINES_PER_SECOND 5

bool log_limit_pass(struct log_limit *l)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != l->second) {
		if (l->suppressed)
			log_warn("%u similar lines suppressed", l->suppressed);
		*l = (struct log_limit){ .second = now.tv_sec };
	}
	if (l->lines >= LINES_PER_SECOND) {
		l->suppressed++;
		return false;
	}
	l->lines++;
	return true;
}

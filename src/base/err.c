/* SPDX-License-Identifier: Apache-2.0 */
/* Error sentences, see err.h. Any thread; calls nothing but libc. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef err_set
#undef err_prefix

int err_set(struct err *err, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return rc;
}

int err_prefix(struct err *err, int rc, const char *fmt, ...)
{
	char head[128];
	size_t n;
	va_list ap;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	n = strlen(head);
	if (n + 2 >= sizeof(err->msg))
		return rc;
	memmove(err->msg + n + 2, err->msg, sizeof(err->msg) - n - 2);
	memcpy(err->msg, head, n);
	memcpy(err->msg + n, ": ", 2);
	err->msg[sizeof(err->msg) - 1] = '\0';
	return rc;
}

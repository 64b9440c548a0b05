/* SPDX-License-Identifier: Apache-2.0 */
/* What the printers share: members of a reply, and cells made of several. */
#ifndef RW_PRINT_IMPL_H
#define RW_PRINT_IMPL_H

#include "print.h"
#include "table.h"

/* Member @key of @o; 0 where there is none. */
static inline uint64_t num(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

/* The same; "" where there is none. */
static inline const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* Adds to @text, behind @separator where it is not empty; what does not fit is
 * cut. */
void text_append(char *text, size_t size, const char *separator,
		 const char *fmt, ...) __printf(4, 5);

/* Any value as one cell; a small object of numbers as "3 tx-full, 1 alone". */
void table_add_value(struct table *t, const json_t *v);

#endif

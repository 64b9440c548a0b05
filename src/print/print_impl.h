/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the printers: access to members of a reply, cells of a table. */
#ifndef RW_PRINT_IMPL_H
#define RW_PRINT_IMPL_H

#include "print.h"
#include "table.h"

/* Returns the number @key of @o; 0 where there is none. */
static inline uint64_t num(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

/* Returns the string @key of @o; "" where there is none. */
static inline const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* The first line about the `machine` of `vm.show`. */
void print_machine(const json_t *m);

/* The words for whoever has the rings of the card @d of `vm.show`. */
struct mover {
	char who[80], how[200], to[80];
};
struct mover mover_of(const json_t *d);
/* Returns whether all doorbells of the card are KVM's (ioeventfd). */
bool is_wired(const json_t *d);

/* Appends to @text, after @separator unless @text is empty. Truncates at @size.
 */
void text_append(char *text, size_t size, const char *separator,
		 const char *fmt, ...) __printf(4, 5);

/* Adds a cell with any value; an object of numbers as "3 tx-full, 1 alone". */
void table_add_value(struct table *t, const json_t *v);

#endif

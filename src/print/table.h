/* SPDX-License-Identifier: Apache-2.0 */
/* Text in aligned columns. */
#ifndef RW_TABLE_H
#define RW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

struct table;

/* Returns a table with the titles @head, which ends with NULL. A title that
 * begins with ">" makes its column flush right; a "?" before that leaves the
 * column out of a table without rows, a "=" keeps it whatever it holds. The
 * process ends when memory runs out, which is right for the command line. */
struct table *table_create(const char *const *head);

/* Begins a row. Asserts that each row has one cell for each column. */
void table_row(struct table *t);
/* Adds a cell to the row. */
void table_add(struct table *t, const char *fmt, ...) __printf(2, 3);
/* Adds a cell with a number; with @is_dash 0 becomes "-". */
void table_add_num(struct table *t, uint64_t n, bool is_dash);
/* Adds a cell with a number; from 10000 on three digits and a letter: 12.3k. */
void table_add_short(struct table *t, uint64_t n);

/* Prints the table to stdout, each line indented by @indent columns, and frees
 * the table. Leaves out columns whose cells are all empty or "-", but for
 * those with a "=". */
void table_print(struct table *t, unsigned indent);

#endif

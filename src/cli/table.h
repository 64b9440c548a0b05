/* SPDX-License-Identifier: Apache-2.0 */
/* Text in aligned columns. */
#ifndef RW_TABLE_H
#define RW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

struct table;

/* @head: column titles, ended by NULL. A title that begins with ">" makes the
 * column flush right; "?" before that leaves it out of an empty table. Running
 * out of memory ends the process: this is the command line. */
struct table *table_create(const char *const *head);

/* The next row begins. A row that has not one cell for each column is a fault
 * of the program, which ends there. */
void table_row(struct table *t);
/* The next cell of the row. */
void table_add(struct table *t, const char *fmt, ...) __printf(2, 3);
/* A number; 0 as "-" when @is_dash. */
void table_add_num(struct table *t, uint64_t n, bool is_dash);
/* A number in three digits and a letter: 12.3k. */
void table_add_short(struct table *t, uint64_t n);

/* Prints it to stdout, each line @indent columns in, and frees it. Columns
 * whose cells are all empty or "-" are left out. */
void table_print(struct table *t, unsigned indent);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Text in aligned columns, see table.h. */
#include "table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2 /* spaces between columns */

struct table {
	const char *const *head;
	unsigned columns;
	char **cell;
	unsigned count; /* of cells added */
	unsigned rows;	/* begun */
};

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "ringway: out of memory\n");
		exit(EXIT_FAILURE);
	}
	return p;
}

struct table *table_create(const char *const *head)
{
	struct table *t = must(calloc(1, sizeof(*t)));

	t->head = head;
	while (head[t->columns])
		t->columns++;
	return t;
}

void table_row(struct table *t)
{
	assert(t->count == t->rows * t->columns);
	t->rows++;
}

void table_add(struct table *t, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	assert(t->count < t->rows * t->columns);
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	must(n < 0 ? NULL : text);
	t->cell = must(reallocarray(t->cell, t->count + 1, sizeof(*t->cell)));
	t->cell[t->count++] = text;
}

void table_add_num(struct table *t, uint64_t n, bool is_dash)
{
	if (!n && is_dash)
		table_add(t, "-");
	else
		table_add(t, "%" PRIu64, n);
}

void table_add_short(struct table *t, uint64_t n)
{
	static const char unit[] = "kMGTPE";
	double v = (double)n;
	unsigned i = 0;

	if (n < 10000) {
		table_add(t, "%" PRIu64, n);
		return;
	}
	v /= 1000;
	while (v >= 999.5) {
		v /= 1000;
		i++;
	}
	table_add(t, "%.*f%c", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, unit[i]);
}

static bool is_optional(const struct table *t, unsigned column)
{
	return t->head[column][0] == '?';
}

static bool is_kept(const struct table *t, unsigned column)
{
	return t->head[column][0] == '=';
}

/* Returns the title with its mark for the side. */
static const char *sided(const struct table *t, unsigned column)
{
	return t->head[column] + (is_optional(t, column) || is_kept(t, column));
}

static bool is_right(const struct table *t, unsigned column)
{
	return *sided(t, column) == '>';
}

static const char *title(const struct table *t, unsigned column)
{
	return sided(t, column) + is_right(t, column);
}

/* Returns the width of a column, or 0 when all its cells are empty or "-". */
static unsigned width_of(const struct table *t, unsigned column)
{
	bool is_worth = is_kept(t, column);
	unsigned width = 0;

	for (unsigned i = column; i < t->count; i += t->columns) {
		width = MAX(width, (unsigned)strlen(t->cell[i]));
		if (t->cell[i][0] && strcmp(t->cell[i], "-"))
			is_worth = true;
	}
	return is_worth ? MAX(width, (unsigned)strlen(title(t, column))) : 0;
}

static void print_line(const struct table *t, char **cell,
		       const unsigned *width, unsigned indent)
{
	unsigned at = 0, target = indent;

	for (unsigned c = 0; c < t->columns; c++) {
		const char *text = cell ? cell[c] : title(t, c);
		unsigned n = (unsigned)strlen(text);
		unsigned start = target;

		if (!width[c])
			continue;
		if (is_right(t, c))
			start += width[c] - n;
		if (n) { /* avoids blanks at the end of a line */
			printf("%*s%s", (int)(start - at), "", text);
			at = start + n;
		}
		target += width[c] + GAP;
	}
	putchar('\n');
}

void table_print(struct table *t, unsigned indent)
{
	unsigned *width = must(calloc(t->columns, sizeof(*width)));

	assert(t->count == t->rows * t->columns);
	for (unsigned c = 0; c < t->columns; c++)
		if (t->count)
			width[c] = width_of(t, c);
		else if (!is_optional(t, c))
			width[c] = (unsigned)strlen(title(t, c));
	print_line(t, NULL, width, indent);
	for (unsigned r = 0; r < t->rows; r++)
		print_line(t, t->cell + r * t->columns, width, indent);
	for (unsigned i = 0; i < t->count; i++)
		free(t->cell[i]);
	free(t->cell);
	free(width);
	free(t);
}

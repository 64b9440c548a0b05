/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of option rows for people: usage, ranges, nearest keys, values. See
 * opt.h. Pure; any thread. */
#include "opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Appends @text to @buf, truncated to @size. */
static void append(char *buf, size_t size, const char *text)
{
	size_t n = strlen(buf);

	if (n + 1 < size)
		snprintf(buf + n, size - n, "%s", text);
}

static void append_choices(const struct opt_row *row, char *buf, size_t size,
			   const char *separator)
{
	for (unsigned i = 0; row->choices[i]; i++) {
		if (i)
			append(buf, size, separator);
		append(buf, size, row->choices[i]);
	}
}

void opt_usage(const struct opt_row *row, char *buf, size_t size)
{
	static const char *const def[] = {
		[OPT_STRING] = "TEXT", [OPT_PATH] = "PATH",
		[OPT_BOOL] = "on|off", [OPT_UINT] = "N",
		[OPT_UINT64] = "N",    [OPT_SIZE] = "SIZE",
		[OPT_LIST] = "TEXT",   [OPT_ENUM] = "",
	};

	snprintf(buf, size, "%s=%s", row->key,
		 row->arg ? row->arg : def[row->kind]);
	if (row->kind == OPT_ENUM && !row->arg)
		append_choices(row, buf, size, "|");
}

/* Prints @v in the largest unit that divides it. */
static void format_size(uint64_t v, char *buf, size_t size)
{
	static const char suffix[][2] = { "", "k", "M", "G", "T" };
	unsigned i = 0;

	for (; v && v % 1024 == 0 && i + 1 < ARRAY_SIZE(suffix); i++)
		v /= 1024;
	snprintf(buf, size, "%" PRIu64 "%s", v, suffix[i]);
}

void opt_values(const struct opt_row *row, char *buf, size_t size)
{
	char min[32], max[32];

	switch (row->kind) {
	case OPT_BOOL:
		snprintf(buf, size, "on or off");
		return;
	case OPT_ENUM:
		snprintf(buf, size, "one of: ");
		append_choices(row, buf, size, ", ");
		return;
	case OPT_UINT:
	case OPT_UINT64:
		snprintf(buf, size, "a number from %" PRIu64 " to %" PRIu64,
			 row->min, row->max);
		return;
	case OPT_SIZE:
		format_size(row->min, min, sizeof(min));
		format_size(row->max, max, sizeof(max));
		snprintf(buf, size,
			 "a size from %s to %s (suffixes k, M, G, T)", min,
			 max);
		return;
	case OPT_STRING:
	case OPT_PATH:
		if (row->max) {
			snprintf(buf, size,
				 "%s of %" PRIu64 " to %" PRIu64 " bytes",
				 row->kind == OPT_PATH ? "a path" : "text",
				 MAX(row->min, (uint64_t)1), row->max);
			return;
		}
		break;
	case OPT_LIST:
		if (!row->choices)
			break;
		snprintf(buf, size, "one of: ");
		append_choices(row, buf, size, ", ");
		return;
	}
	snprintf(buf, size, "%s, not empty", row->arg ? row->arg : "text");
}

/* Returns the number of edits (insert, delete, replace, swap neighbours) that
 * turn @a into @b, or WORD_MAX for words longer than that. */
#define WORD_MAX 40
static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][WORD_MAX + 1];
	unsigned *before = row[0], *above = row[1], *now = row[2];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= nb; j++)
		above[j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned *spare = before;

		now[0] = i;
		for (unsigned j = 1; j <= nb; j++) {
			unsigned same = a[i - 1] == b[j - 1];

			now[j] = MIN(above[j], now[j - 1]) + 1;
			now[j] = MIN(now[j], above[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
		before = above;
		above = now;
		now = spare;
	}
	return above[nb];
}

/* Returns whether @a may be @b mistyped: at most a third of the letters of @a
 * (at least one edit) differs, or @a begins @b with three letters or more. */
static bool is_near(const char *a, const char *b)
{
	size_t n = strlen(a);

	return distance(a, b) <= MAX(n / 3, (size_t)1) ||
	       (n >= 3 && !strncmp(a, b, n));
}

const char *opt_nearest(const char *const *words, const char *word)
{
	const char *best = NULL;

	for (; *words; words++)
		if (is_near(word, *words) &&
		    (!best || distance(word, *words) < distance(word, best)))
			best = *words;
	return best;
}

static unsigned list_keys(const struct opt_row *const *tables, const char *key,
			  char *buf, size_t size)
{
	unsigned n = 0;

	buf[0] = '\0';
	for (; *tables; tables++)
		for (const struct opt_row *r = *tables; r->key; r++) {
			if (key && !is_near(key, r->key))
				continue;
			append(buf, size, n++ ? ", " : "");
			append(buf, size, r->key);
		}
	return n;
}

int opt_unknown(const struct opt_row *const *tables, const char *key,
		struct err *err)
{
	char keys[400];

	if (list_keys(tables, key, keys, sizeof(keys)))
		return err_set(err, -ENOENT,
			       "unknown option '%.64s': did you mean %s?", key,
			       keys);
	if (!list_keys(tables, NULL, keys, sizeof(keys)))
		return err_set(err, -ENOENT,
			       "unknown option '%.64s': there are none here",
			       key);
	return err_set(err, -ENOENT, "unknown option '%.64s': valid are %s",
		       key, keys);
}

static void show_value(const struct opt_row *row, const void *at,
		       struct show *s)
{
	const struct opt_list *l = at;
	const char *text;

	switch (row->kind) {
	case OPT_STRING:
	case OPT_PATH:
		text = *(char *const *)at;
		if (text)
			show_str(s, row->key, text);
		break;
	case OPT_BOOL:
		show_flag(s, row->key, *(const bool *)at);
		break;
	case OPT_UINT:
		show_num(s, row->key, *(const uint32_t *)at);
		break;
	case OPT_UINT64:
	case OPT_SIZE:
		show_num(s, row->key, *(const uint64_t *)at);
		break;
	case OPT_ENUM:
		show_str(s, row->key, row->choices[*(const int *)at]);
		break;
	case OPT_LIST:
		if (!l->count)
			break;
		show_array(s, row->key);
		for (unsigned i = 0; i < l->count; i++)
			show_str(s, NULL, l->value[i]);
		show_end(s);
		break;
	}
}

void opt_show(const struct opt_row *rows, const void *conf, struct show *s)
{
	for (; rows->key; rows++) {
		if (rows->set_offset && !rows->def &&
		    !*((const bool *)conf + rows->set_offset))
			continue;
		show_value(rows, (const char *)conf + rows->offset, s);
	}
}

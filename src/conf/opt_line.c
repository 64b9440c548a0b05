/* SPDX-License-Identifier: Apache-2.0 */
/* See opt_line.h. Values are compared and written as they are shown. */
#include "opt_line.h"

#include <string.h>

#include "json_show.h"

static json_t *values(const struct opt_row *rows, const void *conf)
{
	json_t *all = json_object();
	struct json_show j;

	json_show_init(&j, all);
	opt_show(rows, conf, &j.show);
	return all;
}

/* Missing values are equal. */
static bool is_equal(const json_t *a, const json_t *b)
{
	return a && b ? json_equal(a, b) : a == b;
}

bool opt_equal(const struct opt_row *rows, const void *a, const void *b,
	       bool *runtime_only)
{
	json_t *of_a = values(rows, a), *of_b = values(rows, b);
	bool found = !of_a || !of_b, other = found;

	for (const struct opt_row *r = rows; r->key; r++)
		if (!is_equal(json_object_get(of_a, r->key),
			      json_object_get(of_b, r->key))) {
			found = true;
			other |= !r->runtime;
		}
	json_decref(of_a);
	json_decref(of_b);
	if (runtime_only)
		*runtime_only = !other;
	return !found;
}

/* Writes the value as it is typed into @text. Returns @text, the string itself,
 * or NULL for what is no single value. */
static const char *text_of(const json_t *value, char text[24])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "on" : "off";
	if (!json_is_integer(value))
		return NULL;
	snprintf(text, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return text;
}

/* Returns whether @text, the value of @r, need not be written. What has no
 * default is off or 0 when it was not given; whether some were is known, and
 * then opt_show() has left out those that were not. */
static bool is_default(const struct opt_row *r, const json_t *value,
		       const char *text)
{
	if (r->def)
		return !strcmp(text, r->def);
	if (r->required || r->set_offset)
		return false;
	return json_is_false(value) ||
	       (json_is_integer(value) && !json_integer_value(value));
}

typedef void write_fn(FILE *f, const char *key, const char *value);

static void write_pair(FILE *f, const char *key, const char *value)
{
	fprintf(f, ",%s=", key);
	for (; *value; value++) {
		fputc(*value, f);
		if (*value == ',')
			fputc(',', f);
	}
}

static void write_line(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s %s\n", key, value);
}

static void write_all(const struct opt_row *rows, const void *conf, FILE *f,
		      write_fn *write)
{
	json_t *all = values(rows, conf), *item;
	char buf[24];
	size_t i;

	for (const struct opt_row *r = rows; r->key; r++) {
		const json_t *value = json_object_get(all, r->key);
		const char *text = text_of(value, buf);

		if (text && !is_default(r, value, text))
			write(f, r->key, text);
		json_array_foreach(value, i, item) {
			text = text_of(item, buf);
			if (text)
				write(f, r->key, text);
		}
	}
	json_decref(all);
}

void opt_write(const struct opt_row *rows, const void *conf, FILE *f)
{
	write_all(rows, conf, f, write_pair);
}

void opt_write_lines(const struct opt_row *rows, const void *conf, FILE *f)
{
	write_all(rows, conf, f, write_line);
}

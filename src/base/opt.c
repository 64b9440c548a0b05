/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of options into configuration structs, see opt.h. Pure; used by the
 * control thread and the command line. opt_text.c has the texts for people.
 */
#include "opt.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *member(const struct opt_row *row, void *conf)
{
	return (char *)conf + row->offset;
}

static const void *const_member(const struct opt_row *row, const void *conf)
{
	return (const char *)conf + row->offset;
}

/* Returns -EINVAL with a sentence about a wrong value; all kinds share it. */
static int refuse(const struct opt_row *row, const char *value, struct err *err)
{
	char may[200];

	opt_values(row, may, sizeof(may));
	return err_set(err, -EINVAL, "%s=%s: must be %s", row->key, value, may);
}

/* Reads digits only (or 0x and hex digits): no sign, no space, no octal.
 * Returns false without digits or beyond 64 bits. */
static bool parse_number(const char *s, uint64_t *out, const char **end)
{
	bool is_hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	uint64_t base = is_hex ? 16 : 10;
	const char *first;
	uint64_t v = 0;

	if (is_hex)
		s += 2;
	for (first = s;; s++) {
		unsigned digit;

		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if (is_hex && *s >= 'a' && *s <= 'f')
			digit = (unsigned)(*s - 'a') + 10;
		else if (is_hex && *s >= 'A' && *s <= 'F')
			digit = (unsigned)(*s - 'A') + 10;
		else
			break;
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*out = v;
	*end = s;
	return s != first;
}

static bool parse_size(const char *s, uint64_t *out)
{
	static const char suffixes[] = "kmgt";
	const char *at;
	uint64_t v;
	unsigned shift;

	if (!parse_number(s, &v, &s))
		return false;
	if (*s) {
		at = strchr(suffixes, *s | 0x20);
		if (!at || s[1])
			return false;
		shift = 10 * (unsigned)(at - suffixes + 1);
		if (v > UINT64_MAX >> shift)
			return false;
		v <<= shift;
	}
	*out = v;
	return true;
}

static int parse_bool(const char *s)
{
	static const char *const word[][2] = {
		{ "off", "on" }, { "no", "yes" }, { "false", "true" },
		{ "0", "1" },	 { "n", "y" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(word); i++)
		for (int v = 0; v < 2; v++)
			if (!strcmp(s, word[i][v]))
				return v;
	return -1;
}

static int set_string(const struct opt_row *row, char **to, const char *value,
		      struct err *err)
{
	size_t n = strlen(value);
	char *copy;

	if ((row->kind == OPT_PATH && !n) ||
	    (row->max && (n < row->min || n > row->max)))
		return refuse(row, value, err);
	copy = strdup(value);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}

static int set_number(const struct opt_row *row, void *to, const char *value,
		      struct err *err)
{
	const char *end;
	uint64_t v;
	bool ok;

	if (row->kind != OPT_SIZE)
		ok = parse_number(value, &v, &end) && !*end;
	else
		ok = parse_size(value, &v);
	if (!ok || v < row->min || v > row->max)
		return refuse(row, value, err);
	if (row->kind == OPT_UINT)
		*(uint32_t *)to = (uint32_t)v;
	else
		*(uint64_t *)to = v;
	return 0;
}

/* Returns the index of @value among the choices, or -1. */
static int find_choice(const struct opt_row *row, const char *value)
{
	for (int i = 0; row->choices[i]; i++)
		if (!strcmp(row->choices[i], value))
			return i;
	return -1;
}

static int set_value(const struct opt_row *row, void *to, const char *value,
		     struct err *err)
{
	int v;

	switch (row->kind) {
	case OPT_STRING:
	case OPT_PATH:
		return set_string(row, to, value, err);
	case OPT_UINT:
	case OPT_UINT64:
	case OPT_SIZE:
		return set_number(row, to, value, err);
	case OPT_BOOL:
		v = parse_bool(value);
		if (v < 0)
			return refuse(row, value, err);
		*(bool *)to = v;
		return 0;
	case OPT_ENUM:
		v = find_choice(row, value);
		if (v < 0)
			return refuse(row, value, err);
		*(int *)to = v;
		return 0;
	case OPT_LIST:
		if (!*value || (row->choices && find_choice(row, value) < 0))
			return refuse(row, value, err);
		v = opt_list_add(to, value);
		return v ? err_set(err, v, "out of memory") : 0;
	}
	return err_set(err, -EINVAL, "%s: no such kind of option", row->key);
}

int opt_defaults(const struct opt_row *rows, void *conf, struct err *err)
{
	for (; rows->key; rows++) {
		int rc;

		if (!rows->def)
			continue;
		assert(rows->kind != OPT_LIST);
		rc = set_value(rows, member(rows, conf), rows->def, err);
		if (rc)
			return rc;
	}
	return 0;
}

const struct opt_row *opt_find(const struct opt_row *rows, const char *key)
{
	for (; rows->key; rows++)
		if (!strcmp(rows->key, key))
			return rows;
	return NULL;
}

int opt_set(const struct opt_row *rows, void *conf, const char *key,
	    const char *value, struct err *err)
{
	const struct opt_row *row = opt_find(rows, key);
	int rc;

	if (!row && !value && !strncmp(key, "no", 2)) {
		row = opt_find(rows, key + 2);
		if (row && row->kind != OPT_BOOL)
			row = NULL;
		value = "off";
	}
	if (!row)
		return opt_unknown(
			(const struct opt_row *const[]){ rows, NULL }, key,
			err);
	if (!value) {
		char usage[200];

		if (row->kind != OPT_BOOL) {
			opt_usage(row, usage, sizeof(usage));
			return err_set(err, -EINVAL, "%s: needs a value: %s",
				       key, usage);
		}
		value = "on";
	}
	rc = set_value(row, member(row, conf), value, err);
	if (!rc && row->set_offset)
		*((bool *)conf + row->set_offset) = true;
	return rc;
}

static bool is_given(const struct opt_row *row, const void *conf)
{
	const void *at = const_member(row, conf);

	switch (row->kind) {
	case OPT_STRING:
	case OPT_PATH:
		return *(char *const *)at != NULL;
	case OPT_LIST:
		return ((const struct opt_list *)at)->count > 0;
	default:
		return !row->set_offset ||
		       *((const bool *)conf + row->set_offset);
	}
}

int opt_check(const struct opt_row *rows, const void *conf, struct err *err)
{
	for (; rows->key; rows++) {
		char usage[200];

		if (!rows->required || is_given(rows, conf))
			continue;
		opt_usage(rows, usage, sizeof(usage));
		return err_set(err, -EINVAL, "%s is missing: %s", usage,
			       rows->help);
	}
	return 0;
}

void opt_free(const struct opt_row *rows, void *conf)
{
	for (; rows->key; rows++) {
		if (rows->kind == OPT_STRING || rows->kind == OPT_PATH) {
			char **s = member(rows, conf);

			free(*s);
			*s = NULL;
		} else if (rows->kind == OPT_LIST) {
			struct opt_list *l = member(rows, conf);

			for (unsigned i = 0; i < l->count; i++)
				free(l->value[i]);
			free(l->value);
			*l = (struct opt_list){ 0 };
		}
	}
}

static int copy_member(const struct opt_row *row, void *to, const void *from)
{
	const struct opt_list *l = from;
	int rc = 0;

	if (row->kind == OPT_LIST) {
		for (unsigned i = 0; i < l->count && !rc; i++)
			rc = opt_list_add(to, l->value[i]);
	} else if (*(char *const *)from) {
		*(char **)to = strdup(*(char *const *)from);
		rc = *(char **)to ? 0 : -ENOMEM;
	}
	return rc;
}

static bool owns_memory(const struct opt_row *row)
{
	return row->kind == OPT_STRING || row->kind == OPT_PATH ||
	       row->kind == OPT_LIST;
}

int opt_copy(const struct opt_row *rows, void *to, const void *from,
	     size_t size)
{
	const struct opt_row *row;
	int rc = 0;

	memcpy(to, from, size);
	/* Shared pointers are cleared first: opt_free() is safe from here on.
	 */
	for (row = rows; row->key; row++)
		if (owns_memory(row))
			memset(member(row, to), 0,
			       row->kind == OPT_LIST ? sizeof(struct opt_list)
						     : sizeof(char *));
	for (row = rows; row->key && !rc; row++)
		if (owns_memory(row))
			rc = copy_member(row, member(row, to),
					 const_member(row, from));
	if (rc)
		opt_free(rows, to);
	return rc;
}

int opt_list_add(struct opt_list *l, const char *value)
{
	char **grown = reallocarray(l->value, l->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->value = grown;
	grown[l->count] = strdup(value);
	if (!grown[l->count])
		return -ENOMEM;
	l->count++;
	return 0;
}

int opt_list_remove(struct opt_list *l, const char *value)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (strcmp(l->value[i], value))
			continue;
		free(l->value[i]);
		l->count--;
		memmove(l->value + i, l->value + i + 1,
			(l->count - i) * sizeof(*l->value));
		return 0;
	}
	return -ENOENT;
}

/* Returns a copy of the piece of *@at before the next comma, with doubled
 * commas made one, and moves *@at behind it. Sets *@more if a comma ended the
 * piece. Returns NULL without memory. */
static char *cut_piece(const char **at, bool *more)
{
	const char *s = *at;
	char *piece = malloc(strlen(s) + 1);
	size_t n = 0;

	if (!piece)
		return NULL;
	for (; *s; s++) {
		if (*s == ',' && *++s != ',')
			goto comma;
		piece[n++] = *s;
	}
	s = NULL;
comma:
	piece[n] = '\0';
	*more = s != NULL;
	*at = s ? s : "";
	return piece;
}

static int add_pair(char *piece, struct opt_pair **pairs, int *count,
		    struct err *err)
{
	char *eq = strchr(piece, '=');
	struct opt_pair *grown;

	if (!*piece)
		return err_set(err, -EINVAL,
			       "an option is missing after a comma (a comma "
			       "inside a value is doubled)");
	if (eq == piece)
		return err_set(err, -EINVAL,
			       "an option is missing before '%s': write "
			       "key=value",
			       piece);
	grown = reallocarray(*pairs, (size_t)*count + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	*pairs = grown;
	grown[*count] = (struct opt_pair){ .key = piece };
	if (eq) {
		*eq = '\0';
		grown[*count].value = eq + 1;
	}
	(*count)++;
	return 0;
}

int opt_split(const char *text, char **first, struct opt_pair **pairs,
	      struct err *err)
{
	bool more = *text != '\0', wants_first = first != NULL;
	int count = 0, rc;

	if (first)
		*first = NULL;
	*pairs = NULL;
	while (more) {
		char *piece = cut_piece(&text, &more);

		if (!piece) {
			rc = err_set(err, -ENOMEM, "out of memory");
			goto err_free;
		}
		if (wants_first && !strchr(piece, '=')) {
			*first = piece;
		} else {
			rc = add_pair(piece, pairs, &count, err);
			if (rc) {
				free(piece);
				goto err_free;
			}
		}
		wants_first = false;
	}
	return count;
err_free:
	opt_pairs_free(first ? *first : NULL, *pairs, count);
	if (first)
		*first = NULL;
	*pairs = NULL;
	return rc;
}

/* The value of a pair lies behind the key in the same allocation. */
void opt_pairs_free(char *first, struct opt_pair *pairs, int count)
{
	free(first);
	for (int i = 0; i < count; i++)
		free(pairs[i].key);
	free(pairs);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a command line word by word, see args.h. Pure. */
#include "args.h"

#include <errno.h>
#include <string.h>

static const struct opt_row *find_row(const struct opt_row *const *tables,
				      const char *key, size_t len)
{
	for (; *tables; tables++)
		for (const struct opt_row *r = *tables; r->key; r++)
			if (strlen(r->key) == len && !strncmp(r->key, key, len))
				return r;
	return NULL;
}

static const char *long_key(const struct opt_row *const *tables,
			    const char *letter)
{
	for (; *tables; tables++)
		for (const struct opt_row *r = *tables; r->key; r++)
			if (r->letter && !strcmp(r->letter, letter))
				return r->key;
	return NULL;
}

int args_next(struct args *a, const struct opt_row *const *tables,
	      struct arg *out, struct err *err)
{
	const struct opt_row *row;
	const char *text, *key, *full;
	size_t len;

	if (a->at >= a->argc)
		return ARG_END;
	text = a->argv[a->at++];
	*out = (struct arg){ .text = text };
	if (a->words_only || text[0] != '-' || !text[1])
		return ARG_WORD;
	if (!strcmp(text, "--")) {
		a->words_only = true;
		return args_next(a, tables, out, err);
	}
	if (!strcmp(text, "-h") || !strcmp(text, "--help") ||
	    !strcmp(text, "-help"))
		return ARG_HELP;
	key = text + (text[1] == '-' ? 2 : 1);
	full = long_key(tables, key);
	if (full)
		key = full;
	len = strcspn(key, "=");
	row = find_row(tables, key, len);
	if (!row) {
		opt_unknown(tables, key, err);
		return -EINVAL;
	}
	out->key = row->key;
	out->text = key[len] ? key + len + 1 : NULL;
	if (!out->text && row->kind != OPT_BOOL) {
		if (a->at >= a->argc) {
			char usage[200];

			opt_usage(row, usage, sizeof(usage));
			return err_set(err, -EINVAL, "%s: needs a value: --%s",
				       text, usage);
		}
		out->text = a->argv[a->at++];
	}
	return ARG_OPTION;
}

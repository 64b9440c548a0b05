/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a command line word by word. Options are "--key value", "--key=value",
 * both also with one dash ("-netdev"), and short ones "-k value"; the rest are
 * words. */
#ifndef RW_ARGS_H
#define RW_ARGS_H

#include "opt.h"

struct args {
	int argc;
	char **argv;
	int at;		 /* index of the next argument */
	bool words_only; /* "--" was read */
};

enum arg_kind {
	ARG_END,
	ARG_WORD,   /* arg.text */
	ARG_OPTION, /* arg.key; arg.text, or NULL for an option without value */
	ARG_HELP,   /* -h, --help */
};

struct arg {
	const char *key;
	const char *text;
};

/* Reads the next option or word into @out. @tables, which ends with NULL, has
 * the rows of the options; an option names a row by its key or its letter.
 * Returns enum arg_kind, or -EINVAL with @err. */
int args_next(struct args *a, const struct opt_row *const *tables,
	      struct arg *out, struct err *err);

#endif

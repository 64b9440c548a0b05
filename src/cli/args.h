/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a command line: options as "--key value", "--key=value", with one dash
 * as well ("-netdev"), short ones as "-k value", and words. */
#ifndef RW_ARGS_H
#define RW_ARGS_H

#include "opt.h"

struct args {
	int argc;
	char **argv;
	int at;
	bool words_only; /* "--" was there */
};

enum arg_kind {
	ARG_END,
	ARG_WORD,   /* text */
	ARG_OPTION, /* key, text (NULL: stood alone) */
	ARG_HELP,   /* -h, --help */
};

struct arg {
	const char *key;
	const char *text;
};

/* Reads the next one. @tables, ended by NULL, are the rows that may be named,
 * by their key or their letter. Returns enum arg_kind or -EINVAL with @err. */
int args_next(struct args *a, const struct opt_row *const *tables,
	      struct arg *out, struct err *err);

#endif

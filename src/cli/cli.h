/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: its commands, one row each, and what they share. */
#ifndef RW_CLI_H
#define RW_CLI_H

#include "opt.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* or failed */
	EXIT_USAGE = 2,
};

#define CLI_MAX_WORDS 64

/* What was typed behind a command's name. One struct for all commands; each
 * has rows for the members it knows. */
struct cli_args {
	char *control; /* NULL: default path */
	bool json;
	char *net, *port;
	char *write; /* capture: the file */
	uint32_t snaplen;
	uint64_t count;
	uint32_t limit;
	char *direction; /* the daemon checks it */
	uint64_t memory;
	uint32_t watch; /* seconds between reports; 0: one report */
	const char *word[CLI_MAX_WORDS]; /* what is no option; borrowed */
	unsigned words;
};

struct command {
	const char *name;  /* one or two words */
	const char *usage; /* what follows the options, "" for nothing */
	const char *help;  /* one line */
	const char *more;  /* paragraphs, NULL for none */
	const struct opt_row *options; /* into struct cli_args */
	const char *const *shorts;     /* "w", "write", ..., NULL; or NULL */
	unsigned min_words, max_words;
	/* Parses its own options; @argv begins behind the name. */
	int (*run_raw)(const struct command *self, int argc, char **argv);
	int (*run)(struct cli_args *args);
	bool is_hidden;
};
extern const struct command commands[]; /* ends with a NULL name */

/* Options of `up` for help texts; struct cli_args has no part in them. */
extern const struct opt_row up_rows[];
extern const char *const up_shorts[];

/* Prints "ringway: message" to stderr and returns @code. */
int cli_fail(int code, const char *fmt, ...) __printf(2, 3);

/* 2 for a bad value, 1 for the rest. */
int cli_exit_code(int rc);

/* Commands with files of their own. */
int up_run(const struct command *self, int argc, char **argv);
int help_run(const struct command *self, int argc, char **argv);
int capture_run(struct cli_args *args);
int stats_run(struct cli_args *args);

/* The command whose name begins @argv; *@used words of it. */
const struct command *command_find(int argc, char **argv, int *used);

/* help.c: how to use one command, or what there is. */
void help_print_command(const struct command *c);
void help_print_overview(void);
/* The commands whose first word is @word. False: there are none. */
bool help_print_family(const char *word);
/* Answers "-netdev help" and "-netdev TYPE,help". False: @text is neither. */
bool help_print_netdev(const char *text);

/* man.c: the manual page, as roff. */
void man_print(void);

#endif

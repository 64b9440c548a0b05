/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. What commands there are stands in ctl/commands.c; a row of
 * cli/fronts.c says how one is served here, where sending one request and
 * printing its result as it is will not do.
 */
#ifndef RW_CLI_H
#define RW_CLI_H

#include <jansson.h>

#include "args.h"
#include "commands.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* or failed */
	EXIT_USAGE = 2,
};

/* What was typed behind a command's name, checked. */
struct call {
	const struct command *command;
	char *control; /* NULL: default path */
	bool json;
	json_t *params; /* for the daemon: an object */
	void *own;	/* struct that the front's own rows filled, or NULL */
};

struct front {
	const char *name; /* of the command */
	/* Prints the result of the request for people. */
	void (*print)(const json_t *result);
	/* Instead of one request and print(). Returns an exit code. */
	int (*run)(struct call *call);
	/* Parses its own options; @argv begins behind the name. */
	int (*run_raw)(const struct command *self, int argc, char **argv);
	/* Options that the daemon has no part in: tables, ended by NULL. */
	const struct opt_row *const *own;
	size_t own_size; /* of the struct that they fill */
};

/* How @c is served. */
const struct front *front_find(const struct command *c);
extern const struct front fronts[]; /* ends with a NULL name */

/* Options of every command that asks the daemon: struct call. */
extern const struct opt_row client_rows[];
/* Options of `up`. */
extern const struct opt_row *const up_tables[];

/* --- options.c: a command's row as the command line sees it --- */

#define CLI_MAX_ROWS 16

struct cli_rows {
	/* parameters that are no words; key is the --name */
	struct opt_row option[CLI_MAX_ROWS + 1];
	const struct opt_row *param[CLI_MAX_ROWS]; /* where option[i] is from */
	/* every option: those above, the front's own, client_rows; NULL */
	const struct opt_row *tables[5];
};
void cli_rows_init(struct cli_rows *r, const struct command *c);

/* What follows the options: "PORT KEY=VALUE...". */
void cli_synopsis(const struct command *c, char *buf, size_t size);

/* Reads what stands behind the name. 0, ARG_HELP or -errno with @err. In the
 * first case call_fini() is due. */
int cli_parse(const struct command *c, int argc, char **argv, struct call *call,
	      struct err *err);
void call_fini(struct call *call);

/* --- main.c --- */

/* Prints "ringway: message" to stderr and returns @code. */
int cli_fail(int code, const char *fmt, ...) __printf(2, 3);

/* 2 for a bad value, 1 for the rest. */
int cli_exit_code(int rc);

/* The command whose name begins @argv; *@used words of it. */
const struct command *command_find(int argc, char **argv, int *used);

/* Sends @call's request. An exit code; with EXIT_DONE *@result is the
 * caller's. */
int call_request(const struct call *call, json_t **result);
/* The same, and prints the result as JSON or by the front. An exit code. */
int call_request_and_print(const struct call *call);
/* Parameter @key as text, or NULL. */
const char *call_param(const struct call *call, const char *key);

/* --- fronts with files of their own --- */
int up_run(const struct command *self, int argc, char **argv);
int help_run(const struct command *self, int argc, char **argv);
int watch_run(struct call *call);
int capture_run(struct call *call);
extern const struct opt_row *const capture_tables[];
struct capture_own {
	char *write; /* the file */
};

/* --- help.c: how to use one command, or what there is --- */
void help_print_command(const struct command *c);
void help_print_overview(void);
/* The commands whose first word is @word. False: there are none. */
bool help_print_family(const char *word);
/* Answers "-netdev help" and "-netdev TYPE,help". False: @text is neither. */
bool help_print_netdev(const char *text);

/* --- man.c --- */
void man_print(void);	  /* the manual page, as roff */
void methods_print(void); /* the table in docs/control-socket.md */

/* --- complete.c --- */

/* Prints what the last of @argv, a word that was begun, may become, one a line;
 * "=file" where a file's name is wanted. */
void complete_print(int argc, char **argv);

#endif

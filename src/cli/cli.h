/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line. ctl/commands.c has the commands. A command sends one
 * request and prints its result as it is, unless a row of cli/fronts.c says
 * otherwise.
 */
#ifndef RW_CLI_H
#define RW_CLI_H

#include <jansson.h>

#include "args.h"
#include "client.h"
#include "commands.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* refused or failed */
	EXIT_USAGE = 2,
};

/* The checked arguments of a command. */
struct call {
	const struct command *command;
	char *control; /* NULL: default path */
	bool json;
	uint32_t timeout;      /* seconds; 0: no limit */
	json_t *params;	       /* the request's: an object */
	struct client_fds fds; /* sent with the request */
	void *own;	       /* struct that the front's own rows filled */
};

struct front {
	const char *name; /* of the command */
	/* Prints the result of the request for people. */
	void (*print)(const json_t *result);
	/* Replaces the request and print(). Returns an exit code. */
	int (*run)(struct call *call);
	/* Replaces the parser as well: @argv is what follows the name. Returns
	 * an exit code. */
	int (*run_raw)(const struct command *self, int argc, char **argv);
	/* Options that are not sent to the daemon: tables, ended by NULL. */
	const struct opt_row *const *own;
	size_t own_size; /* bytes of the struct that @own fills */
};

/* Returns the front of @c; of a command without a row one that prints any
 * result. */
const struct front *front_find(const struct command *c);
extern const struct front fronts[]; /* ends with a NULL name */

/* Options of every command that has a method; they fill struct call. */
extern const struct opt_row client_rows[];
/* Options of `up`. */
extern const struct opt_row *const up_tables[];

/* --- vm_cmd.c: the commands about a machine --- */

/* Options that are not sent: they find the machine. */
struct vm_own {
	char *name;
	uint32_t wait; /* of device del: seconds */
};
extern const struct opt_row *const vm_own_tables[];
extern const struct opt_row *const vm_del_tables[];
int vm_command_run(struct call *call);
int vm_show_run(struct call *call);
int vm_device_add_run(struct call *call);
int vm_device_del_run(struct call *call);
int vm_netdev_add_run(struct call *call);

/* --- vf_cmd.c: the commands about virtual functions of the host --- */
struct vf_own {
	bool json;
	bool unbound;
};
extern const struct opt_row *const vf_list_tables[];
extern const struct opt_row *const vf_create_tables[];
extern const struct opt_row vf_setting_rows[]; /* of vf set */
int vf_create_run(struct call *call);
int vf_list_run(struct call *call);
int vf_set_run(struct call *call);
int vf_delete_run(struct call *call);
int vf_restore_run(struct call *call);

/* --- options.c: a command's row as the command line sees it --- */

#define CLI_MAX_ROWS 16

struct cli_rows {
	/* the parameters that are options; key is the --name */
	struct opt_row option[CLI_MAX_ROWS + 1];
	const struct opt_row *param[CLI_MAX_ROWS]; /* source of option[i] */
	/* all options: option[], the front's own, client_rows; NULL */
	const struct opt_row *tables[6];
};
/* Fills @r with the options of @c. */
void cli_rows_init(struct cli_rows *r, const struct command *c);

/* Writes the words that follow the options, as "PORT KEY=VALUE...", to @buf. */
void cli_synopsis(const struct command *c, char *buf, size_t size);

/* Reads the arguments behind the command's name into @call. Returns 0,
 * ARG_HELP, or -errno with @err. Only after 0 must the caller call
 * call_fini(). */
int cli_parse(const struct command *c, int argc, char **argv, struct call *call,
	      struct err *err);
void call_fini(struct call *call);

/* --- main.c --- */

/* Prints "ringway: message" to stderr and returns @code. */
int cli_fail(int code, const char *fmt, ...) __printf(2, 3);

/* Returns the exit code for the error @rc: EXIT_USAGE for a bad value, else
 * EXIT_REFUSED. */
int cli_exit_code(int rc);

/* Returns the command whose name is the first *@used words of @argv, or NULL.
 */
const struct command *command_find(int argc, char **argv, int *used);

/* Sends @call's request and returns an exit code. With EXIT_DONE the caller
 * owns *@result, else the error is printed. */
int call_request(const struct call *call, json_t **result);
/* Sends @call's request, prints the result as JSON or by the front, and returns
 * an exit code. */
int call_request_and_print(const struct call *call);
/* Returns parameter @key as text, or NULL. */
const char *call_param(const struct call *call, const char *key);

/* --- process.c --- */

/* Prepares this process for moving frames: signals, limits, and the guard of
 * guest memory. Returns 0 or -errno with @err. */
int process_prepare(struct err *err);
/* Opens the log file @path, which never blocks: one that cannot take a line
 * loses it. Returns the descriptor or -errno with @err. */
int process_open_log(const char *path, struct err *err);
/* Writes this process's number to @path, and locks the file as QEMU does: one
 * that a running process has is refused. Returns a descriptor to keep until
 * process_forget_pid(), or -errno with @err. */
int process_write_pid(const char *path, struct err *err);
void process_forget_pid(const char *path, int *fd);

/* --- fronts.c --- */

/* Sends the request with the descriptors that its parameter netdev names. */
int port_add_run(struct call *call);

/* --- net_options.c: what `up` and `vm` share --- */

/* Options of both: -netdev, -object, -chardev, --config. */
extern const struct opt_row net_rows[];
/* Answers "help" behind -netdev and -object. Returns false for anything else.
 */
bool help_print_net(const struct arg *arg);
/* Says what to write instead of @option, which is -net or -nic, with @value.
 * @card: what is to be said about the guest's card. */
void explain_old_option(const char *option, const char *value, const char *card,
			struct err *err);

/* --- fronts with files of their own --- */
int up_run(const struct command *self, int argc, char **argv);
int vm_run(const struct command *self, int argc, char **argv);
extern const struct opt_row *const vm_tables[];
int help_run(const struct command *self, int argc, char **argv);
int watch_run(struct call *call);
int capture_run(struct call *call);
extern const struct opt_row *const capture_tables[];
struct capture_own {
	char *write; /* path of the file, or "-" */
};

/* --- help.c: help on one command, and the list of all --- */
void help_print_command(const struct command *c);
void help_print_overview(void);
/* Prints the commands of two words whose first is @word. Returns false when
 * there are none. */
bool help_print_family(const char *word);
/* Answers "-netdev help" and "-netdev TYPE,help". Returns false when @text is
 * neither, or TYPE is unknown. */
bool help_print_netdev(const char *text);
bool help_print_object(const char *text); /* the same of -object */
bool help_print_device(const char *text); /* the same of -device */
/* Answers "help" behind -machine, -accel, -cpu, -drive, -m, -smp or -serial,
 * which is @key. */
bool help_print_machine(const char *key, const char *text);

/* --- man.c --- */
void man_print(void);	  /* the manual page, as roff */
void methods_print(void); /* the table in docs/control-socket.md */

/* --- complete.c --- */

/* Prints the completions of the last word of @argv, one a line, and "=file"
 * where a file's name fits. */
void complete_print(int argc, char **argv);

#endif

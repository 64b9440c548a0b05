/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: one row says everything about a command. The JSON-RPC server, the
 * command line, its help, the manual page, completion and the table in
 * docs/control-socket.md come from the row. Only the printer of a result for
 * people lies elsewhere (cli/fronts.c).
 */
#ifndef RW_COMMAND_H
#define RW_COMMAND_H

#include "opt.h"

struct rpc_call;

/* A table of commands ends with a row without help. */
struct command {
	const char *name;   /* one to three words on the command line;
			     * NULL: the command is for JSON-RPC only */
	const char *method; /* JSON-RPC name; NULL: command line only */
	const char *help;   /* one line */
	const char *more;   /* further help text, or NULL */
	const struct opt_row *params; /* rows of the parameters, or NULL */
	size_t args_size;	      /* bytes of the struct @params fills */
	/* Help text about parameters without a row, which the handler reads;
	 * NULL: a parameter without a row is an error. */
	const char *others;
	/* The command line takes words KEY=VALUE as such parameters. */
	bool takes_changes;
	const char *result; /* help text about the result's members, or NULL */
	bool takes_fd;	    /* the handler takes a descriptor */
	/* Handler: returns 0, or -errno with call->err. The server answers
	 * -EINVAL and -ENAMETOOLONG with RPC_BAD_PARAMS, and any other error
	 * with RPC_REFUSED and the errno's name as data. NULL without method,
	 * and for a command that shows another row's method in its own way.
	 */
	int (*fn)(struct rpc_call *call);
};

/* Returns the rows of @c's parameters, never NULL. */
static inline const struct opt_row *command_params(const struct command *c)
{
	static const struct opt_row none[] = { { NULL } };

	return c->params ? c->params : none;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command: one row is the whole truth about it. The JSON-RPC server, the
 * command line, its help, the manual page, completion and the table in
 * docs/control-socket.md come from the row; a printer of its result for people
 * is all that a command may have elsewhere.
 */
#ifndef RW_COMMAND_H
#define RW_COMMAND_H

#include "opt.h"

struct rpc_call;

struct command {
	const char *name;   /* on the command line, one or two words; NULL:
			     * JSON-RPC only */
	const char *method; /* in JSON-RPC; NULL: command line only */
	const char *help;   /* one line */
	const char *more;   /* paragraphs for people, NULL for none */
	const struct opt_row *params; /* NULL: none */
	size_t args_size;	      /* of the struct that @params fills */
	/* Parameters that have no row and are read by the handler, in words
	 * for people; NULL: any other is an error. */
	const char *others;
	/* Words KEY=VALUE of the command line are @others. */
	bool takes_changes;
	const char *result; /* members of the result, for people, NULL: none */
	bool takes_fd;	    /* a descriptor comes along */
	/* 0, or -errno with call->err. A value that is wrong (-EINVAL,
	 * -ENAMETOOLONG) is answered RPC_BAD_PARAMS, the rest RPC_REFUSED with
	 * the name of the errno as data. NULL where there is no method. */
	int (*fn)(struct rpc_call *call);
};

/* A table ends with a row without help. */

/* The rows of its parameters, never NULL. */
static inline const struct opt_row *command_params(const struct command *c)
{
	static const struct opt_row none[] = { { NULL } };

	return c->params ? c->params : none;
}

#endif

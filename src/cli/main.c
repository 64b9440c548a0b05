/* SPDX-License-Identifier: Apache-2.0 */
/* Entry point: finds the command and runs it with its arguments. Only cli/ may
 * end the process. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "print.h"

int cli_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "ringway: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

int cli_exit_code(int rc)
{
	return rc == -EINVAL || rc == -ENAMETOOLONG ? EXIT_USAGE : EXIT_REFUSED;
}

/* Returns how many words the name of @c has if @argv begins with them, else 0.
 */
static int match(const struct command *c, int argc, char **argv)
{
	const char *at = c->name;
	int words = 0;

	while (at && *at) {
		size_t n = strcspn(at, " ");

		if (words == argc || strlen(argv[words]) != n ||
		    strncmp(argv[words], at, n) != 0)
			return 0;
		words++;
		at += n + (at[n] == ' ');
	}
	return words;
}

/* The longest matching name wins: "mac flush" before "mac". */
const struct command *command_find(int argc, char **argv, int *used)
{
	const struct command *found = NULL;

	*used = 0;
	for (const struct command *c = commands; c->help; c++) {
		int words = match(c, argc, argv);

		if (words > *used) {
			found = c;
			*used = words;
		}
	}
	return found;
}

/* Prints an error that suggests commands and returns EXIT_USAGE. */
static int refuse_command(int argc, char **argv)
{
	const char *names[64] = { NULL };
	char typed[128], list[256] = "";
	const char *near;
	size_t n = 0;
	unsigned k = 0;

	for (const struct command *c = commands; c->help; c++) {
		size_t len = strlen(argv[0]);

		if (!c->name)
			continue;
		if (k + 1 < ARRAY_SIZE(names))
			names[k++] = c->name;
		if (!strncmp(c->name, argv[0], len) && c->name[len] == ' ') {
			n += (size_t)snprintf(list + n, sizeof(list) - n,
					      "%s%s", n ? ", " : "",
					      c->name + len + 1);
			n = MIN(n, sizeof(list) - 1);
		}
	}
	if (n)
		return cli_fail(EXIT_USAGE, "%s%s%.32s%s: valid are %s",
				argv[0], argc > 1 ? ": unknown '" : "",
				argc > 1 ? argv[1] : "", argc > 1 ? "'" : "",
				list);
	snprintf(typed, sizeof(typed), "%s%s%s", argv[0], argc > 1 ? " " : "",
		 argc > 1 ? argv[1] : "");
	near = opt_nearest(names, argv[0]);
	if (!near)
		near = opt_nearest(names, typed);
	if (near)
		return cli_fail(EXIT_USAGE,
				"unknown command '%.64s': did you mean %s?",
				argv[0], near);
	return cli_fail(EXIT_USAGE,
			"unknown command '%.64s': `ringway help` lists them",
			argv[0]);
}

int call_request(const struct call *call, json_t **result)
{
	struct client c;
	struct err err;
	int rc = client_open(&c, call->control, call->timeout, &err);

	if (!rc) {
		rc = client_call_with(&c, call->command->method,
				      json_incref(call->params), &call->fds,
				      result, &err);
		client_close(&c);
	}
	return rc ? cli_fail(cli_exit_code(rc), "%s", err.msg) : EXIT_DONE;
}

const char *call_param(const struct call *call, const char *key)
{
	return json_string_value(json_object_get(call->params, key));
}

int call_request_and_print(const struct call *call)
{
	const struct front *front = front_find(call->command);
	json_t *result = NULL;
	int code = call_request(call, &result);

	if (code)
		return code;
	if (call->json)
		print_json(stdout, result);
	else
		front->print(result);
	json_decref(result);
	return EXIT_DONE;
}

static int run_command(const struct command *c, int argc, char **argv)
{
	const struct front *front = front_find(c);
	struct call call;
	struct err err;
	int rc, code;

	if (front->run_raw)
		return front->run_raw(c, argc, argv);
	rc = cli_parse(c, argc, argv, &call, &err);
	if (rc == ARG_HELP) {
		help_print_command(c);
		return EXIT_DONE;
	}
	if (rc)
		return cli_fail(EXIT_USAGE, "%s: %s", c->name, err.msg);
	code = front->run ? front->run(&call) : call_request_and_print(&call);
	call_fini(&call);
	return code;
}

int help_run(const struct command *self, int argc, char **argv)
{
	/* For the build, the tests and the shell, not for people. */
	static const struct {
		const char *option;
		void (*print)(void);
	} page[] = {
		{ "--man", man_print },
		{ "--methods", methods_print },
	};
	const struct command *c;
	int used;

	(void)self;
	if (!argc) {
		help_print_overview();
		return EXIT_DONE;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(page); i++)
		if (!strcmp(argv[0], page[i].option)) {
			page[i].print();
			return EXIT_DONE;
		}
	if (!strcmp(argv[0], "--complete")) {
		complete_print(argc - 1, argv + 1);
		return EXIT_DONE;
	}
	c = command_find(argc, argv, &used);
	if (!c && !help_print_family(argv[0]))
		return refuse_command(argc, argv);
	if (c)
		help_print_command(c);
	return EXIT_DONE;
}

/* Options in front of the command, as in "ringway --json show", mean the same
 * as behind it. Returns an exit code. */
static int run_with_options(int argc, char **argv)
{
	const struct opt_row *const tables[] = { client_rows, NULL };
	struct args a = { .argc = argc, .argv = argv };
	const struct command *c;
	struct arg arg;
	struct err err;
	char **rest;
	int rc, used, options, code;

	do {
		rc = args_next(&a, tables, &arg, &err);
	} while (rc == ARG_OPTION);
	if (rc == ARG_HELP) {
		help_print_overview();
		return EXIT_DONE;
	}
	if (rc < 0)
		return cli_fail(EXIT_USAGE, "%s", err.msg);
	if (rc != ARG_WORD)
		return cli_fail(EXIT_USAGE, "the command is missing: `ringway "
					    "help` lists them");
	options = a.at - 1;
	c = command_find(argc - options, argv + options, &used);
	if (!c)
		return refuse_command(argc - options, argv + options);
	rest = calloc((size_t)argc + 1, sizeof(*rest));
	if (!rest)
		return cli_fail(EXIT_REFUSED, "out of memory");
	memcpy(rest, argv, (size_t)options * sizeof(*rest));
	memcpy(rest + options, argv + options + used,
	       (size_t)(argc - options - used) * sizeof(*rest));
	code = run_command(c, argc - used, rest);
	free(rest);
	return code;
}

static int run(int argc, char **argv)
{
	const struct command *c;
	int used;

	if (!argc) {
		help_print_overview();
		return EXIT_USAGE;
	}
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h")) {
		help_print_overview();
		return EXIT_DONE;
	}
	if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V")) {
		printf("ringway %s\n", RINGWAY_VERSION);
		return EXIT_DONE;
	}
	if (argv[0][0] == '-')
		return run_with_options(argc, argv);
	c = command_find(argc, argv, &used);
	if (!c)
		return refuse_command(argc, argv);
	return run_command(c, argc - used, argv + used);
}

/* Opens /dev/null for each standard descriptor that is closed; otherwise a
 * descriptor that we open would take its number. */
static void fill_standard_fds(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			exit(EXIT_REFUSED);
}

int main(int argc, char **argv)
{
	int code;

	fill_standard_fds();
	code = run(argc - 1, argv + 1);

	/* A full disk or a closed pipe must not look like success. */
	if (fflush(stdout) && !code)
		code = cli_fail(EXIT_REFUSED, "standard output: %s",
				strerror(errno));
	return code;
}

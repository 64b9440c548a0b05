/* SPDX-License-Identifier: Apache-2.0 */
/* Entry point: finds the command and what was typed behind it. The only code
 * that may end the process. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cli.h"

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

/* The longest name that @argv begins with, so that "mac flush" goes before
 * "mac". */
const struct command *command_find(int argc, char **argv, int *used)
{
	const struct command *found = NULL;

	*used = 0;
	for (const struct command *c = commands; c->name; c++) {
		const char *second = strchr(c->name, ' ');
		size_t n =
			second ? (size_t)(second - c->name) : strlen(c->name);
		int words = second ? 2 : 1;

		if (argc < words || strlen(argv[0]) != n ||
		    strncmp(argv[0], c->name, n) ||
		    (second && strcmp(argv[1], second + 1)) || words < *used)
			continue;
		found = c;
		*used = words;
	}
	return found;
}

/* Says which commands there are that could have been meant. */
static int refuse_command(int argc, char **argv)
{
	const char *names[64] = { NULL };
	char typed[128], list[256] = "";
	const char *near;
	size_t n = 0;
	unsigned k = 0;

	for (const struct command *c = commands; c->name; c++) {
		size_t len = strlen(argv[0]);

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

static int check_words(const struct command *c, const struct cli_args *a)
{
	if (a->words < c->min_words)
		return cli_fail(EXIT_USAGE, "%s: usage: ringway %s %s", c->name,
				c->name, c->usage);
	if (a->words > c->max_words)
		return cli_fail(EXIT_USAGE,
				"%s: '%s' is too much: usage: ringway %s%s%s",
				c->name, a->word[c->max_words], c->name,
				*c->usage ? " " : "", c->usage);
	return EXIT_DONE;
}

static int run_command(const struct command *c, int argc, char **argv)
{
	const struct opt_row *tables[] = { c->options, NULL };
	struct args a = { .argc = argc, .argv = argv };
	struct cli_args out = { 0 };
	struct err err;
	struct arg arg;
	int rc, code;

	rc = opt_defaults(c->options, &out, &err);
	while (!rc) {
		rc = args_next(&a, tables, c->shorts, &arg, &err);
		if (rc == ARG_OPTION) {
			rc = opt_set(c->options, &out, arg.key, arg.text, &err);
		} else if (rc == ARG_WORD) {
			rc = 0;
			if (out.words < CLI_MAX_WORDS)
				out.word[out.words++] = arg.text;
		} else {
			break;
		}
		if (rc)
			break;
	}
	if (rc == ARG_HELP) {
		help_print_command(c);
		code = EXIT_DONE;
	} else if (rc) {
		code = cli_fail(EXIT_USAGE, "%s: %s", c->name, err.msg);
	} else {
		code = check_words(c, &out);
		if (!code && opt_check(c->options, &out, &err))
			code = cli_fail(EXIT_USAGE, "%s: --%s", c->name,
					err.msg);
		if (!code)
			code = c->run(&out);
	}
	opt_free(c->options, &out);
	return code;
}

int help_run(const struct command *self, int argc, char **argv)
{
	const struct command *c;
	int used;

	(void)self;
	if (argc && !strcmp(argv[0], "--man")) {
		man_print();
		return EXIT_DONE;
	}
	if (!argc) {
		help_print_overview();
		return EXIT_DONE;
	}
	c = command_find(argc, argv, &used);
	if (!c && !help_print_family(argv[0]))
		return refuse_command(argc, argv);
	if (c)
		help_print_command(c);
	return EXIT_DONE;
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
	c = command_find(argc, argv, &used);
	if (!c)
		return refuse_command(argc, argv);
	if (c->run_raw)
		return c->run_raw(c, argc - used, argv + used);
	return run_command(c, argc - used, argv + used);
}

/* A descriptor we open must not become one of the standard three. */
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

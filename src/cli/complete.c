/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for shells: dist/ringway.bash passes the words up to the cursor
 * and gets the completions of the last one, which come from the rows of
 * commands and options, and from the daemon for ports and networks. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "host_fs.h"
#include "machine_conf.h"
#include "port_types.h"

static void print_if(const char *word, const char *begun)
{
	if (!strncmp(word, begun, strlen(begun)))
		printf("%s\n", word);
}

/* Completes the name of a command: the next word of those whose first words
 * were typed. */
static void complete_name(int argc, char **argv)
{
	const char *begun = argv[argc - 1];
	char last[32] = "", next[32];

	for (const struct command *c = commands; c->help; c++) {
		const char *at = c->name;
		int i = 0;

		for (; at && i < argc - 1; i++) {
			size_t n = strcspn(at, " ");

			if (strlen(argv[i]) != n || strncmp(at, argv[i], n) ||
			    !at[n])
				break;
			at += n + 1;
		}
		if (!at || i < argc - 1)
			continue;
		snprintf(next, sizeof(next), "%.*s", (int)strcspn(at, " "), at);
		if (strcmp(last, next) != 0)
			print_if(next, begun);
		memcpy(last, next, sizeof(last));
	}
}

/* Returns the path behind --control, or NULL. */
static const char *named_control(int argc, char **argv)
{
	const char *control = NULL;

	for (int i = 0; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--control"))
			control = argv[i + 1];
	return control;
}

/* Completes from a list of the daemon: member @key of each element of @array in
 * the result of @method. Prints nothing when no daemon runs. */
static void complete_from(const char *control, const char *method,
			  const char *array, const char *key, const char *begun)
{
	json_t *result = NULL, *one;
	struct client c;
	struct err err;
	size_t i;

	if (client_open(&c, control, 1, &err))
		return;
	if (!client_call(&c, method, NULL, &result, &err))
		json_array_foreach(json_object_get(result, array), i, one)
			print_if(json_string_value(json_object_get(one, key)),
				 begun);
	json_decref(result);
	client_close(&c);
}

static int print_interface(const char *name, void *begun)
{
	print_if(name, begun);
	return 0;
}

static void complete_value(const struct opt_row *row, int argc, char **argv)
{
	const char *control = named_control(argc, argv);
	const char *begun = argv[argc - 1];
	const char *arg = row->arg ? row->arg : "";
	const char *name, *help;

	if (row->kind == OPT_PATH)
		printf("=file\n");
	for (unsigned i = 0; row->choices && row->choices[i]; i++)
		print_if(row->choices[i], begun);
	if (!strcmp(arg, "PORT"))
		complete_from(control, "port.list", "ports", "id", begun);
	else if (!strcmp(arg, "NAME"))
		complete_from(control, "show", "networks", "name", begun);
	else if (!strcmp(arg, "DEV"))
		host_fs_each("/sys/class/net", print_interface, argv[argc - 1]);
	else if (!strcmp(row->key, "settings"))
		for (const struct opt_row *r = vf_setting_rows; r->key; r++)
			print_if(r->key, begun);
	else if (!strcmp(arg, "COMMAND"))
		complete_name(1, argv + argc - 1);
	else if (!strcmp(row->key, "netdev"))
		for (unsigned i = 0; port_types[i]; i++)
			print_if(port_types[i]->name, begun);
	else if (!strcmp(row->key, "device"))
		for (unsigned i = 0; machine_device_at(i, &name, &help); i++)
			print_if(name, begun);
}

/* Returns the option that @word names, or NULL. */
static const struct opt_row *find_option(const struct cli_rows *rows,
					 const char *word)
{
	const char *key = word + strspn(word, "-");

	if (key == word)
		return NULL;
	for (const struct opt_row *const *t = rows->tables; *t; t++)
		for (const struct opt_row *r = *t; r->key; r++)
			if (!strcmp(r->key, key) ||
			    (r->letter && !strcmp(r->letter, key)))
				return r;
	return NULL;
}

static void complete_option(const struct cli_rows *rows, const char *begun)
{
	char text[64];

	for (const struct opt_row *const *t = rows->tables; *t; t++)
		for (const struct opt_row *r = *t; r->key; r++) {
			snprintf(text, sizeof(text), "--%s", r->key);
			print_if(text, begun);
		}
}

/* Returns the parameter of the word that follows @words words, or NULL. */
static const struct opt_row *word_row(const struct command *c, unsigned words)
{
	for (const struct opt_row *p = command_params(c); p->key; p++)
		if (p->word && (p->kind == OPT_LIST || !words--))
			return p;
	return NULL;
}

void complete_print(int argc, char **argv)
{
	const struct opt_row *row = NULL;
	const struct command *c;
	struct cli_rows rows;
	unsigned words = 0;
	int used;

	if (!argc)
		return;
	complete_name(argc, argv);
	c = command_find(argc - 1, argv, &used);
	if (!c)
		return;
	cli_rows_init(&rows, c);
	for (int i = used; i < argc - 1; i++) {
		const struct opt_row *option =
			row ? NULL : find_option(&rows, argv[i]);

		words += !row && !option;
		/* The next word is this option's value. */
		row = option && option->kind != OPT_BOOL ? option : NULL;
	}
	if (!row && argv[argc - 1][0] == '-')
		complete_option(&rows, argv[argc - 1]);
	else if (row || (row = word_row(c, words)))
		complete_value(row, argc, argv);
}

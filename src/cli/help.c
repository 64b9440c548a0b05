/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, made from the rows of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "filter.h"
#include "machine_conf.h"
#include "netdev.h"
#include "port_types.h"

#define LINE_WIDTH 78

/* Prints @text in lines that begin at column @indent. The cursor is at column
 * @at, where the first line continues. */
static void print_wrapped(const char *text, unsigned indent, unsigned at)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (at > indent && at + 1 + n > LINE_WIDTH) {
			putchar('\n');
			at = 0;
		}
		if (at < indent) {
			printf("%*s", (int)(indent - at), "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)n, text);
		at += (unsigned)n;
		text += n + strspn(text + n, " ");
	}
	putchar('\n');
}

#define HELP_COLUMN 30

static void print_row(const struct opt_row *row, const char *dashes,
		      bool with_runtime)
{
	char usage[160], text[400], values[200] = "";
	bool is_flag = row->kind == OPT_BOOL && *dashes;
	int at;

	opt_usage(row, usage, sizeof(usage));
	if (*dashes)
		usage[strcspn(usage, "=")] = is_flag ? '\0' : ' ';
	at = printf("  %s%s", dashes, row->word ? row->arg : usage);
	if (at >= HELP_COLUMN) {
		putchar('\n');
		at = 0;
	}
	if (row->word && row->choices)
		opt_values(row, values, sizeof(values));
	snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", row->help,
		 *values ? "; " : "", values,
		 row->def && !is_flag ? " (default " : "",
		 row->def && !is_flag ? row->def : "",
		 row->def && !is_flag ? ")" : "",
		 row->required && !row->word ? " (required)" : "",
		 with_runtime && row->runtime ? " (changeable)" : "");
	print_wrapped(text, HELP_COLUMN, (unsigned)at);
}

static void print_rows(const struct opt_row *rows, const char *dashes,
		       bool with_runtime)
{
	for (; rows->key; rows++)
		print_row(rows, dashes, with_runtime);
}

static void print_letters(const struct opt_row *rows)
{
	for (; rows->key; rows++)
		if (rows->letter)
			printf("  -%s is --%s\n", rows->letter, rows->key);
}

static void print_line(const struct command *c)
{
	char synopsis[100];
	int at;

	cli_synopsis(c, synopsis, sizeof(synopsis));
	at = printf("  %s%s%s", c->name, *synopsis ? " " : "", synopsis);
	print_wrapped(c->help, HELP_COLUMN, (unsigned)at);
}

/* Prints the commands of two words whose first is @word, with @title before the
 * first of them. Returns whether there are any. */
static bool print_family(const char *word, const char *title)
{
	size_t n = strlen(word);
	bool is_any = false;

	for (const struct command *c = commands; c->help; c++) {
		if (!c->name || strncmp(c->name, word, n) != 0 ||
		    c->name[n] != ' ')
			continue;
		if (!is_any)
			fputs(title, stdout);
		print_line(c);
		is_any = true;
	}
	return is_any;
}

bool help_print_family(const char *word)
{
	return print_family(word, "");
}

void help_print_command(const struct command *c)
{
	const struct opt_row *const *table;
	struct cli_rows rows;
	char synopsis[100];

	cli_rows_init(&rows, c);
	cli_synopsis(c, synopsis, sizeof(synopsis));
	printf("usage: ringway %s%s%s%s\n\n", c->name,
	       rows.tables[1] ? " [OPTIONS]" : "", *synopsis ? " " : "",
	       synopsis);
	print_wrapped(c->help, 0, 0);
	if (c->more) {
		putchar('\n');
		print_wrapped(c->more, 0, 0);
	}
	if (*synopsis)
		putchar('\n');
	for (const struct opt_row *p = command_params(c); p->key; p++)
		if (p->word)
			print_row(p, "", false);
	if (rows.tables[1])
		printf("\noptions:\n");
	for (table = rows.tables; *table; table++)
		print_rows(*table, "--", false);
	for (table = rows.tables; *table; table++)
		print_letters(*table);
	print_family(c->name, "\ncommands:\n");
}

void help_print_overview(void)
{
	printf("usage: ringway COMMAND ...\n\n");
	for (const struct command *c = commands; c->help; c++)
		if (c->name)
			print_line(c);
	printf("\n`ringway help COMMAND` tells more. A first switch:\n\n"
	       "  ringway up -netdev vhost-user,id=vm1,path=vm1.sock \\\n"
	       "             -netdev user,id=nat\n"
	       "  qemu-system-x86_64 $(ringway qemu-args vm1) -m 1G "
	       "disk.qcow2\n");
}

/* Returns whether @text is "NAME,help", with NAME in @name. */
static bool asks_for_type(const char *text, char *name, size_t size)
{
	const char *comma = strchr(text, ',');

	if (!comma || strcmp(comma, ",help") || (size_t)(comma - text) >= size)
		return false;
	memcpy(name, text, (size_t)(comma - text));
	name[comma - text] = '\0';
	return true;
}

static bool asks_for_types(const char *text)
{
	return !strcmp(text, "help") || !strcmp(text, "?");
}

static void print_type(const char *name, const char *help,
		       const struct opt_row *common, const struct opt_row *own)
{
	printf("%s: %s\n\n", name, help);
	print_rows(common, "", true);
	print_rows(own, "", true);
}

bool help_print_netdev(const char *text)
{
	const struct port_type *type;
	char name[64];

	if (asks_for_types(text)) {
		for (unsigned i = 0; port_types[i]; i++)
			printf("%-12s %s\n", port_types[i]->name,
			       port_types[i]->help);
		return true;
	}
	if (!asks_for_type(text, name, sizeof(name)))
		return false;
	type = port_type_find(name, NULL);
	if (!type)
		return false; /* the parser will report the type */
	print_type(type->name, type->help, port_conf_rows, type->rows);
	return true;
}

bool help_print_device(const char *text)
{
	const char *type, *help;
	char name[64];

	if (asks_for_types(text)) {
		for (unsigned i = 0; machine_device_at(i, &type, &help); i++)
			printf("%-16s %s\n", type, help);
		return true;
	}
	if (!asks_for_type(text, name, sizeof(name)) ||
	    !machine_device_rows(name))
		return false; /* the parser will report the type */
	print_rows(machine_device_rows(name), "", false);
	return true;
}

bool help_print_machine(const char *key, const char *text)
{
	if (!text || !asks_for_types(text))
		return false;
	if (!strcmp(key, "machine"))
		puts("There is one machine: PCI with ECAM, a serial port, "
		     "virtio. q35, pc and microvm are taken\nfor it, and "
		     "accel=kvm, kernel-irqchip=on or split.");
	else if (!strcmp(key, "accel"))
		puts("kvm        kernel-irqchip=on or split");
	else if (!strcmp(key, "cpu"))
		puts("host, max  what KVM offers");
	else if (!strcmp(key, "drive"))
		print_rows(machine_drive_rows, "", false);
	else if (!strcmp(key, "m") || !strcmp(key, "smp") ||
		 !strcmp(key, "serial"))
		print_row(opt_find(machine_rows, key), "-", false);
	else
		return false;
	return true;
}

bool help_print_object(const char *text)
{
	const struct filter_type *type;
	char name[64];

	if (asks_for_types(text)) {
		for (unsigned i = 0; filter_types[i]; i++)
			printf("%-18s %s\n", filter_types[i]->name,
			       filter_types[i]->help);
		return true;
	}
	if (!asks_for_type(text, name, sizeof(name)))
		return false;
	type = filter_type_find(name, NULL);
	if (!type)
		return false; /* the parser will report the type */
	print_type(type->name, type->help, filter_conf_rows, type->rows);
	return true;
}

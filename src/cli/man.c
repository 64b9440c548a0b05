/* SPDX-License-Identifier: Apache-2.0 */
/* The manual page and the table of methods in docs/control-socket.md, made from
 * the rows of commands and options. `ringway help --man` runs at build time, a
 * test runs `ringway help --methods`. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "machine_conf.h"
#include "netdev.h"
#include "port_types.h"

/* Prints @text with roff's special characters escaped. */
static void put(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text; text++) {
		if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
	}
}

static void put_row(const struct opt_row *row, const char *dashes)
{
	char usage[160], values[300];
	bool is_flag = row->kind == OPT_BOOL && *dashes;

	opt_usage(row, usage, sizeof(usage));
	opt_values(row, values, sizeof(values));
	if (*dashes)
		usage[strcspn(usage, "=")] = is_flag ? '\0' : ' ';
	printf(".TP\n.B \"");
	put(dashes);
	put(row->word ? row->arg : usage);
	printf("\"\n");
	put(row->help);
	if (row->def && !is_flag) {
		printf(" (default ");
		put(row->def);
		printf(")");
	}
	if (row->kind == OPT_UINT || row->kind == OPT_UINT64 ||
	    row->kind == OPT_SIZE || (row->choices && row->arg)) {
		printf("; ");
		put(values);
	}
	printf("%s.%s\n", row->required && !row->word ? "; required" : "",
	       row->runtime ? " Can be changed on a live port." : "");
}

static void put_rows(const struct opt_row *rows, const char *dashes)
{
	for (; rows->key; rows++)
		put_row(rows, dashes);
}

static void put_letters(const struct opt_row *rows)
{
	for (; rows->key; rows++) {
		if (!rows->letter)
			continue;
		printf(".TP\n.B \\-%s\nThe same as ", rows->letter);
		put("--");
		put(rows->key);
		printf(".\n");
	}
}

static void put_command(const struct command *c)
{
	const struct opt_row *const *table;
	struct cli_rows rows;
	char synopsis[100];

	cli_rows_init(&rows, c);
	cli_synopsis(c, synopsis, sizeof(synopsis));
	printf(".SS \"ringway ");
	put(c->name);
	printf("%s%s%s\"\n", rows.tables[1] ? " [OPTIONS]" : "",
	       *synopsis ? " " : "", synopsis);
	put(c->help);
	printf(".\n");
	if (c->more) {
		printf(".PP\n");
		put(c->more);
		printf("\n");
	}
	for (const struct opt_row *p = command_params(c); p->key; p++)
		if (p->word)
			put_row(p, "");
	for (table = rows.tables; *table; table++)
		put_rows(*table, "--");
	for (table = rows.tables; *table; table++)
		put_letters(*table);
}

static void put_netdevs(void)
{
	printf(".SH NETDEVS\n");
	put("A port is written TYPE,id=NAME,key=value,... as QEMU writes a "
	    "-netdev; a comma inside a value is doubled, and a boolean key "
	    "alone switches it on, with \"no\" before it off. Every type "
	    "takes:");
	printf("\n");
	put_rows(port_conf_rows, "");
	for (unsigned i = 0; port_types[i]; i++) {
		printf(".SS ");
		put(port_types[i]->name);
		printf("\n");
		put(port_types[i]->help);
		printf(".\n");
		put_rows(port_types[i]->rows, "");
	}
}

static void put_devices(void)
{
	const char *name, *help;

	printf(".SH DEVICES\n");
	put("A device of a machine is written TYPE,key=value,... behind "
	    "-device of `ringway vm`, or behind `ringway vm device add`.");
	printf("\n");
	for (unsigned i = 0; machine_device_at(i, &name, &help); i++) {
		printf(".SS ");
		put(name);
		printf("\n");
		put(help);
		printf(".\n");
		put_rows(machine_device_rows(name), "");
	}
}

static void put_methods(void)
{
	printf(".SH CONTROL SOCKET\n");
	put("The daemon listens on a UNIX stream socket that only its owner "
	    "and root may use, and speaks JSON-RPC 2.0 there: each request "
	    "and each reply is one line. Parameters go by name; results are "
	    "objects, the same that --json prints. A value that is wrong is "
	    "error -32602, what cannot be done is error -32000 with the name "
	    "of the errno as data. Methods:");
	printf("\n");
	for (const struct command *m = commands; m->help; m++) {
		if (!m->fn)
			continue;
		printf(".TP\n.B \"");
		put(m->method);
		for (const struct opt_row *r = command_params(m); r->key; r++) {
			printf(r->required ? " " : " [");
			put(r->key);
			printf(r->required ? "" : "]");
		}
		printf("\"\n");
		put(m->help);
		printf(".\n");
	}
}

/* Prints the parameters of @c in Markdown: "`id` [`limit`], and `KEY`". */
static void put_params(const struct command *c)
{
	bool is_any = false;

	for (const struct opt_row *r = command_params(c); r->key; r++) {
		bool is_needed = r->required || r->word == OPT_WORD_NEEDED;

		printf(is_needed ? " `%s`" : " [`%s`]", r->key);
		is_any = true;
	}
	if (c->others)
		printf("%s %s", is_any ? "," : "", c->others);
	if (c->takes_fd)
		printf(", a descriptor");
}

void methods_print(void)
{
	printf("| method | parameters | result |\n|---|---|---|\n");
	for (const struct command *c = commands; c->help; c++) {
		if (!c->fn)
			continue;
		printf("| `%s` |", c->method);
		put_params(c);
		printf(" | %s%s|\n", c->result ? c->result : "",
		       c->result ? " " : "");
	}
}

static const char head[] =
	".TH RINGWAY 1 \"\" \"ringway " RINGWAY_VERSION "\"\n"
	".SH NAME\n"
	"ringway \\- virtio networking for virtual machines: a vhost\\-user "
	"switch\n"
	".SH SYNOPSIS\n"
	".B ringway up\n"
	".RB [ \\-netdev \" TYPE,id=NAME,...\" ]...\n"
	".RB [ \\-\\-config \" FILE\" ]\n"
	".br\n"
	".B ringway\n"
	".I COMMAND\n"
	"[OPTIONS]\n"
	".br\n"
	".B ringway vm\n"
	".RB [ \\-kernel \" FILE\" ]\n"
	".RB [ \\-netdev \" TYPE,id=NAME,...\" ]...\n"
	".RB [ \\-device \" TYPE,netdev=NAME,...\" ]...\n"
	".SH DESCRIPTION\n"
	"Ringway is a switch that virtual machines plug into through\n"
	"vhost\\-user. Frames go from guest to guest with one copy; an idle\n"
	"switch uses no processor time; neither hugepages nor root are needed."
	"\n"
	"Other ports lead out: taps, user\\-mode NAT, and more.\n"
	".PP\n"
	".B ringway vm\n"
	"runs a virtual machine under KVM, whose cards are on such ports, or\n"
	"are cards of this host.\n"
	".B ringway vf\n"
	"makes the virtual functions of a card (SR\\-IOV).\n";

static const char tail[] =
	".SH CONFIGURATION FILE\n"
	"The options of\n"
	".BR \"ringway up\" ,\n"
	"one a line, as in\n"
	".PP\n.nf\n"
	"# two guests and a way out\n"
	"workers 2\n"
	"netdev vhost\\-user,id=vm1,path=/run/user/1000/vm1.sock\n"
	"netdev vhost\\-user,id=vm2,path=/run/user/1000/vm2.sock\n"
	"netdev user,id=nat,hostfwd=tcp::5555\\-:22\n"
	".fi\n"
	".PP\n"
	".B ringway reload\n"
	"makes what changed in it, and\n"
	".B ringway save\n"
	"prints one of the ports as they are now.\n"
	".SH EXIT STATUS\n"
	"0: done. 1: refused or failed. 2: bad usage. One line on standard\n"
	"error names what is wrong and what would be right.\n"
	".SH FILES\n"
	".TP\n.I $XDG_RUNTIME_DIR/ringway/control.sock\n"
	"The control socket, when no other is named. Without that variable it\n"
	"is in /run/user/UID/ringway or /tmp/ringway\\-UID.\n"
	".TP\n.I $XDG_RUNTIME_DIR/ringway/vm\\-NAME.sock\n"
	"That of a machine.\n"
	".TP\n.I ~/.config/ringway/ringway.conf\n"
	"What the systemd unit of the user reads.\n"
	".TP\n.I /run/ringway\n"
	"What\n.B ringway vf restore\nundoes after a kill.\n"
	".SH EXAMPLES\n"
	".nf\n"
	"ringway up \\-netdev vhost\\-user,id=vm1,path=/tmp/vm1.sock "
	"\\-netdev user,id=nat\n"
	"qemu\\-system\\-x86_64 $(ringway qemu\\-args vm1) \\-m 1G disk.qcow2\n"
	"ringway port set nat hostfwd+=tcp::8080\\-:80\n"
	"ringway capture vm1 \\-w \\- | wireshark \\-k \\-i \\-\n"
	".fi\n";

void man_print(void)
{
	fputs(head, stdout);
	printf(".SH COMMANDS\n");
	for (const struct command *c = commands; c->help; c++)
		if (c->name)
			put_command(c);
	put_netdevs();
	put_devices();
	put_methods();
	fputs(tail, stdout);
}

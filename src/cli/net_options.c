/* SPDX-License-Identifier: Apache-2.0 */
/* Options about networks that `up` and `vm` share, and QEMU's older ones, which
 * are explained. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "port_types.h"

const struct opt_row net_rows[] = {
	{ .key = "netdev",
	  .kind = OPT_STRING,
	  .arg = "TYPE,id=NAME,...",
	  .help = "a port; may be given several times" },
	{ .key = "object",
	  .kind = OPT_STRING,
	  .arg = "TYPE,id=NAME,netdev=PORT,...",
	  .help = "a filter on a port; may be given several times" },
	{ .key = "chardev",
	  .kind = OPT_STRING,
	  .arg = "socket,id=NAME,...",
	  .help = "a stream for filters, back-ends and the "
		  "serial port; may be given several times" },
	{ .key = "config",
	  .kind = OPT_PATH,
	  .arg = "FILE",
	  .help = "read options from a file, one a line",
	  .letter = "c" },
	{ NULL },
};

/* Returns whether an option of -net or -nic is about the guest's card. */
static bool is_of_card(const char *key)
{
	static const char *const keys[] = { "model", "mac",	"macaddr",
					    "addr",  "vectors", NULL };

	for (unsigned i = 0; keys[i]; i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

/* Writes what -netdev takes instead of "TYPE,key=value,..." behind -net or
 * -nic. A comma in a value is doubled. */
static void write_netdev(FILE *f, const char *type,
			 const struct opt_pair *pairs, int count)
{
	const char *id = NULL;

	for (int i = 0; i < count; i++)
		if (!strcmp(pairs[i].key, "id") ||
		    !strcmp(pairs[i].key, "name"))
			id = pairs[i].value;
	fprintf(f, "%s,id=%s%s", type, id ? id : type, id ? "" : "0");
	for (int i = 0; i < count; i++) {
		if (!strcmp(pairs[i].key, "id") ||
		    !strcmp(pairs[i].key, "name") || is_of_card(pairs[i].key))
			continue;
		if (!strcmp(pairs[i].key, "chardev")) { /* its socket */
			fprintf(f, ",path=PATH");
			continue;
		}
		fprintf(f, ",%s", pairs[i].key);
		for (const char *c = pairs[i].value; c && *c; c++)
			fprintf(f, "%s%s%c", c == pairs[i].value ? "=" : "",
				*c == ',' ? "," : "", *c);
	}
}

/* Says what to write instead of @option, which is -net or -nic, with @value. */
void explain_old_option(const char *option, const char *value, const char *card,
			struct err *err)
{
	struct opt_pair *pairs;
	char *type, *text = NULL;
	size_t size;
	int count = opt_split(value ? value : "", &type, &pairs, NULL);
	FILE *f;

	if (count < 0 || !type || !*type) {
		err_set(err, -EINVAL,
			"%s is QEMU's shorter form: write -netdev "
			"TYPE,id=NAME,...",
			option);
	} else if (!strcmp(type, "none")) {
		err_set(err, -EINVAL,
			"%s none: leave it out: a switch has only the ports "
			"that are named",
			option);
	} else if (!strcmp(type, "nic")) {
		err_set(err, -EINVAL,
			"%s nic is the guest's card, which is a -device: %s",
			option, card);
	} else if (!port_type_find(type, err)) {
		err_prefix(err, -EINVAL, "%s", option);
	} else {
		f = open_memstream(&text, &size);
		if (f) {
			write_netdev(f, type, pairs, count);
			fclose(f);
		}
		/* What an error has room for is cut visibly. */
		err_set(err, -EINVAL,
			"%s %s is QEMU's shorter form (%s): write -netdev "
			"%.380s%s",
			option, type, card, text ? text : "",
			text && strlen(text) > 380 ? "..." : "");
		free(text);
	}
	if (count >= 0)
		opt_pairs_free(type, pairs, count);
}

bool help_print_net(const struct arg *arg)
{
	if (!strcmp(arg->key, "netdev"))
		return help_print_netdev(arg->text);
	return !strcmp(arg->key, "object") && help_print_object(arg->text);
}

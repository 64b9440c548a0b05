/* SPDX-License-Identifier: Apache-2.0 */
/* Turns the row of a command into options and words, and a command line into
 * the parameters of a request. Values are checked against the same rows as in
 * the daemon. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const struct opt_row client_rows[] = {
	{ .key = "control",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct call, control),
	  .arg = "PATH",
	  .help = "the daemon's control socket (default: $RINGWAY_CONTROL, "
		  "or the user's own)" },
	{ .key = "json",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct call, json),
	  .help = "print the reply as JSON" },
	{ .key = "timeout",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct call, timeout),
	  .max = 86400,
	  .def = "10",
	  .arg = "SECONDS",
	  .help = "how long to wait for the reply; 0: without end" },
	{ NULL },
};

void cli_rows_init(struct cli_rows *r, const struct command *c)
{
	const struct opt_row *const *own = front_find(c)->own;
	unsigned n = 0;

	*r = (struct cli_rows){ 0 };
	for (const struct opt_row *p = command_params(c); p->key; p++) {
		if (p->word)
			continue;
		assert(n < CLI_MAX_ROWS);
		r->param[n] = p;
		r->option[n] = *p;
		if (p->name)
			r->option[n].key = p->name;
		n++;
	}
	r->tables[0] = r->option;
	for (n = 1; own && *own; own++)
		r->tables[n++] = *own;
	if (c->method)
		r->tables[n++] = client_rows;
	assert(n < ARRAY_SIZE(r->tables));
}

static bool is_needed(const struct opt_row *row)
{
	return row->required || row->word == OPT_WORD_NEEDED;
}

void cli_synopsis(const struct command *c, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (const struct opt_row *p = command_params(c); p->key; p++) {
		if (!p->word)
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s%s%s%s%s",
				      n ? " " : "", is_needed(p) ? "" : "[",
				      p->arg, p->kind == OPT_LIST ? "..." : "",
				      is_needed(p) ? "" : "]");
		assert(n < size);
	}
	if (c->takes_changes)
		snprintf(buf + n, size - n, "%sKEY=VALUE...", n ? " " : "");
}

/* The state of cli_parse(). */
struct reading {
	struct call *call; /* being filled */
	struct cli_rows rows;
	void *args;	/* struct of the parameters, as in the daemon */
	unsigned words; /* read so far */
};

static int set_json(json_t *params, const char *key, const char *text,
		    bool is_list, struct err *err)
{
	json_t *value = json_string(text), *old = json_object_get(params, key);

	if (!value)
		return err_set(err, -EINVAL, "%s: not valid UTF-8", key);
	if (!is_list)
		json_object_set_new(params, key, value);
	else if (old)
		json_array_append_new(old, value);
	else
		json_object_set_new(params, key, json_pack("[o]", value));
	return 0;
}

static int set_param(struct reading *r, const struct opt_row *row,
		     const char *text, struct err *err)
{
	int rc = opt_set(command_params(r->call->command), r->args, row->key,
			 text, err);

	if (rc)
		return rc;
	return set_json(r->call->params, row->key, text ? text : "on",
			row->kind == OPT_LIST, err);
}

static int set_option(struct reading *r, const struct arg *arg, struct err *err)
{
	const struct opt_row *const *own = front_find(r->call->command)->own;

	for (unsigned i = 0; r->rows.option[i].key; i++)
		if (r->rows.option[i].key == arg->key)
			return set_param(r, r->rows.param[i], arg->text, err);
	for (; own && *own; own++)
		if (opt_find(*own, arg->key))
			return opt_set(*own, r->call->own, arg->key, arg->text,
				       err);
	return opt_set(client_rows, r->call, arg->key, arg->text, err);
}

/* Adds the parameter "KEY=VALUE"; a key given several times becomes an array.
 */
static int add_change(struct reading *r, const char *text, struct err *err)
{
	json_t *params = r->call->params, *old;
	const char *eq = strchr(text, '=');
	char key[64];

	if (!eq || eq == text || (size_t)(eq - text) >= sizeof(key))
		return err_set(err, -EINVAL,
			       "'%s' is not KEY=VALUE, KEY+=VALUE or "
			       "KEY-=VALUE",
			       text);
	memcpy(key, text, (size_t)(eq - text));
	key[eq - text] = '\0';
	if (opt_find(command_params(r->call->command), key))
		return err_set(err, -EINVAL, "%s cannot be changed", key);
	old = json_object_get(params, key);
	if (old && !json_is_array(old))
		json_object_set_new(params, key, json_pack("[O]", old));
	return set_json(params, key, eq + 1, old != NULL, err);
}

static int refuse_word(const struct command *c, const char *word,
		       struct err *err)
{
	char synopsis[100];

	cli_synopsis(c, synopsis, sizeof(synopsis));
	return err_set(err, -EINVAL, "%s%s%susage: ringway %s%s%s",
		       word ? "'" : "", word ? word : "",
		       word ? "' is too much: " : "", c->name,
		       *synopsis ? " " : "", synopsis);
}

static int add_word(struct reading *r, const char *text, struct err *err)
{
	const struct command *c = r->call->command;
	unsigned i = 0;

	for (const struct opt_row *p = command_params(c); p->key; p++) {
		if (!p->word || (i++ < r->words && p->kind != OPT_LIST))
			continue;
		r->words++;
		return set_param(r, p, text, err);
	}
	if (!c->takes_changes)
		return refuse_word(c, text, err);
	r->words++;
	return add_change(r, text, err);
}

/* Returns 0 when nothing that is required is missing, or -errno with @err. */
static int check(struct reading *r, struct err *err)
{
	const struct command *c = r->call->command;
	const struct opt_row *const *own = front_find(c)->own;
	unsigned needed = c->takes_changes;
	struct err missing;
	int rc;

	for (const struct opt_row *p = command_params(c); p->key; p++)
		needed += p->word && is_needed(p);
	if (r->words < needed)
		return refuse_word(c, NULL, err);
	rc = opt_check(command_params(c), r->args, &missing);
	for (; !rc && own && *own; own++)
		rc = opt_check(*own, r->call->own, &missing);
	return rc ? err_set(err, rc, "--%s", missing.msg) : 0;
}

static int read_all(struct reading *r, int argc, char **argv, struct err *err)
{
	const struct opt_row *const *own = front_find(r->call->command)->own;
	struct args a = { .argc = argc, .argv = argv };
	struct arg arg;
	int rc = opt_defaults(client_rows, r->call, err);

	for (; !rc && own && *own; own++)
		rc = opt_defaults(*own, r->call->own, err);
	if (rc)
		return rc;
	for (;;) {
		rc = args_next(&a, r->rows.tables, &arg, err);
		if (rc == ARG_OPTION)
			rc = set_option(r, &arg, err);
		else if (rc == ARG_WORD)
			rc = add_word(r, arg.text, err);
		else
			break;
		if (rc)
			return rc;
	}
	return rc == ARG_END ? check(r, err) : rc;
}

int cli_parse(const struct command *c, int argc, char **argv, struct call *call,
	      struct err *err)
{
	const struct front *front = front_find(c);
	struct reading r = { .call = call };
	int rc;

	*call = (struct call){ .command = c, .params = json_object() };
	call->own = calloc(1, MAX(front->own_size, (size_t)1));
	r.args = calloc(1, MAX(c->args_size, (size_t)1));
	if (!call->params || !call->own || !r.args) {
		rc = err_set(err, -ENOMEM, "out of memory");
	} else {
		cli_rows_init(&r.rows, c);
		rc = read_all(&r, argc, argv, err);
		opt_free(command_params(c), r.args);
	}
	free(r.args);
	if (rc)
		call_fini(call);
	return rc;
}

void call_fini(struct call *call)
{
	const struct opt_row *const *own = front_find(call->command)->own;

	for (; call->own && own && *own; own++)
		opt_free(*own, call->own);
	free(call->own);
	opt_free(client_rows, call);
	json_decref(call->params);
}

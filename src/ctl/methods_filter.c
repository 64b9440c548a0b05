/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about filters. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json_opt.h"
#include "json_show.h"
#include "log.h"
#include "methods_impl.h"
#include "object.h"

const struct opt_row filter_params[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct port_args, id),
	  .required = true,
	  .arg = "FILTER",
	  .help = "the filter's id",
	  .word = OPT_WORD },
	{ NULL },
};

const struct opt_row filter_add_params[] = {
	{ .key = "object",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct filter_add_args, object),
	  .arg = "OBJECT",
	  .help = "TYPE,id=NAME,netdev=PORT,key=value,...",
	  .word = OPT_WORD_NEEDED },
	{ NULL },
};

static void show_filter(const struct filter *f, void *arg)
{
	show_object(arg, NULL);
	filter_show(f, arg);
	show_end(arg);
}

int method_filter_list(struct rpc_call *call)
{
	struct daemon *d = call->ctx;
	struct json_show j;

	json_show_init(&j, call->result);
	show_array(&j.show, "filters");
	for (struct daemon_port *p = d->ports; p; p = p->next)
		filter_each(p->port, show_filter, &j.show);
	show_end(&j.show);
	return 0;
}

/* Takes {"object": "TYPE,id=..."} as on the command line, or each option as a
 * parameter. */
int method_filter_add(struct rpc_call *call)
{
	const struct filter_add_args *args = call->args;
	struct filter_spec *s;
	char id[64];
	int rc;

	if (!args->object)
		rc = object_parse_json(call->params, &s, &call->err);
	else if (json_object_size(call->params) == 1)
		rc = object_parse(args->object, &s, &call->err);
	else
		rc = err_set(&call->err, -EINVAL,
			     "object: must stand alone, without other "
			     "parameters");
	if (rc)
		return rc;
	snprintf(id, sizeof(id), "%s", s->common.id);
	rc = daemon_add_filter(call->ctx, s, &call->err);
	if (rc)
		return rc;
	log_info("filter=%s: added", id);
	json_object_set_new(call->result, "id", json_text(id));
	return 0;
}

int method_filter_del(struct rpc_call *call)
{
	const struct port_args *args = call->args;
	struct filter *f = daemon_find_filter(call->ctx, args->id, &call->err);

	if (!f)
		return -ENOENT;
	filter_remove(f);
	log_info("filter=%s: removed", args->id);
	return 0;
}

static bool no_list(const void *ctx, const char *key)
{
	(void)ctx;
	(void)key;
	return false;
}

/* Sets an option in the struct filter_conf @ctx. */
static int change(void *ctx, const char *key, const char *value,
		  struct err *err)
{
	const struct opt_row *row = opt_find(filter_conf_rows, key);

	if (!strcmp(key, "id"))
		return 0;
	if (!row || !row->runtime)
		return err_set(
			err, -EINVAL,
			"%.64s: of a filter only status can be changed: "
			"`filter del` it, then `filter add` with the new "
			"value",
			key);
	return opt_set(filter_conf_rows, ctx, key, value, err);
}

/* Takes {"id": FILTER, "status": ...}. */
int method_filter_set(struct rpc_call *call)
{
	const struct port_args *args = call->args;
	struct filter *f = daemon_find_filter(call->ctx, args->id, &call->err);
	struct filter_conf c;
	int rc;

	if (!f)
		return -ENOENT;
	c = (struct filter_conf){ .status = f->spec->common.status };
	rc = json_opt_each(call->params, no_list, change, &c, &call->err);
	if (rc)
		return err_prefix(&call->err, rc, "object %.64s", args->id);
	filter_set_status(f, c.status);
	log_info("filter=%s: status=%s", args->id, c.status ? "on" : "off");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about MAC tables. Control thread. */
#include <errno.h>
#include <string.h>

#include "json_show.h"
#include "methods_impl.h"

/* Bounds a reply: a table may hold a million addresses. */
#define MAC_LIMIT_MAX 500000

#define MAC_SCOPE_ROWS                                                    \
	{ .key = "net",                                                   \
	  .kind = OPT_STRING,                                             \
	  .offset = offsetof(struct mac_args, net),                       \
	  .arg = "NAME",                                                  \
	  .help = "only this network" },                                  \
	{                                                                 \
		.key = "id", .kind = OPT_STRING,                          \
		.offset = offsetof(struct mac_args, id), .arg = "PORT",   \
		.help = "only addresses behind this port", .name = "port" \
	}

const struct opt_row mac_params[] = { MAC_SCOPE_ROWS, { NULL } };

const struct opt_row mac_list_params[] = {
	MAC_SCOPE_ROWS,
	{ .key = "limit",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct mac_args, limit),
	  .max = MAC_LIMIT_MAX,
	  .def = "10000",
	  .help = "addresses to list at most; `total` counts all of them" },
	{ NULL },
};

/* Checks the parameters `id` and `net`. Returns 0, with the port of `id` in
 * *@port (NULL: no `id`), or -ENOENT with call->err. */
static int mac_scope(struct rpc_call *call, struct daemon_port **port)
{
	const struct mac_args *args = call->args;
	struct daemon *d = call->ctx;

	*port = NULL;
	if (args->id) {
		*port = daemon_find_port(d, args->id, &call->err);
		if (!*port)
			return -ENOENT;
	}
	if (!args->net)
		return 0;
	for (struct daemon_port *p = d->ports; p; p = p->next)
		if (!strcmp(switch_net_name(p->port), args->net))
			return 0;
	return err_set(&call->err, -ENOENT, "no network '%.64s' has a port",
		       args->net);
}

struct mac_lister {
	struct show *show;
	const char *port;
	uint32_t limit;
	uint64_t total;
};

static bool list_mac(const struct mac_entry *e, void *arg)
{
	struct mac_lister *l = arg;

	if (l->port && strcmp(l->port, e->port))
		return true;
	if (l->total++ >= l->limit)
		return true;
	show_object(l->show, NULL);
	show_mac(l->show, "mac", e->mac);
	show_str(l->show, "net", e->net);
	show_str(l->show, "port", e->port);
	if (e->vlan)
		show_num(l->show, "vlan", e->vlan);
	show_num(l->show, "age_s", e->age_s);
	show_end(l->show);
	return true;
}

int method_mac_list(struct rpc_call *call)
{
	const struct mac_args *args = call->args;
	struct daemon *d = call->ctx;
	struct daemon_port *port;
	struct json_show j;
	struct mac_lister l = { .show = &j.show,
				.port = args->id,
				.limit = args->limit };
	int rc = mac_scope(call, &port);

	if (rc)
		return rc;
	json_show_init(&j, call->result);
	show_array(&j.show, "macs");
	switch_each_mac(d->sw, args->net, list_mac, &l);
	show_end(&j.show);
	show_num(&j.show, "total", l.total);
	return 0;
}

int method_mac_flush(struct rpc_call *call)
{
	const struct mac_args *args = call->args;
	struct daemon *d = call->ctx;
	struct daemon_port *port;
	int rc = mac_scope(call, &port);
	unsigned n;

	if (rc)
		return rc;
	n = switch_flush_macs(d->sw, args->net, port ? port->port : NULL);
	json_object_set_new(call->result, "flushed", json_integer(n));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about ports. Control thread. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "json_opt.h"
#include "json_show.h"
#include "log.h"
#include "methods_impl.h"

const struct opt_row port_params[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct port_args, id),
	  .required = true,
	  .arg = "PORT",
	  .help = "the port's id",
	  .word = OPT_WORD },
	{ NULL },
};

const struct opt_row optional_port_params[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct port_args, id),
	  .arg = "PORT",
	  .help = "only this port",
	  .word = OPT_WORD },
	{ NULL },
};

int method_port_list(struct rpc_call *call)
{
	struct daemon *d = call->ctx;
	struct json_show j;

	json_show_init(&j, call->result);
	show_array(&j.show, "ports");
	for (struct daemon_port *p = d->ports; p; p = p->next) {
		show_object(&j.show, NULL);
		port_show_summary(p, &j.show);
		show_end(&j.show);
	}
	show_end(&j.show);
	return 0;
}

int method_port_show(struct rpc_call *call)
{
	const struct port_args *args = call->args;
	struct daemon_port *p =
		daemon_find_port(call->ctx, args->id, &call->err);
	struct json_show j;

	if (!p)
		return -ENOENT;
	json_show_init(&j, call->result);
	port_show_all(p, &j.show);
	return 0;
}

const struct opt_row port_add_params[] = {
	{ .key = "netdev",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct port_add_args, netdev),
	  .arg = "NETDEV",
	  .help = "TYPE,id=NAME,key=value,...",
	  .word = OPT_WORD_NEEDED },
	{ NULL },
};

/* Reads a number that options call a descriptor by. Returns it, or -1 if it is
 * none or one of the @count before it. */
static int read_name(const json_t *item, const struct fd_named *named,
		     unsigned count)
{
	json_int_t number = json_integer_value(item);

	if (!json_is_integer(item) || number < 0 || number > INT_MAX)
		return -1;
	for (unsigned i = 0; i < count; i++)
		if (named[i].number == number)
			return -1;
	return (int)number;
}

/* Takes the descriptors that came along, with the numbers in @names, which may
 * be NULL. Returns how many, or -errno. */
static int take_named(struct rpc_call *call, const json_t *names,
		      struct fd_named named[RPC_MAX_FDS])
{
	unsigned count = (unsigned)json_array_size(names);
	int fd[RPC_MAX_FDS], rc;

	if (!names)
		return 0;
	for (unsigned i = 0; i < count && count <= RPC_MAX_FDS; i++) {
		named[i].number = read_name(json_array_get(names, i), named, i);
		if (named[i].number < 0)
			count = 0;
	}
	if (!count || count > RPC_MAX_FDS)
		return err_set(&call->err, -EINVAL,
			       "descriptors: must be an array of 1 to %d "
			       "different numbers, by which options call the "
			       "descriptors that come along",
			       RPC_MAX_FDS);
	rc = rpc_call_take_fds(call, fd, count);
	if (rc)
		return err_prefix(&call->err, rc, "descriptors");
	for (unsigned i = 0; i < count; i++)
		named[i].fd = fd[i];
	return (int)count;
}

/* Reads the port from @params: {"netdev": "TYPE,id=..."} as on the command
 * line, or an option each. Beside "type", "netdev" is an option of that type.
 */
static int parse_port(struct rpc_call *call, const json_t *params,
		      struct netdev **out)
{
	const struct port_add_args *args = call->args;

	if (!params)
		return err_set(&call->err, -EINVAL,
			       "params are missing: netdev, or type and id");
	if (!args->netdev || json_object_get(params, "type"))
		return netdev_parse_json(params, out, &call->err);
	if (json_object_size(params) == 1)
		return netdev_parse(args->netdev, out, &call->err);
	return err_set(&call->err, -EINVAL,
		       "netdev: must stand alone, without other parameters "
		       "except descriptors");
}

static int add_port(struct rpc_call *call, const json_t *params)
{
	struct netdev *n;
	char id[80];
	int rc = parse_port(call, params, &n);

	if (rc)
		return rc;
	snprintf(id, sizeof(id), "%s", n->common.id);
	rc = daemon_add_port(call->ctx, n, &call->err);
	if (rc)
		return rc;
	log_info("port=%s: added", id);
	json_object_set_new(call->result, "id", json_text(id));
	return 0;
}

int methods_with_fds(struct rpc_call *call,
		     int (*fn)(struct rpc_call *call, const json_t *params))
{
	json_t *params = json_copy((json_t *)call->params);
	struct fd_named named[RPC_MAX_FDS];
	int rc, count = take_named(call, json_object_get(params, "descriptors"),
				   named);

	json_object_del(params, "descriptors");
	if (count > 0)
		fd_offer(named, (unsigned)count);
	rc = count < 0 ? count : fn(call, params);
	fd_offer(NULL, 0);
	for (int i = 0; i < count; i++)
		fd_close(&named[i].fd);
	json_decref(params);
	return rc;
}

int method_port_add(struct rpc_call *call)
{
	return methods_with_fds(call, add_port);
}

int method_port_del(struct rpc_call *call)
{
	const struct port_args *args = call->args;
	struct daemon *d = call->ctx;
	/* A machine knows whether a card is plugged into it. */
	int rc = d->machine ? d->machine->netdev_del(d->machine_arg, args->id,
						     &call->err)
			    : daemon_del_port(d, args->id, &call->err);

	if (!rc)
		log_info("port=%s: removed", args->id);
	return rc;
}

struct change {
	struct netdev *n;
	const char *last; /* the key of the call before */
};

static bool is_list(const void *ctx, const char *key)
{
	const struct change *c = ctx;

	return netdev_takes_list(c->n, key);
}

/* Replaces a list by the first element of an array, and adds the others. */
static int change(void *ctx, const char *key, const char *value,
		  struct err *err)
{
	struct change *c = ctx;
	bool is_next = key == c->last && !strchr("+-", key[strlen(key) - 1]);
	char add[80];

	c->last = key;
	if (is_next) {
		snprintf(add, sizeof(add), "%s+", key);
		key = add;
	}
	return netdev_change(c->n, key, value, err);
}

/* Logs what port @id was told to change, @rest being the parameters. */
static void log_change(const char *id, const json_t *rest)
{
	char *text = json_dumps(rest, JSON_COMPACT);

	log_info("port=%s: changed: %s", id, text ? text : "?");
	free(text);
}

/* Takes {"id": PORT, KEY: value, "KEY+": value, "KEY-": value, ...} and makes
 * all changes or none. */
int method_port_set(struct rpc_call *call)
{
	const struct port_args *args = call->args;
	struct daemon_port *p =
		daemon_find_port(call->ctx, args->id, &call->err);
	struct netdev *changed;
	struct change c;
	json_t *rest;
	int rc;

	if (!p)
		return -ENOENT;
	changed = netdev_copy(p->netdev);
	rest = json_copy((json_t *)call->params);
	if (!changed || !rest) {
		rc = err_set(&call->err, -ENOMEM, "out of memory");
		goto out;
	}
	json_object_del(rest, "id");
	c = (struct change){ .n = changed };
	rc = json_opt_each(rest, is_list, change, &c, &call->err);
	if (!rc)
		rc = daemon_change_port(p, changed, &call->err);
	if (rc) {
		err_prefix(&call->err, rc, "netdev %s", args->id);
		goto out;
	}
	changed = NULL; /* the port owns it now */
	log_change(args->id, rest);
out:
	json_decref(rest);
	netdev_free(changed);
	return rc;
}

const struct opt_row qemu_args_params[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct qemu_args_args, id),
	  .required = true,
	  .arg = "PORT",
	  .help = "the port the guest plugs into",
	  .word = OPT_WORD },
	{ .key = "memory",
	  .kind = OPT_SIZE,
	  .offset = offsetof(struct qemu_args_args, memory),
	  .min = 1 << 20,
	  .max = 1ull << 50,
	  .def = "1G",
	  .arg = "SIZE",
	  .help = "the guest's memory, as in QEMU's -m" },
	{ NULL },
};

/* Returns {"args": ["-chardev", ...]}, an element for each word of QEMU's
 * command line. */
int method_qemu_args(struct rpc_call *call)
{
	const struct qemu_args_args *args = call->args;
	struct daemon_port *p =
		daemon_find_port(call->ctx, args->id, &call->err);
	char buf[4096], *save = NULL;
	json_t *words;
	int rc;

	if (!p)
		return -ENOENT;
	if (!p->port->ops->qemu_args)
		return err_set(&call->err, -EOPNOTSUPP,
			       "port %s is of type %s: no guest plugs in there",
			       args->id, p->netdev->type->name);
	rc = p->port->ops->qemu_args(p->port, args->memory, buf, sizeof(buf),
				     &call->err);
	if (rc)
		return rc;
	words = json_array();
	for (char *w = strtok_r(buf, "\n", &save); w;
	     w = strtok_r(NULL, "\n", &save))
		json_array_append_new(words, json_text(w));
	json_object_set_new(call->result, "args", words);
	return 0;
}

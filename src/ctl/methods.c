/* SPDX-License-Identifier: Apache-2.0 */
/* The table of methods, and those about the daemon as a whole and its MAC
 * tables. Control thread. */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json_show.h"
#include "log.h"
#include "methods_impl.h"

static void show_daemon(const struct daemon *d, struct show *s)
{
	show_str(s, "version", RINGWAY_VERSION);
	show_num(s, "pid", (uint64_t)getpid());
	show_num(s, "uptime_s", (loop_now_ms() - d->started_ms) / 1000);
	show_str(s, "control", d->control.path);
	show_str(s, "log_level", log_level_names[log_level]);
}

static int method_version(struct rpc_call *call)
{
	struct json_show j;

	json_show_init(&j, call->result);
	show_str(&j.show, "name", "ringway");
	show_daemon(call->ctx, &j.show);
	return 0;
}

/* Is @p the first port of its network? */
static bool is_first_of_net(const struct daemon *d, const struct daemon_port *p)
{
	const char *net = switch_net_name(p->port);

	for (struct daemon_port *q = d->ports; q != p; q = q->next)
		if (!strcmp(switch_net_name(q->port), net))
			return false;
	return true;
}

static void show_net(const struct daemon *d, const char *net, struct show *s)
{
	uint64_t macs = 0;

	show_object(s, NULL);
	show_str(s, "name", net);
	show_array(s, "ports");
	for (struct daemon_port *p = d->ports; p; p = p->next) {
		if (strcmp(switch_net_name(p->port), net))
			continue;
		macs += shm_load(&p->port->mac_count);
		show_object(s, NULL);
		port_show_summary(p, s);
		show_end(s);
	}
	show_end(s);
	show_num(s, "macs", macs);
	show_end(s);
}

static int method_show(struct rpc_call *call)
{
	struct daemon *d = call->ctx;
	struct json_show j;

	json_show_init(&j, call->result);
	show_daemon(d, &j.show);
	show_array(&j.show, "networks");
	for (struct daemon_port *p = d->ports; p; p = p->next)
		if (is_first_of_net(d, p))
			show_net(d, switch_net_name(p->port), &j.show);
	show_end(&j.show);
	show_array(&j.show, "workers");
	workers_show(switch_workers(d->sw), &j.show, false);
	show_end(&j.show);
	return 0;
}

static int method_stats(struct rpc_call *call)
{
	const struct port_args *args = call->args;
	struct daemon *d = call->ctx;
	struct daemon_port *only = NULL;
	struct json_show j;

	if (args->id) {
		only = daemon_find_port(d, args->id, &call->err);
		if (!only)
			return -ENOENT;
	}
	json_show_init(&j, call->result);
	show_array(&j.show, "ports");
	for (struct daemon_port *p = d->ports; p; p = p->next) {
		if (only && p != only)
			continue;
		show_object(&j.show, NULL);
		show_str(&j.show, "id", p->netdev->common.id);
		port_show_stats(p->port, &j.show);
		show_end(&j.show);
	}
	show_end(&j.show);
	show_array(&j.show, "workers");
	workers_show(switch_workers(d->sw), &j.show, true);
	show_end(&j.show);
	return 0;
}

/* A table may hold a million addresses: a reply has a bound. */
#define MAC_LIMIT_MAX 500000

struct mac_args {
	char *id, *net;
	uint32_t limit;
};

#define MAC_SCOPE_ROWS                                                   \
	{ .key = "id",                                                   \
	  .kind = OPT_STRING,                                            \
	  .offset = offsetof(struct mac_args, id),                       \
	  .arg = "PORT",                                                 \
	  .help = "only addresses behind this port" },                   \
	{                                                                \
		.key = "net", .kind = OPT_STRING,                        \
		.offset = offsetof(struct mac_args, net), .arg = "NAME", \
		.help = "only this network"                              \
	}

static const struct opt_row mac_params[] = { MAC_SCOPE_ROWS, { NULL } };

static const struct opt_row mac_list_params[] = {
	MAC_SCOPE_ROWS,
	{ .key = "limit",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct mac_args, limit),
	  .max = MAC_LIMIT_MAX,
	  .def = "10000",
	  .help = "at most so many; `total` tells how many there are" },
	{ NULL },
};

/* The port and the network that mac.* is about, checked. */
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
	char text[18];

	if (l->port && strcmp(l->port, e->port))
		return true;
	if (l->total++ >= l->limit)
		return true;
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0],
		 e->mac[1], e->mac[2], e->mac[3], e->mac[4], e->mac[5]);
	show_object(l->show, NULL);
	show_str(l->show, "mac", text);
	show_str(l->show, "net", e->net);
	show_str(l->show, "port", e->port);
	if (e->vlan)
		show_num(l->show, "vlan", e->vlan);
	show_num(l->show, "age_s", e->age_s);
	show_end(l->show);
	return true;
}

static int method_mac_list(struct rpc_call *call)
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

static int method_mac_flush(struct rpc_call *call)
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

static void show_move(const struct queue_move *m, void *arg)
{
	struct show *s = arg;

	show_object(s, NULL);
	show_str(s, "port", m->port);
	show_num(s, "queue", m->queue);
	show_num(s, "from", m->from);
	show_num(s, "to", m->to);
	show_num(s, "percent", m->percent);
	show_end(s);
}

static int method_rebalance(struct rpc_call *call)
{
	struct daemon *d = call->ctx;
	struct json_show j;

	json_show_init(&j, call->result);
	show_array(&j.show, "moves");
	workers_rebalance(switch_workers(d->sw), show_move, &j.show);
	show_end(&j.show);
	return 0;
}

static int method_down(struct rpc_call *call)
{
	struct daemon *d = call->ctx;

	log_info("asked to end");
	loop_stop(d->loop);
	return 0;
}

struct log_level_args {
	int level;
	bool level_set;
};

static const struct opt_row log_level_params[] = {
	{ .key = "level",
	  .kind = OPT_ENUM,
	  .offset = offsetof(struct log_level_args, level),
	  .set_offset = offsetof(struct log_level_args, level_set),
	  .choices = log_level_names,
	  .help = "how much is logged from now on" },
	{ NULL },
};

static int method_log_level(struct rpc_call *call)
{
	const struct log_level_args *args = call->args;

	if (args->level_set)
		shm_store(&log_level, args->level);
	json_object_set_new(call->result, "level",
			    json_string(log_level_names[log_level]));
	return 0;
}

static const struct opt_row no_params[] = { { NULL } };

const struct rpc_method methods[] = {
	{ .name = "version",
	  .help = "name, version, process id, uptime",
	  .params = no_params,
	  .fn = method_version },
	{ .name = "show",
	  .help = "networks with their ports, and the workers",
	  .params = no_params,
	  .fn = method_show },
	{ .name = "stats",
	  .help = "counters of ports, queues and workers",
	  .params = optional_port_params,
	  .args_size = sizeof(struct port_args),
	  .fn = method_stats },
	{ .name = "port.list",
	  .help = "the ports",
	  .params = no_params,
	  .fn = method_port_list },
	{ .name = "port.show",
	  .help = "everything about a port",
	  .params = port_params,
	  .args_size = sizeof(struct port_args),
	  .fn = method_port_show },
	{ .name = "port.add",
	  .help = "add a port: netdev (\"TYPE,id=...\"), or type, id and the "
		  "type's options",
	  .fn = method_port_add },
	{ .name = "port.del",
	  .help = "remove a port",
	  .params = port_params,
	  .args_size = sizeof(struct port_args),
	  .fn = method_port_del },
	{ .name = "port.set",
	  .help = "change options of a live port: id, and KEY, KEY+ or KEY-",
	  .fn = method_port_set },
	{ .name = "mac.list",
	  .help = "learned addresses",
	  .params = mac_list_params,
	  .args_size = sizeof(struct mac_args),
	  .fn = method_mac_list },
	{ .name = "mac.flush",
	  .help = "forget learned addresses",
	  .params = mac_params,
	  .args_size = sizeof(struct mac_args),
	  .fn = method_mac_flush },
	{ .name = "rebalance",
	  .help = "spread the queues over the workers by their load; tells the "
		  "moves made",
	  .params = no_params,
	  .fn = method_rebalance },
	{ .name = "capture.start",
	  .help = "write a port's frames as pcap to the file descriptor that "
		  "comes along, until the connection closes",
	  .params = capture_params,
	  .args_size = sizeof(struct capture_args),
	  .takes_fd = true,
	  .fn = method_capture_start },
	{ .name = "capture.stop",
	  .help = "end the capture of a port",
	  .params = port_params,
	  .args_size = sizeof(struct port_args),
	  .fn = method_capture_stop },
	{ .name = "qemu_args",
	  .help = "QEMU's arguments for a guest on this port",
	  .params = qemu_args_params,
	  .args_size = sizeof(struct qemu_args_args),
	  .fn = method_qemu_args },
	{ .name = "log.level",
	  .help = "tell or change how much is logged",
	  .params = log_level_params,
	  .args_size = sizeof(struct log_level_args),
	  .fn = method_log_level },
	{ .name = "down",
	  .help = "end the daemon; the connection closes when all is gone",
	  .params = no_params,
	  .fn = method_down },
	{ NULL },
};

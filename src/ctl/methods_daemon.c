/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about the daemon as a whole. Control thread. */
#include <errno.h>
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

int method_version(struct rpc_call *call)
{
	struct json_show j;

	json_show_init(&j, call->result);
	show_str(&j.show, "name", "ringway");
	show_daemon(call->ctx, &j.show);
	return 0;
}

/* Returns whether @p is the first port of its network. */
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
	show_str(s, "kind", switch_is_hub(net) ? "hub" : "switch");
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

int method_show(struct rpc_call *call)
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

int method_stats(struct rpc_call *call)
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

int method_rebalance(struct rpc_call *call)
{
	struct daemon *d = call->ctx;
	struct json_show j;

	json_show_init(&j, call->result);
	show_array(&j.show, "moves");
	workers_rebalance(switch_workers(d->sw), show_move, &j.show);
	show_end(&j.show);
	return 0;
}

int method_down(struct rpc_call *call)
{
	struct daemon *d = call->ctx;

	log_info("asked to end");
	loop_stop(d->loop);
	return 0;
}

const struct opt_row log_level_params[] = {
	{ .key = "level",
	  .kind = OPT_ENUM,
	  .offset = offsetof(struct log_level_args, level),
	  .set_offset = offsetof(struct log_level_args, level_set),
	  .choices = log_level_names,
	  .arg = "LEVEL",
	  .help = "how much to log from now on",
	  .word = OPT_WORD },
	{ NULL },
};

int method_log_level(struct rpc_call *call)
{
	const struct log_level_args *args = call->args;

	if (args->level_set)
		shm_store(&log_level, args->level);
	json_object_set_new(call->result, "level",
			    json_string(log_level_names[log_level]));
	return 0;
}

static int check_machine(struct rpc_call *call)
{
	const struct daemon *d = call->ctx;

	return d->machine ? 0
			  : err_set(&call->err, -ENOENT,
				    "no machine: this is a switch; a machine's "
				    "control socket is vm-NAME.sock");
}

int method_vm_show(struct rpc_call *call)
{
	const struct daemon *d = call->ctx;
	int rc = check_machine(call);
	struct json_show j;

	if (rc)
		return rc;
	json_show_init(&j, call->result);
	d->machine->show(d->machine_arg, &j.show);
	return 0;
}

static int do_command(struct rpc_call *call, enum machine_command c)
{
	const struct daemon *d = call->ctx;
	int rc = check_machine(call);

	if (!rc)
		rc = d->machine->command(d->machine_arg, c, &call->err);
	if (rc > 0)
		json_object_set_new(
			call->result, "already",
			json_string(c == MACHINE_STOP ? "stopped" : "running"));
	return MIN(rc, 0);
}

int method_vm_stop(struct rpc_call *call)
{
	return do_command(call, MACHINE_STOP);
}

int method_vm_cont(struct rpc_call *call)
{
	return do_command(call, MACHINE_CONT);
}

int method_vm_reset(struct rpc_call *call)
{
	return do_command(call, MACHINE_RESET);
}

int method_vm_powerdown(struct rpc_call *call)
{
	return do_command(call, MACHINE_POWERDOWN);
}

const struct opt_row device_add_params[] = {
	{ .key = "device",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct device_args, device),
	  .required = true,
	  .arg = "DEVICE",
	  .help = "TYPE,key=value,...",
	  .word = OPT_WORD_NEEDED },
	{ NULL },
};

const struct opt_row device_del_params[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct device_args, id),
	  .required = true,
	  .arg = "DEVICE",
	  .help = "the device's id",
	  .word = OPT_WORD_NEEDED },
	{ .key = "force",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct device_args, force),
	  .help = "take it away at once, whatever the guest does with it" },
	{ NULL },
};

const struct opt_row netdev_del_params[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct device_args, id),
	  .required = true,
	  .arg = "NETDEV",
	  .help = "the back-end's id",
	  .word = OPT_WORD_NEEDED },
	{ NULL },
};

int method_vm_device_add(struct rpc_call *call)
{
	const struct device_args *args = call->args;
	const struct daemon *d = call->ctx;
	int rc = check_machine(call);
	struct json_show j;

	json_show_init(&j, call->result);
	return rc ? rc
		  : d->machine->device_add(d->machine_arg, args->device,
					   &j.show, &call->err);
}

int method_vm_device_del(struct rpc_call *call)
{
	const struct device_args *args = call->args;
	const struct daemon *d = call->ctx;
	int rc = check_machine(call);

	return rc ? rc
		  : d->machine->device_del(d->machine_arg, args->id,
					   args->force, &call->err);
}

int method_vm_device_list(struct rpc_call *call)
{
	const struct daemon *d = call->ctx;
	int rc = check_machine(call);
	struct json_show j;

	if (rc)
		return rc;
	json_show_init(&j, call->result);
	d->machine->device_list(d->machine_arg, &j.show);
	return 0;
}

static int add_netdev(struct rpc_call *call, const json_t *params)
{
	const struct port_add_args *args = call->args;
	const struct daemon *d = call->ctx;

	if (json_object_size(params) != 1)
		return err_set(&call->err, -EINVAL,
			       "netdev: must stand alone, without other "
			       "parameters except descriptors");
	return d->machine->netdev_add(d->machine_arg, args->netdev, &call->err);
}

int method_vm_netdev_add(struct rpc_call *call)
{
	const struct port_add_args *args = call->args;
	int rc = check_machine(call);

	if (!rc && !args->netdev)
		rc = err_set(&call->err, -EINVAL,
			     "netdev: missing: TYPE,id=NAME,...");
	return rc ? rc : methods_with_fds(call, add_netdev);
}

int method_vm_netdev_del(struct rpc_call *call)
{
	const struct device_args *args = call->args;
	const struct daemon *d = call->ctx;
	int rc = check_machine(call);

	return rc ? rc
		  : d->machine->netdev_del(d->machine_arg, args->id,
					   &call->err);
}

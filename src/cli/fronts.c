/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' printers, and the commands that do more than send one request
 * and print its result. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "netdev.h"
#include "print.h"
#include "rpc.h"

/* Stores in @fd the descriptors that @netdev names, which must be open, and
 * their number in *@count. */
static int find_fds(const char *netdev, int fd[RPC_MAX_FDS], unsigned *count,
		    struct err *err)
{
	struct netdev *n;
	struct err unused;
	int rc = 0;

	*count = 0;
	if (netdev_parse(netdev, &n, &unused))
		return 0; /* the daemon says what is wrong */
	*count = netdev_fds(n, fd, RPC_MAX_FDS);
	for (unsigned i = 0; i < *count && !rc; i++)
		if (fcntl(fd[i], F_GETFD) < 0)
			rc = err_set(err, -EBADF,
				     "netdev %s: descriptor %d is not open in "
				     "this command: it must be started with "
				     "it, as by %d<>FILE in a shell",
				     n->common.id, fd[i], fd[i]);
	netdev_free(n);
	return rc;
}

/* Descriptors that options name are ours: they go with the request. */
int port_add_run(struct call *call)
{
	const char *netdev = call_param(call, "netdev");
	int fd[RPC_MAX_FDS];
	json_t *names;
	struct err err;
	int code;

	if (help_print_netdev(netdev))
		return EXIT_DONE;
	if (find_fds(netdev, fd, &call->fds.count, &err))
		return cli_fail(EXIT_REFUSED, "%s", err.msg);
	call->fds.fd = fd;
	if (call->fds.count) {
		names = json_array();
		for (unsigned i = 0; i < call->fds.count; i++)
			json_array_append_new(names, json_integer(fd[i]));
		json_object_set_new(call->params, "descriptors", names);
	}
	code = call_request_and_print(call);
	call->fds = (struct client_fds){ 0 };
	return code;
}

static int filter_add_run(struct call *call)
{
	if (help_print_object(call_param(call, "object")))
		return EXIT_DONE;
	return call_request_and_print(call);
}

struct stats_own {
	uint32_t watch; /* seconds between reports; 0: one report */
};

static const struct opt_row stats_rows[] = {
	{ .key = "watch",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct stats_own, watch),
	  .min = 1,
	  .max = 86400,
	  .arg = "SECONDS",
	  .help = "print rates at this interval until interrupted (with --json "
		  "the counters, a line each time)" },
	{ NULL },
};
static const struct opt_row *const stats_tables[] = { stats_rows, NULL };

/* Prints a table of rates, or the counters as one line of JSON. */
static void print_interval(const struct call *call, const json_t *before,
			   const json_t *now, unsigned seconds)
{
	if (call->json) {
		print_json_line(now);
	} else if (before) {
		print_rates(before, now, seconds);
		printf("\n");
	}
	fflush(stdout);
}

static int watch_stats(const struct call *call, struct client *c,
		       unsigned seconds, struct err *err)
{
	json_t *before = NULL, *now = NULL;
	int rc;

	while (!(rc = client_call(c, "stats", json_incref(call->params), &now,
				  err))) {
		print_interval(call, before, now, seconds);
		json_decref(before);
		before = now;
		sleep(seconds);
	}
	json_decref(before);
	return rc;
}

static int stats_run(struct call *call)
{
	const struct stats_own *own = call->own;
	struct client c;
	struct err err;
	int rc;

	if (!own->watch)
		return call_request_and_print(call);
	rc = client_open(&c, call->control, call->timeout, &err);
	if (!rc) {
		rc = watch_stats(call, &c, own->watch, &err);
		client_close(&c);
	}
	return cli_fail(cli_exit_code(rc), "%s", err.msg);
}

/* Prints all words on one line, for $(...), which the shell splits at blanks.
 */
static void print_qemu_args(const json_t *result)
{
	const json_t *word, *args = json_object_get(result, "args");
	size_t i;

	/* All are looked at before the first is printed: half a command line
	 * would start another machine. */
	json_array_foreach(args, i, word) {
		const char *s = json_string_value(word);

		if (s[strcspn(s, " \t\n*?[")])
			exit(cli_fail(EXIT_REFUSED,
				      "qemu-args: a shell would take '%s' "
				      "apart: use --json, or a path without "
				      "blanks and wildcards",
				      s));
	}
	json_array_foreach(args, i, word)
		printf("%s%s", i ? " " : "", json_string_value(word));
	putchar('\n');
}

/* Waits for the daemon to close the connection: then all of it is gone. */
static int down_run(struct call *call)
{
	json_t *result = NULL;
	struct client c;
	struct err err;
	int rc = client_open(&c, call->control, call->timeout, &err);

	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	rc = client_call(&c, "down", NULL, &result, &err);
	if (!rc)
		rc = client_wait_closed(&c, &err);
	client_close(&c);
	if (rc)
		cli_fail(cli_exit_code(rc), "%s", err.msg);
	else if (call->json)
		print_json(stdout, result);
	json_decref(result);
	return rc ? cli_exit_code(rc) : EXIT_DONE;
}

/* Prints this program's version also when no daemon runs, unless --control or
 * --json asks for the daemon's. */
static int version_run(struct call *call)
{
	json_t *result = NULL;
	struct client c;
	struct err err;
	int rc = client_open(&c, call->control, call->timeout, &err);

	if (!rc) {
		rc = client_call(&c, "version", NULL, &result, &err);
		client_close(&c);
	} else if (!call->control && !call->json) {
		rc = 0;
	}
	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	if (call->json) {
		print_json(stdout, result);
	} else {
		printf("ringway %s\n", RINGWAY_VERSION);
		if (result)
			print_version(result);
	}
	json_decref(result);
	return EXIT_DONE;
}

/* Part of what changed may have failed. */
static int reload_run(struct call *call)
{
	json_t *result = NULL;
	int code = call_request(call, &result);

	if (code)
		return code;
	if (call->json)
		print_json(stdout, result);
	else
		print_reload(result);
	if (json_array_size(json_object_get(result, "failed")))
		code = EXIT_REFUSED;
	json_decref(result);
	return code;
}

const struct front fronts[] = {
	{ .name = "up", .run_raw = up_run, .own = up_tables },
	{ .name = "vm", .run_raw = vm_run, .own = vm_tables },
	{ .name = "vm show",
	  .run = vm_show_run,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm explain",
	  .run = vm_command_run,
	  .print = print_vm_explain,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm stop",
	  .run = vm_command_run,
	  .print = print_vm_done,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm cont",
	  .run = vm_command_run,
	  .print = print_vm_done,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm reset",
	  .run = vm_command_run,
	  .print = print_vm_done,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm powerdown",
	  .run = vm_command_run,
	  .print = print_vm_done,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm device add",
	  .run = vm_device_add_run,
	  .print = print_added_device,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm device del",
	  .run = vm_device_del_run,
	  .print = print_nothing,
	  .own = vm_del_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm device list",
	  .run = vm_command_run,
	  .print = print_devices,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm netdev add",
	  .run = vm_netdev_add_run,
	  .print = print_nothing,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "vm netdev del",
	  .run = vm_command_run,
	  .print = print_nothing,
	  .own = vm_own_tables,
	  .own_size = sizeof(struct vm_own) },
	{ .name = "show", .print = print_show },
	{ .name = "port list", .print = print_port_list },
	{ .name = "port add", .run = port_add_run, .print = print_nothing },
	{ .name = "port del", .print = print_nothing },
	{ .name = "port set", .print = print_nothing },
	{ .name = "mac", .print = print_macs },
	{ .name = "mac flush", .print = print_flushed },
	{ .name = "stats",
	  .run = stats_run,
	  .print = print_stats,
	  .own = stats_tables,
	  .own_size = sizeof(struct stats_own) },
	{ .name = "rebalance", .print = print_moves },
	{ .name = "capture",
	  .run = capture_run,
	  .own = capture_tables,
	  .own_size = sizeof(struct capture_own) },
	{ .name = "filter list", .print = print_filters },
	{ .name = "filter add", .run = filter_add_run, .print = print_nothing },
	{ .name = "filter del", .print = print_nothing },
	{ .name = "filter set", .print = print_nothing },
	{ .name = "watch", .run = watch_run },
	{ .name = "qemu-args", .print = print_qemu_args },
	{ .name = "log-level", .print = print_log_level },
	{ .name = "reload", .run = reload_run, .print = print_reload },
	{ .name = "save", .print = print_text },
	{ .name = "down", .run = down_run },
	{ .name = "vf create",
	  .run = vf_create_run,
	  .own = vf_create_tables,
	  .own_size = sizeof(struct vf_own) },
	{ .name = "vf list",
	  .run = vf_list_run,
	  .own = vf_list_tables,
	  .own_size = sizeof(struct vf_own) },
	{ .name = "vf set", .run = vf_set_run },
	{ .name = "vf delete", .run = vf_delete_run },
	{ .name = "vf restore", .run = vf_restore_run },
	{ .name = "version", .run = version_run },
	{ .name = "help", .run_raw = help_run },
	{ NULL },
};

const struct front *front_find(const struct command *c)
{
	static const struct front plain = { .print = print_result };

	for (const struct front *f = fronts; f->name; f++)
		if (c->name && !strcmp(f->name, c->name))
			return f;
	return &plain;
}

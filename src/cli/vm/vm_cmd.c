/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about a machine that runs: they reach it by its name. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "control_path.h"
#include "print.h"

static const struct opt_row name_rows[] = {
	{ .key = "name",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct vm_own, name),
	  .def = "vm",
	  .max = 40,
	  .arg = "NAME",
	  .help = "the machine's -name" },
	{ NULL },
};

const struct opt_row *const vm_own_tables[] = { name_rows, NULL };

static const struct opt_row wait_rows[] = {
	{ .key = "wait",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vm_own, wait),
	  .min = 1,
	  .max = 86400,
	  .arg = "SECONDS",
	  .help = "return when the device is gone, or after this time" },
	{ NULL },
};
const struct opt_row *const vm_del_tables[] = { name_rows, wait_rows, NULL };

/* Sets the control socket of the machine, unless one is named. Returns an exit
 * code. */
static int find_machine(struct call *call, char *path, size_t size)
{
	const struct vm_own *own = call->own;
	char file[64];
	struct err err;
	int rc;

	if (call->control)
		return EXIT_DONE;
	snprintf(file, sizeof(file), "vm-%s.sock", own->name);
	rc = control_path_of(file, path, size, false, &err);
	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	if (access(path, F_OK) < 0)
		return cli_fail(EXIT_REFUSED,
				"no machine called '%s' runs: there is no %s: "
				"--name NAME says which one, or --control PATH",
				own->name, path);
	call->control = path;
	return EXIT_DONE;
}

/* Runs @run with the control socket of the machine. */
static int with_machine(struct call *call, int (*run)(struct call *call))
{
	char path[256], *given = call->control;
	int code = find_machine(call, path, sizeof(path));

	if (!code)
		code = run(call);
	call->control = given;
	return code;
}

static int request(struct call *call)
{
	return call_request_and_print(call);
}

int vm_command_run(struct call *call)
{
	return with_machine(call, request);
}

static int show_rates(struct call *call)
{
	json_t *before = NULL, *now = NULL;
	int code = call_request(call, &before);

	if (!code) {
		sleep(1);
		code = call_request(call, &now);
	}
	if (!code)
		print_vm(before, now, 1);
	json_decref(before);
	json_decref(now);
	return code;
}

int vm_show_run(struct call *call)
{
	return with_machine(call, call->json ? request : show_rates);
}

int vm_device_add_run(struct call *call)
{
	return help_print_device(call_param(call, "device"))
		       ? EXIT_DONE
		       : vm_command_run(call);
}

int vm_netdev_add_run(struct call *call)
{
	return help_print_netdev(call_param(call, "netdev"))
		       ? EXIT_DONE
		       : with_machine(call, port_add_run);
}

/* Returns 1 while the machine has the device, 0 when it is gone, or -errno with
 * @err. */
static int has_device(struct client *c, const char *id, struct err *err)
{
	json_t *result = NULL, *d;
	int rc = client_call(c, "vm.device.list", NULL, &result, err);
	size_t i;

	json_array_foreach(json_object_get(result, "devices"), i, d)
		if (!strcmp(json_string_value(json_object_get(d, "id")), id))
			rc = 1;
	json_decref(result);
	return rc;
}

#define LOOK_AGAIN_US 20000

/* Asks, and waits until the device is gone. */
static int del_and_wait(struct call *call)
{
	const struct vm_own *own = call->own;
	const char *id = call_param(call, "id");
	unsigned left = own->wait * (1000000 / LOOK_AGAIN_US);
	int code = call_request_and_print(call), rc;
	struct client c;
	struct err err;

	if (code || !left)
		return code;
	rc = client_open(&c, call->control, call->timeout, &err);
	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	while ((rc = has_device(&c, id, &err)) > 0 && left--)
		usleep(LOOK_AGAIN_US);
	client_close(&c);
	if (rc < 0)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	return rc ? cli_fail(EXIT_REFUSED,
			     "device %s: the guest has not let go of it in %u "
			     "s; it is leaving",
			     id, own->wait)
		  : EXIT_DONE;
}

int vm_device_del_run(struct call *call)
{
	return with_machine(call, del_and_wait);
}

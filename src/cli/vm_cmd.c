/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about a machine that runs: they reach it by its name. */
#include <stdio.h>
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

int vm_command_run(struct call *call)
{
	char path[256], *given = call->control;
	int code = find_machine(call, path, sizeof(path));

	if (!code)
		code = call_request_and_print(call);
	call->control = given;
	return code;
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
	char path[256], *given = call->control;
	int code = find_machine(call, path, sizeof(path));

	if (!code)
		code = call->json ? call_request_and_print(call)
				  : show_rates(call);
	call->control = given;
	return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ringway vm`: reads the options, makes a switch for the machine's networks
 * and the machine, and runs both until the guest or a signal ends them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "control_path.h"
#include "daemon.h"
#include "fd.h"
#include "log.h"
#include "machine_conf.h"
#include "monitor.h"
#include "vm_plan.h"

const struct opt_row *const vm_tables[] = { machine_rows, net_rows,
					    daemon_conf_rows, machine_qemu_rows,
					    NULL };

#define OLD_CARD                                                        \
	"the card is -device virtio-net-pci,netdev=ID, with the id of " \
	"the -netdev"

/* What the options fill. */
struct vm_options {
	struct machine_conf *machine;
	struct config *config;
};

/* An option of a -net or -nic line of QEMU. */
static int set_old(const char *key, const char *value, struct err *err)
{
	char option[8];

	if (value && !strcmp(value, "none"))
		return 0;
	snprintf(option, sizeof(option), "-%s", key);
	explain_old_option(option, value, OLD_CARD, err);
	return -EINVAL;
}

static int set_machine(struct machine_conf *m, const char *key,
		       const char *value, struct err *err)
{
	char name[80];
	int rc = 0;

	if (value && !strcmp(key, "name")) {
		rc = machine_qemu_name(value, name, sizeof(name), err);
		value = name;
	}
	return rc ? rc : opt_set(machine_rows, m, key, value, err);
}

/* Sets an option of the command line or of a -config file. */
static int set_one(void *arg, const char *key, const char *value,
		   struct err *err)
{
	const struct vm_options *o = arg;
	int rc = 0;

	if (opt_find(machine_rows, key))
		return set_machine(o->machine, key, value, err);
	if (!strcmp(key, "net") || !strcmp(key, "nic"))
		return set_old(key, value, err);
	if (opt_find(machine_qemu_rows, key))
		return machine_qemu_set(o->machine, key, value, err);
	if (value && !strcmp(key, "netdev"))
		rc = machine_keep_netdev(o->machine, value, err);
	else if (value && !strcmp(key, "object"))
		rc = machine_qemu_object(o->machine, value, err);
	if (rc)
		return MIN(rc, 0);
	if (!opt_find(net_rows, key) && !opt_find(daemon_conf_rows, key)) {
		if (!machine_qemu_explain(key, err))
			opt_unknown(vm_tables, key, err);
		return -EINVAL;
	}
	return config_set(o->config, key, value, err);
}

static int set_option(struct machine_conf *m, struct config *c,
		      const struct arg *arg, struct err *err)
{
	struct vm_options o = { m, c };

	return strcmp(arg->key, "config")
		       ? set_one(&o, arg->key, arg->text, err)
		       : config_load_with(arg->text, set_one, &o, err);
}

/* Reads the command line. Returns ARG_END when it was read, ARG_HELP when help
 * was printed, or -errno with @err. */
static int parse(int argc, char **argv, struct machine_conf *m,
		 struct config *c, const struct command *self, struct err *err)
{
	struct args a = { .argc = argc, .argv = argv };
	struct arg arg;
	int rc = 0;

	while (!rc) {
		rc = args_next(&a, vm_tables, &arg, err);
		if (rc == ARG_END)
			return rc;
		if (rc == ARG_HELP) {
			help_print_command(self);
			return rc;
		}
		if (rc == ARG_WORD)
			return err_set(err, -EINVAL,
				       "vm: '%s' is no option and no command: "
				       "`ringway help vm` lists both",
				       arg.text);
		if (rc < 0) {
			machine_qemu_explain(argv[a.at - 1], err);
			return rc;
		}
		if ((!strcmp(arg.key, "device") &&
		     help_print_device(arg.text)) ||
		    help_print_machine(arg.key, arg.text) ||
		    help_print_net(&arg))
			return ARG_HELP;
		rc = set_option(m, c, &arg, err);
	}
	return rc;
}

/* Makes the switch and the machine, runs them, and returns why that ended, or
 * -errno with @err. */
static int run_machine(struct machine_conf *m, struct config *c,
		       const char *control, struct err *err)
{
	struct monitor *monitor = NULL;
	struct daemon *d = NULL;
	int rc = daemon_create(c, control, &d, err);

	if (rc)
		return rc;
	rc = monitor_create(m, d, &monitor, err);
	if (!rc) {
		daemon_run(d);
		rc = (int)monitor_end(monitor);
		monitor_destroy(monitor);
	}
	daemon_destroy(d);
	return rc;
}

static int open_log(const char *path, struct err *err)
{
	int fd = process_open_log(path, err);

	if (fd >= 0)
		log_to(fd);
	return MIN(fd, 0);
}

/* Makes everything, runs it, and returns why it ended, or -errno with @err. */
static int run(struct machine_conf *m, struct config *c, struct err *err)
{
	const char *control = c->daemon.control;
	char path[256], file[64];
	int rc = 0, pid_fd = -1;

	log_level = (enum log_level)c->daemon.log_level;
	snprintf(file, sizeof(file), "vm-%s.sock", m->name);
	if (!control) {
		rc = control_path_of(file, path, sizeof(path), !m->dry_run,
				     err);
		control = path;
	}
	if (!rc)
		rc = machine_conf_finish(m, c, control, err);
	if (!rc && m->dry_run)
		return vm_print_plan(m, c, control, err);
	if (!rc)
		rc = monitor_take_terminal(m, err);
	if (!rc)
		rc = process_prepare(err);
	if (!rc && c->daemon.log)
		rc = open_log(c->daemon.log, err);
	if (!rc && m->pidfile) {
		pid_fd = process_write_pid(m->pidfile, err);
		rc = MIN(pid_fd, 0);
	}
	if (!rc)
		rc = run_machine(m, c, control, err);
	if (m->pidfile)
		process_forget_pid(m->pidfile, &pid_fd);
	return rc;
}

int vm_run(const struct command *self, int argc, char **argv)
{
	struct machine_conf m = { 0 };
	struct config c = { 0 };
	struct err err;
	int rc;

	fd_note_inherited();
	rc = config_init(&c, &err);
	if (!rc)
		rc = opt_defaults(machine_rows, &m, &err);
	if (!rc)
		rc = parse(argc, argv, &m, &c, self, &err);
	if (rc == ARG_END)
		rc = run(&m, &c, &err);
	else if (rc == ARG_HELP)
		rc = 0;
	machine_conf_fini(&m);
	config_fini(&c);
	if (rc < 0)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	return rc == VM_END_FAULT ? EXIT_REFUSED : EXIT_DONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor, see monitor.h. build() makes a machine in the order of its
 * parts, take_down() undoes that. A reset of the guest is both, one after the
 * other: every device begins anew, while the ports of the switch stay.
 */
#include "monitor_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "chips.h"
#include "fd.h"
#include "log.h"
#include "raw_term.h"
#include "uart.h"
#include "vcpu.h"

static bool is_on_terminal(const struct machine_conf *conf)
{
	return !strcmp(conf->serial, "stdio") ||
	       !strcmp(conf->serial, "mon:stdio");
}

int monitor_take_terminal(const struct machine_conf *conf, struct err *err)
{
	int rc = is_on_terminal(conf) ? term_raw() : 0;

	return rc ? err_set(err, rc, "serial=stdio: %s", strerror(-rc)) : 0;
}

static int open_serial(struct monitor *m, struct err *err)
{
	const char *where = m->conf->serial;

	m->serial_in = m->serial_out = -1;
	if (!strcmp(where, "none"))
		return 0;
	if (is_on_terminal(m->conf)) {
		m->serial_in = STDIN_FILENO;
		m->serial_out = STDOUT_FILENO;
		return 0;
	}
	if (strncmp(where, "file:", 5) != 0 || !where[5])
		return err_set(err, -EINVAL,
			       "serial=%.80s: must be stdio, none or file:FILE",
			       where);
	m->serial_out =
		open(where + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	m->owns_serial = true;
	return m->serial_out < 0 ? err_set(err, -errno, "serial=%s: %s", where,
					   strerror(errno))
				 : 0;
}

static void close_serial(struct monitor *m)
{
	if (m->owns_serial)
		fd_close(&m->serial_out);
}

static int add_chips(struct monitor *m, struct err *err)
{
	int rc = 0;

	if (m->serial_out >= 0)
		rc = uart_create(m->vm, m->serial_in, m->serial_out, &m->uart,
				 err);
	if (!rc)
		rc = rtc_create(m->vm, &m->rtc, err);
	if (!rc)
		rc = i8042_create(m->vm, &m->i8042, err);
	if (!rc)
		rc = pm_create(m->vm, &m->pm, err);
	return rc;
}

static int boot(struct monitor *m, struct err *err)
{
	const struct machine_conf *mc = m->conf;
	const struct boot_conf c = { .kernel = mc->kernel,
				     .initrd = mc->initrd,
				     .cmdline = mc->append,
				     .cpus = mc->cpus };
	struct boot_entry entry;
	int rc = boot_load(&c, m->vm->ram, &entry, err);

	if (rc)
		return rc;
	rc = boot_acpi(m->vm->ram, mc->cpus);
	if (!rc)
		rc = boot_set_cpu(m->vm->cpu[0].fd, &entry);
	if (!rc)
		rc = vcpus_start(m->vm);
	return rc ? err_set(err, rc, "the machine does not start: %s",
			    strerror(-rc))
		  : 0;
}

static void take_down(struct monitor *m)
{
	if (m->vm)
		vcpus_stop(m->vm);
	monitor_unplug_all(m);
	if (m->pm)
		pm_destroy(m->pm);
	if (m->i8042)
		i8042_destroy(m->i8042);
	if (m->rtc)
		rtc_destroy(m->rtc);
	if (m->uart)
		uart_destroy(m->uart);
	if (m->bus)
		pci_bus_destroy(m->bus);
	if (m->vm)
		vm_destroy(m->vm);
	m->pm = NULL;
	m->i8042 = NULL;
	m->rtc = NULL;
	m->uart = NULL;
	m->bus = NULL;
	m->vm = NULL;
}

static void on_end(struct vm *vm);

static int build(struct monitor *m, struct err *err)
{
	const struct vm_conf c = { .cpus = m->conf->cpus,
				   .memory = m->conf->memory_size,
				   .hugepages = m->conf->hugepages };
	int rc = vm_create(&c, m->daemon->loop, &m->vm, err);

	if (!rc) {
		m->vm->ended = on_end;
		m->vm->owner = m;
		rc = pci_bus_create(m->vm, &m->bus, err);
	}
	if (!rc)
		rc = add_chips(m, err);
	if (!rc)
		rc = monitor_plug_all(m, err);
	if (!rc)
		rc = boot(m, err);
	if (rc)
		take_down(m);
	return rc;
}

static void on_end(struct vm *vm)
{
	struct monitor *m = vm->owner;
	enum vm_end why = shm_load(&vm->end);
	struct err err;

	take_down(m);
	if (why == VM_END_RESET && !m->conf->no_reboot) {
		if (!build(m, &err))
			return;
		log_err("reset: %s", err.msg);
		why = VM_END_FAULT;
	}
	m->end = why;
	loop_stop(m->daemon->loop);
}

int monitor_create(struct machine_conf *conf, struct daemon *d,
		   struct monitor **out, struct err *err)
{
	struct monitor *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	m->conf = conf;
	m->daemon = d;
	m->started_ms = loop_now_ms();
	rc = open_serial(m, err);
	if (!rc)
		rc = machine_cards_open(m->conf, d->loop, err);
	if (!rc)
		rc = build(m, err);
	if (rc) {
		monitor_destroy(m);
		return rc;
	}
	d->machine = &monitor_machine;
	d->machine_arg = m;
	*out = m;
	return 0;
}

void monitor_destroy(struct monitor *m)
{
	m->daemon->machine = NULL;
	take_down(m);
	machine_cards_close(m->conf);
	close_serial(m);
	term_restore();
	free(m);
}

enum vm_end monitor_end(const struct monitor *m)
{
	return m->end;
}

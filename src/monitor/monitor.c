/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor, see monitor.h. build() makes a machine in the order of its
 * parts, take_down() undoes that. A reset of the guest is both, one after the
 * other: every device begins anew, while the ports of the switch stay.
 */
#include "monitor_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot.h"
#include "chips.h"
#include "fd.h"
#include "layout.h"
#include "log.h"
#include "raw_term.h"
#include "uart.h"
#include "vcpu.h"

int monitor_take_terminal(const struct machine_conf *conf, struct err *err)
{
	int rc = conf->serial_conf.kind == SERIAL_STDIO ? term_raw() : 0;

	return rc ? err_set(err, rc, "serial=stdio: %s", strerror(-rc)) : 0;
}

static int add_chips(struct monitor *m, struct err *err)
{
	int rc = 0;

	if (m->conf->split_irqchip)
		rc = ioapic_create(m->vm, &m->ioapic, err);
	if (!rc && m->serial.kind != SERIAL_NONE)
		rc = uart_create(m->vm, m->serial.in, m->serial.out, &m->uart,
				 err);
	if (!rc && m->serial.kind == SERIAL_SOCKET)
		uart_serve(m->uart, &m->serial.server);
	if (!rc)
		rc = rtc_create(m->vm, &m->rtc, err);
	if (!rc)
		rc = i8042_create(m->vm, &m->i8042, err);
	if (!rc)
		rc = pm_create(m->vm, &m->pm, err);
	if (!rc)
		rc = hotplug_create(m->vm, m->pm, monitor_eject, m, &m->hotplug,
				    err);
	return rc;
}

/* Loads a kernel and sets the first vCPU to its entry. */
static int boot_kernel(struct monitor *m, struct err *err)
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
	rc = boot_acpi(m->vm->ram, ACPI_RSDP, &mc->topology,
		       !mc->split_irqchip);
	if (!rc)
		rc = boot_set_cpu(m->vm->cpu[0].fd, &entry);
	return rc ? err_set(err, rc, "the machine does not start: %s",
			    strerror(-rc))
		  : 0;
}

static int boot(struct monitor *m, struct err *err)
{
	int rc = m->conf->kernel ? boot_kernel(m, err) : firmware_load(m, err);

	if (rc)
		return rc;
	vcpus_pause(m->vm, m->is_held);
	m->is_held = false;
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
	if (m->hotplug)
		hotplug_destroy(m->hotplug);
	firmware_free(m);
	if (m->pm)
		pm_destroy(m->pm);
	if (m->i8042)
		i8042_destroy(m->i8042);
	if (m->rtc)
		rtc_destroy(m->rtc);
	if (m->uart)
		uart_destroy(m->uart);
	vfio_host_destroy(m->vfio);
	if (m->bus)
		pci_bus_destroy(m->bus);
	ioapic_destroy(m->ioapic);
	if (m->vm)
		vm_destroy(m->vm);
	m->vfio = NULL;
	m->hotplug = NULL;
	m->pm = NULL;
	m->i8042 = NULL;
	m->rtc = NULL;
	m->uart = NULL;
	m->bus = NULL;
	m->ioapic = NULL;
	m->vm = NULL;
}

static void on_end(struct vm *vm);

static int build(struct monitor *m, struct err *err)
{
	const struct machine_conf *mc = m->conf;
	const struct vm_conf c = { .topology = mc->topology,
				   .memory = mc->memory_size,
				   .page_size = mc->page_size,
				   .prealloc = mc->mem_prealloc,
				   .split_irqchip = mc->split_irqchip };
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

	m->is_held = shm_load(&vm->is_paused);
	m->was_reset = true;
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

/* A kernel prints nothing to a port that its command line does not name. */
static void hint_console(const struct machine_conf *c)
{
	if (c->kernel && c->serial_conf.kind == SERIAL_STDIO &&
	    !(c->append && strstr(c->append, "console=")))
		log_info("append: without console=ttyS0 the kernel prints "
			 "nothing here: the serial port is this terminal");
}

/* Makes the cards of vhost back-ends, which may wait for scripts and for
 * back-ends. Ctrl-C is a signal meanwhile. */
static int open_cards(struct monitor *m, struct err *err)
{
	int rc;

	if (!m->conf->cards)
		return 0;
	term_restore();
	rc = machine_cards_open(m->conf, m->daemon->loop, err);
	if (!rc)
		rc = machine_cards_wait(m->conf, err);
	return rc ? rc : monitor_take_terminal(m->conf, err);
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
	m->is_held = conf->is_held;
	/* Commands may come while scripts and back-ends are waited for. */
	d->machine = &monitor_machine;
	d->machine_arg = m;
	rc = serial_open(&m->serial, &conf->serial_conf, d->loop, err);
	if (!rc)
		rc = open_cards(m, err);
	if (!rc)
		monitor_links_watch(m);
	if (!rc)
		rc = build(m, err);
	if (rc) {
		monitor_destroy(m);
		return rc;
	}
	hint_console(conf);
	*out = m;
	return 0;
}

void monitor_destroy(struct monitor *m)
{
	m->daemon->machine = NULL;
	take_down(m);
	monitor_links_leave(m);
	machine_cards_close(m->conf);
	serial_close(&m->serial);
	term_restore();
	free(m);
}

enum vm_end monitor_end(const struct monitor *m)
{
	return m->end;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the monitor: monitor.c makes the machine, monitor_plug.c its
 * devices, monitor_show.c shows it and does its commands. Control thread. */
#ifndef RW_MONITOR_IMPL_H
#define RW_MONITOR_IMPL_H

#include "monitor.h"
#include "virtio_pci.h"

/* A device on the PCI bus. */
struct plugged {
	struct virtio_pci *pci;
	struct plugged *next;
};

struct monitor {
	struct machine_conf *conf;
	struct daemon *daemon;
	enum vm_end end;
	uint64_t started_ms;
	struct serial serial;
	struct observer links; /* of what changes the links of cards */
	/* Of the present machine: */
	struct vm *vm;
	struct pci_bus *bus;
	struct ioapic *ioapic; /* NULL: KVM's own */
	struct uart *uart;
	struct rtc *rtc;
	struct i8042 *i8042;
	struct pm *pm;
	struct plugged *plugged; /* newest first */
};

/* monitor_plug.c: plugs the devices of the configuration into the bus; returns
 * 0 or -errno with @err. _unplug_all() frees what is plugged; no vCPU runs. */
int monitor_plug_all(struct monitor *m, struct err *err);
void monitor_unplug_all(struct monitor *m);

/* monitor_links.c: makes the links of cards follow those of their -netdevs from
 * now on, until monitor_links_leave(). */
void monitor_links_watch(struct monitor *m);
void monitor_links_leave(struct monitor *m);

/* monitor_show.c */
extern const struct daemon_machine monitor_machine;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a machine, see machine_conf.h. */
#include "log.h"
#include "machine_conf.h"
#include "front_target.h"
#include "types.h"
#include "vhost_card.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"
#include "vm.h"

#define OPT(k, member, t, ...)                                               \
	{                                                                    \
		.key = k, .kind = t,                                         \
		.offset = offsetof(struct machine_conf, member), __VA_ARGS__ \
	}

const struct opt_row machine_rows[] = {
	OPT("kernel", kernel, OPT_PATH, .arg = "FILE",
	    .help = "Linux kernel: bzImage or vmlinux"),
	OPT("initrd", initrd, OPT_PATH, .arg = "FILE",
	    .help = "initial RAM disk"),
	OPT("append", append, OPT_STRING, .arg = "TEXT",
	    .help = "command line of the kernel"),
	OPT("bios", bios, OPT_PATH, .arg = "FILE",
	    .help = "firmware, which starts the boot loader of a disk "
		    "(default: SeaBIOS, when there is no kernel)"),
	OPT("boot", boot, OPT_STRING, .arg = "ORDER",
	    .help = "what firmware tries in turn, c (disks) or n (network): "
		    "order=ORDER,once=ORDER,menu=on"),
	OPT("m", memory, OPT_STRING, .def = "256", .arg = "SIZE",
	    .help = "memory, in MiB or with a suffix"),
	OPT("smp", smp, OPT_STRING, .def = "1", .arg = "N",
	    .help = "vCPUs, and how they are grouped: "
		    "N,sockets=N,cores=N,threads=N"),
	OPT("machine", machine, OPT_STRING, .letter = "M",
	    .arg = "TYPE,kernel-irqchip=on|split",
	    .help = "as in QEMU; there is one machine, which q35, pc and "
		    "microvm stand for"),
	OPT("device", device, OPT_LIST, .arg = "TYPE,...",
	    .help = "a device; \"-device help\" lists the types; may be given "
		    "several times"),
	OPT("drive", drive, OPT_LIST, .arg = "file=FILE,...",
	    .help = "a disk: if=virtio (default), or if=none,id=NAME for a "
		    "-device; may be given several times"),
	OPT("serial", serial, OPT_STRING, .def = "stdio", .arg = "WHERE",
	    .help = "serial port: stdio, none, null, pty, file:FILE, "
		    "unix:PATH,server=on, tcp:HOST:PORT,server=on or "
		    "chardev:ID"),
	OPT("nographic", nographic, OPT_BOOL,
	    .help = "as in QEMU: there is no other way here"),
	OPT("name", name, OPT_STRING, .def = "vm", .min = 1, .max = 40,
	    .arg = "NAME",
	    .help = "name of the machine, of its control socket, too"),
	OPT("accel", accel, OPT_STRING, .def = "kvm",
	    .arg = "kvm,kernel-irqchip=on|split",
	    .help = "as in QEMU: there is no other way here"),
	OPT("enable-kvm", enable_kvm, OPT_BOOL, .help = "the same"),
	OPT("cpu", cpu, OPT_ENUM, .def = "host",
	    .choices = (const char *const[]){ "host", "max", NULL },
	    .help = "as in QEMU: a vCPU has what KVM offers"),
	OPT("hugepages", hugepages, OPT_BOOL,
	    .help = "memory of pages of 2 MiB"),
	OPT("mem-path", mem_path, OPT_PATH, .arg = "FOLDER",
	    .help = "memory of the pages of the hugetlbfs that is there"),
	OPT("mem-prealloc", mem_prealloc, OPT_BOOL,
	    .help = "take the memory from the host at the start"),
	OPT("S", is_held, OPT_BOOL,
	    .help = "do not start the vCPUs: `ringway vm cont` does"),
	OPT("pidfile", pidfile, OPT_PATH, .arg = "FILE",
	    .help = "write the process's number to a file, and lock it"),
	OPT("dry-run", dry_run, OPT_BOOL,
	    .help = "print what would be set up, and end"),
	OPT("no-reboot", no_reboot, OPT_BOOL,
	    .help = "end when the guest resets the machine"),
	{ NULL },
};

/* A network that holds one -netdev and its card is a link. */
static int own_networks(struct config *config, struct err *err)
{
	for (unsigned i = 0; i < config->netdev_count; i++) {
		struct port_conf *c = &config->netdev[i]->common;
		int rc = 0;

		if (!strcmp(c->net, "default"))
			rc = opt_set(port_conf_rows, c, "net", c->id, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* A -netdev is of use to the cards of its network. */
static bool has_card(const struct config *config, const char *net)
{
	for (unsigned i = 0; i < config->netdev_count; i++)
		if (machine_is_card(config->netdev[i]->type) &&
		    !strcmp(config->netdev[i]->common.net, net))
			return true;
	return false;
}

static void warn_of_netdev(const struct port_conf *c)
{
	log_warn("netdev %s: no device uses it: -device "
		 "virtio-net-pci,netdev=%s does",
		 c->id, c->id);
}

static void warn_of_unused(const struct machine_conf *m,
			   const struct config *config)
{
	for (unsigned i = 0; i < config->netdev_count; i++)
		if (!has_card(config, config->netdev[i]->common.net))
			warn_of_netdev(&config->netdev[i]->common);
	for (const struct machine_card *c = m->cards; c; c = c->next)
		if (!c->card)
			warn_of_netdev(&c->backend->common);
	for (const struct machine_drive *d = m->drives; d; d = d->next)
		if (!d->is_used)
			log_warn("drive %s: no device uses it: -device "
				 "virtio-blk-pci,drive=%s does",
				 d->id, d->id);
}

int machine_conf_finish(struct machine_conf *m, struct config *config,
			const char *control, struct err *err)
{
	const char *slot[MACHINE_SLOTS];
	int rc = machine_board_read(m, err);

	if (!rc)
		rc = serial_read(&m->serial_conf, m->serial, config->devices,
				 err);
	if (!rc)
		rc = machine_vhost_translate(m, config, err);
	if (!rc)
		rc = own_networks(config, err);
	for (unsigned i = 0; i < m->drive.count && !rc; i++)
		rc = machine_drive_add(m, m->drive.value[i], err);
	for (unsigned i = 0; i < m->device.count && !rc; i++)
		rc = machine_device_add(m, config, m->device.value[i], control,
					err);
	if (!rc)
		rc = machine_boot_read(m, config, err);
	if (!rc)
		rc = machine_vhost_take(m, config, err);
	if (!rc)
		rc = machine_slots(m, config, slot, err);
	if (!rc)
		warn_of_unused(m, config);
	return rc;
}

void machine_conf_fini(struct machine_conf *m)
{
	while (m->devices)
		machine_device_free(m, m->devices);
	machine_drives_free(m);
	machine_cards_free(m);
	machine_boot_free(m);
	opt_free(machine_rows, m);
}

static bool must_wait(const struct machine_card *c)
{
	return c->card && c->backend->type == &port_vhost_front_type &&
	       front_conf_target(c->backend->conf).waits;
}

int machine_cards_wait(struct machine_conf *m, struct err *err)
{
	int rc = 0;

	for (struct machine_card *c = m->cards; c && !rc; c = c->next) {
		rc = must_wait(c) ? vhost_card_wait(c->vhost, err) : 0;
		if (rc)
			err_prefix(err, rc, "device %s", c->card->common.id);
	}
	return rc;
}

void machine_cards_close(struct machine_conf *m)
{
	for (struct machine_card *c = m->cards; c; c = c->next) {
		vhost_card_destroy(c->vhost);
		c->vhost = NULL;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the monitor: monitor.c makes the machine, monitor_plug.c its
 * devices, monitor_rom.c their ROMs, monitor_firmware.c what firmware needs of
 * it, monitor_show.c shows it and does its commands. Control thread. */
#ifndef RW_MONITOR_IMPL_H
#define RW_MONITOR_IMPL_H

#include "bios.h"
#include "monitor.h"
#include "vcpu.h"
#include "vfio.h"
#include "virtio_pci.h"

/*   state          is left when
 *   PLUGGED        the guest is asked to let go: LEAVING
 *   LEAVING        it did: GONE; it may stay here for ever
 *   GONE           off the bus; no vCPU uses it any more: freed
 * The guest may let go of it at any time, and `device del --force` takes it:
 * GONE. With the machine's end LEAVING and GONE end, too.
 */
enum plug_state { PLUG_PLUGGED, PLUG_LEAVING, PLUG_GONE };

/* A device on the PCI bus. */
struct plugged {
	struct monitor *monitor;
	struct virtio_pci *pci; /* of a virtio device, or */
	struct port *nic;	/* an emulated card, or */
	struct vfio_dev *vfio;	/* a card of the host */
	const char *id;		/* of the device; borrowed */
	bool is_card;
	int64_t bootindex;   /* -1: none */
	struct pci_rom *rom; /* NULL: none; owned */
	bool has_rombar;     /* it is in a BAR */
	enum plug_state state;
	bool is_added;		/* while the guest ran */
	struct vcpus_wait wait; /* of GONE */
	struct plugged *next;
};

struct monitor {
	struct machine_conf *conf;
	struct daemon *daemon;
	enum vm_end end;
	uint64_t started_ms;
	struct serial serial;
	struct observer links; /* of what changes the links of cards */
	bool is_held;	       /* the next machine's vCPUs wait */
	bool was_reset;	       /* this is not the first machine */
	/* Of the present machine: */
	struct vm *vm;
	struct pci_bus *bus;
	struct vfio_host *vfio; /* NULL: there was no card of the host yet */
	struct ioapic *ioapic;	/* NULL: KVM's own */
	struct uart *uart;
	struct rtc *rtc;
	struct i8042 *i8042;
	struct pm *pm;
	struct hotplug *hotplug;
	struct plugged *plugged; /* newest first */
	struct bios bios;	 /* of a machine without a kernel: */
	struct fw_cfg *fw_cfg;
	struct debug_port *debug_port; /* NULL: not at this log level */
};

/* monitor_plug.c: plugs the devices of the configuration into the bus; returns
 * 0 or -errno with @err. _unplug_all() frees what is plugged; no vCPU runs.
 * Devices that were leaving are forgotten, and the next machine has none. */
int monitor_plug_all(struct monitor *m, struct err *err);
void monitor_unplug_all(struct monitor *m);
/* Returns the slot that @p is in. */
unsigned monitor_slot(const struct plugged *p);
/* Plug a device while the guest runs. @dev is the caller's if that fails. */
int monitor_plug_port(struct monitor *m, struct daemon_port *p,
		      struct err *err);
int monitor_plug_vhost(struct monitor *m, struct machine_card *c,
		       struct err *err);
int monitor_plug_device(struct monitor *m, struct machine_device *d,
			struct err *err);
/* The guest let go of @slot, or has to. For struct hotplug: @arg is the
 * monitor.
 */
void monitor_eject(void *arg, unsigned slot);

/* monitor_rom.c: makes the ROM of a device: that of its options, or the file
 * @fits (NULL: none), which may be missing. *@out is NULL for none. Returns 0
 * or -errno with @err. _add_roms() gives firmware those that are in no BAR: 0
 * or -errno. */
int monitor_load_rom(const struct monitor *m, const struct pci_conf *c,
		     const char *fits, struct pci_rom **out, struct err *err);
int monitor_add_roms(const struct monitor *m);

/* monitor_hot.c: the commands that change a machine which runs; see struct
 * daemon_machine. */
int monitor_device_add(void *arg, const char *text, struct show *s,
		       struct err *err);
int monitor_device_del(void *arg, const char *id, bool force, struct err *err);
void monitor_device_list(void *arg, struct show *s);
int monitor_netdev_add(void *arg, const char *text, struct err *err);
int monitor_netdev_del(void *arg, const char *id, struct err *err);
/* Returns 0, or -EAGAIN with @err while there is no machine yet. */
int monitor_check_on(const struct monitor *m, struct err *err);
/* Shows how a device is plugged in the object that the caller opened. */
void monitor_show_plug(const struct plugged *p, struct show *s);

/* monitor_links.c: makes the links of cards follow those of their -netdevs from
 * now on, until monitor_links_leave(). */
void monitor_links_watch(struct monitor *m);
void monitor_links_leave(struct monitor *m);
/* Gives a card that was added its link. */
void monitor_links_update(const struct monitor *m);

/* monitor_firmware.c: makes firmware and what it asks for part of the machine,
 * whose devices are plugged. Returns 0 or -errno with @err. firmware_free() is
 * due in both cases, before the machine is freed; it may be called without. */
int firmware_load(struct monitor *m, struct err *err);
void firmware_free(struct monitor *m);

/* monitor_show.c */
extern const struct daemon_machine monitor_machine;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a machine on its PCI bus. Control thread.
 *
 * A device leaves in steps, since vCPUs run: it is hidden from the guest, then
 * those vCPUs that are in a handler of it leave that, then it is freed, and
 * with it what it had of the host. Whoever waits for the vCPUs is the loop's
 * timer: one of them may be waiting for the control thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"
#include "chips.h"
#include "log.h"
#include "machine_hot.h"
#include "monitor_impl.h"
#include "nic.h"
#include "observer.h"
#include "pci_rom.h"
#include "vhost_card.h"

#define TYPE_NET 1 /* virtio 1.2, clause 5 */

/* A device keeps its slot over a reset, whatever came and went before it.
 * Without memory it gets the first free one again. */
static void keep_slot(char **addr, unsigned slot)
{
	char text[4];

	snprintf(text, sizeof(text), "%x", slot & 0xff);
	if (!*addr)
		*addr = strdup(text);
}

unsigned monitor_slot(const struct plugged *p)
{
	return p->nic	 ? nic_slot(p->nic)
	       : p->vfio ? vfio_slot(p->vfio)
			 : virtio_pci_slot(p->pci);
}

/* Makes what is noted of a device with the options @conf, and @how it is to be
 * plugged, with its ROM: @fits is the file of its type. */
static int prepare(struct monitor *m, const struct pci_conf *conf,
		   const char *fits, struct pci_plug *how, struct plugged **out,
		   struct err *err)
{
	struct plugged *p = calloc(1, sizeof(*p));
	int rc = p ? pci_conf_check(conf, &how->slot, err)
		   : err_set(err, -ENOMEM, "out of memory");

	if (!rc)
		rc = monitor_load_rom(m, conf, fits, &p->rom, err);
	if (rc) {
		free(p);
		return rc;
	}
	p->monitor = m;
	p->bootindex = conf->has_bootindex ? (int64_t)conf->bootindex : -1;
	p->has_rombar = conf->rombar;
	p->is_added = how->is_hot;
	how->rom = conf->rombar ? p->rom : NULL;
	*out = p;
	return 0;
}

static void free_plugged(struct plugged *p)
{
	pci_rom_destroy(p->rom);
	free(p);
}

/* Notes that @p is plugged, and tells a guest that runs. */
static void note(struct monitor *m, struct plugged *p, struct pci_conf *conf)
{
	keep_slot(&conf->addr, monitor_slot(p));
	p->next = m->plugged;
	m->plugged = p;
	if (p->is_added)
		hotplug_look(m->hotplug, monitor_slot(p));
}

static int plug_nic(struct monitor *m, struct port *port,
		    struct netcard_conf *c, bool is_hot, struct err *err)
{
	struct pci_plug how = { .is_hot = is_hot };
	struct plugged *p;
	int rc = prepare(m, &c->pci, nic_rom(port), &how, &p, err);

	if (rc)
		return err_prefix(err, rc, "device %s", port->name);
	rc = nic_plug(port, m->bus, m->vm->ram, &how, err);
	if (rc) {
		free_plugged(p);
		return err_prefix(err, rc, "device %s", port->name);
	}
	p->nic = port;
	p->id = port->name;
	p->is_card = true;
	note(m, p, &c->pci);
	return 0;
}

static int plug(struct monitor *m, struct virtio_dev *d, struct pci_conf *conf,
		bool is_hot, struct err *err)
{
	struct virtio_pci_conf c = { .vectors = -1, .is_hot = is_hot };
	bool is_card = d->type == TYPE_NET;
	struct pci_plug how = { .is_hot = is_hot };
	struct plugged *p;
	int rc = prepare(m, conf, is_card ? "pxe-virtio.rom" : NULL, &how, &p,
			 err);

	if (rc)
		return rc;
	c.slot = how.slot;
	c.rom = how.rom;
	if (conf->has_vectors)
		c.vectors = (int)conf->vectors;
	if (pci_conf_has_legacy(conf))
		c.kind = conf->disable_modern ? VIRTIO_PCI_LEGACY
					      : VIRTIO_PCI_TRANSITIONAL;
	d->loop = m->daemon->loop;
	d->ram = m->vm->ram;
	rc = virtio_pci_create(m->bus, d, &c, &p->pci, err);
	if (rc) {
		free_plugged(p);
		return rc;
	}
	p->id = d->name;
	p->is_card = is_card;
	note(m, p, conf);
	return 0;
}

/* The host wants its card back, or it failed. A guest that does not listen
 * keeps it. */
static void on_asked(void *arg)
{
	struct plugged *p = arg;
	struct err err;

	if (monitor_device_del(p->monitor, p->id, false, &err))
		log_warn("%s", err.msg);
}

/* Whether a -device of the machine is the card @address. */
static bool is_ours(const char *address, void *ctx)
{
	const struct monitor *m = ctx;
	char own[HOST_ADDRESS];

	for (const struct machine_device *d = m->conf->devices; d; d = d->next)
		if (d->type == &device_vfio_type &&
		    !vfio_vf_address(d->conf, own, NULL) &&
		    !strcmp(own, address))
			return true;
	return false;
}

static int take_lease(struct monitor *m, struct machine_device *d,
		      struct err *err)
{
	if (d->lease || d->type != &device_vfio_type)
		return 0;
	for (struct machine_device *o = m->conf->devices; o; o = o->next)
		if (o->type == &device_vfio_type)
			vfio_vf_share(d->conf, o->conf);
	return vfio_lease_take(d->conf, is_ours, m, &d->lease, err);
}

static int plug_vfio(struct monitor *m, const struct machine_device *d,
		     bool is_hot, struct err *err)
{
	struct vfio_conf *c = d->conf;
	struct vfio_plug plug = { .lease = d->lease,
				  .bus = m->bus,
				  .asked = on_asked };
	struct pci_plug how = { .is_hot = is_hot };
	struct plugged *p;
	int rc = prepare(m, &c->common.pci, NULL, &how, &p, err);

	if (rc)
		return rc;
	plug.how = how;
	plug.arg = p;
	if (!m->vfio)
		rc = vfio_host_create(m->vm, &m->vfio, err);
	plug.host = m->vfio;
	if (!rc)
		rc = vfio_create(c->common.id, &plug, &p->vfio, err);
	if (rc) {
		free_plugged(p);
		return rc;
	}
	p->id = c->common.id;
	p->is_card = true;
	note(m, p, &c->common.pci);
	return 0;
}

/* Plugs the card @dev with the options @c. */
static int plug_card(struct monitor *m, struct virtio_dev *dev,
		     struct netcard_conf *c, bool is_hot, struct err *err)
{
	int rc = plug(m, dev, &c->pci, is_hot, err);

	return rc ? err_prefix(err, rc, "device %s", dev->name) : 0;
}

static int plug_device(struct monitor *m, struct machine_device *d, bool is_hot,
		       struct err *err)
{
	struct device_conf *c = d->conf;
	struct virtio_dev *dev;
	int rc;

	if (d->type == &device_vfio_type) {
		rc = take_lease(m, d, err);
		if (!rc)
			rc = plug_vfio(m, d, is_hot, err);
		return rc ? err_prefix(err, rc, "device %s", c->id) : 0;
	}
	rc = d->type->create(d->conf, m->daemon->loop, &dev, err);
	if (!rc) {
		rc = plug(m, dev, &c->pci, is_hot, err);
		if (rc)
			dev->ops->destroy(dev);
	}
	return rc ? err_prefix(err, rc, "device %s", c->id) : 0;
}

/* Plugs the card that is the port @p. */
static int plug_port(struct monitor *m, struct daemon_port *p, bool is_hot,
		     struct err *err)
{
	struct netcard_conf *c = p->netdev->conf;

	if (nic_is(p->port->type))
		return plug_nic(m, p->port, c, is_hot, err);
	return plug_card(m, card_device(p->port), c, is_hot, err);
}

int monitor_plug_port(struct monitor *m, struct daemon_port *p, struct err *err)
{
	return plug_port(m, p, true, err);
}

int monitor_plug_vhost(struct monitor *m, struct machine_card *c,
		       struct err *err)
{
	return plug_card(m, vhost_card_device(c->vhost), c->card->conf, true,
			 err);
}

int monitor_plug_device(struct monitor *m, struct machine_device *d,
			struct err *err)
{
	return plug_device(m, d, true, err);
}

/* Plugs the device that is number @order on the command line. So the slots do
 * not depend on what moves the frames of cards. */
static int plug_nth(struct monitor *m, unsigned order, struct err *err)
{
	for (struct daemon_port *p = m->daemon->ports; p; p = p->next) {
		const struct netcard_conf *c = p->netdev->conf;

		if (machine_is_card(p->port->type) && c->order == order)
			return plug_port(m, p, false, err);
	}
	for (struct machine_card *k = m->conf->cards; k; k = k->next) {
		struct netcard_conf *c = k->card ? k->card->conf : NULL;

		if (c && c->order == order)
			return plug_card(m, vhost_card_device(k->vhost), c,
					 false, err);
	}
	for (struct machine_device *d = m->conf->devices; d; d = d->next)
		if (((const struct device_conf *)d->conf)->order == order)
			return plug_device(m, d, false, err);
	return 0;
}

int monitor_plug_all(struct monitor *m, struct err *err)
{
	struct machine_device *d = m->conf->devices;
	int rc = 0;

	/* All of a group before one of it is opened. */
	for (; d && !rc; d = d->next) {
		rc = take_lease(m, d, err);
		if (rc)
			err_prefix(err, rc, "device %s",
				   ((const struct device_conf *)d->conf)->id);
	}
	for (unsigned i = 0; i < m->conf->device_count && !rc; i++)
		rc = plug_nth(m, i, err);
	return rc;
}

/* Frees what the device @id has beside its place on the bus. */
static void forget(struct monitor *m, const char *id)
{
	struct daemon_port *p = m->daemon->ports;

	while (p && strcmp(p->netdev->common.id, id) != 0)
		p = p->next;
	if (p && machine_is_card(p->port->type))
		daemon_remove_port(m->daemon, p);
	machine_hot_forget(m->conf, id);
	log_info("device=%s: removed", id);
	observers_tell(
		switch_observers(m->daemon->sw),
		&(struct event){ .kind = EVENT_DEVICE_REMOVED, .port = id });
}

/* Frees @p, which no vCPU uses; with @is_final its device, too. */
static void take_out(struct plugged *p, bool is_final)
{
	struct monitor *m = p->monitor;
	struct plugged **at = &m->plugged;
	char id[80];

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	snprintf(id, sizeof(id), "%s", p->id);
	vcpus_leave_cancel(&p->wait);
	if (p->nic)
		nic_unplug(p->nic);
	else if (p->vfio)
		vfio_destroy(p->vfio);
	else
		virtio_pci_destroy(p->pci);
	free_plugged(p);
	if (is_final)
		forget(m, id);
}

void monitor_unplug_all(struct monitor *m)
{
	while (m->plugged)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		take_out(m->plugged, m->plugged->state != PLUG_PLUGGED);
}

static void on_left(struct vcpus_wait *w)
{
	take_out(container_of(w, struct plugged, wait), true);
}

void monitor_eject(void *arg, unsigned slot)
{
	struct monitor *m = arg;
	struct plugged *p = m->plugged;

	while (p && monitor_slot(p) != slot)
		p = p->next;
	if (!p || p->state == PLUG_GONE)
		return;
	p->state = PLUG_GONE;
	if (p->nic)
		nic_hide(p->nic);
	else if (p->vfio)
		vfio_hide(p->vfio);
	else
		virtio_pci_hide(p->pci);
	vcpus_leave(m->vm, &p->wait, on_left);
}

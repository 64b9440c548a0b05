/* SPDX-License-Identifier: Apache-2.0 */
/* The devices of a machine on its PCI bus. Control thread. */
#include <errno.h>
#include <stdlib.h>

#include "card.h"
#include "monitor_impl.h"
#include "vhost_card.h"

static int plug(struct monitor *m, struct virtio_dev *d,
		const struct pci_conf *conf, struct err *err)
{
	struct virtio_pci_conf c = { .vectors = -1 };
	struct plugged *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	if (conf->has_vectors)
		c.vectors = (int)conf->vectors;
	if (pci_conf_has_legacy(conf))
		c.kind = conf->disable_modern ? VIRTIO_PCI_LEGACY
					      : VIRTIO_PCI_TRANSITIONAL;
	d->loop = m->daemon->loop;
	d->ram = m->vm->ram;
	rc = pci_conf_check(conf, &c.slot, err);
	if (!rc)
		rc = virtio_pci_create(m->bus, d, &c, &p->pci, err);
	if (rc) {
		free(p);
		return rc;
	}
	p->next = m->plugged;
	m->plugged = p;
	return 0;
}

/* Plugs the card @dev with the options @c. */
static int plug_card(struct monitor *m, struct virtio_dev *dev,
		     const struct card_conf *c, struct err *err)
{
	int rc = plug(m, dev, &c->pci, err);

	return rc ? err_prefix(err, rc, "device %s", dev->name) : 0;
}

static int plug_device(struct monitor *m, const struct machine_device *d,
		       struct err *err)
{
	const struct device_conf *c = d->conf;
	struct virtio_dev *dev;
	int rc = d->type->create(d->conf, m->daemon->loop, &dev, err);

	if (!rc) {
		rc = plug(m, dev, &c->pci, err);
		if (rc)
			dev->ops->destroy(dev);
	}
	return rc ? err_prefix(err, rc, "device %s", c->id) : 0;
}

/* Plugs the device that is number @order on the command line. So the slots do
 * not depend on what moves the frames of cards. */
static int plug_nth(struct monitor *m, unsigned order, struct err *err)
{
	for (struct daemon_port *p = m->daemon->ports; p; p = p->next) {
		const struct card_conf *c = p->netdev->conf;

		if (p->port->type == &port_card_type && c->order == order)
			return plug_card(m, card_device(p->port), c, err);
	}
	for (struct machine_card *k = m->conf->cards; k; k = k->next) {
		const struct card_conf *c = k->card->conf;

		if (c->order == order)
			return plug_card(m, vhost_card_device(k->vhost), c,
					 err);
	}
	for (const struct machine_device *d = m->conf->devices; d; d = d->next)
		if (((const struct device_conf *)d->conf)->order == order)
			return plug_device(m, d, err);
	return 0;
}

int monitor_plug_all(struct monitor *m, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < m->conf->device_count && !rc; i++)
		rc = plug_nth(m, i, err);
	return rc;
}

void monitor_unplug_all(struct monitor *m)
{
	struct plugged *p;

	while ((p = m->plugged)) {
		m->plugged = p->next;
		virtio_pci_destroy(p->pci);
		free(p);
	}
}

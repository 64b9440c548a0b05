/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change the devices of a machine which runs. Control thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"
#include "chips.h"
#include "layout.h"
#include "log.h"
#include "machine_hot.h"
#include "monitor_impl.h"
#include "observer.h"

/* Fills @view with all that a -device or -netdev line may name: borrowed, but
 * for the array. Returns 0 or -ENOMEM with @err. */
static int look_around(const struct monitor *m, struct config *view,
		       struct err *err)
{
	unsigned n = 0;

	*view = (struct config){ .devices = m->daemon->devices };
	for (struct daemon_port *p = m->daemon->ports; p; p = p->next)
		n++;
	for (struct machine_card *c = m->conf->cards; c; c = c->next)
		n += 2;
	view->netdev = calloc(n + 1, sizeof(*view->netdev));
	if (!view->netdev)
		return err_set(err, -ENOMEM, "out of memory");
	for (struct daemon_port *p = m->daemon->ports; p; p = p->next)
		view->netdev[view->netdev_count++] = p->netdev;
	for (struct machine_card *c = m->conf->cards; c; c = c->next) {
		view->netdev[view->netdev_count++] = c->backend;
		if (c->card)
			view->netdev[view->netdev_count++] = c->card;
	}
	return 0;
}

int monitor_check_on(const struct monitor *m, struct err *err)
{
	return m->vm ? 0
		     : err_set(err, -EAGAIN,
			       "the machine has not started: it waits for a "
			       "script or a back-end, which its log names");
}

/* Makes the port of the card @n, which this call owns, and plugs it. */
static int add_port(struct monitor *m, struct netdev *n, struct err *err)
{
	const char *id = n->common.id;
	struct daemon_port *p;
	int rc = daemon_add_port(m->daemon, n, err);

	if (rc)
		return rc;
	monitor_links_update(m);
	p = daemon_find_port(m->daemon, id, NULL);
	rc = monitor_plug_port(m, p, err);
	if (rc)
		daemon_remove_port(m->daemon, p);
	return rc;
}

static int add_device(struct monitor *m, const char *text, struct err *err)
{
	struct machine_hot hot = { 0 };
	struct config view;
	int rc = look_around(m, &view, err);
	const char *id;

	if (rc)
		return rc;
	rc = machine_hot_device(m->conf, &view, text, m->daemon->control.path,
				m->daemon->loop, &hot, err);
	free(view.netdev);
	if (rc)
		return rc;
	if (hot.port)
		return add_port(m, hot.port, err);
	if (hot.card) {
		id = hot.card->card->common.id;
		rc = monitor_plug_vhost(m, hot.card, err);
	} else {
		id = ((const struct device_conf *)hot.device->conf)->id;
		rc = monitor_plug_device(m, hot.device, err);
	}
	if (rc)
		machine_hot_forget(m->conf, id);
	return rc;
}

int monitor_device_add(void *arg, const char *text, struct show *s,
		       struct err *err)
{
	struct monitor *m = arg;
	const struct plugged *p;
	int rc = monitor_check_on(m, err);

	if (!rc)
		rc = add_device(m, text, err);
	if (rc)
		return rc;
	p = m->plugged; /* the newest */
	log_info("device=%s: added in slot %u", p->id, monitor_slot(p));
	observers_tell(
		switch_observers(m->daemon->sw),
		&(struct event){ .kind = EVENT_DEVICE_ADDED, .port = p->id });
	show_str(s, "id", p->id);
	show_num(s, "slot", monitor_slot(p));
	show_flag(s, "listens", pm_event_is_known(m->pm, GPE_PLUG));
	return 0;
}

static struct plugged *find(const struct monitor *m, const char *id,
			    struct err *err)
{
	char list[300] = "";
	size_t n = 0;

	for (struct plugged *p = m->plugged; p; p = p->next) {
		if (!strcmp(p->id, id))
			return p;
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      n ? ", " : "", p->id);
		n = MIN(n, sizeof(list) - 1);
	}
	err_set(err, -ENOENT, "no device '%.64s': there are %s", id,
		n ? list : "none");
	return NULL;
}

int monitor_device_del(void *arg, const char *id, bool force, struct err *err)
{
	struct monitor *m = arg;
	struct plugged *p;
	unsigned slot;
	int rc = monitor_check_on(m, err);

	if (rc)
		return rc;
	p = find(m, id, err);
	if (!p)
		return -ENOENT;
	slot = monitor_slot(p);
	if (p->state == PLUG_GONE)
		return 0;
	/* Not told to the guest: Linux's virtio drivers would wait for ever for
	 * the answer of what is gone, and with them every later event. */
	if (force) {
		monitor_eject(m, slot);
		return 0;
	}
	if (!pm_event_is_known(m->pm, GPE_PLUG))
		return err_set(
			err, -EOPNOTSUPP,
			"device %s: the guest does not listen for hot "
			"plug: it has no ACPI, or did not get there yet; "
			"--force takes the device away from it",
			id);
	if (p->state == PLUG_PLUGGED)
		p->state = PLUG_LEAVING;
	log_info("device=%s: the guest is asked to let go of it", id);
	hotplug_ask(m->hotplug, slot);
	return 0;
}

void monitor_show_plug(const struct plugged *p, struct show *s)
{
	show_str(s, "plug",
		 p->state != PLUG_PLUGGED ? "leaving"
		 : p->is_added		  ? "added"
					  : "at start");
}

/* Shows the type of the device @id, and of a card its back-end. */
static void show_type(const struct monitor *m, const char *id, struct show *s)
{
	const struct netdev *card = NULL;

	for (struct daemon_port *p = m->daemon->ports; p; p = p->next)
		if (!strcmp(p->netdev->common.id, id))
			card = p->netdev;
	for (struct machine_card *c = m->conf->cards; c; c = c->next)
		if (c->card && !strcmp(c->card->common.id, id))
			card = c->card;
	for (struct machine_device *d = m->conf->devices; d; d = d->next)
		if (!strcmp(((const struct device_conf *)d->conf)->id, id)) {
			show_str(s, "type", d->type->name);
			return;
		}
	show_str(s, "type", card ? card->type->name : "");
	if (card)
		show_str(s, "netdev",
			 ((const struct netcard_conf *)card->conf)->netdev);
}

static void show_netdev(const struct netdev *n, const char *card,
			struct show *s)
{
	show_object(s, NULL);
	show_str(s, "id", n->common.id);
	show_str(s, "type", n->type->name);
	if (card)
		show_str(s, "device", card);
	show_end(s);
}

/* Returns the id of the card that is a port and plugged into @id, or NULL. */
static const char *card_on(const struct monitor *m, const char *id)
{
	for (struct daemon_port *p = m->daemon->ports; p; p = p->next)
		if (machine_is_card(p->port->type) &&
		    !strcmp(((const struct netcard_conf *)p->netdev->conf)
				    ->netdev,
			    id))
			return p->netdev->common.id;
	return NULL;
}

void monitor_device_list(void *arg, struct show *s)
{
	const struct monitor *m = arg;

	show_array(s, "devices");
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
		for (const struct plugged *p = m->plugged; p; p = p->next) {
			if (monitor_slot(p) != slot)
				continue;
			show_object(s, NULL);
			show_str(s, "id", p->id);
			show_num(s, "slot", slot);
			show_type(m, p->id, s);
			monitor_show_plug(p, s);
			show_end(s);
		}
	show_end(s);
	show_array(s, "netdevs");
	for (struct daemon_port *p = m->daemon->ports; p; p = p->next)
		if (!machine_is_card(p->port->type))
			show_netdev(p->netdev, card_on(m, p->netdev->common.id),
				    s);
	for (struct machine_card *c = m->conf->cards; c; c = c->next)
		show_netdev(c->backend, c->card ? c->card->common.id : NULL, s);
	show_end(s);
}

int monitor_netdev_add(void *arg, const char *text, struct err *err)
{
	struct monitor *m = arg;
	struct config view;
	int rc = look_around(m, &view, err);
	struct netdev *n;
	unsigned before;

	if (rc)
		return rc;
	before = view.netdev_count;
	rc = machine_hot_netdev(m->conf, &view, text, err);
	n = rc >= 0 ? view.netdev[before] : NULL;
	free(view.netdev);
	if (rc == 0)
		rc = daemon_add_port(m->daemon, n, err);
	return MIN(rc, 0);
}

int monitor_netdev_del(void *arg, const char *id, struct err *err)
{
	struct monitor *m = arg;
	int rc = machine_hot_netdev_del(m->conf, id, err);
	const char *card = card_on(m, id);

	if (rc)
		return MIN(rc, 0);
	if (card)
		return err_set(err, -EBUSY,
			       "netdev %s: device %s is plugged into it: "
			       "`vm device del %s` first",
			       id, card, card);
	return daemon_del_port(m->daemon, id, err);
}

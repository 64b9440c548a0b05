/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and back-ends of a machine that runs, see machine_hot.h: they are
 * read by what reads the command line. Control thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"
#include "machine_hot.h"
#include "tap.h"
#include "types.h"
#include "vhost_card.h"

/* Returns whether a card is plugged into @n. */
static bool has_card(const struct config *config, const struct netdev *n)
{
	for (unsigned i = 0; i < config->netdev_count; i++) {
		const struct netdev *o = config->netdev[i];

		if (machine_is_card(o->type) &&
		    !strcmp(((const struct netcard_conf *)o->conf)->netdev,
			    n->common.id))
			return true;
	}
	return false;
}

int machine_hot_take_idle(struct machine_conf *m, struct config *config,
			  struct err *err)
{
	unsigned i = 0;

	while (i < config->netdev_count) {
		struct netdev *n = config->netdev[i];
		bool is = false;
		int rc = 0;

		if (!machine_is_card(n->type) && !has_card(config, n))
			rc = machine_vhost_check(config, n, &is, err);
		if (!rc && is)
			rc = machine_vhost_keep(m, n, err);
		if (rc)
			return rc;
		if (is)
			config_take(config, n->common.id);
		else
			i++;
	}
	return 0;
}

static int read_netdev(struct config *config, const char *text, struct err *err)
{
	struct machine_conf line = { 0 };
	int rc = machine_keep_netdev(&line, text, err);

	if (rc > 0)
		rc = machine_vhost_translate_line(config, text, err);
	else if (!rc)
		rc = config_set(config, "netdev", text, err);
	machine_cards_free(&line); /* the line that it kept */
	return rc;
}

/* Descriptors come with the command; the card, which would take them, with a
 * later one. */
static int refuse_fds(const struct netdev *n, struct err *err)
{
	int fd;

	if (!netdev_fds(n, &fd, 1))
		return 0;
	return err_set(err, -EINVAL,
		       "netdev %s: descriptors cannot be kept until a card is "
		       "added: name the interface, or leave vhost away",
		       n->common.id);
}

int machine_hot_netdev(struct machine_conf *m, struct config *config,
		       const char *text, struct err *err)
{
	unsigned before = config->netdev_count;
	int rc = read_netdev(config, text, err);
	struct netdev *n;
	bool is = false;

	if (rc)
		return rc;
	n = config->netdev[before];
	if (!strcmp(n->common.net, "default"))
		rc = opt_set(port_conf_rows, &n->common, "net", n->common.id,
			     err);
	if (!rc)
		rc = machine_vhost_check(config, n, &is, err);
	if (!rc && is)
		rc = refuse_fds(n, err);
	if (!rc && is)
		rc = machine_vhost_keep(m, n, err);
	if (rc)
		netdev_free(config_take(config, n->common.id));
	return rc ? rc : is;
}

static struct machine_card *find_backend(struct machine_conf *m, const char *id)
{
	struct machine_card *c = m->cards;

	while (c && strcmp(c->backend->common.id, id) != 0)
		c = c->next;
	return c;
}

static void drop_card(struct machine_card *c)
{
	vhost_card_destroy(c->vhost);
	netdev_free(c->card);
	c->vhost = NULL;
	c->card = NULL;
}

/* A card waits for what its tap has to run, and the machine would wait for that
 * here. */
static int refuse_program(const struct netdev *backend, struct err *err)
{
	if (backend->type != &port_tap_type ||
	    !tap_conf_vhost(backend->conf).has_program)
		return 0;
	return err_set(
		err, -EINVAL,
		"netdev %s has vhost=on and a script or helper, which "
		"run at the machine's start only: leave one of them away",
		backend->common.id);
}

/* Opens the card @n if its back-end is a vhost one. */
static int place_card(struct machine_conf *m, struct netdev *n,
		      struct loop *loop, struct machine_hot *hot,
		      struct err *err)
{
	const struct netcard_conf *conf = n->conf;
	struct machine_card *c = find_backend(m, conf->netdev);
	int rc;

	if (!c) {
		hot->port = n;
		return 0;
	}
	c->card = n;
	rc = n->type == &port_card_type
		     ? refuse_program(c->backend, err)
		     : err_set(err, -EINVAL,
			       "netdev %s is for virtio cards only: it has "
			       "vhost=on, or is vhost-user or vhost-vdpa",
			       c->backend->common.id);
	if (rc)
		err_prefix(err, rc, "device %s", n->common.id);
	else
		rc = machine_card_open(c, loop, err);
	if (rc)
		drop_card(c);
	else
		hot->card = c;
	return rc;
}

/* Returns whether a card is called @id. */
static bool is_card(const struct config *config, const char *id)
{
	for (unsigned i = 0; i < config->netdev_count; i++)
		if (machine_is_card(config->netdev[i]->type) &&
		    !strcmp(config->netdev[i]->common.id, id))
			return true;
	return false;
}

static struct machine_device *find_device(struct machine_conf *m,
					  const char *id)
{
	struct machine_device *d = m->devices;

	while (d && strcmp(((const struct device_conf *)d->conf)->id, id) != 0)
		d = d->next;
	return d;
}

/* Returns the newest device, or NULL. */
static struct machine_device *last_device(struct machine_conf *m)
{
	struct machine_device *d = m->devices;

	while (d && d->next)
		d = d->next;
	return d;
}

/* Cards and other devices are in two lists; a name is in one of them. */
static int refuse_name(const char *id, struct err *err)
{
	return err_set(err, -EEXIST, "device %s: id=%s: another device has it",
		       id, id);
}

int machine_hot_device(struct machine_conf *m, struct config *config,
		       const char *text, const char *control, struct loop *loop,
		       struct machine_hot *hot, struct err *err)
{
	unsigned before = config->netdev_count, order = m->device_count;
	struct machine_device *old = last_device(m), *d;
	int rc = machine_device_add(m, config, text, control, err);
	struct netdev *n = NULL;

	*hot = (struct machine_hot){ 0 };
	d = last_device(m);
	if (d == old)
		d = NULL;
	if (config->netdev_count > before)
		n = config->netdev[before];
	if (!rc && d && is_card(config, ((struct device_conf *)d->conf)->id))
		rc = refuse_name(((struct device_conf *)d->conf)->id, err);
	if (!rc && n && find_device(m, n->common.id)) {
		rc = refuse_name(n->common.id, err);
		netdev_free(config_take(config, n->common.id));
	} else if (!rc && n) {
		rc = place_card(m, n, loop, hot, err);
	}
	if (!rc) {
		hot->device = d;
		return 0;
	}
	if (d)
		machine_device_free(m, d);
	m->device_count = order;
	return rc;
}

void machine_hot_forget(struct machine_conf *m, const char *id)
{
	struct machine_device *d = find_device(m, id);

	for (struct machine_card *c = m->cards; c; c = c->next)
		if (c->card && !strcmp(c->card->common.id, id)) {
			drop_card(c);
			return;
		}
	if (d)
		machine_device_free(m, d);
}

int machine_hot_netdev_del(struct machine_conf *m, const char *id,
			   struct err *err)
{
	struct machine_card *c = find_backend(m, id), **at = &m->cards;

	if (!c)
		return 0;
	if (c->card)
		return err_set(err, -EBUSY,
			       "netdev %s: device %s is plugged into it: "
			       "`vm device del %s` first",
			       id, c->card->common.id, c->card->common.id);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	netdev_free(c->backend);
	free(c);
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards whose rings a vhost back-end serves, see machine_conf.h:
 * -netdev tap,vhost=on, vhost-user and vhost-vdpa. Control thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "machine_conf.h"
#include "machine_hot.h"
#include "tap.h"
#include "types.h"

#define VHOST_NET "/dev/vhost-net"

static const struct opt_pair *find(const struct opt_pair *pairs, int count,
				   const char *key)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(pairs[i].key, key) && pairs[i].value)
			return &pairs[i];
	return NULL;
}

static int is_of_qemu(const char *text, struct err *err)
{
	struct opt_pair *pairs;
	char *first;
	int count = opt_split(text, &first, &pairs, err), is;

	if (count < 0)
		return count;
	is = first && !strcmp(first, "vhost-user") &&
	     find(pairs, count, "chardev");
	opt_pairs_free(first, pairs, count);
	return is;
}

/* Lines that are kept until all options are read. */
static const struct opt_row kept_rows[] = {
	{ .key = "vhost-user",
	  .kind = OPT_LIST,
	  .offset = offsetof(struct machine_conf, vhost_user) },
	{ NULL },
};

int machine_keep_netdev(struct machine_conf *m, const char *text,
			struct err *err)
{
	int is = text && *text != '{' ? is_of_qemu(text, err) : 0;

	if (is <= 0)
		return is;
	is = opt_set(kept_rows, m, "vhost-user", text, err);
	return is ? is : 1;
}

/* Writes ",path=" and @path, whose commas are doubled. */
static void put_escaped(char *to, size_t size, const char *path)
{
	size_t n = (size_t)snprintf(to, size, ",path=");

	for (; *path && n + 3 < size; path++) {
		to[n++] = *path;
		if (*path == ',')
			to[n++] = ',';
	}
	to[n] = '\0';
}

/* Writes what the chardev @id says as options of vhost-user-front. */
static int put_chardev(const struct config *config, const char *id, char *to,
		       size_t size, struct err *err)
{
	const struct device *d = config->devices;
	size_t n;

	while (d && strcmp(d->id, id) != 0)
		d = d->next;
	if (!d)
		return err_set(err, -ENOENT,
			       "chardev=%s: there is no -chardev of this id",
			       id);
	if (d->addr.sa.sa_family != AF_UNIX)
		return err_set(err, -EINVAL,
			       "chardev=%s: must be a UNIX socket (path=)", id);
	put_escaped(to, size, d->addr.un.sun_path);
	n = strlen(to);
	if (d->server)
		snprintf(to + n, size - n, ",server=on,wait=%s",
			 d->wait == DEVICE_WAIT_OFF ? "off" : "on");
	else
		snprintf(to + n, size - n, ",reconnect-ms=%u", d->reconnect_ms);
	return 0;
}

int machine_vhost_translate_line(struct config *config, const char *text,
				 struct err *err)
{
	char line[512], where[256] = "";
	size_t at = (size_t)snprintf(line, sizeof(line), "vhost-user-front");
	struct opt_pair *pairs;
	char *first;
	int rc = 0, count = opt_split(text, &first, &pairs, err);

	if (count < 0)
		return count;
	for (int i = 0; i < count && !rc && at < sizeof(line); i++) {
		const char *value = pairs[i].value ? pairs[i].value : "";

		if (!strcmp(pairs[i].key, "chardev"))
			rc = put_chardev(config, value, where, sizeof(where),
					 err);
		else if (strcmp(pairs[i].key, "vhostforce") != 0)
			at += (size_t)snprintf(line + at, sizeof(line) - at,
					       ",%s=%s", pairs[i].key, value);
	}
	opt_pairs_free(first, pairs, count);
	if (rc)
		return rc;
	if (at + strlen(where) >= sizeof(line))
		return err_set(err, -EINVAL, "netdev: the line is too long");
	memcpy(line + at, where, strlen(where) + 1);
	return config_set(config, "netdev", line, err);
}

int machine_vhost_translate(struct machine_conf *m, struct config *config,
			    struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < m->vhost_user.count && !rc; i++) {
		rc = machine_vhost_translate_line(config,
						  m->vhost_user.value[i], err);
		if (rc)
			err_prefix(err, rc, "netdev %s",
				   m->vhost_user.value[i]);
	}
	return rc;
}

/* Returns the id of another port that is in the network of @n, or NULL. Cards
 * do not count. */
static const char *find_company(const struct config *config,
				const struct netdev *n)
{
	for (unsigned i = 0; i < config->netdev_count; i++) {
		const struct netdev *o = config->netdev[i];

		if (o != n && !machine_is_card(o->type) &&
		    !strcmp(o->common.net, n->common.net))
			return o->common.id;
	}
	return NULL;
}

/* Returns why vhost-net cannot be had, or NULL. Only opening it tells. */
static const char *why_not(void)
{
	int fd = open(VHOST_NET, O_RDWR | O_CLOEXEC);
	const char *why = fd < 0 ? strerror(errno) : NULL;

	fd_close(&fd);
	return why;
}

int machine_vhost_check(const struct config *config, const struct netdev *n,
			bool *is, struct err *err)
{
	const char *company = find_company(config, n), *why = NULL;
	struct tap_vhost v;

	*is = (n->type == &port_vhost_front_type && !company) ||
	      n->type == &port_vhost_vdpa_type;
	if (n->type == &port_vhost_vdpa_type && company)
		return err_set(err, -EINVAL,
			       "netdev %s: port %s is in its network, %s, too: "
			       "the frames of a vDPA device do not pass this "
			       "process: leave net= away",
			       n->common.id, company, n->common.net);
	if (n->type != &port_tap_type)
		return 0;
	v = tap_conf_vhost(n->conf);
	if (!v.is_wanted)
		return 0;
	if (company && v.is_forced)
		return err_set(err, -EINVAL,
			       "netdev %s: vhost: port %s is in its network, "
			       "%s, too: leave vhost away, or net=",
			       n->common.id, company, n->common.net);
	if (!company && !v.is_forced)
		why = why_not();
	*is = !company && !why;
	if (why)
		log_warn("netdev %s: vhost=on: " VHOST_NET ": %s: this process "
			 "moves the frames instead",
			 n->common.id, why);
	else if (company)
		log_warn("netdev %s: vhost=on: port %s is in its network, too: "
			 "this process moves the frames instead",
			 n->common.id, company);
	return 0;
}

static struct netdev *find_netdev(const struct config *c, const char *id)
{
	for (unsigned i = 0; i < c->netdev_count; i++)
		if (!strcmp(c->netdev[i]->common.id, id))
			return c->netdev[i];
	return NULL;
}

/* A filter would wait for frames that do not come. */
static int refuse_filters(const struct config *config,
			  const struct netdev *card, struct err *err)
{
	const struct netcard_conf *conf = card->conf;

	for (unsigned i = 0; i < config->object_count; i++) {
		const struct filter_conf *f = &config->object[i]->common;

		if (!strcmp(f->netdev, conf->netdev) ||
		    !strcmp(f->netdev, card->common.id))
			return err_set(err, -EINVAL,
				       "object %s: netdev=%s: its frames do "
				       "not pass this process: leave vhost=on "
				       "away, or put the filter where the "
				       "back-end is",
				       f->id, f->netdev);
	}
	return 0;
}

static struct machine_card *add_card(struct machine_conf *m, struct err *err)
{
	struct machine_card *c = calloc(1, sizeof(*c)), **at = &m->cards;

	if (!c) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	while (*at)
		at = &(*at)->next;
	*at = c;
	return c;
}

int machine_vhost_keep(struct machine_conf *m, struct netdev *backend,
		       struct err *err)
{
	struct machine_card *c = add_card(m, err);

	if (!c)
		return -ENOMEM;
	c->backend = backend;
	return 0;
}

static int take(struct machine_conf *m, struct config *config,
		const struct netdev *card, struct err *err)
{
	const struct netcard_conf *conf = card->conf;
	const struct netdev *backend = find_netdev(config, conf->netdev);
	struct machine_card *c;
	unsigned pairs;
	int rc = refuse_filters(config, card, err);

	if (rc)
		return rc;
	rc = machine_card_pairs(backend, card->conf, &pairs, err);
	if (rc)
		return err_prefix(err, rc, "device %s", card->common.id);
	c = add_card(m, err);
	if (!c)
		return -ENOMEM;
	c->backend = config_take(config, conf->netdev);
	c->card = config_take(config, card->common.id);
	return 0;
}

/* The frames of an emulated card are moved here, and a vDPA device is no port.
 */
static int refuse_emulated(const struct config *config,
			   const struct netdev *card, struct err *err)
{
	const struct netcard_conf *conf = card->conf;

	if (find_netdev(config, conf->netdev)->type != &port_vhost_vdpa_type)
		return 0;
	return err_set(err, -EINVAL,
		       "device %s: netdev %s is a vDPA device, which serves "
		       "the rings of a virtio-net-pci only",
		       card->common.id, conf->netdev);
}

int machine_vhost_take(struct machine_conf *m, struct config *config,
		       struct err *err)
{
	unsigned i = 0;

	while (i < config->netdev_count) {
		const struct netdev *n = config->netdev[i];
		const struct netcard_conf *card = n->conf;
		bool is = false;
		int rc = 0;

		if (n->type == &port_card_type)
			rc = machine_vhost_check(
				config, find_netdev(config, card->netdev), &is,
				err);
		else if (machine_is_card(n->type))
			rc = refuse_emulated(config, n, err);
		if (!rc && is)
			rc = take(m, config, n, err);
		if (rc)
			return rc;
		i = is ? 0 : i + 1; /* they have moved up */
	}
	return machine_hot_take_idle(m, config, err);
}

void machine_cards_free(struct machine_conf *m)
{
	struct machine_card *c;

	while ((c = m->cards)) {
		m->cards = c->next;
		netdev_free(c->card);
		netdev_free(c->backend);
		free(c);
	}
	opt_free(kept_rows, m);
}

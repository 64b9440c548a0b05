/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards whose rings a vhost back-end serves, see machine_conf.h:
 * -netdev tap,vhost=on and vhost-user. Control thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "front_target.h"
#include "log.h"
#include "machine_conf.h"
#include "tap.h"
#include "types.h"
#include "vhost_card.h"

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

int machine_keep_netdev(struct machine_conf *m, const char *text,
			struct err *err)
{
	static const struct opt_row row[] = {
		{ .key = "vhost-user",
		  .kind = OPT_LIST,
		  .offset = offsetof(struct machine_conf, vhost_user) },
		{ NULL },
	};
	int is = text && *text != '{' ? is_of_qemu(text, err) : 0;

	if (is <= 0)
		return is;
	is = opt_set(row, m, "vhost-user", text, err);
	return is ? is : 1;
}

/* Writes what the chardev @id says as options of vhost-user-front. */
static int put_chardev(const struct config *config, const char *id, char *to,
		       size_t size, struct err *err)
{
	const struct device *d = config->devices;

	while (d && strcmp(d->id, id) != 0)
		d = d->next;
	if (!d)
		return err_set(err, -ENOENT,
			       "chardev=%s: there is no -chardev of this id",
			       id);
	if (d->addr.sa.sa_family != AF_UNIX)
		return err_set(err, -EINVAL,
			       "chardev=%s: must be a UNIX socket (path=)", id);
	if (d->server)
		return err_set(err, -EINVAL,
			       "chardev=%s: server=on is not here: let the "
			       "back-end listen, and leave it away",
			       id);
	snprintf(to, size, ",path=%s,reconnect-ms=%u", d->addr.un.sun_path,
		 d->reconnect_ms);
	return 0;
}

static int translate(struct config *config, const char *text, struct err *err)
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
		rc = translate(config, m->vhost_user.value[i], err);
		if (rc)
			err_prefix(err, rc, "netdev %s",
				   m->vhost_user.value[i]);
	}
	return rc;
}

/* Returns whether a vhost back-end is behind @n. */
static bool is_vhost(const struct netdev *n)
{
	struct tap_vhost v;

	/* With a network of its own name it is the only port there. */
	if (n->type == &port_vhost_front_type)
		return !strcmp(n->common.net, n->common.id);
	if (n->type != &port_tap_type)
		return false;
	v = tap_conf_vhost(n->conf);
	if (!v.is_wanted)
		return false;
	if (v.is_forced || !access(VHOST_NET, R_OK | W_OK))
		return true;
	log_warn("netdev %s: vhost=on: %s: %s: this process moves the frames "
		 "instead",
		 n->common.id, VHOST_NET, strerror(errno));
	return false;
}

static struct netdev *find_netdev(const struct config *c, const char *id)
{
	for (unsigned i = 0; i < c->netdev_count; i++)
		if (!strcmp(c->netdev[i]->common.id, id))
			return c->netdev[i];
	return NULL;
}

static int take(struct machine_conf *m, struct config *config,
		const struct netdev *card, struct err *err)
{
	const struct card_conf *conf = card->conf;
	struct machine_card *c = calloc(1, sizeof(*c)), **at = &m->cards;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->backend = config_take(config, conf->netdev);
	c->card = config_take(config, card->common.id);
	while (*at)
		at = &(*at)->next;
	*at = c;
	return 0;
}

int machine_vhost_take(struct machine_conf *m, struct config *config,
		       struct err *err)
{
	unsigned i = 0;

	while (i < config->netdev_count) {
		const struct netdev *n = config->netdev[i];
		const struct card_conf *card = n->conf;
		int rc;

		if (n->type != &port_card_type ||
		    !is_vhost(find_netdev(config, card->netdev))) {
			i++;
			continue;
		}
		rc = take(m, config, n, err);
		if (rc)
			return rc;
		i = 0; /* they have moved up */
	}
	return 0;
}

/* Finds the number of queue pairs: what the back-end has, which the card must
 * not contradict. Returns 0 or -EINVAL with @err. */
static int count_pairs(const struct card_conf *c, unsigned has, unsigned *pairs,
		       struct err *err)
{
	*pairs = c->mq && !c->has_queues ? has : c->queues;
	if (*pairs == has)
		return 0;
	return err_set(err, -EINVAL,
		       "queues=%u: netdev %s has %u: write the same queues= "
		       "in both, and mq=on here",
		       *pairs, c->netdev, has);
}

static int open_user(struct machine_card *m, struct loop *loop, struct err *err)
{
	const struct front_target to = front_conf_target(m->backend->conf);
	struct vhost_card_setup setup = { .id = m->card->common.id,
					  .conf = m->card->conf,
					  .path = to.path,
					  .reconnect_ms = to.reconnect_ms };
	int rc = count_pairs(setup.conf, to.pairs, &setup.pairs, err);

	return rc ? rc : vhost_card_create(loop, &setup, &m->vhost, err);
}

static int open_net(struct machine_card *m, struct loop *loop, struct err *err)
{
	const struct tap_vhost v = tap_conf_vhost(m->backend->conf);
	int fd[TAP_MAX_QUEUES];
	struct tap_if tap;
	struct vhost_card_setup setup = { .id = m->card->common.id,
					  .conf = m->card->conf,
					  .tap = &tap,
					  .vhost_fd = fd,
					  .poll_us = v.poll_us };
	int rc = tap_conf_open(m->backend->conf, &tap, err);

	if (rc)
		return rc;
	rc = count_pairs(setup.conf, tap.count, &setup.pairs, err);
	if (!rc)
		rc = vhost_net_open(v.fds, setup.pairs, fd, err);
	if (rc) {
		tap_if_close(&tap);
		return rc;
	}
	return vhost_card_create(loop, &setup, &m->vhost, err);
}

int machine_cards_open(struct machine_conf *m, struct loop *loop,
		       struct err *err)
{
	int rc = 0;

	for (struct machine_card *c = m->cards; c && !rc; c = c->next) {
		rc = card_check(c->card->conf, err);
		if (!rc)
			rc = c->backend->type == &port_tap_type
				     ? open_net(c, loop, err)
				     : open_user(c, loop, err);
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

void machine_cards_free(struct machine_conf *m)
{
	struct machine_card *c;

	while ((c = m->cards)) {
		m->cards = c->next;
		netdev_free(c->card);
		netdev_free(c->backend);
		free(c);
	}
}

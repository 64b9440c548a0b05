/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the cards whose rings a vhost back-end serves, see machine_conf.h.
 * Control thread. */
#include <errno.h>

#include "front_target.h"
#include "machine_conf.h"
#include "tap.h"
#include "types.h"
#include "vdpa_target.h"
#include "vhost_card.h"

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
		       *pairs, c->common.netdev, has);
}

int machine_card_pairs(const struct netdev *backend, const struct card_conf *c,
		       unsigned *pairs, struct err *err)
{
	int rc;

	if (backend->type == &port_tap_type)
		return count_pairs(c, tap_conf_vhost(backend->conf).pairs,
				   pairs, err);
	if (backend->type == &port_vhost_vdpa_type) {
		rc = vdpa_conf_check(backend->conf, err);
		return rc ? err_prefix(err, rc, "netdev %s", backend->common.id)
			  : count_pairs(c,
					vdpa_conf_target(backend->conf).pairs,
					pairs, err);
	}
	rc = front_conf_check(backend->conf, err);
	return rc ? rc
		  : count_pairs(c, front_conf_target(backend->conf).pairs,
				pairs, err);
}

static int open_user(struct machine_card *m, struct loop *loop, struct err *err)
{
	const struct front_target to = front_conf_target(m->backend->conf);
	struct vhost_card_setup setup = { .id = m->card->common.id,
					  .conf = m->card->conf,
					  .path = to.path,
					  .reconnect_ms = to.reconnect_ms,
					  .is_server = to.is_server };
	int rc = machine_card_pairs(m->backend, setup.conf, &setup.pairs, err);

	return rc ? rc : vhost_card_create(loop, &setup, &m->vhost, err);
}

static int open_vdpa(struct machine_card *m, struct loop *loop, struct err *err)
{
	const struct vdpa_target to = vdpa_conf_target(m->backend->conf);
	struct vhost_card_setup setup = { .id = m->card->common.id,
					  .conf = m->card->conf,
					  .is_passed = to.fd,
					  .vdpa = &to };
	int rc = machine_card_pairs(m->backend, setup.conf, &setup.pairs, err);

	return rc ? rc : vhost_card_create(loop, &setup, &m->vhost, err);
}

/* Makes the card on a tap that can be used. @use is taken over also on
 * failure. */
static int make_net(struct machine_card *m, struct loop *loop,
		    struct tap_use *use, struct err *err)
{
	const struct tap_vhost v = tap_conf_vhost(m->backend->conf);
	int fd[TAP_MAX_QUEUES];
	struct vhost_card_setup setup = { .id = m->card->common.id,
					  .conf = m->card->conf,
					  .use = use,
					  .vhost_fd = fd,
					  .is_passed = v.fds,
					  .poll_us = v.poll_us };
	int rc = count_pairs(setup.conf, use->tap.count, &setup.pairs, err);

	if (!rc)
		rc = vhost_net_open(v.fds, setup.pairs, fd, err);
	if (rc) {
		tap_use_end(use);
		return rc;
	}
	return vhost_card_create(loop, &setup, &m->vhost, err);
}

static int open_net(struct machine_card *m, struct loop *loop, struct err *err)
{
	struct tap_use use = { .loop = loop, .name = m->backend->common.id };
	int rc = tap_conf_begin(m->backend->conf, &use, err);

	if (rc)
		return rc;
	rc = tap_use_wait(&use, err);
	if (!rc)
		return make_net(m, loop, &use, err);
	tap_use_end(&use);
	return rc;
}

int machine_card_open(struct machine_card *c, struct loop *loop,
		      struct err *err)
{
	int rc = card_check(c->card->conf, err);

	if (!rc && c->backend->type == &port_tap_type)
		rc = open_net(c, loop, err);
	else if (!rc && c->backend->type == &port_vhost_vdpa_type)
		rc = open_vdpa(c, loop, err);
	else if (!rc)
		rc = open_user(c, loop, err);
	return rc ? err_prefix(err, rc, "device %s", c->card->common.id) : 0;
}

int machine_cards_open(struct machine_conf *m, struct loop *loop,
		       struct err *err)
{
	int rc = 0;

	for (struct machine_card *c = m->cards; c && !rc; c = c->next)
		if (c->card)
			rc = machine_card_open(c, loop, err);
	return rc;
}

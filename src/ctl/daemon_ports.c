/* SPDX-License-Identifier: Apache-2.0 */
/* The ports and filters of a daemon that runs, see daemon.h. Control thread. */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_capture.h"

static int refuse_taken_id(struct daemon *d, const char *id, struct err *err)
{
	if (d->machine && d->machine->refuse_port(d->machine_arg, id, NULL))
		return err_set(err, -EEXIST,
			       "id=%s is taken, by the machine: choose another",
			       id);
	if (!switch_find_port(d->sw, id))
		return 0;
	return err_set(err, -EEXIST,
		       "id=%s is taken: choose another, or `port del %s` first",
		       id, id);
}

int daemon_add_port(struct daemon *d, struct netdev *n, struct err *err)
{
	const struct port_env env = switch_port_env(d->sw);
	struct daemon_port *p = calloc(1, sizeof(*p)), **last;
	int rc;

	if (!p) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto err_free;
	}
	rc = refuse_taken_id(d, n->common.id, err);
	if (rc)
		goto err_free;
	rc = n->type->create(&env, &n->common, n->conf, &p->port, err);
	if (rc)
		goto err_free;
	rc = switch_add_port(d->sw, p->port, n->common.net, err);
	if (rc)
		goto err_destroy;
	p->netdev = n;
	for (last = &d->ports; *last; last = &(*last)->next)
		;
	*last = p;
	return 0;
err_destroy:
	p->port->ops->destroy(p->port);
err_free:
	err_prefix(err, rc, "netdev %s", n->common.id);
	free(p);
	netdev_free(n);
	return rc;
}

int daemon_add_configured(struct daemon *d, struct netdev *n, struct err *err)
{
	struct netdev *copy = netdev_copy(n);
	struct daemon_port *p;
	char id[80];
	int rc;

	snprintf(id, sizeof(id), "%s", n->common.id);
	if (!copy) {
		netdev_free(n);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = daemon_add_port(d, n, err);
	if (rc) {
		netdev_free(copy);
		return rc;
	}
	p = daemon_find_port(d, id, NULL);
	p->configured = copy;
	return 0;
}

/* A list of names for an error text. */
struct names {
	char list[300];
	size_t size;
};

static void names_add(struct names *n, const char *name)
{
	if (n->size == sizeof(n->list) - 1)
		return;
	n->size +=
		(size_t)snprintf(n->list + n->size, sizeof(n->list) - n->size,
				 "%s%s", n->size ? ", " : "", name);
	n->size = MIN(n->size, sizeof(n->list) - 1);
}

static void refuse_unknown(const struct names *n, const char *what,
			   const char *id, struct err *err)
{
	err_set(err, -ENOENT, "no %s '%.64s': there are %s", what, id,
		n->size ? n->list : "none");
}

struct daemon_port *daemon_find_port(struct daemon *d, const char *id,
				     struct err *err)
{
	struct names names = { 0 };

	for (struct daemon_port *p = d->ports; p; p = p->next)
		if (!strcmp(p->netdev->common.id, id))
			return p;
	for (struct daemon_port *p = d->ports; p && err; p = p->next)
		names_add(&names, p->netdev->common.id);
	if (!d->machine || !d->machine->refuse_port(d->machine_arg, id, err))
		refuse_unknown(&names, "port", id, err);
	return NULL;
}

static void add_filter_name(const struct filter *f, void *arg)
{
	names_add(arg, f->spec->common.id);
}

struct filter *daemon_find_filter(struct daemon *d, const char *id,
				  struct err *err)
{
	struct names names = { 0 };

	for (struct daemon_port *p = d->ports; p; p = p->next) {
		struct filter *f = filter_find(p->port, id);

		if (f)
			return f;
	}
	for (struct daemon_port *p = d->ports; p && err; p = p->next)
		filter_each(p->port, add_filter_name, &names);
	refuse_unknown(&names, "filter", id, err);
	return NULL;
}

int daemon_add_filter(struct daemon *d, struct filter_spec *spec,
		      struct err *err)
{
	const struct filter_env env = { switch_port_env(d->sw), d->devices };
	const char *id = spec->common.id;
	struct daemon_port *p = daemon_find_port(d, spec->common.netdev, err);
	int rc;

	if (!p) {
		rc = err_prefix(err, -ENOENT, "object %.64s: netdev=%.64s", id,
				spec->common.netdev);
		goto err_free;
	}
	if (daemon_find_filter(d, id, NULL)) {
		rc = err_set(err, -EEXIST,
			     "object %.64s: id=%.64s is taken: choose another, "
			     "or `filter del %.64s` first",
			     id, id, id);
		goto err_free;
	}
	return filter_add(&env, p->port, spec, err);
err_free:
	filter_spec_free(spec);
	return rc;
}

void daemon_remove_port(struct daemon *d, struct daemon_port *p)
{
	struct daemon_port **at;

	daemon_capture_end(p, "the port was removed");
	for (at = &d->ports; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	filter_remove_all(p->port);
	switch_remove_port(d->sw, p->port);
	p->port->ops->destroy(p->port);
	netdev_free(p->netdev);
	netdev_free(p->configured);
	free(p);
}

/* A machine has its cards until it lets go of them. */
static bool is_of_machine(const struct port *p)
{
	return p->type->option && !strcmp(p->type->option, "device");
}

int daemon_del_port(struct daemon *d, const char *id, struct err *err)
{
	struct daemon_port *p = daemon_find_port(d, id, err);
	const struct port *by;

	if (!p)
		return -ENOENT;
	by = p->port->brought_by;
	if (by)
		return err_set(err, -EBUSY,
			       "port %s is in network %s because of port %s: "
			       "`port del %s` first",
			       id, switch_net_name(p->port), by->name,
			       by->name);
	if (is_of_machine(p->port))
		return err_set(err, -EBUSY,
			       "port %s is a card of the machine: `vm device "
			       "del %s` takes it away",
			       id, id);
	daemon_remove_port(d, p);
	return 0;
}

int daemon_change_port(struct daemon_port *p, struct netdev *changed,
		       struct err *err)
{
	struct port *port = p->port;
	int rc = port_conf_check(&changed->common, err);

	if (!rc && port->ops->set)
		rc = port->ops->set(port, changed->conf, err);
	if (rc)
		return rc;
	/* The last one, since it needs nothing but memory from here on: frames
	 * are in no VLAN that is refused a moment later. */
	rc = switch_set_vlan(port, &changed->common.vlan, err);
	if (rc) {
		if (port->ops->set)
			port->ops->set(port, p->netdev->conf, NULL);
		return rc;
	}
	port_set_common(port, &changed->common);
	netdev_free(p->netdev);
	p->netdev = changed;
	return 0;
}

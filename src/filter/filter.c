/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters come into a port's chain and leave it, see filter.h. Control thread.
 *
 * A chain is immutable: each change publishes a new one, waits for workers and
 * frees the old one. A filter is freed after the chain without it was published
 * and no worker can have an older one.
 */
#include "filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "filter_impl.h"
#include "rcu.h"

void filter_init(struct filter *f, const struct filter_ops *ops, struct port *p,
		 struct filter_spec *spec)
{
	f->ops = ops;
	f->port = p;
	f->spec = spec;
	f->queue = (enum filter_queue)spec->common.queue;
	f->is_on = spec->common.status;
}

static unsigned count_of(const struct port *p)
{
	return p->filters ? p->filters->count : 0;
}

/* Returns the position of the filter @id, or the number of filters. */
static unsigned index_of(const struct port *p, const char *id)
{
	unsigned i = 0;

	while (i < count_of(p) &&
	       strcmp(p->filters->filter[i]->spec->common.id, id))
		i++;
	return i;
}

struct filter *filter_find(const struct port *p, const char *id)
{
	unsigned i = index_of(p, id);

	return i < count_of(p) ? p->filters->filter[i] : NULL;
}

/* Publishes @c and frees the chain before it. */
static void publish(struct port *p, struct filter_chain *c)
{
	struct filter_chain *old = p->filters;

	rcu_publish(p->filters, c);
	rcu_wait_workers();
	free(old);
}

/* Stores the place of a new filter in @at. Returns 0 or -errno with @err. */
static int find_place(const struct port *p, const struct filter_conf *c,
		      unsigned *at, struct err *err)
{
	unsigned count = count_of(p);
	int rc = chain_check_port(p, err);

	if (rc)
		return rc;
	if (count == CHAIN_MAX)
		return err_set(err, -ENOSPC, "port %s has %u filters already",
			       p->name, count);
	*at = strcmp(c->position, "head") ? count : 0;
	if (strncmp(c->position, "id=", 3))
		return 0;
	*at = index_of(p, c->position + 3);
	if (*at == count)
		return err_set(err, -ENOENT,
			       "position=%s: port %s has no such filter",
			       c->position, p->name);
	*at += c->insert == FILTER_BEHIND;
	return 0;
}

/* Makes @c the chain of @p with @f at position @at. */
static void insert(struct port *p, struct filter_chain *c, struct filter *f,
		   unsigned at)
{
	c->count = count_of(p) + 1;
	for (unsigned i = 0; i < c->count; i++)
		c->filter[i] = i == at ? f : p->filters->filter[i - (i > at)];
	publish(p, c);
}

int filter_add(const struct filter_env *env, struct port *p,
	       struct filter_spec *spec, struct err *err)
{
	struct filter_chain *c = calloc(1, sizeof(*c));
	struct filter_chain *spare = calloc(1, sizeof(*spare));
	struct filter *f;
	unsigned at = 0;
	int rc = find_place(p, &spec->common, &at, err);

	if (!rc && (!c || !spare))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = spec->type->create(env, p, spec, &f, err);
	if (rc) {
		err_prefix(err, rc, "object %.64s", spec->common.id);
		filter_spec_free(spec);
		free(c);
		free(spare);
		return rc;
	}
	f->spare = spare;
	insert(p, c, f, at);
	rc = f->ops->start ? f->ops->start(f, err) : 0;
	if (rc) {
		err_prefix(err, rc, "object %.64s", spec->common.id);
		filter_remove(f);
	}
	return rc;
}

void filter_set_status(struct filter *f, bool on)
{
	f->spec->common.status = on;
	shm_store(&f->is_on, on);
	if (f->ops->settle)
		f->ops->settle(f);
}

void filter_remove(struct filter *f)
{
	struct filter_spec *spec = f->spec;
	struct filter_chain *less = f->spare, *c = f->port->filters;

	filter_set_status(f, false);
	if (f->ops->drain)
		f->ops->drain(f);
	less->count = 0;
	for (unsigned i = 0; i < c->count; i++)
		if (c->filter[i] != f)
			less->filter[less->count++] = c->filter[i];
	if (!less->count) {
		free(less);
		less = NULL;
	}
	publish(f->port, less);
	f->ops->destroy(f);
	filter_spec_free(spec);
}

void filter_remove_all(struct port *p)
{
	while (p->filters)
		filter_remove(p->filters->filter[p->filters->count - 1]);
}

void filter_each(const struct port *p,
		 void (*fn)(const struct filter *f, void *arg), void *arg)
{
	for (unsigned i = 0; i < count_of(p); i++)
		fn(p->filters->filter[i], arg);
}

void filter_show(const struct filter *f, struct show *s)
{
	show_str(s, "type", f->spec->type->name);
	opt_show(filter_conf_rows, &f->spec->common, s);
	opt_show(f->spec->type->rows, f->spec->conf, s);
	if (f->ops->show)
		f->ops->show(f, s);
}
